"""Figures of the predictions for test stars: one-to-one, error against S/N and over the bound, residuals against each label."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from starlabels.base.labels import LABELS
from starlabels.base.statistics import compute_rms
from starlabels.learning.calibration import NOISE_FREE
from starlabels.plots import COLUMN, PAGE, VERMILLION, color, plt, save
from starlabels.plots.panels import (
    BOX,
    COLUMNS,
    HALO,
    HEX,
    assign_bins,
    format_residuals,
    compute_running_percentiles,
    share_color_scale,
    compute_span,
    compute_strip_limit,
    set_ticks,
    describe_snr_range,
)

ABREAST = 6  # labels in a row of ratios to the bound
LEAST, STARS_A_CELL = 5, 50  # stars in a cell of the label planes: at least, about
KIEL = (LABELS["teff"], LABELS["logg"])  # x and y, both reversed
RATIO = ListedColormap(
    colormaps["RdBu_r"](np.linspace(0.25, 1, 256))
)  # on 1/2 to 4, logarithmic: white is 1, 2 as dark as 1/2


def draw_one_to_one(true, predicted, labels, key, path):
    """Predicted against true labels (n, n_labels), residuals in a strip below each panel; key is the S/N range."""
    columns, blocks = min(COLUMNS, len(labels)), -(-len(labels) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), 2.55 * blocks + 0.2)
    fig, axes = plt.subplots(
        2 * blocks, columns, figsize=size, height_ratios=[3, 1] * blocks, squeeze=False
    )
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)  # the residual strip touches its panel
    cells = []
    for j, one in enumerate(labels):
        top, low = axes[j // columns * 2 : j // columns * 2 + 2, j % columns]
        t, d = true[:, j], predicted[:, j] - true[:, j]
        low_end, high_end = compute_span(np.r_[t, predicted[:, j]])
        pad = 0.04 * (high_end - low_end)
        extent, limit = (low_end - pad, high_end + pad), compute_strip_limit(d)
        cells.append(top.hexbin(t, predicted[:, j], gridsize=55, extent=(*extent, *extent), **HEX))
        shown = np.clip(d, -0.99 * limit, 0.99 * limit)  # outliers sit on the edge of the strip
        cells.append(
            low.hexbin(t, shown, gridsize=(55, 14), extent=(*extent, -limit, limit), **HEX)
        )
        top.plot(extent, extent, color="k", lw=0.7)
        low.axhline(0, color="k", lw=0.7)
        top.text(0.07, 0.94, format_residuals(d), transform=top.transAxes, va="top", fontsize=7.5, bbox=BOX)
        apart = "\n" * (j >= columns)  # from the labels of the block above
        top.set(xlim=extent, ylim=extent, title=apart + one.axis)
        top.tick_params(labelbottom=False)
        low.set(xlim=extent, ylim=(-limit, limit), xlabel=f"true {one.symbol}")
        set_ticks((top.xaxis, low.xaxis), 4)
        set_ticks((top.yaxis,), 5)
        set_ticks((low.yaxis,), 3, symmetric=True)
    for ax in axes[-2:, (len(labels) - 1) % columns + 1 :].flat:
        ax.axis("off")
    for top, low in axes[:, 0].reshape(-1, 2):
        top.set_ylabel("predicted")
        low.set_ylabel(r"pred $-$ true")
    fig.align_ylabels(axes[:, 0])
    share_color_scale(fig, cells, axes)
    fig.suptitle(describe_snr_range(key), fontsize=9)
    return save(fig, path)


def draw_error_vs_snr(results, labels, path, n_bins=12):
    """RMSE of each label in bins of S/N, its floor without noise and the bound; results {range: {mean, true, snr, crlb}}.

    crlb (k, n_labels), the bound of each star, may be missing.
    """
    noisy = [r for key, r in results.items() if key != NOISE_FREE]
    snr = np.concatenate([r["snr"] for r in noisy])
    error = np.concatenate([r["mean"] - r["true"] for r in noisy])  # (n, n_labels)
    bound = np.concatenate([r["crlb"] for r in noisy]) if all("crlb" in r for r in noisy) else None
    floor = compute_rms(results[NOISE_FREE]["mean"] - results[NOISE_FREE]["true"])
    index = assign_bins(np.log(snr), n_bins)[0]
    filled = [i for i in range(n_bins) if (index == i).any()]
    x = [np.exp(np.log(snr[index == i]).mean()) for i in filled]
    lines = [
        np.array([compute_rms(one[index == i]) for i in filled])
        for one in (error, bound)
        if one is not None
    ]  # (bins, n_labels)
    columns, rows = min(COLUMNS, len(labels)), -(-len(labels) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), 2.0 * rows + 0.3)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for j, (ax, one) in enumerate(zip(axes.flat, labels)):
        ax.loglog(x, lines[0][:, j], "o-", ms=3, color=color(j), label="network")
        ax.axhline(floor[j], color=color(j), lw=0.8, ls="--", label="network, noise-free")
        for line in lines[1:]:
            ax.plot(x, line[:, j], color="k", lw=1, label="Cramér\N{EN DASH}Rao bound")
        shown = np.hstack([floor[j], *(line[:, j] for line in lines)])
        shown = shown[
            np.isfinite(shown)
        ]  # a label that some star's spectrum does not tell has no finite bound
        ax.set_ylim(0.6 * shown.min(), 1.6 * shown.max())
        ax.set(title=one.axis, xlabel="S/N")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
    for ax in axes.flat[len(labels) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("RMSE")
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3 if columns > 1 else 2,
    )
    return save(fig, path)


def draw_error_over_bound(true, error, crlb, labels, key, path):
    """RMS error over the RMS bound (n, n_labels) of each label (columns) across planes of two labels (rows).

    The planes are those of `planes_of`; more than ABREAST labels are drawn across the first alone, a few in a row. Cells of
    fewer than LEAST stars stay empty. None if there is but one label.
    """
    planes, every = choose_label_planes(labels), range(len(labels))
    if not planes:
        return None
    many, ratio = len(labels) > ABREAST, compute_rms(error) / compute_rms(crlb)
    rows = (
        [(planes[0], every[i : i + COLUMNS]) for i in every[::COLUMNS]]
        if many
        else [(plane, every) for plane in planes]
    )
    size = (PAGE, 0.75 + (1.75 if many else 1.55) * len(rows))
    fig, axes = plt.subplots(
        len(rows), len(rows[0][1]), figsize=size, sharex="row", sharey="row", squeeze=False
    )
    fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, hspace=0.02, wspace=0)
    n_cells = int(np.clip(np.sqrt(len(true) / STARS_A_CELL), 3, 16))
    for ((a, b), shown), row in zip(rows, axes):
        cell = n_cells * assign_bins(true[:, a], n_cells)[0] + assign_bins(true[:, b], n_cells)[0]
        x, y = (np.linspace(*compute_span(true[:, i]), n_cells + 1) for i in (a, b))
        for j, ax in zip(shown, row):
            found = compute_cell_ratios(cell, n_cells**2, error[:, j], crlb[:, j]).reshape(n_cells, n_cells)
            mesh = ax.pcolormesh(x, y, found.T, cmap=RATIO, norm=LogNorm(0.5, 4))
            ax.set_facecolor("0.8")
            ax.set(xlabel=labels[a].axis)
            set_ticks((ax.xaxis,), 3 if len(row) <= COLUMNS else 2)
            set_ticks((ax.yaxis,), 4)
            if many or row[0] is axes[0, 0]:
                ax.set_title(f"{labels[j].symbol}: {ratio[j]:.2f}")
        row[0].set_ylabel(labels[b].axis)
        for i, axis in ((a, row[0].xaxis), (b, row[0].yaxis)):
            axis.set_inverted(labels[i] in KIEL)
    for ax in axes[-1, len(rows[-1][1]) :]:
        ax.axis("off")
    fig.align_ylabels(axes[:, 0])
    bar = fig.colorbar(
        mesh, ax=axes, extend="both", label="RMS error / RMS bound", pad=0.01, aspect=30
    )
    bar.set_ticks([0.5, 1, 2, 4], labels=["1/2", "1", "2", "4"])
    bar.ax.minorticks_off()
    fig.suptitle(
        f"{describe_snr_range(key)}: error over Cramér\N{EN DASH}Rao bound, of all stars and across the labels",
        fontsize=9,
    )
    return save(fig, path)


def choose_label_planes(labels):
    """Pairs (i, j) of label numbers for planes of two: teff and logg first, as in a Kiel diagram, then the others in order.

    An odd one out is paired with the one before it.
    """
    order = [labels.index(one) for one in KIEL] if all(one in labels for one in KIEL) else []
    order += [i for i in range(len(labels)) if i not in order]
    pairs = list(zip(order[::2], order[1::2]))
    return pairs + [(order[-2], order[-1])] if len(order) % 2 and len(order) > 1 else pairs


def compute_cell_ratios(cell, n_cells, error, bound):
    """RMS error over RMS bound (n_cells,) of the stars (n,) in each cell, NaN where they are fewer than LEAST."""
    number = np.bincount(cell, minlength=n_cells)
    found = np.full(n_cells, np.nan)
    enough = number >= LEAST
    square, bound_square = (
        np.bincount(cell, values.astype(float) ** 2, n_cells)[enough] for values in (error, bound)
    )
    found[enough] = np.sqrt(square / bound_square)
    return found


def draw_residuals(true, predicted, labels, key, path):
    """Residual of each label (rows) against each true label (columns), with median and scatter in bins."""
    k = len(labels)
    size = (max(COLUMN, PAGE * min(k, COLUMNS) / COLUMNS), 0.6 + 1.45 * k)
    fig, axes = plt.subplots(k, k, figsize=size, sharex="col", sharey="row", squeeze=False)
    fig.get_layout_engine().set(h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    cells = []
    for i, row in enumerate(axes):
        d = predicted[:, i] - true[:, i]
        limit = compute_strip_limit(d)
        for j, ax in enumerate(row):
            t = true[:, j]
            extent = (*compute_span(t), -limit, limit)
            cells.append(
                ax.hexbin(
                    t,
                    np.clip(d, -0.99 * limit, 0.99 * limit),
                    gridsize=(30, 18),
                    extent=extent,
                    **HEX,
                )
            )
            centre, (below, middle, above) = compute_running_percentiles(t, d)
            ax.plot(centre, middle, color=VERMILLION, lw=1.2, path_effects=HALO)
            for edge in (below, above):
                ax.plot(centre, edge, color=VERMILLION, lw=0.9, path_effects=HALO)
            ax.axhline(0, color="k", lw=0.5)
            ax.set(xlim=extent[:2], ylim=extent[2:])
            set_ticks((ax.xaxis,), 3)
            set_ticks((ax.yaxis,), 4, symmetric=True)
        row[0].set_ylabel(
            rf"pred $-$ true {labels[i].symbol}"
            + (f"\n({labels[i].unit})" if labels[i].unit else "")
        )
    for ax, one in zip(axes[-1], labels):
        ax.set_xlabel(f"true {one.axis}")
    fig.align_labels()
    share_color_scale(fig, cells, axes)
    fig.suptitle(f"{describe_snr_range(key)}: median and 16th, 84th percentiles", fontsize=9)
    return save(fig, path)
