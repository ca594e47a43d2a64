"""Figures of the predictions for test stars: one-to-one, error against S/N, residuals against each label."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from starlabels.plots import COLUMN, PAGE, VERMILLION, color, plt, save

COLUMNS = 4  # panels in a row
MINUS = "\N{MINUS SIGN}"
HEX = {"mincnt": 1, "lw": 0.1, "rasterized": True}
HALO = [withStroke(linewidth=2, foreground="w")]
BOX = {"fc": "w", "ec": "none", "pad": 0.5, "alpha": 0.8}


def one_to_one(true, predicted, labels, key, path):
    """Predicted against true labels (n, n_labels), residuals in a strip below each panel; key is the S/N range."""
    columns, blocks = min(COLUMNS, len(labels)), -(-len(labels) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), 2.55 * blocks + 0.2)
    fig, axes = plt.subplots(2 * blocks, columns, figsize=size, height_ratios=[3, 1] * blocks, squeeze=False)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)  # the residual strip touches its panel
    cells = []
    for j, one in enumerate(labels):
        top, low = axes[j // columns * 2 : j // columns * 2 + 2, j % columns]
        t, d = true[:, j], predicted[:, j] - true[:, j]
        low_end, high_end = span(np.r_[t, predicted[:, j]])
        pad = 0.04 * (high_end - low_end)
        extent, limit = (low_end - pad, high_end + pad), strip(d)
        cells.append(top.hexbin(t, predicted[:, j], gridsize=55, extent=(*extent, *extent), **HEX))
        shown = np.clip(d, -0.99 * limit, 0.99 * limit)  # outliers sit on the edge of the strip
        cells.append(low.hexbin(t, shown, gridsize=(55, 14), extent=(*extent, -limit, limit), **HEX))
        top.plot(extent, extent, color="k", lw=0.7)
        low.axhline(0, color="k", lw=0.7)
        top.text(0.07, 0.94, corner(d), transform=top.transAxes, va="top", fontsize=7.5, bbox=BOX)
        top.set(xlim=extent, ylim=extent, title=one.axis)
        top.tick_params(labelbottom=False)
        low.set(xlim=extent, ylim=(-limit, limit), xlabel=f"true {one.symbol}")
        ticks((top.xaxis, low.xaxis), 4)
        ticks((top.yaxis,), 5)
        ticks((low.yaxis,), 3, symmetric=True)
    for ax in axes[-2:, (len(labels) - 1) % columns + 1 :].flat:
        ax.axis("off")
    for top, low in axes[:, 0].reshape(-1, 2):
        top.set_ylabel("predicted")
        low.set_ylabel(r"pred $-$ true")
    fig.align_ylabels(axes[:, 0])
    same_colors(fig, cells, axes)
    fig.suptitle(words(key), fontsize=9)
    return save(fig, path)


def ticks(axes, n, symmetric=False):
    """At most n intervals between round ticks on each axis; none at the ends of one symmetric about zero."""
    for axis in axes:
        prune = "both" if symmetric else None
        axis.set_major_locator(MaxNLocator(n, steps=[1, 2, 5, 10], symmetric=symmetric, prune=prune))


def strip(residual):
    """Half the height of a strip that holds all residuals but far outliers."""
    return 1.25 * np.percentile(np.abs(residual), 99.8) or 1.0


def corner(residual):
    """Bias, sigma and number of the residuals (n,), to three digits of sigma."""
    bias = np.median(residual)
    sigma = 1.4826 * np.median(np.abs(residual - bias))
    digits = int(np.clip(2 - np.floor(np.log10(sigma or 1)), 0, 6))
    text = f"{bias:+.{digits}f}".replace("-", MINUS) if round(bias, digits) else f"{0:.{digits}f}"  # never "-0.000"
    return f"bias {text}\n$\\sigma_{{\\rm MAD}}$ {sigma:.{digits}f}\n$N$ {len(residual)}"


def words(key):
    """A range of S/N, as keyed in metrics.json, in words."""
    return "noise-free" if key == "inf" else "S/N " + key.replace("_", "\N{EN DASH}")


def same_colors(fig, cells, axes):
    """One logarithmic scale of stars per cell for all hexbins, and its bar."""
    norm = LogNorm(1, max(2, *(cell.get_array().max() for cell in cells)))
    for cell in cells:
        cell.set_norm(norm)
    fig.colorbar(cells[0], ax=axes, label="stars per cell", pad=0.01, aspect=30)


def error_vs_snr(results, labels, path, n_bins=12):
    """RMSE of each label in bins of S/N, and its floor without noise; results {range: {mean, true, snr}}."""
    noisy = [r for key, r in results.items() if key != "inf"]
    snr = np.concatenate([r["snr"] for r in noisy])
    square = np.concatenate([(r["mean"] - r["true"]) ** 2 for r in noisy])  # (n, n_labels)
    floor = np.sqrt(np.mean((results["inf"]["mean"] - results["inf"]["true"]) ** 2, axis=0))
    index = bins(np.log(snr), n_bins)[0]
    filled = [i for i in range(n_bins) if (index == i).any()]
    x = [np.exp(np.log(snr[index == i]).mean()) for i in filled]
    rmse = np.sqrt([square[index == i].mean(axis=0) for i in filled])  # (bins, n_labels)
    columns, rows = min(COLUMNS, len(labels)), -(-len(labels) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), 2.0 * rows + 0.3)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for j, (ax, one) in enumerate(zip(axes.flat, labels)):
        ax.loglog(x, rmse[:, j], "o-", ms=3, color=color(j), label="network")
        ax.axhline(floor[j], color=color(j), lw=0.8, ls="--", label="network, noise-free")
        ax.set_ylim(0.6 * min(floor[j], rmse[:, j].min()), 1.6 * rmse[:, j].max())
        ax.set(title=one.axis, xlabel="S/N")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
    for ax in axes.flat[len(labels) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("RMSE")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return save(fig, path)


def residuals(true, predicted, labels, key, path):
    """Residual of each label (rows) against each true label (columns), with median and scatter in bins."""
    k = len(labels)
    size = (max(COLUMN, PAGE * min(k, COLUMNS) / COLUMNS), 0.6 + 1.45 * k)
    fig, axes = plt.subplots(k, k, figsize=size, sharex="col", sharey="row", squeeze=False)
    fig.get_layout_engine().set(h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    cells = []
    for i, row in enumerate(axes):
        d = predicted[:, i] - true[:, i]
        limit = strip(d)
        for j, ax in enumerate(row):
            t = true[:, j]
            extent = (*span(t), -limit, limit)
            cells.append(ax.hexbin(t, np.clip(d, -0.99 * limit, 0.99 * limit), gridsize=(30, 18), extent=extent, **HEX))
            centre, (below, middle, above) = running(t, d)
            ax.plot(centre, middle, color=VERMILLION, lw=1.2, path_effects=HALO)
            for edge in (below, above):
                ax.plot(centre, edge, color=VERMILLION, lw=0.9, path_effects=HALO)
            ax.axhline(0, color="k", lw=0.5)
            ax.set(xlim=extent[:2], ylim=extent[2:])
            ticks((ax.xaxis,), 3)
            ticks((ax.yaxis,), 4, symmetric=True)
        row[0].set_ylabel(rf"pred $-$ true {labels[i].symbol}" + (f"\n({labels[i].unit})" if labels[i].unit else ""))
    for ax, one in zip(axes[-1], labels):
        ax.set_xlabel(f"true {one.axis}")
    fig.align_labels()
    same_colors(fig, cells, axes)
    fig.suptitle(f"{words(key)}: median and 16th, 84th percentiles", fontsize=9)
    return save(fig, path)


def running(x, y, n_bins=12):
    """Centres of bins in x (n,) and the 16th, 50th and 84th percentile of y (n,) in those that hold three or more."""
    index, centre = bins(x, n_bins)
    filled = [i for i in range(n_bins) if np.count_nonzero(index == i) >= 3]
    percentiles = np.array([np.percentile(y[index == i], [16, 50, 84]) for i in filled]).reshape(-1, 3)
    return centre[filled], percentiles.T


def bins(x, n_bins):
    """The number of the bin of each x (n,) among equal bins from its minimum to its maximum, and their centres."""
    edges = np.linspace(*span(x), n_bins + 1)
    return np.clip(np.digitize(x, edges) - 1, 0, n_bins - 1), 0.5 * (edges[1:] + edges[:-1])


def span(values):
    """Minimum and maximum, pulled apart if all values are one."""
    low, high = values.min(), values.max()
    return (low, high) if low < high else (low - 0.5, high + 0.5)
