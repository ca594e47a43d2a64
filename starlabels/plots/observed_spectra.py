"""Figures of observed spectra over model spectra."""

import math
import textwrap

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.base.labels import KMS, get_label
from starlabels.plots import BLACK, PAGE, VERMILLION, plt, save_figure
from starlabels.plots.lines import find_lines_inside, format_wavelength_axis, mark_lines
from starlabels.spectra.result_page import describe_quality, format_value
from starlabels.spectra.results import FittedSpectrum, clean_text

ROW = 2.1  # inches: height of a row of wavelengths with its residual strip
BARE_ROW = 1.7  # inches: height of a row without residual strip
WIDE = 300.0  # Angstrom: wider windows have three rows, others two
LINE = 11  # points from line to line of the header
LONGEST_NAME = 60  # characters in the header
LONGEST_LINE = 145  # characters in the header
STEPS = [1, 2, 5, 10]  # of the ticks: the continuum has one


def draw_model_comparison(wave, observed, model, name, path, n_rows=3):
    """Draw an observed spectrum over a model in rows of wavelength, each with a residual strip.

    Parameters
    ----------
    wave, observed, model : ndarray (n_pix,)
        Wavelengths in air (Angstrom) and normalised flux.
    name : str
        Title of the figure.
    path : Path
        PNG file to write.
    n_rows : int
        Number of rows.

    Returns
    -------
    Path
    """
    fig, tops = draw_rows(FittedSpectrum(wave, observed, None, model), n_rows, "ours")
    tops[0].set_title(name, fontsize=8, loc="left")
    return save_figure(fig, path)


def draw_star(spectrum, result, path, lines=None):
    """Draw the spectrum of a star over the model at its labels, below a header with the result.

    Parameters
    ----------
    spectrum : FittedSpectrum
    result : StarResult
    path : Path
        PNG file to write.
    lines : dict, optional
        {name: [wavelength (Angstrom), ...]} of lines to name.

    Returns
    -------
    Path
    """
    fig, tops = draw_rows(spectrum, count_rows(spectrum.wave), "model", lines or {})
    write_header(fig, tops[0], result)
    return save_figure(fig, path)


def count_rows(wave):
    """Number of rows for a window of wavelengths (n_pix,) in Angstrom."""
    return 3 if np.ptp(wave) > WIDE else 2


def draw_rows(spectrum, n_rows, word, lines=None):
    """Figure and flux panels (n_rows,) of a FittedSpectrum.

    A model is drawn with the name `word` and has residual strips.
    """
    alone = spectrum.model is None
    heights = [1] * n_rows if alone else [3, 1] * n_rows
    size = (PAGE, 0.2 + n_rows * (BARE_ROW if alone else ROW))
    fig, axes = plt.subplots(len(heights), 1, figsize=size, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    tops, strips = (axes, []) if alone else (axes[::2], axes[1::2])
    parts = split_spectrum(spectrum, n_rows)
    names = [name for _, name in find_lines_inside(spectrum.wave, lines or {})]
    limits = compute_flux_limits(spectrum, names)
    for part, ax in zip(parts, tops):
        draw_flux_panel(ax, part, limits, word)
        if names:
            name_lines(ax, part.wave, limits[1], lines)
    limit = compute_residual_limit(spectrum)
    for part, ax in zip(parts, strips):
        draw_residual_strip(ax, part, limit)
    axes[-1].set_xlabel(format_wavelength_axis(spectrum.medium))
    if not alone:
        fig.legend(*tops[0].get_legend_handles_labels(), ncols=2, loc="lower right", borderpad=0)
    fig.align_ylabels(axes)
    return fig, tops


def split_spectrum(spectrum, n_parts):
    """Parts of a FittedSpectrum with equal numbers of pixels, in order of wavelength."""
    arrays = {}
    for name, values in spectrum._asdict().items():
        if isinstance(values, np.ndarray):
            arrays[name] = np.array_split(values, n_parts)
    return [
        spectrum._replace(**{name: parts[i] for name, parts in arrays.items()})
        for i in range(n_parts)
    ]


def compute_flux_limits(spectrum, names):
    """Bottom, highest flux and top of a panel with room for the names of lines.

    Bad pixels may lie outside.
    """
    flux = spectrum.flux
    high = np.nanpercentile(np.append(flux, 1.05), 99.9)  # cosmic rays may be some pixels wide
    pairs = np.maximum(flux[1:], flux[:-1])  # dead pixels stand alone
    low = max(np.nanmin(np.append(pairs, 0.9)), -0.2)
    if spectrum.model is not None:
        low = np.nanmin(np.append(spectrum.model, low))
    low -= 0.05 * (high - low)
    # Fraction of the panel above the flux: ticks, and letters on their side
    room = 0.12 + 0.032 * max(map(len, names)) if names else 0.05
    return low, high, low + (high - low) / (1 - room)


def draw_flux_panel(ax, spectrum, limits, word):
    """Draw observed and model flux between `compute_flux_limits`; shade missing pixels."""
    wave = spectrum.wave
    shade_missing(ax, wave, np.isnan(spectrum.flux))
    ax.plot(wave, spectrum.flux, color=BLACK, lw=0.6, label="observed")
    ax.set(xlim=wave[[0, -1]], ylim=(limits[0], limits[2]), ylabel="flux")
    ax.yaxis.set_major_locator(MaxNLocator(8, steps=STEPS))
    if spectrum.model is not None:
        ax.plot(wave, spectrum.model, color=VERMILLION, lw=0.6, label=word)
        ax.tick_params(labelbottom=False)  # the strip below has them


def compute_residual_limit(spectrum):
    """End of the strips: the 99th percentile of the residuals, and the usual error, with room."""
    if spectrum.model is None:
        return None
    size = np.abs(spectrum.flux - spectrum.model)
    error = 0.0
    if spectrum.flux_err is not None:
        error = np.nanmedian(np.append(spectrum.flux_err, 0.0))
    return max(1.5 * np.nanpercentile(np.append(size, 0.0), 99), 2 * error, 0.01)


def draw_residual_strip(ax, spectrum, limit):
    """Draw observed minus model flux, with the errors of the flux and of the model as shading."""
    wave = spectrum.wave
    missing = np.isnan(spectrum.flux)
    shade_missing(ax, wave, missing)
    ax.axhline(0, color="0.6", lw=0.5)
    error = 0.0 if spectrum.flux_err is None else spectrum.flux_err
    for size, alpha in list_bands(error, spectrum.scatter):
        size = np.where(missing, np.nan, size)
        ax.fill_between(wave, -size, size, color=VERMILLION, alpha=alpha, lw=0)
    ax.plot(wave, spectrum.flux - spectrum.model, color="0.3", lw=0.5)
    ax.set(xlim=wave[[0, -1]], ylim=(-limit, limit))
    ax.set_ylabel("residual", fontsize=8)
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS, symmetric=True, prune="both"))


