"""Figures of the spectra that generate.py makes, single or stacked."""

from matplotlib.ticker import MaxNLocator

from starlabels.base.labels import get_label
from starlabels.plots import BLACK, PAGE, plt, save_figure
from starlabels.plots.lines import (
    draw_line_verticals,
    find_lines_inside,
    format_wavelength_axis,
    mark_lines,
)
from starlabels.plots.observed_spectra import STEPS, count_rows, draw_rows
from starlabels.spectra.results import FittedSpectrum

PANEL = 0.95  # inches: flux of a star
TITLE = 0.2  # inches: the line above a panel
AXIS = 0.45  # inches: the wavelengths below all panels
TICK = 0.14  # inches: the tick of a named line with its gaps
LETTER = 0.047  # inches: a letter of a line's name on its side
MAX_NAME_LENGTH = 30  # characters of a star's name


def draw_generated_spectra(wave, flux, titles, path, lines=None, medium="air"):
    """Draw one spectrum in rows of wavelength, or several in panels with the same scale.

    Parameters
    ----------
    wave : ndarray (n_pix,)
        Wavelengths (Angstrom).
    flux : ndarray (n, n_pix)
        Normalised flux.
    titles : list of str (n,)
    path : Path
        PNG file to write.
    lines : dict, optional
        {name: [wavelength (Angstrom), ...]} of lines to name.
    medium : str
        "air" or "vacuum".

    Returns
    -------
    Path
    """
    draw = draw_single_spectrum if len(flux) == 1 else draw_stacked_spectra
    fig, axes = draw(wave, flux, lines or {}, medium)
    for ax, title in zip(axes, titles):
        ax.set_title(title, fontsize=8, loc="left")
    return save_figure(fig, path)


def draw_single_spectrum(wave, flux, lines, medium):
    """Figure and panels of one spectrum (1, n_pix) in rows of wavelength."""
    spectrum = FittedSpectrum(wave, flux[0], None, None, medium)
    return draw_rows(spectrum, count_rows(wave), "", lines)


def draw_stacked_spectra(wave, flux, lines, medium):
    """Figure and panels (n,) of spectra (n, n_pix), one above the other."""
    letters = max((len(name) for _, name in find_lines_inside(wave, lines)), default=0)
    heights = [PANEL] * len(flux)
    heights[0] += TICK + LETTER * letters if letters else 0
    size = (PAGE, sum(heights) + TITLE * len(flux) + AXIS)
    fig, axes = plt.subplots(len(flux), 1, figsize=size, sharex=True, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.015, hspace=0)
    depth = max(1 - flux.min(), 0.02)
    low = flux.min() - 0.08 * depth
    high = max(1 + 0.1 * depth, flux.max())
    for ax, values, height in zip(axes, flux, heights):
        ax.plot(wave, values, color=BLACK, lw=0.7)
        ax.set(ylabel="flux", ylim=(low, low + (high - low) * height / PANEL))
        ax.yaxis.set_major_locator(MaxNLocator(4, prune="both", steps=STEPS))
    for ax in axes[1:]:  # the first holds the names
        draw_line_verticals(ax, wave, lines)
    mark_lines(axes[0], wave, lines)
    axes[-1].set(xlabel=format_wavelength_axis(medium), xlim=(wave[0], wave[-1]))
    fig.align_ylabels(axes)
    return fig, axes


def format_heading(name, labels):
    """Title with the name of a star, if any, and its labels {name: value} with symbol and unit."""
    if len(name) > MAX_NAME_LENGTH:
        name = f"{name[: MAX_NAME_LENGTH - 1]}…"
    texts = [name.replace("$", r"\$")] if name else []
    for label_name, value in labels.items():
        label = get_label(label_name)
        number = f"{value:g}".replace("-", "\N{MINUS SIGN}")
        texts.append(f"{label.symbol} {number} {label.unit}")
    return "     ".join(texts)
