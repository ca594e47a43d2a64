"""Figures of a generator's errors over stars and labels, in thousandths of the continuum."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.base.statistics import compute_rms
from starlabels.plots import BLACK, BLUE, COLUMN, PAGE, VERMILLION, plt, save_figure
from starlabels.plots.panels import (
    HALO,
    HEX,
    choose_columns,
    compute_span,
    draw_percentiles,
    set_log_ticks,
    set_ticks,
    share_color_scale,
)

SOURCES = {"synthesised": BLACK, "generated": VERMILLION}
HISTOGRAMS = {"mean": ("mean", BLUE), "max": ("largest", VERMILLION)}
SIZE = r"$|\Delta f|$ ($10^{-3}$)"
DECADES = 4.0  # below the largest error that a logarithmic axis shows at most


def format_digits(value, digits=2):
    """A value to so many digits, without an exponent."""
    text = np.format_float_positional(value, precision=digits, unique=False, fractional=False)
    return text.rstrip(".")


def scale_to_thousandths(errors):
    """{name: error} in thousandths, none less than DECADES below the largest, for a log axis."""
    errors = {name: 1e3 * np.asarray(values, float) for name, values in errors.items()}
    least = max(values.max() for values in errors.values()) / 10**DECADES or 1e-3
    return {name: np.maximum(values, least) for name, values in errors.items()}


def set_error_ticks(axis):
    """Set plain numbers at round ticks of a logarithmic axis whose limits are set."""
    low, high = axis.get_view_interval()
    set_log_ticks(axis, subs=(1, 2, 5) if high < 100 * low else (1,))


def draw_error_distribution(errors, path):
    """Draw histograms over stars of the mean and the largest error over the pixels.

    Parameters
    ----------
    errors : dict
        {"mean", "max": (n,)} of |generated - synthesised| flux.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, axes = plt.subplots(len(HISTOGRAMS), 1, figsize=(COLUMN, 3.5), sharex=True)
    shown = {key: np.log10(values) for key, values in scale_to_thousandths(errors).items()}
    edges = np.linspace(*compute_span(np.concatenate([shown["mean"], shown["max"]])), 51)
    margin = 2 * np.array([-1, 1]) * (edges[1] - edges[0])  # two empty bins
    limits = 10 ** (edges[[0, -1]] + margin)
    for ax, (key, (word, shade)) in zip(axes, HISTOGRAMS.items()):
        counts = np.histogram(shown[key], edges)[0]
        ax.stairs(counts, 10**edges, fill=True, ec=shade, fc=(shade, 0.35), lw=0.8)
        ax.set(xscale="log", xlim=limits, ylim=(0, counts.max() / 0.66))
        set_error_ticks(ax.xaxis)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.set_ylabel("stars per bin")
        title = f"{word} over the pixels of a star ({len(shown[key])} stars)"
        ax.set_title(title, fontsize=8, loc="left")
        draw_marks(ax, 1e3 * errors[key])
    axes[-1].set_xlabel(SIZE)
    return save_figure(fig, path)


def draw_marks(ax, values):
    """Draw verticals with numbers at the mean, 95th percentile and maximum of values (n,)."""
    marks = [
        ("mean", values.mean(), 0.76, "-"),
        ("95th percentile", np.percentile(values, 95), 0.865, "--"),
        ("worst", values.max(), 0.97, ":"),
    ]
    across = ax.get_xaxis_transform()
    low, high = np.log(ax.get_xlim())
    style = {"textcoords": "offset points", "va": "top", "fontsize": 7, "path_effects": HALO}
    for word, value, height, line in marks:
        x = np.clip(value, *ax.get_xlim())
        ax.plot([x, x], [0, height], color=BLACK, lw=0.9, ls=line, transform=across)
        on_left = (np.log(x) - low) / (high - low) > 0.4  # the side with more room
        side, shift = ("right", -3) if on_left else ("left", 3)
        text = f"{word} {format_digits(value)}"
        ax.annotate(text, (x, height), (shift, 0), xycoords=across, ha=side, **style)


def make_panels(n, height, extra, word, sharey=True):
    """Figure and axes of n panels, with y named by `word`; height and extra in inches."""
    columns = choose_columns(n)
    rows = -(-n // columns)
    size = (PAGE if columns > 1 else COLUMN, height * rows + extra)
    fig, axes = plt.subplots(rows, columns, figsize=size, sharey=sharey, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, hspace=0.02, wspace=0)
    for ax in axes.flat[n:]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel(word)
    return fig, axes


def draw_error_by_label(values, errors, labels, path):
    """Draw the error of each star against each of its labels, with percentiles.

    Parameters
    ----------
    values : ndarray (n, n_labels)
        Labels of the stars.
    errors : ndarray (n,)
        Mean |generated - synthesised| flux.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, axes = make_panels(len(labels), 1.85, 0.2, f"mean {SIZE}")
    shown = scale_to_thousandths({"mean": errors})["mean"]
    low, high = np.array(compute_span(np.log10(shown))) + [-0.1, 0.1]
    cells = []
    for j, (ax, label) in enumerate(zip(axes.flat, labels)):
        span = compute_span(values[:, j])
        shape = {"gridsize": (36, 20), "extent": (*span, low, high), "yscale": "log"}
        cells.append(ax.hexbin(values[:, j], shown, **shape, **HEX))
        draw_percentiles(ax, values[:, j], shown)
        ax.set(xlim=span, ylim=(10**low, 10**high), xlabel=label.axis)
        set_ticks((ax.xaxis,), 5)
        set_error_ticks(ax.yaxis)
    share_color_scale(fig, cells, axes)
    return save_figure(fig, path)


def draw_inferred_labels(errors, labels, path):
    """Draw histograms of the residuals of labels inferred from synthesised and generated spectra.

    Parameters
    ----------
    errors : dict
        {"synthesised", "generated": (n, n_labels)} of predicted - true labels.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, axes = make_panels(len(labels), 1.75, 0.25, "stars per bin (%)", sharey=False)
    head = 0.06 + 0.09 * len(errors)  # the texts above the highest histogram
    for j, (ax, label) in enumerate(zip(axes.flat, labels)):
        both = np.abs(np.concatenate([residual[:, j] for residual in errors.values()]))
        # Far outliers may lie outside the panel.
        limit = 1.1 * np.percentile(both, 99) or both.max() or 1.0
        edges = np.linspace(-limit, limit, 42)
        peak = 0.0
        for i, (name, residuals) in enumerate(errors.items()):
            residual = residuals[:, j]
            shade = SOURCES[name]
            density = 100 * np.histogram(residual, edges)[0] / len(residual)  # of all stars
            ax.stairs(density, edges, color=shade, lw=0.9, label=f"{name} spectra")
            sigma = 1.4826 * np.median(np.abs(residual - np.median(residual)))
            rms = format_digits(compute_rms(residual), 3)
            text = f"$\\sigma_{{\\rm MAD}}$ {format_digits(sigma, 3)}, rms {rms}"
            style = {"color": shade, "va": "top", "fontsize": 7.5}
            ax.text(0.04, 0.96 - 0.09 * i, text, transform=ax.transAxes, **style)
            peak = max(peak, density.max())
        ax.set(xlim=(-limit, limit), ylim=(0, 1.03 * peak / (1 - head)))
        ax.set_xlabel(rf"pred $-$ true {label.axis}")
        set_ticks((ax.xaxis,), 5, symmetric=True)
        set_ticks((ax.yaxis,), 4)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return save_figure(fig, path)
