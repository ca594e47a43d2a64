"""Figures of abundances: the planes of [X/Fe] against [Fe/H], in which stars follow trends that a network may guess from."""

import numpy as np

from starlabels.base.labels import ELEMENTS, abundance_name, select_elemental
from starlabels.base.statistics import compute_rms
from starlabels.plots import COLUMN, PAGE, VERMILLION, plt, save
from starlabels.plots.panels import (
    BOX,
    COLUMNS,
    HALO,
    HEX,
    MINUS,
    compute_running_percentiles,
    share_color_scale,
    set_ticks,
    describe_snr_range,
)

IRON = "[Fe/H]"
TEXT = 0.25  # of the length of an axis, as room for texts
FEWEST = 0.1  # per cent of the stars that the axes leave out, at each end


def draw_abundance_planes(true, predicted, names, key, path):
    """[X/Fe] against [Fe/H] of every element, true above predicted, with the median and the 16th and 84th percentile.

    true, predicted (n, n_labels) of labels `names`; key is the S/N range. None without [Fe/H], or another element.
    """
    elements = select_elemental(names)
    if "feh" not in names or not elements:
        return None
    (feh, found), (feh_predicted, found_predicted) = (
        compute_iron_ratios(values, names) for values in (true, predicted)
    )
    columns, blocks = min(COLUMNS, len(elements)), -(-len(elements) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), 3.1 * blocks + 0.2)
    fig, axes = plt.subplots(
        2 * blocks, columns, figsize=size, sharex=True, sharey=True, squeeze=False
    )
    fig.get_layout_engine().set(h_pad=0.015, w_pad=0.015, hspace=0, wspace=0)
    extent = (
        *compute_axis_ends(feh),
        *compute_axis_ends(found, TEXT),
    )  # of the truth, so that what is beyond shows as what it is: nothing
    cells = []
    for j, name in enumerate(elements):
        both = axes[j // columns * 2 : j // columns * 2 + 2, j % columns]
        for ax, x, y in zip(both, (feh, feh_predicted), (found[:, j], found_predicted[:, j])):
            cells.append(ax.hexbin(x, y, gridsize=40, extent=extent, **HEX))
            draw_percentiles(ax, x, y, extent)
        text = f"{format_iron_ratio(name)}  {format_correlation(feh, found[:, j])}"
        both[0].text(0.05, 0.95, text, transform=both[0].transAxes, va="top", fontsize=7, bbox=BOX)
        sigma = f"$\\sigma$ {np.std(found_predicted[:, j] - found[:, j]):.3f}"
        text = f"{format_correlation(feh_predicted, found_predicted[:, j])}  {sigma}"
        both[1].text(0.05, 0.95, text, transform=both[1].transAxes, va="top", fontsize=7, bbox=BOX)
    for ax in axes[-2:, (len(elements) - 1) % columns + 1 :].flat:
        ax.axis("off")
    label_plane_axes(axes, len(elements), extent)
    share_color_scale(fig, cells, axes)
    fig.suptitle(
        f"{describe_snr_range(key)}: $r$ is the correlation, $\\sigma$ the scatter of predicted $-$ true",
        fontsize=8,
    )
    return save(fig, path)


def label_plane_axes(axes, n, extent):
    """Names and ticks of the axes of n pairs of panels, true above predicted."""
    columns = axes.shape[1]
    for j in range(columns):
        last = axes[(n - 1 - j) // columns * 2 + 1, j]
        last.set_xlabel(IRON)
        last.tick_params(labelbottom=True)
    for i, ax in enumerate(axes[:, 0]):
        ax.set_ylabel(("true", "predicted")[i % 2] + " [X/Fe]")
    axes[0, 0].set(xlim=extent[:2], ylim=extent[2:])
    set_ticks((axes[0, 0].xaxis,), 4)
    set_ticks((axes[0, 0].yaxis,), 5)


def draw_abundance_comparison(name, feh, true, predicted, trend, path):
    """True [X/Fe] of the element of label `name`, and what networks say {network: ([Fe/H], [X/Fe]) (n,)}, colour: error.

    feh, true (n,); trend: a function of [Fe/H] that the training stars follow.
    """
    errors = {who: y - true for who, (_, y) in predicted.items()}
    limit = np.percentile(np.abs(list(errors.values())), 98)
    fig, axes = plt.subplots(1, 1 + len(predicted), figsize=(PAGE, 2.6), sharex=True, sharey=True)
    fig.get_layout_engine().set(w_pad=0.015, wspace=0)
    everything = [(feh, true)] + list(predicted.values())
    xs, ys = (np.concatenate(values) for values in zip(*everything))
    extent = (*compute_axis_ends(xs), *compute_axis_ends(ys, TEXT))
    dots = {"s": 3, "lw": 0, "rasterized": True}
    for ax, who, (x, y) in zip(axes, ("truth", *predicted), everything):
        shade = (
            {"c": errors[who], "cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
            if who in errors
            else {"color": "0.6"}
        )
        shown = ax.scatter(x, y, **shade, **dots)
        line = np.linspace(*extent[:2], 200)
        ax.plot(
            line, trend(line), color="k", lw=0.8, zorder=0.5, label="trend of the training stars"
        )
        text = format_correlation(x, y) + (f"\nRMSE {compute_rms(errors[who]):.3f}" if who in errors else "")
        ax.text(0.05, 0.05, text, transform=ax.transAxes, fontsize=7, bbox=BOX)
        ax.set(xlabel=IRON, title=who, xlim=extent[:2], ylim=extent[2:])
    axes[0].set_ylabel(format_iron_ratio(name))
    axes[0].legend(loc="upper right", fontsize=6.5)
    set_ticks((axes[0].xaxis,), 4)
    fig.colorbar(shown, ax=axes, label="predicted $-$ true", pad=0.01, aspect=30, extend="both")
    return save(fig, path)


def compute_iron_ratios(values, names):
    """[Fe/H] (n,) and [X/Fe] (n, k) of each element of the labels (n, n_labels)."""
    feh = values[:, names.index("feh")]
    return feh, np.column_stack([values[:, names.index(name)] - feh for name in select_elemental(names)])


def format_iron_ratio(name):
    """How [X/Fe] of the element of a label [X/H] is written."""
    return next(f"[{element}/Fe]" for element in ELEMENTS if abundance_name(element) == name)


def format_correlation(x, y):
    """Pearson's correlation of x and y (n,), for a figure."""
    return f"$r$ {np.corrcoef(x, y)[0, 1]:+.2f}".replace("-", MINUS)


def draw_percentiles(ax, x, y, extent):
    """Median and 16th and 84th percentile of y in bins of x (n,) inside the extent, in orange."""
    inside = (extent[0] <= x) & (x <= extent[1])
    centre, percentiles = compute_running_percentiles(x[inside], y[inside])
    for line, width in zip(percentiles, (0.9, 1.2, 0.9)):
        ax.plot(centre, line, color=VERMILLION, lw=width, path_effects=HALO)


def compute_axis_ends(values, room=0.03):
    """Both ends of an axis that shows all values but far outliers, with a part of its length as room beyond each."""
    low, high = np.percentile(values, [FEWEST, 100 - FEWEST])
    return low - room * (high - low), high + room * (high - low)
