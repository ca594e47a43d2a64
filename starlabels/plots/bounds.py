"""Figure of the errors of test stars over the Cramér-Rao bound, across planes of two labels."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap, LogNorm

from starlabels.base.labels import LABELS
from starlabels.base.statistics import compute_rms
from starlabels.plots import PAGE, plt, save_figure
from starlabels.plots.panels import (
    COLUMNS,
    assign_bins,
    compute_span,
    describe_snr_range,
    set_ticks,
)

ABREAST = 6  # labels in a row
LEAST = 5  # stars in a cell of a plane, at least
STARS_PER_CELL = 50  # about
KIEL = (LABELS["teff"], LABELS["logg"])  # x and y, both reversed
# On 1/2 to 4, logarithmic: white is 1, and 2 is as dark as 1/2.
RATIO = ListedColormap(colormaps["RdBu_r"](np.linspace(0.25, 1, 256)))


def draw_error_over_bound(true, error, crlb, labels, key, path):
    """Draw the RMS error over the RMS bound of each label across planes of two labels.

    The planes are those of `choose_label_planes`. More than ABREAST labels are drawn across the
    first plane alone. Cells with fewer than LEAST stars stay empty.

    Parameters
    ----------
    true, error, crlb : ndarray (n, n_labels)
        True labels, predicted - true labels, and Cramér-Rao bound.
    labels : list of Label (n_labels,)
    key : str
        Range of S/N.
    path : Path
        PNG file to write.

    Returns
    -------
    Path or None
        None if there is only one label.
    """
    planes = choose_label_planes(labels)
    if not planes:
        return None
    numbers = range(len(labels))
    many = len(labels) > ABREAST
    rows = [(plane, numbers) for plane in planes]
    if many:
        rows = [(planes[0], numbers[i : i + COLUMNS]) for i in numbers[::COLUMNS]]
    size = (PAGE, 0.75 + (1.75 if many else 1.55) * len(rows))
    shape = {"figsize": size, "sharex": "row", "sharey": "row", "squeeze": False}
    fig, axes = plt.subplots(len(rows), len(rows[0][1]), **shape)
    fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, hspace=0.02, wspace=0)
    ratio = compute_rms(error) / compute_rms(crlb)
    for (plane, shown), row in zip(rows, axes):
        mesh = draw_plane_row(row, plane, shown, true, error, crlb)
        for j, ax in zip(shown, row):
            if many or row[0] is axes[0, 0]:
                ax.set_title(f"{labels[j].symbol}: {ratio[j]:.2f}")
            ax.set(xlabel=labels[plane[0]].axis)
        row[0].set_ylabel(labels[plane[1]].axis)
        for i, axis in zip(plane, (row[0].xaxis, row[0].yaxis)):
            axis.set_inverted(labels[i] in KIEL)
    for ax in axes[-1, len(rows[-1][1]) :]:
        ax.axis("off")
    fig.align_ylabels(axes[:, 0])
    draw_ratio_bar(fig, mesh, axes)
    text = "error over Cramér\N{EN DASH}Rao bound, of all stars and across the labels"
    fig.suptitle(f"{describe_snr_range(key)}: {text}", fontsize=9)
    return save_figure(fig, path)


def draw_ratio_bar(fig, mesh, axes):
    """Draw the colour bar of the ratios."""
    style = {"extend": "both", "pad": 0.01, "aspect": 30}
    bar = fig.colorbar(mesh, ax=axes, label="RMS error / RMS bound", **style)
    bar.set_ticks([0.5, 1, 2, 4], labels=["1/2", "1", "2", "4"])
    bar.ax.minorticks_off()


def draw_plane_row(row, plane, shown, true, error, crlb):
    """Draw the ratios of the labels `shown` across the plane (i, j) in a row of axes; a mesh."""
    n_cells = int(np.clip(np.sqrt(len(true) / STARS_PER_CELL), 3, 16))
    first, second = (assign_bins(true[:, i], n_cells)[0] for i in plane)
    cell = n_cells * first + second
    x, y = (np.linspace(*compute_span(true[:, i]), n_cells + 1) for i in plane)
    for j, ax in zip(shown, row):
        ratios = compute_cell_ratios(cell, n_cells**2, error[:, j], crlb[:, j])
        ratios = ratios.reshape(n_cells, n_cells).T
        mesh = ax.pcolormesh(x, y, ratios, cmap=RATIO, norm=LogNorm(0.5, 4))
        ax.set_facecolor("0.8")
        set_ticks((ax.xaxis,), 3 if len(row) <= COLUMNS else 2)
        set_ticks((ax.yaxis,), 4)
    return mesh


def choose_label_planes(labels):
    """Pairs (i, j) of label numbers: teff and logg first, as in a Kiel diagram, then in order.

    An odd last label is paired with the one before it.
    """
    order = [labels.index(label) for label in KIEL] if set(KIEL) <= set(labels) else []
    order += [i for i in range(len(labels)) if i not in order]
    pairs = list(zip(order[::2], order[1::2]))
    if len(order) % 2 and len(order) > 1:
        pairs.append((order[-2], order[-1]))
    return pairs


def compute_cell_ratios(cell, n_cells, error, bound):
    """RMS error over RMS bound (n_cells,) of the stars (n,) per cell; NaN for fewer than LEAST."""
    enough = np.bincount(cell, minlength=n_cells) >= LEAST
    square = np.bincount(cell, error.astype(float) ** 2, n_cells)[enough]
    bound_square = np.bincount(cell, bound.astype(float) ** 2, n_cells)[enough]
    ratios = np.full(n_cells, np.nan)
    ratios[enough] = np.sqrt(square / bound_square)
    return ratios
