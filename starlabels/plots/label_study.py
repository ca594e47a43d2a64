"""Figures of the labels of a database: histograms, Kiel diagram, pairs."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.base.console import format_count
from starlabels.base.labels import get_label
from starlabels.plots import COLUMN, PAGE, color, plt, save

POINTS = 20_000  # in a scatter plot: more hide each other
MOST_PAIRS = 7


def draw_histograms(values, names, units, source, databases, path, what="spectra"):
    """One panel a label of values (n, n_labels), the databases stacked; source (n,) is each row's database."""
    columns = len(names) if len(names) < 5 else 3 if len(names) < 7 else 4
    rows = -(-len(names) // columns)
    size = (PAGE if columns > 1 else COLUMN, 1.75 * rows + 0.2 * -(-len(databases) // 4))
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for j, (ax, name) in enumerate(zip(axes.flat, names)):
        stacks = [values[source == i, j] for i in range(len(databases))]
        stacks = [stack[np.isfinite(stack)] for stack in stacks]
        colors = [color(i) for i in range(len(databases))]
        ax.hist(
            stacks, bins=choose_bin_edges(np.concatenate(stacks)), stacked=True, color=colors, label=databases
        )
        ax.set(xlabel=get_label(name, units[name]).axis)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel(f"{what} per bin")
    if len(databases) > 1:
        fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return save(fig, path)


def choose_bin_edges(values):
    """Edges for a histogram: half-way between nodes if the values sit on few, else 40 equal bins."""
    nodes = np.unique(values)
    if len(nodes) == 0:
        return [0, 1]
    if len(nodes) == 1:
        width = 0.05 * (abs(nodes[0]) or 1)
        return [nodes[0] - width, nodes[0] + width]
    if len(nodes) <= 40:
        middle = 0.5 * (nodes[1:] + nodes[:-1])
        return np.r_[2 * nodes[0] - middle[0], middle, 2 * nodes[-1] - middle[-1]]
    return np.linspace(nodes[0], nodes[-1], 41)


def draw_kiel_diagram(teff, logg, metallicity, metal_name, limits, path, rng):
    """Kiel diagram of stars (n,), axes reversed, coloured by metallicity (n,) if there is one; grid limits dashed."""
    shown, note = choose_rows(len(teff), rng)
    fig, ax = plt.subplots(figsize=(COLUMN, 3.0))
    if lie_on_nodes(teff) and lie_on_nodes(logg):
        teff, logg, note = (
            spread_about_nodes(teff, rng),
            spread_about_nodes(logg, rng),
            f"{note}\nspread about their nodes".strip(),
        )
    style = {"s": 3 if len(shown) < 5000 else 1.5, "lw": 0, "rasterized": True}
    if metallicity is None:
        ax.scatter(teff[shown], logg[shown], color=color(0), **style)
    else:
        dots = ax.scatter(teff[shown], logg[shown], c=metallicity[shown], **style)
        fig.colorbar(dots, label=get_label(metal_name).axis, pad=0.02)
    if limits:
        (t_min, t_max), (g_min, g_max) = limits
        ax.plot(
            [t_min, t_max, t_max, t_min, t_min],
            [g_min, g_min, g_max, g_max, g_min],
            "k--",
            lw=0.8,
            label="grid limits",
        )
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0)
    ax.margins(0.05)
    ax.set(xlabel=get_label("teff").axis, ylabel=r"$\log g$ (dex, cm s$^{-2}$)")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.invert_xaxis()
    ax.invert_yaxis()
    if note:
        ax.set_title(note, fontsize=7.5, loc="right")
    return save(fig, path)


def lie_on_nodes(values):
    """Whether values (n,) sit on at least 2 nodes, few enough that a plot of them hides the stars behind each other."""
    return 1 < len(np.unique(values[np.isfinite(values)])) <= 40


def spread_about_nodes(values, rng):
    """Values (n,) on nodes, each moved by up to 0.3 of the closest spacing of nodes."""
    return values + 0.3 * np.diff(np.unique(values[np.isfinite(values)])).min() * rng.uniform(
        -1, 1, len(values)
    )


def draw_label_pairs(values, names, units, path, rng):
    """Each label of values (n, n_labels) against each other one, with its histogram on the diagonal."""
    names, dropped = names[:MOST_PAIRS], names[MOST_PAIRS:]
    k = len(names)
    shown, note = choose_rows(len(values), rng)
    fig, axes = plt.subplots(
        k, k, figsize=(PAGE, PAGE) if k > 2 else (COLUMN, COLUMN), sharex="col", squeeze=False
    )
    for i, row in enumerate(axes):
        for j, ax in enumerate(row):
            x = values[:, j]
            ax.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
            ax.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
            if i < j:
                ax.axis("off")
            elif i == j:
                ax.hist(x[np.isfinite(x)], bins=choose_bin_edges(x[np.isfinite(x)]), color=color(0))
                ax.set_yticks([])
            else:
                ax.scatter(
                    x[shown],
                    values[shown, i],
                    s=1.2,
                    lw=0,
                    color=color(0),
                    alpha=0.5,
                    rasterized=True,
                )
                ax.tick_params(labelleft=j == 0)
            if i == k - 1:
                ax.set_xlabel(get_label(names[j], units[names[j]]).axis)
            if j == 0 and i > 0:
                ax.set_ylabel(get_label(names[i], units[names[i]]).axis)
    fig.align_labels()
    note += f"; not shown: {', '.join(dropped)}" if dropped else ""
    if note:
        fig.suptitle(note.lstrip("; "), fontsize=7.5, x=0.98, ha="right")
    return save(fig, path)


def choose_rows(n, rng):
    """Row numbers to draw of n, in random order: no class of star lies on top; and a note if they are not all."""
    note = f"{format_count(POINTS)} of {format_count(n)} shown" if n > POINTS else ""
    return rng.permutation(n)[:POINTS], note
