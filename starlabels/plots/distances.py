"""Figure of distances: predicted against true, and against those of parallaxes."""

import numpy as np
from matplotlib.ticker import StrMethodFormatter

from starlabels.catalogues.distances import REACH, compute_catalogue_errors
from starlabels.plots import BLUE, COLUMN, VERMILLION, plt, save
from starlabels.plots.panels import BOX, HALO, HEX, compute_running_percentiles, share_color_scale, compute_span, compute_strip_limit, set_ticks, describe_snr_range

MOST = 0.5  # fractional error shown, at most


def draw_distances(found, key, path):
    """Predicted against true distances of stars, see distances.of_part, and the fractional error in a strip below.

    In a third panel its median in shells of distance, and that of the catalogue's parallaxes, if there are such.
    """
    true, predicted = found["distance_true"], found["distance"]
    ok = np.isfinite(true) & np.isfinite(predicted)
    x, y, fraction = np.log10(true[ok]), np.log10(predicted[ok]), predicted[ok] / true[ok] - 1
    limit = min(compute_strip_limit(fraction), MOST)
    rows = 3 if "catalogue_parallax" in found else 2
    fig, axes = plt.subplots(
        rows, 1, figsize=(COLUMN, 1.6 + 1.4 * rows), sharex=True, height_ratios=[3, 1.2, 1.6][:rows]
    )
    top, low = axes[:2]
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    extent = compute_span(np.r_[x, y])
    cells = [
        top.hexbin(x, y, gridsize=45, extent=(*extent, *extent), **HEX),
        low.hexbin(
            x,
            np.clip(fraction, -limit, limit),
            gridsize=(45, 14),
            extent=(*extent, -limit, limit),
            **HEX,
        ),
    ]
    top.plot(extent, extent, color="k", lw=0.7)
    low.axhline(0, color="k", lw=0.7)
    centre, percentiles = compute_running_percentiles(x, fraction)
    for line, width in zip(percentiles, (0.9, 1.2, 0.9)):
        low.plot(centre, line, color=VERMILLION, lw=width, path_effects=HALO)
    text = f"median |error| {100 * np.median(np.abs(fraction)):.1f} %\n$N$ {len(x)}"
    top.text(0.06, 0.94, text, transform=top.transAxes, va="top", fontsize=7.5, bbox=BOX)
    top.set(xlim=extent, ylim=extent, ylabel="predicted $\\log_{10} d$ (pc)", title=describe_snr_range(key))
    low.set(ylim=(-limit, limit), ylabel="pred / true $-$ 1")
    axes[-1].set_xlabel("true $\\log_{10} d$ (pc)")
    set_ticks((top.yaxis, low.xaxis), 5)
    set_ticks((low.yaxis,), 4, symmetric=True)
    if rows == 3:
        draw_parallax_comparison(
            axes[2],
            x,
            np.abs(fraction),
            compute_catalogue_errors(found["catalogue_parallax"][ok], true[ok]),
        )
    fig.align_ylabels(axes)
    share_color_scale(fig, cells, axes)
    return save(fig, path)


def draw_parallax_comparison(ax, x, network, catalogue):
    """Median |error| in per cent (n,) of the network and of the catalogue's parallaxes in bins of log distance x (n,)."""
    for values, name, shade in (
        (catalogue, "parallax alone", BLUE),
        (network, "network", VERMILLION),
    ):
        centre, (_, middle, _) = compute_running_percentiles(x, np.minimum(values, 10))
        ax.plot(centre, 100 * middle, ".-", color=shade, label=name)
    ax.axhline(100 * REACH, color="k", lw=0.6, ls=":")
    ax.set(yscale="log", ylabel="median |error| (%)")
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.legend(loc="lower right")
