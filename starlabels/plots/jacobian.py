"""Figures of the averaged Jacobians: what the network reads beside what the atmosphere writes."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.plots import PAGE, color, plt, save
from starlabels.plots.lines import find_lines_inside, mark_lines, draw_line_verticals, format_wavelength_axis


def draw_jacobian(wave, moments, labels, lines, windows, n, path, medium="air"):
    """Mean spectrum with named lines; below, per label, d label/d flux with scatter over stars, and d flux/d label.

    windows: for each label [(low, high), ...] in A that it is read from, to be shaded.
    """
    physical = moments.get("sensitivity")
    heights = [1.7] + ([1, 0.65] if physical else [1]) * len(labels)
    size = (PAGE, 0.6 + 0.75 * sum(heights))
    fig, axes = plt.subplots(len(heights), 1, figsize=size, sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.015, hspace=0)
    flux = moments["flux"]["mean"]
    draw_mean_spectrum(axes[0], wave, flux, lowest=flux.min())
    axes[0].set_ylabel("mean flux")
    mark_lines(axes[0], wave, lines)
    panels = iter(axes[1:])
    for j, one in enumerate(labels):
        ax = draw_band_panel(next(panels), wave, select_row(moments, "network", j), color(j), lines)
        ax.set_ylabel(format_derivative(one), fontsize=8)
        shade_windows(ax, windows[j])
        if physical:
            step = 10.0 ** np.floor(
                np.log10(0.1 / np.abs(physical["mean"][j]).max())
            )  # a change that shows
            ax = draw_band_panel(
                next(panels), wave, select_row(moments, "sensitivity", j, factor=step), "0.25", lines
            )
            ax.set_ylabel(f"$\\Delta f$ for\n{step:g} {one.unit}", fontsize=7)
            shade_windows(ax, windows[j])
    axes[-1].set(xlabel=format_wavelength_axis(medium), xlim=(wave[0], wave[-1]))
    text = f"Mean of {n} Jacobians of the network (colour)"
    text += " and change of the flux with that label (grey)" if physical else ""
    text += "; shading is the star-to-star standard deviation" + describe_windows(windows)
    axes[0].set_title(text, fontsize=8, loc="left")
    fig.align_ylabels(axes)
    return save(fig, path)


def format_derivative(one):
    """d label/d flux with its unit, in two lines, for an axis."""
    return f"$\\partial${one.symbol}$/\\partial f$" + (f"\n({one.unit})" if one.unit else "")


def draw_mean_spectrum(ax, wave, flux, lowest):
    """The mean flux in black, on an axis from the lowest flux to room for names above the continuum."""
    ax.plot(wave, flux, color="k", lw=0.6)
    depth = 1.05 - lowest
    ax.set_ylim(lowest - 0.08 * depth, 1 + 0.6 * depth)
    ax.yaxis.set_major_locator(MaxNLocator(4, prune="both"))


def draw_band(ax, wave, moment, c):
    """Mean of a moment's row with its standard deviation as shading."""
    mean, std = moment["mean"], moment["std"]
    ax.axhline(0, color="0.6", lw=0.5)
    ax.fill_between(wave, mean - std, mean + std, color=c, alpha=0.25, lw=0)
    ax.plot(wave, mean, color=c, lw=0.6)


def draw_band_panel(ax, wave, moment, c, lines):
    """A band on an axis symmetric about zero, with a faint vertical at each named line; the axes."""
    draw_band(ax, wave, moment, c)
    set_symmetric_limits(ax, moment)
    draw_line_verticals(ax, wave, lines)
    return ax


def set_symmetric_limits(ax, moment):
    """Make the axis symmetric about zero, as the sign is the message; a few extreme pixels may leave it."""
    limit = 1.25 * np.percentile(np.abs(moment["mean"]) + moment["std"], 99.8) or 1.0
    ax.set_ylim(-limit, limit)
    ax.yaxis.set_major_locator(MaxNLocator(4, symmetric=True, prune="both"))


def select_row(moments, name, j, part=slice(None), factor=1.0):
    """{moment: (n_pix,)} of one label and part of the wavelengths."""
    return {moment: factor * values[j, part] for moment, values in moments[name].items()}


def shade_windows(ax, windows):
    """Grey behind the windows [(low, high), ...] that a label is read from."""
    for low, high in windows:
        ax.axvspan(low, high, color="0.9", lw=0, zorder=-1)


def describe_windows(windows):
    """A line of a title that says what `shade` does, if some label has windows."""
    return (
        "\nGrey background: the windows that an element is read from"
        if any(map(len, windows))
        else ""
    )


def draw_line_closeups(wave, moments, labels, lines, windows, snr, path, medium="air", gap=25.0, pad=12.0):
    """The named lines close up: mean spectrum, d label/d flux of network and linear estimator; None without lines."""
    places = np.array([place for place, _ in find_lines_inside(wave, lines)])
    if not len(places):
        return None
    groups = np.split(places, np.flatnonzero(np.diff(places) > gap) + 1)
    regions = [(max(group[0] - pad, wave[0]), min(group[-1] + pad, wave[-1])) for group in groups]
    widths = np.array([max(high - low, 2 * pad) for low, high in regions])
    heights, size = [1.6] + [1] * len(labels), (PAGE, 1.6 + 1.0 * len(labels))
    ratios = {"width_ratios": widths, "height_ratios": heights}
    fig, axes = plt.subplots(
        len(heights), len(widths), figsize=size, sharex="col", sharey="row", squeeze=False, **ratios
    )
    fig.get_layout_engine().set(h_pad=0.015, w_pad=0.015, hspace=0, wspace=0)
    parts = [(wave >= low) & (wave <= high) for low, high in regions]
    shown = np.any(parts, axis=0)
    for (low, high), width, part, column in zip(regions, widths, parts, axes.T):
        draw_mean_spectrum(
            column[0],
            wave[part],
            moments["flux"]["mean"][part],
            lowest=moments["flux"]["mean"][shown].min(),
        )
        mark_lines(column[0], wave[part], lines, room=0.017 * widths.sum() / width)
        for j, ax in enumerate(column[1:]):
            draw_band(ax, wave[part], select_row(moments, "network", j, part), color(j))
            if "ideal" in moments:
                ax.plot(wave[part], moments["ideal"]["mean"][j, part], color="k", lw=0.6)
            draw_line_verticals(ax, wave[part], lines)
            shade_windows(ax, windows[j])
        step = 20 if width > 0.25 * widths.sum() else 10
        column[0].set(
            xlim=(low, high), xticks=np.arange(np.ceil((low + 3) / step) * step, high - 3, step)
        )
    axes[0, 0].set_ylabel("mean flux")
    for j, (one, ax) in enumerate(zip(labels, axes[1:, 0])):
        set_symmetric_limits(ax, select_row(moments, "network", j, shown))
        ax.set_ylabel(format_derivative(one), fontsize=8)
    text = (
        f"; best linear estimator at S/N {snr} from the nodes (black)" if "ideal" in moments else ""
    )
    fig.suptitle(
        "Mean of the network (colour)" + text + describe_windows(windows), fontsize=8, x=0.1, ha="left"
    )
    fig.supxlabel(format_wavelength_axis(medium), fontsize=9)
    fig.align_ylabels(axes[:, 0])
    return save(fig, path)
