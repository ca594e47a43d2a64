"""Figures of the labels of a database: histograms, Kiel diagram, pairs."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.base.console import format_count
from starlabels.base.labels import get_label
from starlabels.plots import COLUMN, PAGE, color, plt, save_figure
from starlabels.plots.panels import choose_columns

POINTS = 20_000  # in a scatter plot: more would hide each other
MOST_PAIRS = 7
MOST_NODES = 40  # values that a label on nodes has at most


def draw_histograms(values, names, units, source, databases, path, what="spectra"):
    """Draw a histogram of each label, with the databases stacked.

    Parameters
    ----------
    values : ndarray (n, n_labels)
        Labels of the stars.
    names : list of str (n_labels,)
    units : dict
        {name: unit}.
    source : ndarray (n,)
        Index of the database of each star.
    databases : list of str
        Names of the databases.
    path : Path
        PNG file to write.
    what : str
        Name of the counted objects.

    Returns
    -------
    Path
    """
    columns = choose_columns(len(names))
    rows = -(-len(names) // columns)
    size = (PAGE if columns > 1 else COLUMN, 1.75 * rows + 0.2 * -(-len(databases) // 4))
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    style = {"stacked": True, "color": [color(i) for i in range(len(databases))]}
    for j, (ax, name) in enumerate(zip(axes.flat, names)):
        stacks = [values[source == i, j] for i in range(len(databases))]
        stacks = [stack[np.isfinite(stack)] for stack in stacks]
        ax.hist(stacks, bins=choose_bin_edges(np.concatenate(stacks)), label=databases, **style)
        ax.set(xlabel=get_label(name, units[name]).axis)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel(f"{what} per bin")
    if len(databases) > 1:
        fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return save_figure(fig, path)


def choose_bin_edges(values):
    """Edges of a histogram of values (n,): half-way between nodes if on nodes, else 40 bins."""
    nodes = np.unique(values).astype(float)  # differences of float32 may overflow
    if len(nodes) == 0:
        return [0, 1]
    if len(nodes) == 1:
        width = 0.05 * (abs(nodes[0]) or 1)
        return [nodes[0] - width, nodes[0] + width]
    if len(nodes) <= MOST_NODES:
        middle = 0.5 * (nodes[1:] + nodes[:-1])
        return np.r_[2 * nodes[0] - middle[0], middle, 2 * nodes[-1] - middle[-1]]
    return np.linspace(nodes[0], nodes[-1], 41)


def draw_kiel_diagram(teff, logg, metallicity, metal_name, limits, path, rng):
    """Draw a Kiel diagram of stars.

    Parameters
    ----------
    teff, logg : ndarray (n,)
        Effective temperature (K) and surface gravity (dex).
    metallicity : ndarray (n,) or None
        Metallicity (dex) for the colour.
    metal_name : str
        Name of the metallicity label.
    limits : ((teff, teff), (logg, logg)) or None
        Limits of the grid, drawn as dashes.
    path : Path
        PNG file to write.
    rng : numpy Generator
        Source of the order of the stars.

    Returns
    -------
    Path
    """
    shown, note = choose_rows(len(teff), rng)
    fig, ax = plt.subplots(figsize=(COLUMN, 3.0))
    if lie_on_nodes(teff) and lie_on_nodes(logg):
        teff = spread_about_nodes(teff, rng)
        logg = spread_about_nodes(logg, rng)
        note = f"{note}\nspread about their nodes".strip()
    style = {"s": 3 if len(shown) < 5000 else 1.5, "lw": 0, "rasterized": True}
    if metallicity is None:
        ax.scatter(teff[shown], logg[shown], color=color(0), **style)
    else:
        dots = ax.scatter(teff[shown], logg[shown], c=metallicity[shown], **style)
        fig.colorbar(dots, label=get_label(metal_name).axis, pad=0.02)
    if limits:
        (t_min, t_max), (g_min, g_max) = limits
        x = [t_min, t_max, t_max, t_min, t_min]
        y = [g_min, g_min, g_max, g_max, g_min]
        ax.plot(x, y, "k--", lw=0.8, label="grid limits")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderpad=0)
    ax.margins(0.05)
    ax.set(xlabel=get_label("teff").axis, ylabel=r"$\log g$ (dex, cm s$^{-2}$)")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.invert_xaxis()
    ax.invert_yaxis()
    if note:
        ax.set_title(note, fontsize=7.5, loc="right")
    return save_figure(fig, path)


def lie_on_nodes(values):
    """True if values (n,) take 2 to MOST_NODES values, so that stars would hide each other."""
    return 1 < len(np.unique(values[np.isfinite(values)])) <= MOST_NODES


def spread_about_nodes(values, rng):
    """Values (n,) on nodes, each moved by up to 0.3 of the closest spacing of nodes."""
    spacing = np.diff(np.unique(values[np.isfinite(values)])).min()
    return values + 0.3 * spacing * rng.uniform(-1, 1, len(values))


def draw_label_pairs(values, names, units, path, rng):
    """Draw each pair of labels, with histograms on the diagonal.

    Parameters
    ----------
    values : ndarray (n, n_labels)
        Labels of the stars; the first MOST_PAIRS labels are drawn.
    names : list of str (n_labels,)
    units : dict
        {name: unit}.
    path : Path
        PNG file to write.
    rng : numpy Generator
        Source of the order of the stars.

    Returns
    -------
    Path
    """
    names, dropped = names[:MOST_PAIRS], names[MOST_PAIRS:]
    k = len(names)
    shown, note = choose_rows(len(values), rng)
    size = (PAGE, PAGE) if k > 2 else (COLUMN, COLUMN)
    fig, axes = plt.subplots(k, k, figsize=size, sharex="col", squeeze=False)
    dots = {"s": 1.2, "lw": 0, "color": color(0), "alpha": 0.5, "rasterized": True}
    for i, row in enumerate(axes):
        for j, ax in enumerate(row):
            x = values[:, j]
            ax.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
            ax.yaxis.set_major_locator(MaxNLocator(4, prune="both"))
            if i < j:
                ax.axis("off")
            elif i == j:
                x = x[np.isfinite(x)]
                ax.hist(x, bins=choose_bin_edges(x), color=color(0))
                ax.set_yticks([])
            else:
                ax.scatter(x[shown], values[shown, i], **dots)
                ax.tick_params(labelleft=j == 0)
            if i == k - 1:
                ax.set_xlabel(get_label(names[j], units[names[j]]).axis)
            if j == 0 and i > 0:
                ax.set_ylabel(get_label(names[i], units[names[i]]).axis)
    fig.align_labels()
    note += f"; not shown: {', '.join(dropped)}" if dropped else ""
    if note:
        fig.suptitle(note.lstrip("; "), fontsize=7.5, x=0.98, ha="right")
    return save_figure(fig, path)


def choose_rows(n, rng):
    """Row numbers to draw of n, in random order, and a note if not all are drawn.

    In random order no class of star lies on top.
    """
    note = f"{format_count(POINTS)} of {format_count(n)} shown" if n > POINTS else ""
    return rng.permutation(n)[:POINTS], note
