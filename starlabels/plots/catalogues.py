"""Figures of labels from catalogues: Kiel diagrams of training and test stars, and their errors."""

import numpy as np
from matplotlib.colors import LogNorm

from starlabels.base.labels import find_metallicity, get_label
from starlabels.plots import PAGE, VERMILLION, color, plt, save_figure
from starlabels.plots.abundances import compute_axis_ends, draw_plane
from starlabels.plots.label_study import choose_rows
from starlabels.plots.panels import (
    BOX,
    HEX,
    compute_span,
    compute_strip_limit,
    draw_percentiles,
    format_residuals,
    make_label_panels,
    set_log_ticks,
    set_ticks,
    share_color_scale,
)

CELLS = 45  # of the map of training stars, along each axis, at most
BINS = 41  # edges of a histogram of errors
WIDEST = 8  # half the width of a histogram of errors, in median errors
LOGG = r"$\log g$ (dex, cm s$^{-2}$)"


def draw_kiel_diagrams(train, test, thin, names, path):
    """Draw Kiel diagrams of training and test stars and a map of training stars per cell.

    The diagrams are coloured by [M/H] or [Fe/H]; the map shows the test stars in thinly populated
    parts of the training set. Test stars outside the training range are drawn on the frame.

    Parameters
    ----------
    train, test : ndarray (n, n_labels)
        Labels of training stars and predicted labels of test stars.
    thin : ndarray (n,)
        True where a test star is flagged.
    names : list of str (n_labels,)
        Names of the labels.
    path : Path
        PNG file to write.

    Returns
    -------
    Path or None
        None without teff and logg.
    """
    if not {"teff", "logg"} <= set(names):
        return None
    place = t, g = names.index("teff"), names.index("logg")
    metal = find_metallicity(names)
    shade = metal and names.index(metal)
    x = widen_span(train[:, t])
    y = widen_span(train[:, g])
    test = test.copy()
    test[:, t] = np.clip(test[:, t], *x)
    test[:, g] = np.clip(test[:, g], *y)
    fig, axes = plt.subplots(1, 3, figsize=(PAGE, 2.75), sharex=True, sharey=True)
    fig.get_layout_engine().set(w_pad=0.02, wspace=0.01)
    dots = [scatter_stars(axes[0], train, place, shade), scatter_stars(axes[1], test, place, shade)]
    if metal:
        limits = np.nanpercentile(train[:, shade], [1, 99])
        for collection in dots:
            collection.set_clim(*limits)
        style = {"extend": "both", "pad": 0.01, "aspect": 25}
        fig.colorbar(dots[0], ax=axes[:2], label=get_label(metal).axis, **style)
    cells = draw_star_map(axes[2], train[:, t], train[:, g], x, y)
    fig.colorbar(cells, ax=axes[2], label="training stars per cell", pad=0.02, aspect=25)
    mark_thin_stars(axes[2], test[thin, t], test[thin, g])
    for ax, title in zip(axes, ("training", "test, predicted", "training, and where it is thin")):
        ax.set(xlabel=get_label("teff").axis, title=title)
    axes[0].set(xlim=x[::-1], ylim=y[::-1], ylabel=LOGG)
    set_ticks((axes[0].xaxis,), 4)
    return save_figure(fig, path)


def widen_span(values):
    """Ends of an axis that shows all finite values (n,)."""
    low, high = compute_span(values[np.isfinite(values)])
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def scatter_stars(ax, sample, place, shade):
    """Draw stars (n, n_labels) at two of their labels, coloured by a third or by none; the dots."""
    shown = choose_rows(len(sample), np.random.default_rng(0))[0]
    style = {"s": 3 if len(shown) < 5000 else 1.5, "lw": 0, "rasterized": True}
    style |= {"color": color(0)} if shade is None else {"c": sample[shown, shade]}
    return ax.scatter(*sample[shown][:, place].T, **style)


def draw_star_map(ax, teff, logg, x, y):
    """Draw the number of stars (n,) per cell between the ends x and y of the axes; the mesh."""
    n_cells = int(np.clip(np.sqrt(len(teff)), 10, CELLS))
    edges = np.linspace(*x, n_cells + 1), np.linspace(*y, n_cells + 1)
    number, *_ = np.histogram2d(teff, logg, bins=edges)
    filled = np.where(number > 0, number, np.nan)
    norm = LogNorm(1, max(2, number.max()))
    return ax.pcolormesh(*edges, filled.T, norm=norm, rasterized=True)


def mark_thin_stars(ax, teff, logg):
    """Draw rings at flagged test stars (n,), with a legend."""
    style = {"mec": VERMILLION, "mfc": "none", "mew": 0.8, "ms": 3.5 if len(teff) < 300 else 2}
    [marks] = ax.plot(teff, logg, "o", **style, label="test, flagged thin", clip_on=False)
    # An empty line without clipping would count as one at the corner of the figure.
    marks.set_in_layout(False)
    frame = {"frameon": True, "facecolor": "w", "edgecolor": "none"}
    ax.legend(loc="upper left", handletextpad=0.1, borderpad=0.2, **frame)


