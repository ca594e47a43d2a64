"""Figures of generated spectra."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.base.labels import get_label
from starlabels.plots import BLACK, PAGE, plt, save
from starlabels.plots.lines import find_lines_inside, mark_lines, draw_line_verticals, format_wavelength_axis
from starlabels.plots.observed_spectra import STEPS, WIDE, draw_rows
from starlabels.spectra.results import FittedSpectrum

PANEL, TITLE, AXIS = (
    0.95,
    0.2,
    0.45,
)  # inches: flux of a star, the line above it, the wavelengths below all
TICK, LETTER = (
    0.14,
    0.047,
)  # inches: the tick of a named line with its gaps, a letter of the name on its side
LONGEST = 30  # characters of a star's name


def draw_generated_spectra(wave, flux, titles, path, lines=None, medium="air"):
    """Flux (n, n_pix) under titles (n,): a star in rows of wavelength (A, in medium), several in a panel each on one scale.

    lines {name: [A, ...]} are named above the first panel, or above each row.
    """
    fig, axes = (
        draw_single_spectrum(wave, flux[0], lines or {}, medium)
        if len(flux) == 1
        else draw_stacked_spectra(wave, flux, lines or {}, medium)
    )
    for ax, title in zip(axes, titles):
        ax.set_title(title, fontsize=8, loc="left")
    return save(fig, path)


def draw_single_spectrum(wave, flux, lines, medium):
    """Figure and panels of one spectrum (n_pix,) in rows."""
    return draw_rows(
        FittedSpectrum(wave, flux, None, None, medium), 3 if np.ptp(wave) > WIDE else 2, "", lines
    )


def draw_stacked_spectra(wave, flux, lines, medium):
    """Figure and panels (n,) of spectra (n, n_pix), one above the other."""
    letters = max((len(name) for _, name in find_lines_inside(wave, lines)), default=0)
    heights = [PANEL] * len(flux)
    heights[0] += TICK + LETTER * letters if letters else 0
    size = (PAGE, sum(heights) + TITLE * len(flux) + AXIS)
    fig, axes = plt.subplots(len(flux), 1, figsize=size, sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.015, hspace=0)
    depth = max(1 - flux.min(), 0.02)
    low, high = flux.min() - 0.08 * depth, max(1 + 0.1 * depth, flux.max())
    for ax, values, height in zip(axes, flux, heights):
        ax.plot(wave, values, color=BLACK, lw=0.7)
        ax.set(ylabel="flux", ylim=(low, low + (high - low) * height / PANEL))
        ax.yaxis.set_major_locator(MaxNLocator(4, prune="both", steps=STEPS))
    for ax in axes[1:]:  # in the first, the names stand there
        draw_line_verticals(ax, wave, lines)
    mark_lines(axes[0], wave, lines)
    axes[-1].set(xlabel=format_wavelength_axis(medium), xlim=(wave[0], wave[-1]))
    fig.align_ylabels(axes)
    return fig, axes


def format_heading(name, labels):
    """A title: the name of a star, if it has one, and its labels {name: value} with symbol and unit."""
    minus = "\N{MINUS SIGN}"
    values = [
        f"{get_label(n).symbol} {f'{x:g}'.replace('-', minus)} {get_label(n).unit}"
        for n, x in labels.items()
    ]
    name = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return "     ".join([name.replace("$", r"\$")] * bool(name) + values)
