"""Figures of averaged Jacobians: sensitivity of the network and of the atmosphere to labels."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.plots import PAGE, color, plt, save_figure
from starlabels.plots.lines import (
    draw_line_verticals,
    find_lines_inside,
    format_wavelength_axis,
    mark_lines,
)


def draw_jacobian(wave, moments, labels, lines, windows, n, path, medium="air"):
    """Draw the mean spectrum and, per label, d label / d flux and d flux / d label.

    Parameters
    ----------
    wave : ndarray (n_pix,), in Angstrom
    moments : dict
        {"mean", "std"} of "flux" (n_pix,), "network" (n_labels, n_pix) and, if known,
        "sensitivity" (n_labels, n_pix) over the stars.
    labels : list of Label (n_labels,)
    lines : dict
        {name: [wavelength (Angstrom), ...]} of lines to name.
    windows : list (n_labels,) of [(low, high), ...]
        Wavelengths that each label is read from, to be shaded.
    n : int or str
        Number of stars, perhaps with the name of their kind.
    path : Path
        PNG file to write.
    medium : str
        "air" or "vacuum".
    """
    physical = "sensitivity" in moments
    heights = [1.7] + ([1, 0.65] if physical else [1]) * len(labels)
    size = (PAGE, 0.6 + 0.75 * sum(heights))
    fig, axes = plt.subplots(len(heights), 1, figsize=size, sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.015, hspace=0)
    flux = moments["flux"]["mean"]
    draw_mean_spectrum(axes[0], wave, flux, lowest=flux.min())
    axes[0].set_ylabel("mean flux")
    mark_lines(axes[0], wave, lines)
    panels = iter(axes[1:])
    for j, label in enumerate(labels):
        ax = next(panels)
        draw_band_panel(ax, wave, select_row(moments, "network", j), color(j), lines)
        ax.set_ylabel(format_derivative(label), fontsize=8)
        shade_windows(ax, windows[j])
        if physical:
            ax = next(panels)
            draw_sensitivity(ax, wave, moments, j, label, lines)
            shade_windows(ax, windows[j])
    axes[-1].set(xlabel=format_wavelength_axis(medium), xlim=(wave[0], wave[-1]))
    text = f"Mean Jacobian of {n} stars (colour)"
    text += ", change of the flux with that label (grey)" if physical else ""
    text += "; shading: star-to-star standard deviation" + describe_windows(windows)
    axes[0].set_title(text, fontsize=8, loc="left")
    fig.align_ylabels(axes)
    return save_figure(fig, path)


def draw_sensitivity(ax, wave, moments, j, label, lines):
    """Draw d flux / d label of the j-th label, for a change of the label that is visible."""
    largest = np.abs(moments["sensitivity"]["mean"][j]).max()
    step = 10.0 ** np.floor(np.log10(0.1 / largest))
    moment = select_row(moments, "sensitivity", j, factor=step)
    draw_band_panel(ax, wave, moment, "0.25", lines)
    ax.set_ylabel(f"$\\Delta f$ for\n{step:g} {label.unit}", fontsize=7)


def format_derivative(label):
    """Text of d label / d flux with its unit, in two lines, for an axis."""
    unit = f"\n({label.unit})" if label.unit else ""
    return f"$\\partial${label.symbol}$/\\partial f$" + unit


def draw_mean_spectrum(ax, wave, flux, lowest):
    """Draw the mean flux (n_pix,) on an axis from the lowest flux to room for names of lines."""
    ax.plot(wave, flux, color="k", lw=0.6)
    depth = 1.05 - lowest
    ax.set_ylim(lowest - 0.08 * depth, 1 + 0.6 * depth)
    ax.yaxis.set_major_locator(MaxNLocator(4, prune="both"))


def draw_band(ax, wave, moment, shade):
    """Draw the mean {"mean", "std": (n_pix,)} with its standard deviation as shading."""
    mean = moment["mean"]
    std = moment["std"]
    ax.axhline(0, color="0.6", lw=0.5)
    ax.fill_between(wave, mean - std, mean + std, color=shade, alpha=0.25, lw=0)
    ax.plot(wave, mean, color=shade, lw=0.6)


def draw_band_panel(ax, wave, moment, shade, lines):
    """Draw a band on an axis symmetric about zero, with a faint vertical at each named line."""
    draw_band(ax, wave, moment, shade)
    set_symmetric_limits(ax, moment)
    draw_line_verticals(ax, wave, lines)


def set_symmetric_limits(ax, moment):
    """Make the axis symmetric about zero to show the sign; a few extreme pixels may lie outside."""
    limit = 1.25 * np.percentile(np.abs(moment["mean"]) + moment["std"], 99.8) or 1.0
    ax.set_ylim(-limit, limit)
    ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True, prune="both"))


def select_row(moments, name, j, part=slice(None), factor=1.0):
    """{moment: (n_pix,)} of one label and part of the wavelengths."""
    return {moment: factor * values[j, part] for moment, values in moments[name].items()}


def shade_windows(ax, windows):
    """Shade the windows [(low, high), ...] that a label is read from in grey."""
    for low, high in windows:
        ax.axvspan(low, high, color="0.9", lw=0, zorder=-1)


def describe_windows(windows):
    """Line of a title that explains the grey background, if some label has windows."""
    if not any(map(len, windows)):
        return ""
    return "\nGrey background: the windows that an element is read from"


def draw_line_closeups(
    wave, moments, labels, lines, windows, snr, path, medium="air", gap=25.0, pad=12.0
):
    """Draw the mean spectrum and d label / d flux around the named lines.

    Parameters
    ----------
    wave, labels, lines, windows, path, medium
        See `draw_jacobian`.
    moments : dict
        As for `draw_jacobian`; "ideal" (n_labels, n_pix) of the best linear estimator if known.
    snr : float
        S/N of the best linear estimator.
    gap, pad : float
        Least distance of lines in different panels and margin of a panel (Angstrom).

    Returns
    -------
    Path, or None without lines.
    """
    regions = find_regions(wave, lines, gap, pad)
    if not regions:
        return None
    widths = np.array([max(high - low, 2 * pad) for low, high in regions])
    heights = [1.6] + [1] * len(labels)
    shape = {"figsize": (PAGE, 1.6 + 1.0 * len(labels)), "sharex": "col", "sharey": "row"}
    ratios = {"width_ratios": widths, "height_ratios": heights}
    fig, axes = plt.subplots(len(heights), len(widths), squeeze=False, **shape, **ratios)
    fig.get_layout_engine().set(h_pad=0.015, w_pad=0.015, hspace=0, wspace=0)
    parts = [(wave >= low) & (wave <= high) for low, high in regions]
    shown = np.any(parts, axis=0)
    lowest = moments["flux"]["mean"][shown].min()
    rooms = 0.017 * widths.sum() / widths
    steps = np.where(widths > 0.25 * widths.sum(), 20, 10)  # of the ticks
    for column, part, room in zip(axes.T, parts, rooms):
        draw_closeup(column, wave, moments, part, lines, windows, lowest, room)
    for ax, (low, high), step in zip(axes[0], regions, steps):
        ticks = np.arange(np.ceil((low + 3) / step) * step, high - 3, step)
        ax.set(xlim=(low, high), xticks=ticks)
    axes[0, 0].set_ylabel("mean flux")
    for j, (label, ax) in enumerate(zip(labels, axes[1:, 0])):
        set_symmetric_limits(ax, select_row(moments, "network", j, shown))
        ax.set_ylabel(format_derivative(label), fontsize=8)
    text = "Mean of the network (colour)"
    if "ideal" in moments:
        text += f"; best linear estimator at S/N {snr:g} from the nodes (black)"
    fig.suptitle(text + describe_windows(windows), fontsize=8, x=0.1, ha="left")
    fig.supxlabel(format_wavelength_axis(medium), fontsize=9)
    fig.align_ylabels(axes[:, 0])
    return save_figure(fig, path)


def find_regions(wave, lines, gap, pad):
    """Regions [(low, high), ...] in Angstrom around the named lines inside the wavelengths."""
    places = np.array([place for place, _ in find_lines_inside(wave, lines)])
    if not len(places):
        return []
    groups = np.split(places, np.flatnonzero(np.diff(places) > gap) + 1)
    return [(max(group[0] - pad, wave[0]), min(group[-1] + pad, wave[-1])) for group in groups]


def draw_closeup(column, wave, moments, part, lines, windows, lowest, room):
    """Draw the panels of one region, a part (n_pix,) of the wavelengths; room: see mark_lines."""
    draw_mean_spectrum(column[0], wave[part], moments["flux"]["mean"][part], lowest=lowest)
    mark_lines(column[0], wave[part], lines, room=room)
    for j, ax in enumerate(column[1:]):
        draw_band(ax, wave[part], select_row(moments, "network", j, part), color(j))
        if "ideal" in moments:
            ax.plot(wave[part], moments["ideal"]["mean"][j, part], color="k", lw=0.6)
        draw_line_verticals(ax, wave[part], lines)
        shade_windows(ax, windows[j])
