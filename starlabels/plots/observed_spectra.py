"""Figures of observed spectra over ours."""

import math
import textwrap

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.base.labels import KMS, get_label
from starlabels.plots import BLACK, PAGE, VERMILLION, plt, save
from starlabels.plots.lines import find_lines_inside, mark_lines, format_wavelength_axis
from starlabels.spectra.results import FittedSpectrum, clean_text, describe_quality, format_value

ROW, BARE_ROW = (
    2.1,
    1.7,
)  # inches: height of a row of wavelengths with its residual strip, and without
WIDE = 300.0  # A: wider windows have three rows, others two
LINE = 11  # points from line to line of the header
LONGEST_NAME, LONGEST_LINE = 60, 145  # characters in the header
STEPS = [1, 2, 5, 10]  # of the ticks: the continuum has one


def draw_model_comparison(wave, observed, model, name, path, n_rows=3):
    """Observed over model flux (n_pix,) in rows of wavelength (A, air), each with a residual strip."""
    fig, tops = draw_rows(FittedSpectrum(wave, observed, None, model), n_rows, "ours")
    tops[0].set_title(name, fontsize=8, loc="left")
    return save(fig, path)


def draw_star(spectrum, answer, path, lines=None, sources=()):
    """A star's Spectrum over that regenerated at its labels, below what the Answer says; lines {name: [A, ...]} are named.

    sources: the files that it may be from.
    """
    fig, tops = draw_rows(spectrum, 3 if np.ptp(spectrum.wave) > WIDE else 2, "model", lines or {})
    write_header(fig, tops[0], answer)
    return save(fig, path, sources)


def draw_rows(spectrum, n_rows, word, lines=None):
    """Figure and flux panels (n_rows,) of a Spectrum; where it has a model, that is drawn as `word`, with residual strips."""
    alone = spectrum.model is None
    heights = [1] * n_rows if alone else [3, 1] * n_rows
    size = (PAGE, 0.2 + n_rows * (BARE_ROW if alone else ROW))
    fig, axes = plt.subplots(len(heights), 1, figsize=size, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    tops, strips = (axes, []) if alone else (axes[::2], axes[1::2])
    parts = np.array_split(np.arange(len(spectrum.wave)), n_rows)
    arrays = {
        name: values
        for name, values in spectrum._asdict().items()
        if isinstance(values, np.ndarray)
    }
    parts = [
        spectrum._replace(**{name: values[part] for name, values in arrays.items()})
        for part in parts
    ]
    names = [name for _, name in find_lines_inside(spectrum.wave, lines or {})]
    limits, limit = compute_flux_limits(spectrum, names), compute_residual_limit(spectrum)
    for part, ax in zip(parts, tops):
        draw_flux_panel(ax, part, limits, word)
        if names:
            name_lines(ax, part.wave, limits[1], lines)
    for part, ax in zip(parts, strips):
        draw_residual_strip(ax, part, limit)
    axes[-1].set_xlabel(format_wavelength_axis(spectrum.medium))
    if not alone:
        fig.legend(*tops[0].get_legend_handles_labels(), ncols=2, loc="lower right", borderpad=0)
    fig.align_ylabels(axes)
    return fig, tops


def compute_flux_limits(spectrum, names):
    """Bottom of a panel, highest flux and top: bad pixels may leave it, and there is room for the names of lines."""
    flux = spectrum.flux
    high = np.nanpercentile(np.append(flux, 1.05), 99.9)  # cosmic rays may be some pixels wide
    low = max(
        np.nanmin(np.append(np.maximum(flux[1:], flux[:-1]), 0.9)), -0.2
    )  # dead pixels stand alone
    if spectrum.model is not None:
        low = np.nanmin(np.append(spectrum.model, low))
    low -= 0.05 * (high - low)
    room = (
        0.12 + 0.032 * max(map(len, names)) if names else 0.05
    )  # of the panel: ticks, and letters on their side
    return low, high, low + (high - low) / (1 - room)


def draw_flux_panel(ax, spectrum, limits, word):
    """Observed flux in black, the model's over it in colour; missing pixels are shaded. limits: see `flux_limits`."""
    wave = spectrum.wave
    shade_missing(ax, wave, np.isnan(spectrum.flux))
    ax.plot(wave, spectrum.flux, color=BLACK, lw=0.6, label="observed")
    ax.set(xlim=wave[[0, -1]], ylim=(limits[0], limits[2]), ylabel="flux")
    ax.yaxis.set_major_locator(MaxNLocator(8, steps=STEPS))
    if spectrum.model is not None:
        ax.plot(wave, spectrum.model, color=VERMILLION, lw=0.6, label=word)
        ax.tick_params(labelbottom=False)  # the strip below has them


def compute_residual_limit(spectrum):
    """The end of the strips: beyond all but a hundredth of the residuals, and the usual error."""
    if spectrum.model is None:
        return None
    size = np.abs(spectrum.flux - spectrum.model)
    error = 0.0 if spectrum.error is None else np.nanmedian(np.append(spectrum.error, 0.0))
    return max(1.5 * np.nanpercentile(np.append(size, 0.0), 99), 2 * error, 0.01)


def draw_residual_strip(ax, spectrum, limit):
    """Observed less model flux, with the error of the flux as shading."""
    wave = spectrum.wave
    missing = np.isnan(spectrum.flux)
    shade_missing(ax, wave, missing)
    ax.axhline(0, color="0.6", lw=0.5)
    if spectrum.error is not None:
        error = np.where(missing, np.nan, spectrum.error)
        ax.fill_between(wave, -error, error, color=VERMILLION, alpha=0.25, lw=0)
    ax.plot(wave, spectrum.flux - spectrum.model, color="0.3", lw=0.5)
    ax.set(xlim=wave[[0, -1]], ylim=(-limit, limit))
    ax.set_ylabel("residual", fontsize=8)
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS, symmetric=True, prune="both"))


