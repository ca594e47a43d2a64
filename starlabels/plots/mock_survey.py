"""Figure of a mock survey."""

import numpy as np

from starlabels.base.labels import get_label
from starlabels.plots import PAGE, VERMILLION, plt, save_figure

TENTH = 0.1  # of the parallax: beyond it, a distance from the parallax alone is poor


def draw_mock_survey(table, path):
    """Draw a Kiel diagram of the stars, coloured by M_K, and fractional parallax errors.

    Parameters
    ----------
    table : DataFrame
        Columns teff (K), logg, m_k, distance (pc) and parallax_err (mas).
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 3.0))
    order = np.random.default_rng(0).permutation(len(table))  # no class of star lies on top
    table = table.iloc[order]
    style = {"s": 1.5, "lw": 0, "rasterized": True}
    dots = left.scatter(table["teff"], table["logg"], c=table["m_k"], **style)
    fig.colorbar(dots, ax=left, label="$M_K$ (mag)", pad=0.02)
    left.set(xlabel=get_label("teff").axis, ylabel=r"$\log g$ (dex, cm s$^{-2}$)")
    left.invert_xaxis()
    left.invert_yaxis()
    fraction = table["parallax_err"] * table["distance"] / 1000
    dots = right.scatter(table["distance"], fraction, c=table["logg"], **style)
    fig.colorbar(dots, ax=right, label=r"$\log g$ (dex)", pad=0.02)
    right.axhline(TENTH, color=VERMILLION, lw=0.8)
    across = right.get_yaxis_transform()
    right.text(0.03, TENTH, " 10 %", color=VERMILLION, va="bottom", transform=across)
    right.set(xscale="log", yscale="log")
    right.set(xlabel="distance (pc)", ylabel="parallax error / parallax")
    return save_figure(fig, path)