def list_bands(error, scatter):
    """[(half width, opacity)] of the bands of noise, and of noise with the usual differences.

    error: of the flux; scatter: of observed stars about the model, or None.
    """
    bands = [(error, 0.25)] if np.any(error) else []
    return bands if scatter is None else [*bands, (np.hypot(error, scatter), 0.15)]


def shade_missing(ax, wave, missing):
    """Shade the runs of missing pixels (n_pix,) in grey over the height of the panel."""
    padded = np.concatenate([[False], missing, [False]])
    edges = np.flatnonzero(np.diff(padded))  # starts and ends in turn
    step = np.median(np.diff(wave))
    spans = []
    for start, end in edges.reshape(-1, 2):
        spans.append((wave[start] - step / 2, wave[end - 1] - wave[start] + step))
    style = {"color": "0.9", "lw": 0.3, "zorder": 0}
    ax.broken_barh(spans, (0, 1), transform=ax.get_xaxis_transform(), **style)


def name_lines(ax, wave, highest, lines):
    """Draw ticks and names of lines above the highest flux; `mark_lines` draws them above 1."""
    over = ax.twinx()
    over.set(ylim=np.array(ax.get_ylim()) - (highest - 1), xlim=ax.get_xlim())
    over.axis("off")
    mark_lines(over, wave, lines)


def write_header(fig, ax, result):
    """Write name, quality, labels and warnings of a StarResult above a panel."""
    labels = format_quantities(result)
    labels = ["     ".join(labels[i : i + 5]) for i in range(0, len(labels), 5)]
    warnings = []
    for reason in [result.problem] if result.problem else result.reasons:
        warnings += textwrap.wrap(clean_text(reason), LONGEST_LINE)
    n_lines = 1 + len(labels) + len(warnings)
    height = fig.get_figheight()
    space = (n_lines * LINE + 2) / 72  # inches
    fig.set_figheight(height + space)
    fig.get_layout_engine().set(rect=(0, 0, 1, height / (height + space)))

    def write_line(text, i, x=0, **options):
        """Write the i-th line of the header at x, a fraction of the panel."""
        up = (0, 5 + LINE * (n_lines - 1 - i))  # points
        place = {"xycoords": "axes fraction", "textcoords": "offset points", "in_layout": False}
        ax.annotate(text, (x, 1), up, fontsize=8, **place, **options)

    write_line(shorten_name(clean_text(result.name)), 0, weight="bold", parse_math=False)
    write_line("     ".join(describe_quality(result)), 0, x=1, ha="right")
    for i, text in enumerate(labels, 1):
        write_line(text, i)
    for i, text in enumerate(warnings, 1 + len(labels)):
        write_line(text, i, color=VERMILLION, parse_math=False)


def format_quantities(result):
    """Texts of each label and the radial velocity with symbol, error and unit."""
    texts = []
    for name, value in result.labels.items():
        label = get_label(name)
        text = format_value(value, result.errors.get(name, np.nan))
        texts.append(f"{label.symbol} {text} {label.unit}")
    if math.isfinite(result.rv):
        texts.append(rf"$v_{{\rm r}}$ {format_value(result.rv, result.rv_err)} {KMS}")
    return texts


def shorten_name(name):
    """A long name without its middle."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"