def shade_missing(ax, wave, missing):
    """Grey over the runs of missing (n_pix,) pixels, from edge to edge of the panel."""
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], missing, [False]]))
    )  # starts and ends in turn
    step = np.median(np.diff(wave))
    spans = [
        (wave[start] - step / 2, wave[end - 1] - wave[start] + step)
        for start, end in edges.reshape(-1, 2)
    ]
    ax.broken_barh(spans, (0, 1), transform=ax.get_xaxis_transform(), color="0.9", lw=0.3, zorder=0)


def name_lines(ax, wave, highest, lines):
    """Ticks and names of lines above the highest flux of a panel: `mark_lines` puts them above 1."""
    over = ax.twinx()
    over.set(ylim=np.array(ax.get_ylim()) - (highest - 1), xlim=ax.get_xlim())
    over.axis("off")
    mark_lines(over, wave, lines)


def write_header(fig, ax, answer):
    """Above a panel: the name and the quality of the spectrum, the labels with errors, and in colour why not to trust them."""
    labels = format_quantities(answer)
    labels = ["     ".join(labels[i : i + 5]) for i in range(0, len(labels), 5)]
    reasons = [answer.failure] if answer.failure else answer.reasons
    warnings = [line for reason in reasons for line in textwrap.wrap(clean_text(reason), LONGEST_LINE)]
    n_lines, height = 1 + len(labels) + len(warnings), fig.get_figheight()
    space = (n_lines * LINE + 2) / 72  # inches
    fig.set_figheight(height + space)
    fig.get_layout_engine().set(rect=(0, 0, 1, height / (height + space)))

    def write(text, i, x=0, **options):
        up = (0, 5 + LINE * (n_lines - 1 - i))  # points
        place = {"xycoords": "axes fraction", "textcoords": "offset points", "in_layout": False}
        ax.annotate(text, (x, 1), up, fontsize=8, **place, **options)

    write(shorten_name(clean_text(answer.name)), 0, weight="bold", parse_math=False)
    write("     ".join(describe_quality(answer)), 0, x=1, ha="right")
    for i, text in enumerate(labels, 1):
        write(text, i)
    for i, text in enumerate(warnings, 1 + len(labels)):
        write(text, i, color=VERMILLION, parse_math=False)


def format_quantities(answer):
    """Each label and the radial velocity of an Answer with symbol, error and unit."""
    known = [
        (get_label(name), value, answer.errors.get(name, np.nan))
        for name, value in answer.labels.items()
    ]
    texts = [f"{one.symbol} {format_value(value, err)} {one.unit}" for one, value, err in known]
    return texts + [rf"$v_{{\rm r}}$ {format_value(answer.rv, answer.rv_err)} {KMS}"] * math.isfinite(
        answer.rv
    )


def shorten_name(name):
    """A long name without its middle."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"
