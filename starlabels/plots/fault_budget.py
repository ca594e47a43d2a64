"""Figure of the cost of faults in observed spectra."""

import numpy as np

from starlabels.base.labels import get_label
from starlabels.plots import BLUE, PAGE, VERMILLION, plt, save_figure
from starlabels.plots.panels import set_log_ticks

COLUMNS = 5  # panels in a row
DECADES = 2.5  # shown at most below the largest change
LEFT = 2.0  # inches: names of the faults
PANEL = 1.02  # inches: width of a panel
ROW = 0.155  # inches: height of a fault


def draw_fault_budget(rows, names, path):
    """Draw the typical change of each label by each fault, one panel per label.

    Changes beyond the predicted error have another colour.

    Parameters
    ----------
    rows : list of FaultEffect
        Effects of the faults, first without a fault.
    names : list of str (n_labels,)
        Names of the labels.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    columns = min(COLUMNS, len(names))
    blocks = -(-len(names) // COLUMNS)
    width = min(PAGE, LEFT + PANEL * columns)
    size = (width, blocks * (0.55 + ROW * len(rows)) + 0.3)
    fig, axes = plt.subplots(blocks, columns, figsize=size, sharey=True, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.03, wspace=0.02)
    y = -np.arange(len(rows), dtype=float)
    for j, (ax, name) in enumerate(zip(axes.flat, names)):
        typical = np.array([row.typical[j] for row in rows])
        draw_label_panel(ax, y, typical, np.array([row.err[j] for row in rows]))
        draw_dividers(ax, [row.kind for row in rows])
        ax.set(xlabel=get_label(name).axis, ylim=(y[-1] - 0.6, 0.6))
    axes[0, 0].set_yticks(y, [row.name.removeprefix("a ") for row in rows])
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    handles = axes[0, 0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside upper right", ncols=3 if columns > 2 else 1)
    return save_figure(fig, path)


def draw_label_panel(ax, y, typical, err):
    """Draw typical changes (n_rows,) and predicted errors err (n_rows,) at heights y (n_rows,)."""
    shown = np.concatenate([typical, err])
    shown = shown[np.isfinite(shown) & (shown > 0)] if np.any(shown > 0) else np.ones(1)
    high = 1.7 * shown.max()
    low = max(0.6 * shown.min(), high / 10**DECADES)
    if np.isfinite(err).any():
        edges = np.append(y + 0.5, y[-1] - 0.6)
        edges[0] = 0.6
        style = {"orientation": "horizontal", "baseline": None, "color": "k", "lw": 0.9}
        ax.stairs(err, edges, label="median predicted error", **style)
    within = ~(typical > err)
    place = np.maximum(typical, low)  # smaller changes are half a dot on the edge
    texts = ("typical change (68 %) within the error", "beyond the error")
    for mask, color, text in zip((within, ~within), (BLUE, VERMILLION), texts):
        ax.plot(place[mask], y[mask], "o", ms=4, color=color, label=text, zorder=3)
        ax.hlines(y[mask], low, place[mask], color=color, lw=0.8)
    ax.set(xscale="log", xlim=(low, high))
    set_log_ticks(ax.xaxis, numticks=4)
    ax.tick_params(axis="y", which="both", length=0)


def draw_dividers(ax, kinds):
    """Draw thin lines between faults of different kinds (n_rows,)."""
    for i in range(1, len(kinds)):
        if kinds[i] != kinds[i - 1]:
            ax.axhline(0.5 - i, color="0.8", lw=0.5, zorder=0)
