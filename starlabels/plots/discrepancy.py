"""Figure of a model discrepancy: what observed spectra have that synthetic ones lack."""

import numpy as np

from starlabels.plots import BLUE, PAGE, plt, save_figure
from starlabels.plots.lines import draw_line_verticals, format_wavelength_axis, mark_lines

ROW = 1.15  # inches


def draw_discrepancy(wave, mean, spread, titles, lines, path, medium="air"):
    """Draw mean differences of observed and synthetic spectra, one row for each kind of star.

    Parameters
    ----------
    wave : array (n_pix,)
        Wavelengths (A).
    mean : array (n, n_pix)
        Observed minus synthetic flux.
    spread : array (n, n_pix)
        Standard deviation of the differences of single stars from the mean.
    titles : list of str (n,)
    lines : dict
        {name: [wavelength (A), ...]} to name.
    path : Path
        PNG file to write.
    medium : str

    Returns
    -------
    Path
    """
    size = (PAGE, ROW * len(mean) + 0.7)
    fig, axes = plt.subplots(len(mean), 1, figsize=size, sharex=True, squeeze=False)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    for i, (ax, title) in enumerate(zip(axes[:, 0], titles)):
        low, high = mean[i] - spread[i], mean[i] + spread[i]
        band = {"color": BLUE, "alpha": 0.25, "lw": 0, "label": "single stars"}
        ax.fill_between(wave, low, high, **band)
        ax.plot(wave, mean[i], color=BLUE, lw=0.8, label="mean")
        ax.axhline(0, color="k", lw=0.6)
        draw_line_verticals(ax, wave, lines)
        limit = 1.3 * np.percentile(np.abs([low, high]), 99.5)
        ax.set(xlim=wave[[0, -1]], ylim=(-limit, limit))
        ax.text(0.01, 0.93, title, transform=ax.transAxes, va="top", fontsize=7.5)
    name_lines(axes[0, 0], wave, lines)
    axes[-1, 0].set_xlabel(format_wavelength_axis(medium))
    fig.supylabel("observed \N{MINUS SIGN} synthetic flux", fontsize=9)
    axes[-1, 0].legend(loc="lower right", ncols=2, borderpad=0)
    return save_figure(fig, path)


def name_lines(ax, wave, lines):
    """Write the names of lines above a panel."""
    top = ax.twinx()  # its scale of 0 to 1 is that of a continuum at the upper end
    top.set(ylim=(0, 1), yticks=[])
    texts = mark_lines(top, wave, lines)
    for artist in (*top.texts, *top.collections):
        artist.set_clip_on(False)
    return texts
