"""Figures of observed spectra over ours."""

import numpy as np

from starlabels.plots import BLACK, PAGE, VERMILLION, plt, save
from starlabels.plots.jacobian import AIR


def comparison(wave, observed, model, name, path, n_rows=3):
    """Observed over model flux (n_pix,) in rows of wavelength (A, air), each with a residual strip."""
    heights = [3, 1] * n_rows
    fig, axes = plt.subplots(2 * n_rows, 1, figsize=(PAGE, 2.1 * n_rows), height_ratios=heights)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    for part, top, low in zip(np.array_split(np.arange(len(wave)), n_rows), axes[::2], axes[1::2]):
        top.plot(wave[part], observed[part], color=BLACK, lw=0.6, label="observed")
        top.plot(wave[part], model[part], color=VERMILLION, lw=0.6, label="ours")
        low.plot(wave[part], (observed - model)[part], color="0.3", lw=0.5)
        low.axhline(0, color="0.6", lw=0.5)
        top.set(ylim=(min(observed.min(), model.min()) - 0.05, 1.1), xlim=wave[part[[0, -1]]], xticklabels=[], ylabel="flux")
        low.set(ylim=(-0.2, 0.2), xlim=wave[part[[0, -1]]], ylabel="obs $-$ ours")
    axes[0].set_title(name, fontsize=8, loc="left")
    axes[0].legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 0.98), borderpad=0)
    axes[-1].set_xlabel(AIR)
    fig.align_ylabels(axes)
    return save(fig, path)
