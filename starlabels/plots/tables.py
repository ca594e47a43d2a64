"""Figures of the columns of a table: missing values, errors, positions on the sky, ablation."""

import numpy as np
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.ticker import MaxNLocator

from starlabels.base.console import format_count
from starlabels.base.labels import get_label
from starlabels.plots import BLUE, COLUMN, PAGE, color, plt, save_figure

PATTERNS = 16  # of missing values that are shown, the most common ones
FEW = 5000  # stars that are drawn one by one on the sky
CELL = 3.0  # deg, of the map of more stars


def draw_missing_values(values, names, path):
    """Draw the common patterns of missing values with their share, and the share per column.

    Parameters
    ----------
    values : ndarray (n, n_columns)
        Columns, NaN where missing.
    names : list of str (n_columns,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    patterns, share, n_patterns = find_common_patterns(np.isnan(values))
    k = len(names)
    m = len(patterns)
    size = (PAGE if k + m > 12 else COLUMN, min(1.5 + 0.17 * k, 9.0))
    ratios = {"width_ratios": [max(m, 4), 4], "height_ratios": [4, max(k, 4)]}
    fig, axes = plt.subplots(2, 2, figsize=size, gridspec_kw=ratios, squeeze=False)
    (top, corner), (grid, right) = axes
    corner.axis("off")
    style = {"vmin": 0, "vmax": 1, "edgecolors": "0.8", "linewidth": 0.4}
    grid.pcolormesh(patterns.T, cmap=ListedColormap([BLUE, "white"]), **style)
    grid.set(ylim=(k, 0), xlim=(0, m), xlabel="white: missing")
    texts = [name.replace("_", " ") for name in names]
    grid.set_yticks(np.arange(k) + 0.5, texts, fontsize=7 if k < 40 else 4.5)
    grid.set_xticks([])
    grid.tick_params(which="both", length=0)
    top.bar(np.arange(m) + 0.5, share, width=0.8, color=BLUE)
    top.set(xlim=(0, m), xticks=[], ylabel="of stars")
    right.barh(np.arange(k) + 0.5, np.isnan(values).mean(axis=0), height=0.8, color=color(1))
    right.set(ylim=(k, 0), xlim=(0, None), yticks=[], xlabel="missing")
    for axis in (top.yaxis, right.xaxis):
        axis.set_major_locator(MaxNLocator(3))
        axis.set_major_formatter(lambda x, _: f"{100 * x:.3g} %")
    if n_patterns > m:
        text = f"{m} of {format_count(n_patterns)} patterns shown, {share.sum():.1%} of the stars"
        fig.suptitle(text, fontsize=7.5, x=0.98, ha="right")
    return save_figure(fig, path)


def find_common_patterns(mask):
    """Most common rows (m, k) of a mask (n, k), their share (m,) and the number of patterns."""
    packed = np.packbits(mask, axis=1)
    # A row as one value, so that rows sort fast
    keys = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
    _, first, n = np.unique(keys, return_index=True, return_counts=True)
    order = np.argsort(-n, kind="stable")[:PATTERNS]
    return mask[first[order]], n[order] / len(mask), len(n)


def draw_errors(values, names, units, path):
    """Draw a histogram of the positive errors of each column on a logarithmic axis.

    Parameters
    ----------
    values : ndarray (n, n_columns)
        Errors.
    names : list of str (n_columns,)
    units : dict
        {name: unit}.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    size = (PAGE if columns > 1 else COLUMN, 1.75 * rows + 0.1)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax, name, errors in zip(axes.flat, names, values.T):
        errors = errors[errors > 0]  # neither 0 nor NaN
        low, high = (errors.min(), errors.max()) if len(errors) else (0.1, 1)
        ax.hist(errors, bins=np.geomspace(low / 1.05, high * 1.05, 41), color=color(0))
        ax.set(xscale="log", xlabel=f"error of {get_label(name, units[name]).axis}")
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("stars per bin")
    return save_figure(fig, path)


def draw_sky(ra, dec, path):
    """Draw stars on the sky in Mollweide's equal-area projection, east to the left.

    More than FEW stars are drawn as their density.

    Parameters
    ----------
    ra, dec : ndarray (n,)
        Right ascension and declination (deg).
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    good = np.isfinite(ra) & np.isfinite(dec)
    ra = (ra[good] + 180) % 360 - 180
    dec = dec[good]
    fig, ax = plt.subplots(figsize=(PAGE, 3.6), subplot_kw={"projection": "mollweide"})
    if len(ra) <= FEW:
        style = {"s": 4 if len(ra) > 300 else 10, "lw": 0, "color": color(0), "rasterized": True}
        ax.scatter(-np.radians(ra), np.radians(dec), **style)
    else:
        edges = np.arange(-180, 180 + CELL, CELL), np.arange(-90, 90 + CELL, CELL)
        number, *_ = np.histogram2d(-ra, dec, bins=edges)
        area = np.degrees(np.diff(np.sin(np.radians(edges[1])))) * CELL  # deg^2
        density = np.where(number > 0, number / area, np.nan)
        norm = LogNorm(*np.nanpercentile(density, [1, 99.5]) * [1, 1.01])
        cells = ax.pcolormesh(*map(np.radians, edges), density.T, norm=norm, rasterized=True)
        fig.colorbar(cells, label=r"stars per deg$^2$", pad=0.02, shrink=0.8)
    degrees = np.arange(-150, 180, 30)
    texts = [f"{-value % 360}°" for value in degrees]
    box = {"fc": "white", "lw": 0, "alpha": 0.7, "pad": 0.8}
    ax.set_xticks(np.radians(degrees), texts, fontsize=6.5, bbox=box)
    ax.grid(True, color="0.6", lw=0.3)
    ax.set(xlabel="right ascension", ylabel="declination")
    ax.set_title(f"{format_count(len(ra))} stars", fontsize=7.5, loc="right")
    return save_figure(fig, path)


def draw_ablation(rmse, labels, path):
    """Draw the RMSE of each label over its RMSE with the first set of inputs.

    Parameters
    ----------
    rmse : dict
        {name of the inputs: (n_labels,)}; the values of the first are written above.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    (first, reference), *others = ((name, np.array(values)) for name, values in rmse.items())
    fig, ax = plt.subplots(figsize=(PAGE if len(labels) > 5 else COLUMN, 2.6))
    x = np.arange(len(labels))
    ax.axhline(1, color="k", lw=0.8, label=first)
    for i, (name, values) in enumerate(others):
        ax.vlines(x, 1, values / reference, color="0.8", lw=0.8, zorder=0)
        ax.plot(x, values / reference, "os"[i % 2], ms=5, color=color(i), label=name)
    for label, value, position in zip(labels, reference, x):
        text = f"{value:.3g} {label.unit}".strip()
        ax.text(position, 1.07, text, ha="center", va="bottom", fontsize=7)
    ax.set_xticks(x, [label.symbol for label in labels])
    ax.set(xlim=(-0.5, len(x) - 0.5), ylim=(0, max(1.2, ax.get_ylim()[1])))
    ax.set_ylabel(f"RMSE over that of {first}")
    ax.tick_params(axis="x", which="both", length=0)
    ax.legend(loc="lower left", ncols=len(rmse))
    return save_figure(fig, path)
