"""Figures of how well a generator reproduces synthesised spectra; errors of the flux are drawn in thousandths."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from starlabels.plots import BLACK, BLUE, COLUMN, ORANGE, PAGE, VERMILLION, color, plt, save
from starlabels.plots.evaluation import BOX, HALO, HEX, running, same_colors, span, ticks
from starlabels.plots.jacobian import AIR, inside, mark_lines, pretty, verticals

SOURCES = {"synthesised": BLACK, "generated": VERMILLION}
CURVES = {"mean": ("mean", BLACK), "p95": ("95th percentile", BLUE), "worst": ("worst star", ORANGE)}
SIZE = r"$|\Delta f|$ ($10^{-3}$)"
LETTER, TICK = 0.047, 0.14  # inches: a letter of a line's name on its side, the tick below the name with its gaps
DECADES = 4.0  # below the largest error that a logarithmic axis shows at most
MOST, APART = 6, 0.02  # worst lines named at most, and how far apart at least in parts of the wavelengths
NEAR = 3.0  # Angstrom: errors this close to a line's place are the line's


def overplots(wave, truth, generated, titles, lines, path):
    """Synthesised and generated flux (k, n_pix) of k stars, and touching each their difference; titles (k,).

    lines {name: [Angstrom in air, ...]} are named above the first star.
    """
    flux, strip, extra = 0.95, 0.5, names_height(wave, lines)  # inches
    heights = [flux, strip] * len(truth)
    heights[0] += extra
    size = (PAGE, sum(heights) + 0.24 * len(truth) + 0.4)
    fig, axes = plt.subplots(len(heights), 1, figsize=size, sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    for i, (top, low) in enumerate(axes.reshape(-1, 2)):
        for (name, c), values, style in zip(SOURCES.items(), (truth[i], generated[i]), ("-", (0, (4, 2)))):
            top.plot(wave, values, color=c, lw=0.7, ls=style, label=name)
        flux_axis(top, np.minimum(truth[i], generated[i]), 0 if i else extra / heights[0])
        difference = 1e3 * (generated[i] - truth[i])
        low.plot(wave, difference, color=VERMILLION, lw=0.6)
        low.axhline(0, color="0.6", lw=0.5)
        symmetric(low, difference)
        for ax in (top, low):
            verticals(ax, wave, lines)
        top.set_title(titles[i], fontsize=8, loc="left")
        size = np.abs(difference)
        top.set_title(f"$|\\Delta f|$: mean {short(size.mean())}, max {short(size.max())}", fontsize=8, loc="right")
        top.set_ylabel("flux", fontsize=8)
        low.set_ylabel("$\\Delta f$\n($10^{-3}$)", fontsize=8)
    mark_lines(axes[0], wave, lines)
    axes[-1].set(xlabel=AIR, xlim=(wave[0], wave[-1]))
    fig.legend(*axes[0].get_legend_handles_labels(), ncols=2, loc="lower right", borderpad=0)
    fig.align_ylabels(axes)
    return save(fig, path)


def names_height(wave, lines):
    """Inches that the names of the lines inside the wavelengths take with their ticks, 0 without any."""
    longest = max((len(name) for _, name in inside(wave, lines)), default=0)
    return TICK + LETTER * longest if longest else 0.0


def flux_axis(ax, flux, room):
    """An axis from the lowest flux to the continuum, and above it that part of the panel for names of lines."""
    depth = max(1 - flux.min(), 0.02)
    low, high = flux.min() - 0.08 * depth, 1 + 0.1 * depth
    ax.set_ylim(low, low + (high - low) / (1 - room))
    ax.yaxis.set_major_locator(MaxNLocator(4, prune="both", steps=[1, 2, 5, 10]))


def symmetric(ax, values):
    """Make the axis symmetric about zero and hold all values (n_pix,)."""
    limit = 1.15 * np.abs(values).max() or 1.0
    ax.set_ylim(-limit, limit)
    ticks((ax.yaxis,), 4, symmetric=True)


def short(value):
    """A value to two digits, without an exponent."""
    return np.format_float_positional(value, precision=2, unique=False, fractional=False, trim="-")


def error_by_wavelength(wave, mean_flux, errors, lines, path):
    """Mean spectrum (n_pix,), below on a logarithmic axis errors {"mean", "p95", "worst": (n_pix,)} of |dF| over test stars.

    The named lines with the largest 95th percentiles are named again at the curve of those, with their wavelengths.
    """
    extra = names_height(wave, lines)
    heights = [1.0 + extra, 2.0]
    fig, (top, low) = plt.subplots(2, 1, figsize=(PAGE, sum(heights) + 0.5), sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    top.plot(wave, mean_flux, color=BLACK, lw=0.6)
    flux_axis(top, mean_flux, extra / heights[0])
    mark_lines(top, wave, lines)
    top.set_ylabel("mean flux")
    shown = dict(zip(errors, thousandths(np.array(list(errors.values())))))
    for key in ("worst", "p95", "mean"):
        word, c = CURVES[key]
        low.plot(wave, shown[key], color=c, lw=0.6, label=word)
    bottom, highest = shown["mean"].min(), shown["worst"].max()
    worst = worst_lines(wave, shown["p95"], lines)
    letters = max((len(name) + 5 for _, name, _ in worst), default=0)
    room = (0.1 + LETTER * letters) / heights[1]
    log_axis(low.yaxis, 0.8 * bottom, 0.8 * bottom * (1.25 * highest / bottom) ** (1 / (1 - room)))
    for i, name, place in worst:
        low.plot(wave[i], shown["p95"][i], "o", ms=2.5, color=BLUE)
        peak = shown["worst"][np.abs(wave - wave[i]) < APART / 2 * np.ptp(wave)].max()
        text = f"{pretty(name)} {place:.0f}"
        low.annotate(text, (wave[i], peak), (0, 3), textcoords="offset points", rotation=90, fontsize=7, ha="center", color=BLUE)
    for ax in (top, low):
        verticals(ax, wave, lines)
    low.set(xlabel=AIR, ylabel=SIZE, xlim=(wave[0], wave[-1]))
    fig.legend(*low.get_legend_handles_labels(), ncols=3, loc="lower right", borderpad=0)
    fig.align_ylabels()
    return save(fig, path)


def thousandths(errors):
    """Errors in thousandths, none less than DECADES below the largest, for a logarithmic axis."""
    errors = 1e3 * np.abs(errors)
    return np.maximum(errors, errors.max() / 10**DECADES or 1e-3)


def log_axis(axis, low, high):
    """A logarithmic axis from low to high with plain numbers at its ticks."""
    axis._set_axes_scale("log")
    axis.set_view_interval(low, high, ignore=True)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
