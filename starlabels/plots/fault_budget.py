"""Figure of what the faults of observed spectra cost."""

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from starlabels.base.labels import get_label
from starlabels.plots import BLUE, PAGE, VERMILLION, plt, save

COLUMNS = 5  # panels in a row
DECADES = 2.5  # shown at most below the largest change
LEFT, PANEL, ROW = 2.0, 1.02, 0.155  # inches: names of the faults, a panel, a fault


def draw_fault_budget(rows, names, path):
    """The typical change of each label by each fault, a panel a label; beyond the predicted error in another colour.

    rows: observed.budget.Row, that without fault first.
    """
    columns, blocks = min(COLUMNS, len(names)), -(-len(names) // COLUMNS)
    size = (min(PAGE, LEFT + PANEL * columns), blocks * (0.55 + ROW * len(rows)) + 0.3)
    fig, axes = plt.subplots(blocks, columns, figsize=size, sharey=True, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.03, wspace=0.02)
    y = -np.arange(len(rows), dtype=float)
    for j, (ax, name) in enumerate(zip(axes.flat, names)):
        draw_label_panel(
            ax,
            y,
            np.array([one.typical[j] for one in rows]),
            np.array([one.err[j] for one in rows]),
        )
        draw_dividers(ax, [one.kind for one in rows])
        ax.set(xlabel=get_label(name).axis, ylim=(y[-1] - 0.6, 0.6))
    axes[0, 0].set_yticks(y, [one.name.removeprefix("a ") for one in rows])
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside upper right",
        ncols=3 if columns > 2 else 1,
    )
    return save(fig, path)


def draw_label_panel(ax, y, typical, err):
    """Dots at typical changes (n_rows,) and a line through the predicted errors err (n_rows,), at heights y (n_rows,)."""
    shown = np.concatenate([typical, err])
    shown = shown[np.isfinite(shown) & (shown > 0)] if np.any(shown > 0) else np.ones(1)
    high = 1.7 * shown.max()
    low = max(0.6 * shown.min(), high / 10**DECADES)
    if np.isfinite(err).any():
        edges = np.append(y + 0.5, y[-1] - 0.6)
        edges[0] = 0.6
        ax.stairs(
            err,
            edges,
            orientation="horizontal",
            baseline=None,
            color="k",
            lw=0.9,
            label="median predicted error",
        )
    within = ~(typical > err)
    place = np.maximum(typical, low)  # what is less sits on the edge, half a dot
    words = ("typical change (68 %) within the error", "beyond the error")
    for mask, color, word in zip((within, ~within), (BLUE, VERMILLION), words):
        ax.plot(place[mask], y[mask], "o", ms=4, color=color, label=word, zorder=3)
        ax.hlines(y[mask], low, place[mask], color=color, lw=0.8)
    ax.set(xscale="log", xlim=(low, high))
    ax.xaxis.set_major_locator(LogLocator(numticks=4))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="y", which="both", length=0)


def draw_dividers(ax, kinds):
    """Thin lines between faults of different kinds (n_rows,)."""
    for i in range(1, len(kinds)):
        if kinds[i] != kinds[i - 1]:
            ax.axhline(0.5 - i, color="0.8", lw=0.5, zorder=0)
