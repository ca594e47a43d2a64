"""Figure of distances: predicted against true, and compared with distances from parallaxes."""

import numpy as np
from matplotlib.ticker import StrMethodFormatter

from starlabels.catalogues.distances import REACH, compute_catalogue_errors
from starlabels.plots import BLUE, COLUMN, VERMILLION, plt, save_figure
from starlabels.plots.panels import (
    BOX,
    HEX,
    compute_running_percentiles,
    compute_span,
    compute_strip_limit,
    describe_snr_range,
    draw_percentiles,
    set_ticks,
    share_color_scale,
)

MOST = 0.5  # fractional error shown, at most


def draw_distances(stars, key, path):
    """Draw predicted against true distances and, in a strip below, the fractional error.

    A third panel shows the median error by distance for the network and for the parallaxes of the
    catalogue, if there are any.

    Parameters
    ----------
    stars : dict
        {"distance_true", "distance": (n,)} in pc, and "catalogue_parallax" (n,) in mas if known.
    key : str
        Range of S/N.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    true = stars["distance_true"]
    predicted = stars["distance"]
    good = np.isfinite(true) & np.isfinite(predicted)
    x = np.log10(true[good])
    y = np.log10(predicted[good])
    fraction = predicted[good] / true[good] - 1
    rows = 3 if "catalogue_parallax" in stars else 2
    size = (COLUMN, 1.6 + 1.4 * rows)
    ratios = [3, 1.2, 1.6][:rows]
    fig, axes = plt.subplots(rows, 1, figsize=size, sharex=True, height_ratios=ratios)
    top, low = axes[:2]
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    cells = draw_distance_panels(top, low, x, y, fraction)
    top.set_title(describe_snr_range(key))
    axes[-1].set_xlabel("true $\\log_{10} d$ (pc)")
    if rows == 3:
        catalogue = compute_catalogue_errors(stars["catalogue_parallax"][good], true[good])
        draw_parallax_comparison(axes[2], x, np.abs(fraction), catalogue)
    fig.align_ylabels(axes)
    share_color_scale(fig, cells, axes)
    return save_figure(fig, path)


def draw_distance_panels(top, low, x, y, fraction):
    """Draw log distances, y against x (n,), and the fractional error below; both hexbins."""
    limit = min(compute_strip_limit(fraction), MOST)
    span = compute_span(np.r_[x, y])
    strip = {"gridsize": (45, 14), "extent": (*span, -limit, limit)}
    cells = [
        top.hexbin(x, y, gridsize=45, extent=(*span, *span), **HEX),
        low.hexbin(x, np.clip(fraction, -limit, limit), **strip, **HEX),
    ]
    top.plot(span, span, color="k", lw=0.7)
    low.axhline(0, color="k", lw=0.7)
    draw_percentiles(low, x, fraction)
    text = f"median |error| {100 * np.median(np.abs(fraction)):.1f} %\n$N$ {len(x)}"
    top.text(0.06, 0.94, text, transform=top.transAxes, va="top", fontsize=7.5, bbox=BOX)
    top.set(xlim=span, ylim=span, ylabel="predicted $\\log_{10} d$ (pc)")
    low.set(ylim=(-limit, limit), ylabel="pred / true $-$ 1")
    set_ticks((top.yaxis, low.xaxis), 5)
    set_ticks((low.yaxis,), 4, symmetric=True)
    return cells


def draw_parallax_comparison(ax, x, network, catalogue):
    """Draw the median |error| (n,) of the network and of parallaxes against log distance x (n,)."""
    curves = ((catalogue, "parallax alone", BLUE), (network, "network", VERMILLION))
    for values, name, shade in curves:
        centre, (_, median, _) = compute_running_percentiles(x, np.minimum(values, 10))
        ax.plot(centre, 100 * median, ".-", color=shade, label=name)
    ax.axhline(100 * REACH, color="k", lw=0.6, ls=":")
    ax.set(yscale="log", ylabel="median |error| (%)")
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.legend(loc="lower right")
