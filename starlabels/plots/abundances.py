"""Figures of abundances in planes of [X/Fe] against [Fe/H].

In them stars follow trends, from which a network could guess an abundance.
"""

import numpy as np

from starlabels.base.labels import ELEMENTS, abundance_name, select_elemental
from starlabels.base.statistics import compute_rms
from starlabels.plots import PAGE, plt, save_figure
from starlabels.plots.panels import (
    BOX,
    HEX,
    MINUS,
    describe_snr_range,
    draw_percentiles,
    label_panels,
    make_label_panels,
    set_ticks,
    share_color_scale,
)

IRON = "[Fe/H]"
TEXT = 0.25  # of the length of an axis, as room for texts
FEWEST = 0.1  # per cent of the stars that the axes leave out, at each end


def draw_abundance_planes(true, predicted, names, key, path):
    """Draw [X/Fe] against [Fe/H] of every element, true above predicted, with percentiles.

    Parameters
    ----------
    true, predicted : ndarray (n, n_labels)
        Labels (dex) of the stars.
    names : list of str (n_labels,)
        Names of the labels.
    key : str
        Range of S/N.
    path : Path
        PNG file to write.

    Returns
    -------
    Path or None
        None without [Fe/H] or without another element.
    """
    elements = select_elemental(names)
    if "feh" not in names or not elements:
        return None
    feh, ratio = compute_iron_ratios(true, names)
    feh_predicted, ratio_predicted = compute_iron_ratios(predicted, names)
    fig, axes = make_label_panels(len(elements), 3.1, 2, 0.2, sharex=True, sharey=True)
    fig.get_layout_engine().set(h_pad=0.015, w_pad=0.015, hspace=0, wspace=0)
    # The extent is of the true labels: predictions beyond it are not realistic.
    extent = (*compute_axis_ends(feh), *compute_axis_ends(ratio, TEXT))
    columns = axes.shape[1]
    style = {"va": "top", "fontsize": 7, "bbox": BOX}
    cells = []
    for j, name in enumerate(elements):
        x, y = feh, ratio[:, j]
        x_predicted, y_predicted = feh_predicted, ratio_predicted[:, j]
        top, low = axes[j // columns * 2 : j // columns * 2 + 2, j % columns]
        cells.append(draw_plane(top, x, y, extent))
        cells.append(draw_plane(low, x_predicted, y_predicted, extent))
        text = f"{format_iron_ratio(name)}  {format_correlation(x, y)}"
        top.text(0.05, 0.95, text, transform=top.transAxes, **style)
        sigma = f"$\\sigma$ {np.std(y_predicted - y):.3f}"
        text = f"{format_correlation(x_predicted, y_predicted)}  {sigma}"
        low.text(0.05, 0.95, text, transform=low.transAxes, **style)
    label_panels(axes, len(elements), IRON, "true [X/Fe]", "predicted [X/Fe]")
    axes[0, 0].set(xlim=extent[:2], ylim=extent[2:])
    set_ticks((axes[0, 0].xaxis,), 4)
    set_ticks((axes[0, 0].yaxis,), 5)
    share_color_scale(fig, cells, axes)
    legend = "$r$ is the correlation, $\\sigma$ the scatter of predicted $-$ true"
    fig.suptitle(f"{describe_snr_range(key)}: {legend}", fontsize=8)
    return save_figure(fig, path)


def draw_plane(ax, x, y, extent):
    """Draw the density of stars x, y (n,) and the percentiles inside the extent; its hexbin."""
    cells = ax.hexbin(x, y, gridsize=40, extent=extent, **HEX)
    inside = (extent[0] <= x) & (x <= extent[1])
    draw_percentiles(ax, x[inside], y[inside])
    return cells


def draw_abundance_comparison(name, feh, true, predicted, trend, path):
    """Draw true [X/Fe] and the predictions of several networks, coloured by their error.

    Parameters
    ----------
    name : str
        Label of the element.
    feh, true : ndarray (n,)
        True [Fe/H] and [X/Fe] (dex).
    predicted : dict
        {network: ([Fe/H], [X/Fe])} with arrays (n,).
    trend : callable
        [X/Fe] of the training stars as a function of [Fe/H].
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    errors = {network: y - true for network, (_, y) in predicted.items()}
    limit = np.percentile(np.abs(list(errors.values())), 98)
    n_panels = 1 + len(predicted)
    fig, axes = plt.subplots(1, n_panels, figsize=(PAGE, 2.6), sharex=True, sharey=True)
    fig.get_layout_engine().set(w_pad=0.015, wspace=0)
    samples = {"truth": (feh, true)} | predicted
    xs, ys = (np.concatenate(values) for values in zip(*samples.values()))
    extent = (*compute_axis_ends(xs), *compute_axis_ends(ys, TEXT))
    line = np.linspace(*extent[:2], 200)
    for ax, (source, (x, y)) in zip(axes, samples.items()):
        shade = {"color": "0.6"}
        text = format_correlation(x, y)
        if source in errors:
            shade = {"c": errors[source], "cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
            text += f"\nRMSE {compute_rms(errors[source]):.3f}"
        dots = ax.scatter(x, y, s=3, lw=0, rasterized=True, **shade)
        style = {"color": "k", "lw": 0.8, "zorder": 0.5}
        ax.plot(line, trend(line), label="trend of the training stars", **style)
        ax.text(0.05, 0.05, text, transform=ax.transAxes, fontsize=7, bbox=BOX)
        ax.set(xlabel=IRON, title=source, xlim=extent[:2], ylim=extent[2:])
    axes[0].set_ylabel(format_iron_ratio(name))
    axes[0].legend(loc="upper right", fontsize=6.5)
    set_ticks((axes[0].xaxis,), 4)
    fig.colorbar(dots, ax=axes, label="predicted $-$ true", pad=0.01, aspect=30, extend="both")
    return save_figure(fig, path)


def compute_iron_ratios(values, names):
    """[Fe/H] (n,) and [X/Fe] (n, n_elements) of the labels (n, n_labels)."""
    feh = values[:, names.index("feh")]
    ratios = [values[:, names.index(name)] - feh for name in select_elemental(names)]
    return feh, np.column_stack(ratios)


def format_iron_ratio(name):
    """Text [X/Fe] of the element of a label [X/H]."""
    return next(f"[{element}/Fe]" for element in ELEMENTS if abundance_name(element) == name)


def format_correlation(x, y):
    """Text of Pearson's correlation of x and y (n,)."""
    return f"$r$ {np.corrcoef(x, y)[0, 1]:+.2f}".replace("-", MINUS)


def compute_axis_ends(values, room=0.03):
    """Ends of an axis without far outliers; `room` is a fraction of its length at each end."""
    low, high = np.percentile(values, [FEWEST, 100 - FEWEST])
    return low - room * (high - low), high + room * (high - low)
