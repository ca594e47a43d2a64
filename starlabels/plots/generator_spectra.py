"""Figures of generated over synthesised spectra; differences in thousandths of the continuum."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.plots import BLACK, BLUE, ORANGE, PAGE, VERMILLION, color, plt, save_figure
from starlabels.plots.generator_errors import (
    SIZE,
    format_digits,
    scale_to_thousandths,
    set_error_ticks,
)
from starlabels.plots.lines import (
    draw_line_verticals,
    find_lines_inside,
    format_line_name,
    format_wavelength_axis,
    mark_lines,
)
from starlabels.plots.panels import BOX, HALO

CURVES = {"worst": ("worst", ORANGE), "p95": ("95th percentile", BLUE), "mean": ("mean", BLACK)}
LETTER = 0.045  # inches: a letter of a line's name on its side
TICK = 0.14  # inches: the tick below the name with its gaps
NEAR = 3.0  # Angstrom about a line within which its error is taken
APART = 0.02  # least distance of two worst lines, as a fraction of the window
MOST = 6  # number of worst lines
STEP = 20.0  # thousandths: most that the flux changes by the label step of a panel


def draw_spectrum_pairs(wave, truth, generated, titles, lines, path, medium="air"):
    """Draw synthesised and generated spectra of several stars, each with its difference below.

    Parameters
    ----------
    wave : ndarray (n_pix,)
        Wavelengths (Angstrom).
    truth, generated : ndarray (n, n_pix)
        Synthesised and generated flux.
    titles : list of str (n,)
    lines : dict
        {name: [wavelength (Angstrom), ...]} of lines to name.
    path : Path
        PNG file to write.
    medium : str
        "air" or "vacuum".

    Returns
    -------
    Path
    """
    flux, strip, gap = 0.95, 0.5, 0.07  # inches
    names = compute_names_height(wave, lines)
    heights = [flux + names, strip, *[gap, flux, strip] * (len(truth) - 1)]
    fig, axes = make_stacked_panels(heights, 0.3 + 0.2 * len(truth))
    for ax in axes[2::3]:
        ax.axis("off")
    axes = np.delete(axes, slice(2, None, 3))
    style = {"rotation": 90, "va": "center", "linespacing": 1.05, "ma": "center", "fontsize": 7}
    for i, (top, low) in enumerate(axes.reshape(-1, 2)):
        top.plot(wave, truth[i], color=BLACK, lw=0.7, label="synthesised")
        top.plot(wave, generated[i], color=VERMILLION, lw=0.7, ls=(0, (4, 2)), label="generated")
        set_flux_axis(top, np.minimum(truth[i], generated[i]), 0 if i else names / heights[0])
        difference = 1e3 * (generated[i] - truth[i])
        low.plot(wave, difference, color=VERMILLION, lw=0.6)
        set_symmetric_axis(low, difference)
        low.set_ylabel("$\\Delta f$\n($10^{-3}$)", fontsize=8)
        top.set_title(titles[i], fontsize=8, loc="left", pad=3.5)
        size = np.abs(difference)
        text = f"mean {format_digits(size.mean())}\nmax {format_digits(size.max())}"
        low.text(1.006, 0.5, text, transform=low.transAxes, **style)
    mark_lines(axes[0], wave, lines)
    finish_wavelength_axes(fig, axes, wave, lines, medium, axes[0])
    return save_figure(fig, path)


def make_stacked_panels(heights, extra):
    """Figure and axes of panels of those heights (inches) with a common axis of wavelengths.

    `extra` (inches) is added for what surrounds the panels.
    """
    size = (PAGE, sum(heights) + extra)
    fig, axes = plt.subplots(len(heights), 1, figsize=size, sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0, rect=(0, 0, 1, 1 - 0.03 / size[1]))
    return fig, axes


def finish_wavelength_axes(fig, axes, wave, lines, medium, named=None):
    """Draw line verticals below the first axes, name the wavelengths; legend of the axes named."""
    for ax in axes[1:]:
        draw_line_verticals(ax, wave, lines)
    axes[-1].set(xlabel=format_wavelength_axis(medium), xlim=(wave[0], wave[-1]))
    if named:
        fig.legend(*named.get_legend_handles_labels(), ncols=3, loc="lower right", borderpad=0)
    fig.align_ylabels(axes)


def compute_names_height(wave, lines):
    """Height (inches) of the names of lines inside the wavelengths with their ticks; 0 if none."""
    longest = max((len(name) for _, name in find_lines_inside(wave, lines)), default=0)
    return TICK + LETTER * longest if longest else 0.0


def set_flux_axis(ax, flux, room, word="flux"):
    """Set an axis from the lowest flux to the continuum, with room (fraction) for line names."""
    depth = max(1 - flux.min(), 0.02)
    low = flux.min() - 0.08 * depth
    high = 1 + 0.1 * depth
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, 1)
    # Numbers near the ends would keep the panels apart.
    ticks = [tick for tick in ticks if low + 0.07 * (high - low) < tick < 1.001]
    ax.set(ylim=(low, low + (high - low) / (1 - room)), yticks=ticks, ylabel=word)


def set_symmetric_axis(ax, values):
    """Make the axis symmetric about zero around all values, with one round tick on each side."""
    limit = 1.15 * np.abs(values).max() or 1.0
    decade = 10.0 ** np.floor(np.log10(0.8 * limit))
    tick = decade * max(i for i in (1, 2, 5) if i * decade <= 0.8 * limit)
    ax.set(ylim=(-limit, limit), yticks=[-tick, 0, tick])
    ax.axhline(0, color="0.6", lw=0.5, zorder=1)


def draw_error_by_wavelength(wave, mean_flux, errors, lines, path, medium="air"):
    """Draw the mean spectrum and, below, the error by wavelength with the worst lines named.

    Parameters
    ----------
    wave, mean_flux : ndarray (n_pix,)
        Wavelengths (Angstrom) and mean flux.
    errors : dict
        {"mean", "p95", "worst": (n_pix,)} of |generated - synthesised| flux over stars.
    lines : dict
        {name: [wavelength (Angstrom), ...]} of lines to name.
    path : Path
        PNG file to write.
    medium : str
        "air" or "vacuum".

    Returns
    -------
    Path
    """
    names = compute_names_height(wave, lines)
    height = 2.0  # inches
    fig, (top, low) = make_stacked_panels([1.0 + names, height], 0.45)
    top.plot(wave, mean_flux, color=BLACK, lw=0.6)
    set_flux_axis(top, mean_flux, names / (1.0 + names), "mean flux")
    mark_lines(top, wave, lines)
    shown = scale_to_thousandths(errors)
    for key, (word, shade) in CURVES.items():
        low.plot(wave, shown[key], color=shade, lw=0.6, label=word)
    worst = find_worst_lines(wave, shown["p95"], lines)
    room = 0.05 + LETTER * max((len(name) + 5 for _, name, _ in worst), default=0)  # inches
    bottom = 0.8 * shown["mean"].min()
    highest = 1.25 * shown["worst"].max()
    limits = (bottom, bottom * (highest / bottom) ** (height / (height - room)))
    low.set(ylabel=SIZE, yscale="log", ylim=limits)
    set_error_ticks(low.yaxis)
    style = {"rotation": 90, "fontsize": 7, "ha": "center", "color": BLUE, "path_effects": HALO}
    for i, name, place in worst:
        low.plot(wave[i], shown["p95"][i], "o", ms=2.5, color=BLUE)
        peak = shown["worst"][np.abs(wave - wave[i]) < APART / 2 * np.ptp(wave)].max()
        text = f"{format_line_name(name)} {place:.0f}"
        low.annotate(text, (wave[i], peak), (0, 3), textcoords="offset points", **style)
    finish_wavelength_axes(fig, (top, low), wave, lines, medium, low)
    return save_figure(fig, path)


def find_worst_lines(wave, error, lines):
    """(pixel, name, place) of the named lines with the largest errors (n_pix,), well apart."""
    candidates = []
    for place, name in find_lines_inside(wave, lines):
        near = np.flatnonzero(np.abs(wave - place) <= NEAR)
        candidates.append((near[np.argmax(error[near])], name, place))
    chosen = []
    for line in sorted(candidates, key=lambda line: -error[line[0]]):
        if all(abs(wave[line[0]] - wave[i]) > APART * np.ptp(wave) for i, _, _ in chosen):
            chosen.append(line)
    return chosen[:MOST]


def draw_derivatives(wave, network, nodes, scatter, labels, lines, path, medium="air"):
    """Draw the mean change of the flux with each label, of the generator and of the nodes.

    Parameters
    ----------
    wave : ndarray (n_pix,)
        Wavelengths (Angstrom).
    network, nodes : ndarray (n_labels, n_pix)
        Mean d flux / d label.
    scatter : ndarray (n_labels,)
        Relative rms difference of both.
    labels : list of Label (n_labels,)
    lines : dict
        {name: [wavelength (Angstrom), ...]} of lines to name.
    path : Path
        PNG file to write.
    medium : str
        "air" or "vacuum".

    Returns
    -------
    Path
    """
    heights = [max(compute_names_height(wave, lines), 0.02), *[0.95] * len(labels)]
    fig, axes = make_stacked_panels(heights, 0.55)
    axes[0].set(ylim=(1, 2))  # only for the names of lines, which stand above 1
    axes[0].axis("off")
    title = "Mean change of the flux with a label: nodes (grey), generator (colour)"
    axes[0].set_title(title, fontsize=8, loc="left", pad=1)
    mark_lines(axes[0], wave, lines)
    plt.setp(axes[0].texts, y=1.16)  # so low an axes needs longer ticks
    places = [place for place, _ in find_lines_inside(wave, lines)]
    axes[0].vlines(places, 1.03, 1.12, color="0.35", lw=0.6)
    for j, (ax, label) in enumerate(zip(axes[1:], labels)):
        largest = 1e3 * np.abs(nodes[j]).max() or STEP
        step = 10.0 ** np.floor(np.log10(STEP / largest))  # a change that is visible
        curves = 1e3 * step * np.array([nodes[j], network[j]])
        ax.plot(wave, curves[0], color="0.76", lw=2.4)
        ax.plot(wave, curves[1], color=color(j), lw=0.8)
        set_symmetric_axis(ax, curves)
        change = f"$\\Delta f$ ($10^{{-3}}$)\nfor {step:g} {label.unit}\nin {label.symbol}"
        ax.set_ylabel(change, fontsize=7.5)
        left = curves[:, wave < wave[0] + 0.13 * np.ptp(wave)]
        # The text stands in the emptier corner.
        y, upright = (0.92, "top") if left.max() < -left.min() else (0.08, "bottom")
        style = {"transform": ax.transAxes, "va": upright, "fontsize": 7.5, "bbox": BOX}
        ax.text(0.015, y, f"{format_digits(100 * scatter[j])} % rms", **style)
    finish_wavelength_axes(fig, axes, wave, lines, medium)
    return save_figure(fig, path)