def draw_alpha_plane(true, predicted, names, path):
    """Draw [alpha/M] against [M/H] of true and predicted labels, with running percentiles.

    Parameters
    ----------
    true, predicted : ndarray (n, n_labels)
        Labels (dex) of the stars.
    names : list of str (n_labels,)
        Names of the labels.
    path : Path
        PNG file to write.

    Returns
    -------
    Path or None
        None without mh and alpha_m.
    """
    if not {"mh", "alpha_m"} <= set(names):
        return None
    place = [names.index(name) for name in ("mh", "alpha_m")]
    complete = np.isfinite(true[:, place]).all(axis=1)
    samples = [values[complete][:, place].T for values in (true, predicted)]
    extent = (*compute_axis_ends(samples[0][0]), *compute_axis_ends(samples[0][1], 0.15))
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 2.6), sharex=True, sharey=True)
    cells = []
    for ax, (x, y), title in zip(axes, samples, ("true", "predicted")):
        cells.append(draw_plane(ax, x, y, extent))
        ax.set(xlabel=get_label("mh").axis, xlim=extent[:2], ylim=extent[2:], title=title)
    axes[0].set_ylabel(get_label("alpha_m").axis)
    share_color_scale(fig, cells, axes)
    return save_figure(fig, path)


def draw_error_histograms(errors, labels, path):
    """Draw histograms of the errors of each label; outliers are counted in the end bins.

    Parameters
    ----------
    errors : dict
        {source: predicted - true (n, n_labels)}, the network first; NaN if absent.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, axes = make_label_panels(len(labels), 2.0)
    for j, (ax, label) in enumerate(zip(axes.flat, labels)):
        samples = {name: values[np.isfinite(values[:, j]), j] for name, values in errors.items()}
        widths = [WIDEST * np.median(np.abs(values)) for values in samples.values() if len(values)]
        limit = max(widths) or 1.0
        edges = np.linspace(-limit, limit, BINS)
        peak = 1
        for i, (name, values) in enumerate(samples.items()):
            if len(values):  # a source may lack this label
                peak = max(peak, draw_error_histogram(ax, values, edges, name, i))
        ax.set(yscale="log", ylim=(0.7, 16 * peak), xlim=(-limit, limit))
        ax.set_xlabel(rf"pred $-$ true {label.axis}")
        set_ticks((ax.xaxis,), 4, symmetric=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("stars per bin")
    if len(errors) > 1:
        handles = axes[0, 0].get_legend_handles_labels()
        fig.legend(*handles, loc="outside upper center", ncols=len(errors))
    return save_figure(fig, path)


def draw_error_histogram(ax, values, edges, name, i):
    """Draw the histogram of errors (n,) of the i-th source, filled for the first; its peak."""
    number = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    ax.stairs(number, edges, fill=i == 0, color=color(i), alpha=0.35 if i == 0 else 1)
    ax.stairs(number, edges, color=color(i), lw=1, label=name)
    style = {"color": color(i), "fontsize": 6.5, "va": "top", "bbox": BOX}
    style |= {"ha": "right" if i else "left", "transform": ax.transAxes}
    ax.text(0.96 if i else 0.04, 0.96, format_residuals(values, rmse=True), **style)
    return number.max()


def draw_error_against(x, name, error, labels, path):
    """Draw the errors of each label against a positive quantity, with percentiles.

    The outermost hundredth of the stars at each end, and far outliers, are drawn on the frame.

    Parameters
    ----------
    x : ndarray (n,)
        Quantity on a logarithmic axis; stars with x <= 0 or NaN are left out.
    name : str
        Name of the quantity.
    error : ndarray (n, n_labels)
        Predicted - true.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    fig, axes = make_label_panels(len(labels), 2.1)
    good = np.isfinite(x) & (x > 0)
    low, high = np.log10(np.percentile(x[good], [1, 99]))
    low, high = low - 0.02, high + 0.02
    cells = []
    for j, (ax, label) in enumerate(zip(axes.flat, labels)):
        rows = good & np.isfinite(error[:, j])
        log_x = np.clip(np.log10(x[rows]), low, high)
        residual = error[rows, j]
        limit = compute_strip_limit(residual)
        shown = np.clip(residual, -0.99 * limit, 0.99 * limit)
        shape = {"gridsize": (30, 18), "xscale": "log", "extent": (low, high, -limit, limit)}
        cells.append(ax.hexbin(10**log_x, shown, **shape, **HEX))
        draw_percentiles(ax, log_x, residual, log=True)
        ax.axhline(0, color="k", lw=0.5)
        ax.set(xlim=(10**low, 10**high), ylim=(-limit, limit), xlabel=name, title=label.axis)
        set_ticks((ax.yaxis,), 5, symmetric=True)
        set_log_ticks(ax.xaxis, subs=(1,) if high - low > 1.5 else (1, 2, 5))
    for ax in axes[:, 0]:
        ax.set_ylabel(r"pred $-$ true")
    share_color_scale(fig, cells, axes)
    return save_figure(fig, path)
