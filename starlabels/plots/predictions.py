"""Figures of the predictions for test stars: one-to-one, errors against S/N, residuals."""

import numpy as np

from starlabels.base.statistics import compute_rms
from starlabels.learning.calibration import NOISE_FREE
from starlabels.plots import COLUMN, PAGE, VERMILLION, color, plt, save_figure
from starlabels.plots.panels import (
    BOX,
    COLUMNS,
    HALO,
    HEX,
    assign_bins,
    compute_running_percentiles,
    compute_span,
    compute_strip_limit,
    describe_snr_range,
    format_residuals,
    frame_comparison,
    make_comparison_panels,
    make_label_panels,
    set_log_ticks,
    set_ticks,
    share_color_scale,
)


def draw_one_to_one(true, predicted, labels, key, path):
    """Draw predicted against true labels, and below them the residuals, which have more room.

    Parameters
    ----------
    true, predicted : ndarray (n, n_labels)
        Labels of the stars.
    labels : list of Label (n_labels,)
    key : str
        Range of S/N.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, axes, pairs = make_comparison_panels(labels, 2.75, 0.2, "true", ratios=(1, 1.3))
    cells = []
    for j, (top, low) in enumerate(pairs):
        cells += draw_label_comparison(top, low, true[:, j], predicted[:, j])
    share_color_scale(fig, cells, axes)
    fig.suptitle(describe_snr_range(key), fontsize=9)
    return save_figure(fig, path)


def draw_label_comparison(top, low, true, predicted):
    """Draw one label (n,), predicted against true, and its residuals below; both hexbins."""
    residual = predicted - true
    span, limit = frame_comparison(top, low, true, predicted)
    shown = np.clip(residual, -0.99 * limit, 0.99 * limit)  # outliers are on the edge of the strip
    strip = {"gridsize": (55, 24), "extent": (*span, -limit, limit)}
    cells = [
        top.hexbin(true, predicted, gridsize=(55, 24), extent=(*span, *span), **HEX),
        low.hexbin(true, shown, **strip, **HEX),
    ]
    style = {"transform": top.transAxes, "va": "top", "fontsize": 7, "bbox": BOX}
    top.text(0.05, 0.96, format_residuals(residual, rmse=True), **style)
    return cells


def draw_error_vs_snr(results, labels, path, n_bins=12):
    """Draw the RMSE of each label against S/N, its floor without noise and the bound.

    Parameters
    ----------
    results : dict
        {range of S/N: {"mean", "true", "crlb": (n, n_labels), "snr": (n,)}}; crlb may be missing.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.
    n_bins : int
        Number of bins in log S/N.

    Returns
    -------
    Path
    """
    noisy = [result for key, result in results.items() if key != NOISE_FREE]
    snr = np.concatenate([result["snr"] for result in noisy])
    index = assign_bins(np.log(snr), n_bins)[0]
    filled = [i for i in range(n_bins) if (index == i).any()]
    x = [np.exp(np.log(snr[index == i]).mean()) for i in filled]
    samples = [np.concatenate([result["mean"] - result["true"] for result in noisy])]
    if all("crlb" in result for result in noisy):
        samples.append(np.concatenate([result["crlb"] for result in noisy]))
    curves = []  # (n_bins, n_labels) of the network and, if known, the bound
    for sample in samples:
        curves.append(np.array([compute_rms(sample[index == i]) for i in filled]))
    floor = compute_rms(results[NOISE_FREE]["mean"] - results[NOISE_FREE]["true"])
    fig, axes = make_label_panels(len(labels), 2.0)
    for j, (ax, label) in enumerate(zip(axes.flat, labels)):
        ax.loglog(x, curves[0][:, j], "o-", ms=3, color=color(j), label="network")
        ax.axhline(floor[j], color=color(j), lw=0.8, ls="--", label="network, noise-free")
        for curve in curves[1:]:
            ax.plot(x, curve[:, j], color="k", lw=1, label="Cramér\N{EN DASH}Rao bound")
        shown = np.hstack([floor[j], *(curve[:, j] for curve in curves)])
        # The bound is infinite for a label that a star's spectrum does not constrain.
        shown = shown[np.isfinite(shown)]
        ax.set_ylim(0.6 * shown.min(), 1.6 * shown.max())
        ax.set(title=label.axis, xlabel="S/N")
        for axis in (ax.xaxis, ax.yaxis):
            set_log_ticks(axis, subs=(1, 2, 5))
    for ax in axes[:, 0]:
        ax.set_ylabel("RMSE")
    handles = axes[0, 0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside upper center", ncols=3 if len(labels) > 1 else 2)
    return save_figure(fig, path)


def draw_residuals(true, predicted, labels, key, path):
    """Draw the residual of each label (rows) against each true label (columns).

    Parameters
    ----------
    true, predicted : ndarray (n, n_labels)
        Labels of the stars.
    labels : list of Label (n_labels,)
    key : str
        Range of S/N.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    k = len(labels)
    size = (max(COLUMN, PAGE * min(k, COLUMNS) / COLUMNS), 0.6 + 1.45 * k)
    fig, axes = plt.subplots(k, k, figsize=size, sharex="col", sharey="row", squeeze=False)
    fig.get_layout_engine().set(h_pad=0.02, w_pad=0.02, hspace=0, wspace=0)
    cells = []
    for i, row in enumerate(axes):
        residual = predicted[:, i] - true[:, i]
        limit = compute_strip_limit(residual)
        for j, ax in enumerate(row):
            cells.append(draw_residual_panel(ax, true[:, j], residual, limit))
        unit = f"\n({labels[i].unit})" if labels[i].unit else ""
        row[0].set_ylabel(rf"pred $-$ true {labels[i].symbol}" + unit)
    for ax, label in zip(axes[-1], labels):
        ax.set_xlabel(f"true {label.axis}")
    fig.align_labels()
    share_color_scale(fig, cells, axes)
    text = f"{describe_snr_range(key)}: median and 16th, 84th percentiles"
    fig.suptitle(text, fontsize=9)
    return save_figure(fig, path)


def draw_residual_panel(ax, true, residual, limit):
    """Draw residuals (n,) within the limit against a true label (n,), with percentiles; hexbin."""
    extent = (*compute_span(true), -limit, limit)
    shown = np.clip(residual, -0.99 * limit, 0.99 * limit)
    cells = ax.hexbin(true, shown, gridsize=(30, 18), extent=extent, **HEX)
    centre, (below, middle, above) = compute_running_percentiles(true, residual)
    for line, width in ((middle, 1.2), (below, 0.9), (above, 0.9)):
        ax.plot(centre, line, color=VERMILLION, lw=width, path_effects=HALO)
    ax.axhline(0, color="k", lw=0.5)
    ax.set(xlim=extent[:2], ylim=extent[2:])
    set_ticks((ax.xaxis,), 3)
    set_ticks((ax.yaxis,), 4, symmetric=True)
    return cells
