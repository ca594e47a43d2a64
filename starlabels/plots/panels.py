"""Parts shared by the figures: axes, residual strips, text boxes, running medians and colour scales."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from starlabels.base.statistics import compute_rms
from starlabels.learning.calibration import AS_THEY_ARE, NOISE_FREE

COLUMNS = 4  # panels in a row
MINUS = "\N{MINUS SIGN}"
HEX = {"mincnt": 1, "lw": 0.1, "rasterized": True}
HALO = [withStroke(linewidth=2, foreground="w")]
BOX = {"fc": "w", "ec": "none", "pad": 0.5, "alpha": 0.8}


def set_ticks(axes, n, symmetric=False):
    """At most n intervals between round ticks on each axis; none at the ends of one symmetric about zero."""
    for axis in axes:
        prune = "both" if symmetric else None
        axis.set_major_locator(
            MaxNLocator(n, steps=[1, 2, 5, 10], symmetric=symmetric, prune=prune)
        )


def compute_strip_limit(residual):
    """Half the height of a strip that holds all residuals but far outliers."""
    return 1.25 * np.percentile(np.abs(residual), 99.8) or 1.0


def format_residuals(residual, rmse=False):
    """Bias, sigma and number of the residuals (n,), or their RMSE instead, to three digits of sigma."""
    bias = np.median(residual)
    sigma = 1.4826 * np.median(np.abs(residual - bias))
    digits = int(np.clip(2 - np.floor(np.log10(sigma or 1)), 0, 6))
    text = (
        f"{bias:+.{digits}f}".replace("-", MINUS) if round(bias, digits) else f"{0:.{digits}f}"
    )  # never "-0.000"
    last = f"RMSE {compute_rms(residual):.{digits}f}" if rmse else f"$N$ {len(residual)}"
    return f"bias {text}\n$\\sigma_{{\\rm MAD}}$ {sigma:.{digits}f}\n{last}"


def describe_snr_range(key):
    """A range of S/N, as keyed in metrics.json, in words."""
    known = {NOISE_FREE: "noise-free", AS_THEY_ARE: "test stars as they are"}
    return known.get(key, "S/N " + key.replace("_", "\N{EN DASH}"))


def share_color_scale(fig, cells, axes):
    """One logarithmic scale of stars per cell for all hexbins, and its bar."""
    norm = LogNorm(1, max(2, *(cell.get_array().max() for cell in cells)))
    for cell in cells:
        cell.set_norm(norm)
    fig.colorbar(cells[0], ax=axes, label="stars per cell", pad=0.01, aspect=30)


def compute_running_percentiles(x, y, n_bins=12):
    """Centres of bins in x (n,) and the 16th, 50th and 84th percentile of y (n,) in those that hold three or more."""
    index, centre = assign_bins(x, n_bins)
    filled = [i for i in range(n_bins) if np.count_nonzero(index == i) >= 3]
    percentiles = np.array([np.percentile(y[index == i], [16, 50, 84]) for i in filled]).reshape(
        -1, 3
    )
    return centre[filled], percentiles.T


def assign_bins(x, n_bins):
    """The number of the bin of each x (n,) among equal bins from its minimum to its maximum, and their centres."""
    edges = np.linspace(*compute_span(x), n_bins + 1)
    return np.clip(np.digitize(x, edges) - 1, 0, n_bins - 1), 0.5 * (edges[1:] + edges[:-1])


def compute_span(values):
    """Minimum and maximum, pulled apart if all values are one."""
    low, high = values.min(), values.max()
    return (low, high) if low < high else (low - 0.5, high + 0.5)
