"""Figures of many stars of predict.py: the population, and labels against known ones."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.base.console import format_count
from starlabels.base.labels import find_metallicity, get_label
from starlabels.learning.calibration import ONE_SIGMA, compute_coverage
from starlabels.plots import BLUE, PAGE, VERMILLION, plt, save_figure
from starlabels.plots.panels import (
    compute_span,
    format_residuals,
    frame_comparison,
    make_comparison_panels,
    set_log_ticks,
    set_ticks,
)

SOUND = "without flag"
FLAGGED = {"marker": "x", "s": 10, "lw": 0.7, "color": "0.6", "rasterized": True}


def draw_population(labels, errors, snr, flagged, counts, path):
    """Draw a Kiel diagram, the metallicities, the error of the first label against S/N, and flags.

    Panels whose labels the model does not predict are left out.

    Parameters
    ----------
    labels, errors : dict
        {name: (n,)} of the stars that have labels.
    snr : array (n,)
        S/N per pixel.
    flagged : array (n,) of bool
    counts : dict
        {flag or status: number of stars}.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    metal = find_metallicity(labels)
    first = next(iter(labels))
    panels = [
        ({"teff", "logg"} <= set(labels), draw_kiel_panel, (labels, metal, flagged)),
        (metal is not None, draw_metal_panel, (labels.get(metal), metal, flagged)),
        (True, draw_error_panel, (errors[first], snr, first, flagged)),
        (True, draw_count_panel, (counts, len(snr))),
    ]
    panels = [(draw, arguments) for is_possible, draw, arguments in panels if is_possible]
    fig, axes = plt.subplots(-(-len(panels) // 2), 2, figsize=(PAGE, 5.2), squeeze=False)
    for ax, (draw, arguments) in zip(axes.flat, panels):
        draw(ax, *arguments)
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    return save_figure(fig, path)


def draw_kiel_panel(ax, labels, metal, flagged):
    """Draw log g against Teff, coloured by metallicity; flagged stars as crosses."""
    teff, logg = labels["teff"], labels["logg"]
    ax.scatter(teff[flagged], logg[flagged], label="flagged", **FLAGGED)
    style = {"s": 8 if len(teff) < 2000 else 2, "lw": 0, "rasterized": True}
    style |= {"c": labels[metal][~flagged]} if metal else {"color": BLUE}
    dots = ax.scatter(teff[~flagged], logg[~flagged], **style)
    if metal and not flagged.all():
        ax.figure.colorbar(dots, ax=ax, label=get_label(metal).axis, pad=0.02)
    if flagged.any():
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, handletextpad=0.2)
    ax.set(xlabel=get_label("teff").axis, ylabel=r"$\log g$ (dex, cm s$^{-2}$)")
    ax.margins(0.05)
    ax.invert_xaxis()
    ax.invert_yaxis()
    set_ticks((ax.xaxis,), 4)


def draw_metal_panel(ax, values, name, flagged):
    """Draw a histogram of the metallicity (n,), of all stars and of those without flag."""
    edges = np.linspace(*compute_span(values), 31)
    ax.hist(values, edges, histtype="step", color="0.6", label="all")
    ax.hist(values[~flagged], edges, color=BLUE, label=SOUND)
    ax.set(xlabel=get_label(name).axis, ylabel="stars")
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.legend(loc="upper left")


def draw_error_panel(ax, err, snr, name, flagged):
    """Draw the error of a label (n,) against S/N (n,), both logarithmic."""
    known = np.isfinite(snr) & (snr > 0) & (err > 0)
    ax.scatter(snr[known & flagged], err[known & flagged], **FLAGGED)
    style = {"s": 6, "lw": 0, "color": BLUE, "rasterized": True}
    ax.scatter(snr[known & ~flagged], err[known & ~flagged], **style)
    label = get_label(name)
    unit = f" ({label.unit})" if label.unit else ""
    ax.set(xlabel="S/N per pixel", ylabel=f"error of {label.symbol}{unit}")
    if known.any():
        ax.set(xscale="log", yscale="log")
        set_log_ticks(ax.xaxis, subs=(1, 2, 5))
        set_log_ticks(ax.yaxis, subs=(1, 2, 5))


def draw_count_panel(ax, counts, n):
    """Draw how many of n stars carry each flag {name: number}."""
    names = list(counts)
    numbers = list(counts.values())
    colors = [BLUE if name == SOUND else VERMILLION for name in names]
    ax.barh(range(len(names)), numbers, color=colors, height=0.7)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", which="both", length=0)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel=f"of {format_count(n)} stars")
    ax.set_xlim(0, 1.15 * max(1, *numbers))
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for i, number in enumerate(numbers):
        ax.annotate(
            format_count(number),
            (number, i),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
        )


def draw_truth(true, mean, err, true_err, labels, path):
    """Draw predicted against known labels with their errors, and the differences below.

    Parameters
    ----------
    true, mean, err, true_err : array (n, n_labels)
        Known and predicted labels and their errors; NaN in `true` where unknown.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, _, pairs = make_comparison_panels(labels, 2.75, 0.1, "known")
    for j, (top, low) in enumerate(pairs):
        known = np.isfinite(true[:, j]) & np.isfinite(mean[:, j])
        draw_truth_panel(top, low, *(values[known, j] for values in (true, mean, err, true_err)))
    return save_figure(fig, path)


def draw_truth_panel(top, low, true, mean, err, true_err):
    """Draw one label: predicted against known (n,), and the difference below."""
    residual = mean - true
    bars = {"fmt": "o", "ms": 2.5, "lw": 0.5, "color": BLUE, "ecolor": "0.75"}
    x_err = np.nan_to_num(true_err)
    top.errorbar(true, mean, np.nan_to_num(err), x_err, **bars)
    low.errorbar(true, residual, np.nan_to_num(np.hypot(err, x_err)), **bars)
    frame_comparison(top, low, true, mean)
    column = [values[:, None] for values in (true, mean, err)]
    share = compute_coverage(*column, ONE_SIGMA, x_err[:, None])[0]
    text = f"{format_residuals(residual)}\n{share:.0%} within 1$\\sigma$".replace("%", r"$\%$")
    style = {"transform": top.transAxes, "va": "top", "fontsize": 7.5, "zorder": 0}  # below stars
    top.text(0.05, 0.96, text, **style)
