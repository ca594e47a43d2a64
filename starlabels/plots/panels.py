"""Parts shared by the figures: panels, ticks, text boxes, running percentiles and colour scales."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from starlabels.base.statistics import compute_rms
from starlabels.learning.calibration import AS_THEY_ARE, NOISE_FREE
from starlabels.plots import COLUMN, PAGE, VERMILLION, plt

COLUMNS = 4  # panels in a row
MINUS = "\N{MINUS SIGN}"
HEX = {"mincnt": 1, "lw": 0.1, "rasterized": True}
HALO = [withStroke(linewidth=2, foreground="w")]
BOX = {"fc": "w", "ec": "none", "pad": 0.5, "alpha": 0.8}


def make_label_panels(n_labels, height, n_kinds=1, extra=0.3, **options):
    """Figure and axes (rows, columns) with `n_kinds` panels per label above each other.

    `height` (inches) is of one label; `extra` is added for what surrounds the panels. Axes that
    are not needed are off. Options are passed to `plt.subplots`.
    """
    columns = min(COLUMNS, n_labels)
    blocks = -(-n_labels // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), height * blocks + extra)
    fig, axes = plt.subplots(n_kinds * blocks, columns, figsize=size, squeeze=False, **options)
    for ax in axes[-n_kinds:, (n_labels - 1) % columns + 1 :].flat:
        ax.axis("off")
    return fig, axes


def make_comparison_panels(labels, height, extra, word, ratios=(3, 1)):
    """Figure, all axes, and one (panel, residual strip) for each label, with titles.

    word: what predicted labels are compared with, such as "true"; height, extra: see
    `make_label_panels`; ratios: of the heights of panel and strip.
    """
    heights = [*ratios] * -(-len(labels) // COLUMNS)
    fig, axes = make_label_panels(len(labels), height, 2, extra, height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)  # the residual strip touches its panel
    columns = axes.shape[1]
    pairs = []
    for j, label in enumerate(labels):
        top, low = axes[j // columns * 2 : j // columns * 2 + 2, j % columns]
        apart = "\n" * (j >= columns)  # from the labels of the block above
        top.set_title(apart + label.axis)
        low.set_xlabel(f"{word} {label.symbol}")
        pairs.append((top, low))
    for top, low in axes[:, 0].reshape(-1, 2):
        top.set_ylabel("predicted")
        low.set_ylabel(rf"pred $-$ {word}")
    fig.align_ylabels(axes[:, 0])
    return fig, axes, pairs


def frame_comparison(top, low, true, predicted):
    """Set limits and ticks of a panel and its strip; draw where labels (n,) are equal.

    Ends of the panel's axes, and the end of the strip.
    """
    first, last = compute_span(np.r_[true, predicted])
    pad = 0.04 * (last - first)
    span = (first - pad, last + pad)
    limit = compute_strip_limit(predicted - true)
    top.plot(span, span, color="k", lw=0.7)
    low.axhline(0, color="k", lw=0.7)
    top.set(xlim=span, ylim=span)
    top.tick_params(labelbottom=False)
    low.set(xlim=span, ylim=(-limit, limit))
    set_ticks((top.xaxis, low.xaxis), 4)
    set_ticks((top.yaxis,), 5)
    set_ticks((low.yaxis,), 3, symmetric=True)
    return span, limit


def choose_columns(n):
    """Number of columns for n panels of equal rank."""
    return n if n < 5 else 3 if n < 7 else 4


def set_ticks(axes, n, symmetric=False):
    """Set at most n intervals between round ticks, none at the ends of a symmetric axis."""
    for axis in axes:
        prune = "both" if symmetric else None
        axis.set_major_locator(
            MaxNLocator(n, steps=[1, 2, 5, 10], symmetric=symmetric, prune=prune)
        )


def set_log_ticks(axis, **locator):
    """Set plain numbers at the major ticks of a logarithmic axis; options of LogLocator."""
    axis.set_major_locator(LogLocator(**locator))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def compute_strip_limit(residual):
    """Half the height of a strip that holds all residuals (n,) except far outliers."""
    return 1.25 * np.percentile(np.abs(residual), 99.8) or 1.0


def format_residuals(residual, rmse=False):
    """Text with bias, sigma and number of residuals (n,), or their RMSE instead of the number."""
    bias = np.median(residual)
    sigma = 1.4826 * np.median(np.abs(residual - bias))
    digits = int(np.clip(2 - np.floor(np.log10(sigma or 1)), 0, 6))
    text = f"{0:.{digits}f}"
    if round(bias, digits):  # never "-0.000"
        text = f"{bias:+.{digits}f}".replace("-", MINUS)
    last = f"RMSE {compute_rms(residual):.{digits}f}" if rmse else f"$N$ {len(residual)}"
    return f"bias {text}\n$\\sigma_{{\\rm MAD}}$ {sigma:.{digits}f}\n{last}"


def describe_snr_range(key):
    """A range of S/N, as keyed in metrics.json, in words."""
    known = {NOISE_FREE: "noise-free", AS_THEY_ARE: "test stars as they are"}
    return known.get(key, "S/N " + key.replace("_", "\N{EN DASH}"))


def share_color_scale(fig, cells, axes):
    """Set one logarithmic scale of stars per cell for all hexbins and draw its colour bar."""
    norm = LogNorm(1, max(2, *(cell.get_array().max() for cell in cells)))
    for cell in cells:
        cell.set_norm(norm)
    fig.colorbar(cells[0], ax=axes, label="stars per cell", pad=0.01, aspect=30)


def draw_percentiles(ax, x, y, log=False):
    """Draw the running 16th, 50th and 84th percentile of y (n,) against x (n,), log10 x if log."""
    centre, percentiles = compute_running_percentiles(x, y)
    centre = 10**centre if log else centre
    for line, width in zip(percentiles, (0.9, 1.2, 0.9)):
        ax.plot(centre, line, color=VERMILLION, lw=width, path_effects=HALO)


def compute_running_percentiles(x, y, n_bins=12):
    """Centres of bins in x (n,) and the 16th, 50th and 84th percentile of y (n,) in each.

    Bins of fewer than three stars are left out.
    """
    index, centre = assign_bins(x, n_bins)
    filled = [i for i in range(n_bins) if np.count_nonzero(index == i) >= 3]
    percentiles = [np.percentile(y[index == i], [16, 50, 84]) for i in filled]
    return centre[filled], np.array(percentiles).reshape(-1, 3).T


def assign_bins(x, n_bins):
    """Bin number of each x (n,) among equal bins from its minimum to its maximum, and centres."""
    edges = np.linspace(*compute_span(x), n_bins + 1)
    return np.clip(np.digitize(x, edges) - 1, 0, n_bins - 1), 0.5 * (edges[1:] + edges[:-1])


def compute_span(values):
    """Minimum and maximum, moved apart by 1 if all values are equal."""
    low = values.min()
    high = values.max()
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def label_panels(axes, n_labels, x, *y):
    """Name the axes of n_labels panels of len(y) kinds: x below each column, y down the left."""
    kinds = len(y)
    columns = axes.shape[1]
    for j in range(columns):
        last = axes[(n_labels - 1 - j) // columns * kinds + kinds - 1, j]
        last.set_xlabel(x)
        last.tick_params(labelbottom=True)
    for i, ax in enumerate(axes[:, 0]):
        ax.set_ylabel(y[i % kinds])
