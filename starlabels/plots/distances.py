"""Figure of distances: predicted against true."""

import numpy as np

from starlabels.plots import COLUMN, VERMILLION, plt, save
from starlabels.plots.evaluation import BOX, HALO, HEX, running, same_colors, span, strip, ticks, words

MOST = 0.5  # fractional error shown, at most


def one_to_one(true, predicted, key, path):
    """Predicted against true distances (n,) in parsec on logarithmic axes, the fractional error in a strip below."""
    ok = np.isfinite(true) & np.isfinite(predicted) & (predicted > 0)
    x, y, fraction = np.log10(true[ok]), np.log10(predicted[ok]), predicted[ok] / true[ok] - 1
    limit = min(strip(fraction), MOST)
    fig, (top, low) = plt.subplots(2, 1, figsize=(COLUMN, 4.3), sharex=True, height_ratios=[3, 1.2])
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    extent = span(np.r_[x, y])
    cells = [
        top.hexbin(x, y, gridsize=45, extent=(*extent, *extent), **HEX),
        low.hexbin(x, np.clip(fraction, -limit, limit), gridsize=(45, 14), extent=(*extent, -limit, limit), **HEX),
    ]
    top.plot(extent, extent, color="k", lw=0.7)
    low.axhline(0, color="k", lw=0.7)
    centre, percentiles = running(x, fraction)
    for line, width in zip(percentiles, (0.9, 1.2, 0.9)):
        low.plot(centre, line, color=VERMILLION, lw=width, path_effects=HALO)
    text = f"median |error| {100 * np.median(np.abs(fraction)):.1f} %\n$N$ {len(x)}"
    top.text(0.06, 0.94, text, transform=top.transAxes, va="top", fontsize=7.5, bbox=BOX)
    top.set(xlim=extent, ylim=extent, ylabel="predicted $\\log_{10} d$ (pc)", title=words(key))
    low.set(ylim=(-limit, limit), xlabel="true $\\log_{10} d$ (pc)", ylabel="pred / true $-$ 1")
    ticks((top.yaxis, low.xaxis), 5)
    ticks((low.yaxis,), 4, symmetric=True)
    fig.align_ylabels((top, low))
    same_colors(fig, cells, (top, low))
    return save(fig, path)
