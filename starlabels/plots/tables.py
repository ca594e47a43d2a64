"""Figures of the columns of a table: what is missing, how large the errors are, where on the sky the stars lie."""

import numpy as np
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.ticker import MaxNLocator

from starlabels.base.console import format_count
from starlabels.base.labels import get_label
from starlabels.plots import BLUE, COLUMN, PAGE, color, plt, save

PATTERNS = 16  # of missing values that are shown, the most common ones
FEW = 5000  # stars that are drawn one by one on the sky
CELL = 3.0  # deg, of the map of more


def draw_missing_values(values, names, path):
    """Which of the columns of values (n, k) are missing together: common patterns, their share, and each column's own share."""
    patterns, share, n_patterns = find_common_patterns(np.isnan(values))
    k, m = len(names), len(patterns)
    sizes = {"width_ratios": [max(m, 4), 4], "height_ratios": [4, max(k, 4)]}
    height = min(1.5 + 0.17 * k, 9.0)
    fig, axes = plt.subplots(
        2, 2, figsize=(PAGE if k + m > 12 else COLUMN, height), gridspec_kw=sizes, squeeze=False
    )
    (top, corner), (grid, right) = axes
    corner.axis("off")
    grid.pcolormesh(
        patterns.T,
        cmap=ListedColormap([BLUE, "white"]),
        vmin=0,
        vmax=1,
        edgecolors="0.8",
        linewidth=0.4,
    )
    grid.set(ylim=(k, 0), xlim=(0, m), xlabel="white: missing")
    grid.set_yticks(
        np.arange(k) + 0.5,
        [name.replace("_", " ") for name in names],
        fontsize=7 if k < 40 else 4.5,
    )
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
        fig.suptitle(
            f"{m} of {format_count(n_patterns)} patterns shown, {share.sum():.1%} of the stars",
            fontsize=7.5,
            x=0.98,
            ha="right",
        )
    return save(fig, path)


def find_common_patterns(mask):
    """(The most common rows (m, k) of a mask (n, k), the share (m,) of all rows that each has, how many there are)."""
    packed = np.packbits(mask, axis=1)
    keys = (
        np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
    )  # a row as one value, so that they sort fast
    _, first, n = np.unique(keys, return_index=True, return_counts=True)
    order = np.argsort(-n, kind="stable")[:PATTERNS]
    return mask[first[order]], n[order] / len(mask), len(n)


def draw_errors(values, names, units, path):
    """One panel a column of its errors (n, k) above 0, on a logarithmic axis."""
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    size = (PAGE if columns > 1 else COLUMN, 1.75 * rows + 0.1)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax, name, one in zip(axes.flat, names, values.T):
        one = one[one > 0]  # NaN is not
        low, high = (one.min(), one.max()) if len(one) else (0.1, 1)
        ax.hist(one, bins=np.geomspace(low / 1.05, high * 1.05, 41), color=color(0))
        known = get_label(name, units[name])
        ax.set(xscale="log", xlabel=f"error of {known.axis}")
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("stars per bin")
    return save(fig, path)


def draw_sky(ra, dec, path):
    """Stars at ra, dec (n,) in deg in Mollweide's equal-area projection, east to the left; many of them as their density."""
    ok = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = (ra[ok] + 180) % 360 - 180, dec[ok]
    fig, ax = plt.subplots(figsize=(PAGE, 3.6), subplot_kw={"projection": "mollweide"})
    if len(ra) <= FEW:
        ax.scatter(
            -np.radians(ra),
            np.radians(dec),
            s=4 if len(ra) > 300 else 10,
            lw=0,
            color=color(0),
            rasterized=True,
        )
    else:
        edges = np.arange(-180, 180 + CELL, CELL), np.arange(-90, 90 + CELL, CELL)
        n, *_ = np.histogram2d(-ra, dec, bins=edges)
        area = np.degrees(np.diff(np.sin(np.radians(edges[1])))) * CELL  # deg^2
        density = np.where(n > 0, n / area, np.nan)
        norm = LogNorm(*np.nanpercentile(density, [1, 99.5]) * [1, 1.01])
        drawn = ax.pcolormesh(*map(np.radians, edges), density.T, norm=norm, rasterized=True)
        fig.colorbar(drawn, label=r"stars per deg$^2$", pad=0.02, shrink=0.8)
    hours = np.arange(-150, 180, 30)
    ax.set_xticks(
        np.radians(hours),
        [f"{-one % 360}°" for one in hours],
        fontsize=6.5,
        bbox={"fc": "white", "lw": 0, "alpha": 0.7, "pad": 0.8},
    )
    ax.grid(True, color="0.6", lw=0.3)
    ax.set(xlabel="right ascension", ylabel="declination")
    ax.set_title(f"{format_count(len(ra))} stars", fontsize=7.5, loc="right")
    return save(fig, path)


def draw_ablation(rmse, labels, path):
    """RMSE {sources: (n_labels,)} of each label over that of the first sources, whose own numbers stand above."""
    (first, reference), *others = ((name, np.array(values)) for name, values in rmse.items())
    fig, ax = plt.subplots(figsize=(PAGE if len(labels) > 5 else COLUMN, 2.6))
    x = np.arange(len(labels))
    ax.axhline(1, color="k", lw=0.8, label=first)
    for i, (name, values) in enumerate(others):
        ax.vlines(x, 1, values / reference, color="0.8", lw=0.8, zorder=0)
        ax.plot(x, values / reference, "os"[i % 2], ms=5, color=color(i), label=name)
    for one, value, position in zip(labels, reference, x):
        text = f"{value:.3g} {one.unit}".strip()
        ax.text(position, 1.07, text, ha="center", va="bottom", fontsize=7)
    ax.set_xticks(x, [one.symbol for one in labels])
    ax.set(
        xlim=(-0.5, len(x) - 0.5),
        ylim=(0, max(1.2, ax.get_ylim()[1])),
        ylabel=f"RMSE over that of {first}",
    )
    ax.tick_params(axis="x", which="both", length=0)
    ax.legend(loc="lower left", ncols=len(rmse))
    return save(fig, path)
