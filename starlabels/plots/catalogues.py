"""Figures of labels from catalogues: Kiel diagrams of training and test, histograms of the errors, errors and parallaxes."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from starlabels.base.labels import get_label
from starlabels.plots import COLUMN, PAGE, VERMILLION, color, plt, save
from starlabels.plots.abundances import compute_axis_ends, draw_percentiles
from starlabels.plots.label_study import choose_rows
from starlabels.plots.panels import (
    BOX,
    COLUMNS,
    HALO,
    HEX,
    format_residuals,
    compute_running_percentiles,
    share_color_scale,
    compute_span,
    compute_strip_limit,
    set_ticks,
)

CELLS = 45  # of the map of training stars, along each axis, at most
BINS, WIDEST = 41, 8  # of a histogram of errors: edges, and half its width in median errors
LOGG = r"$\log g$ (dex, cm s$^{-2}$)"


def draw_kiel_diagrams(train, test, thin, names, path):
    """Kiel diagrams of training and of test stars as predicted (n, n_labels), and a map of training stars per cell.

    Coloured by [M/H], or [Fe/H]; on the map the test stars flagged thin (n,). Test stars beyond all of training sit on the
    frame. None without teff and logg.
    """
    if not {"teff", "logg"} <= set(names):
        return None
    t, g = names.index("teff"), names.index("logg")
    metal = next((name for name in ("mh", "feh") if name in names), None)
    x, y = (widen_span(train[:, i]) for i in (t, g))
    test = test.copy()
    test[:, t], test[:, g] = np.clip(test[:, t], *x), np.clip(test[:, g], *y)
    fig, axes = plt.subplots(1, 3, figsize=(PAGE, 2.75), sharex=True, sharey=True)
    fig.get_layout_engine().set(w_pad=0.02, wspace=0.01)
    dots = [
        scatter_stars(ax, sample, (t, g), metal and names.index(metal))
        for ax, sample in zip(axes, (train, test))
    ]
    if metal:
        same = np.nanpercentile(train[:, names.index(metal)], [1, 99])
        for one in dots:
            one.set_clim(*same)
        fig.colorbar(
            dots[0], ax=axes[:2], label=get_label(metal).axis, extend="both", pad=0.01, aspect=25
        )
    n_cells = int(np.clip(np.sqrt(len(train)), 10, CELLS))
    cells = np.linspace(*x, n_cells + 1), np.linspace(*y, n_cells + 1)
    n, *_ = np.histogram2d(train[:, t], train[:, g], bins=cells)
    drawn = axes[2].pcolormesh(
        *cells, np.where(n > 0, n, np.nan).T, norm=LogNorm(1, max(2, n.max())), rasterized=True
    )
    fig.colorbar(drawn, ax=axes[2], label="training stars per cell", pad=0.02, aspect=25)
    style = {"mec": VERMILLION, "mfc": "none", "mew": 0.8, "ms": 3.5 if thin.sum() < 300 else 2}
    [marks] = axes[2].plot(
        test[thin, t], test[thin, g], "o", **style, label="test, flagged thin", clip_on=False
    )
    marks.set_in_layout(
        False
    )  # an empty line that is not clipped would count as one at the corner of the figure
    axes[2].legend(
        loc="upper left",
        handletextpad=0.1,
        borderpad=0.2,
        frameon=True,
        facecolor="w",
        edgecolor="none",
    )
    for ax, title in zip(axes, ("training", "test, predicted", "training, and where it is thin")):
        ax.set(xlabel=get_label("teff").axis, title=title)
    axes[0].set(xlim=x[::-1], ylim=y[::-1], ylabel=LOGG)
    set_ticks((axes[0].xaxis,), 4)
    return save(fig, path)


def widen_span(values):
    """Both ends of an axis that shows all the values (n,)."""
    low, high = compute_span(values[np.isfinite(values)])
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def scatter_stars(ax, sample, place, shade):
    """Dots of a sample (n, n_labels) at two of its labels, coloured by a third, or by none; those drawn."""
    shown = choose_rows(len(sample), np.random.default_rng(0))[0]
    style = {"s": 3 if len(shown) < 5000 else 1.5, "lw": 0, "rasterized": True}
    style |= {"color": color(0)} if shade is None else {"c": sample[shown, shade]}
    return ax.scatter(*sample[shown][:, place].T, **style)


def draw_alpha_plane(true, predicted, names, path):
    """[alpha/M] against [M/H], true beside predicted labels (n, n_labels), with running percentiles; None without them."""
    if not {"mh", "alpha_m"} <= set(names):
        return None
    place = [names.index(name) for name in ("mh", "alpha_m")]
    ok = np.isfinite(true[:, place]).all(axis=1)
    samples = [values[ok][:, place].T for values in (true, predicted)]
    extent = (*compute_axis_ends(samples[0][0]), *compute_axis_ends(samples[0][1], 0.15))
    fig, axes = plt.subplots(1, 2, figsize=(PAGE, 2.6), sharex=True, sharey=True)
    cells = [
        ax.hexbin(x, y, gridsize=40, extent=extent, **HEX) for ax, (x, y) in zip(axes, samples)
    ]
    for ax, (x, y), title in zip(axes, samples, ("true", "predicted")):
        draw_percentiles(ax, x, y, extent)
        ax.set(xlabel=get_label("mh").axis, xlim=extent[:2], ylim=extent[2:], title=title)
    axes[0].set_ylabel(get_label("alpha_m").axis)
    share_color_scale(fig, cells, axes)
    return save(fig, path)


def make_label_panels(labels, height):
    """A figure with a panel a label, and its axes (rows, columns); those that are not needed are off."""
    columns, rows = min(COLUMNS, len(labels)), -(-len(labels) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), height * rows + 0.3)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat[len(labels) :]:
        ax.axis("off")
    return fig, axes


def draw_error_histograms(errors, labels, path):
    """Histograms of errors {whose: predicted - true (n, n_labels)}, stars on a logarithmic axis; outliers in the end bins."""
    fig, axes = make_label_panels(labels, 2.0)
    for j, (ax, one) in enumerate(zip(axes.flat, labels)):
        found = {who: values[np.isfinite(values[:, j]), j] for who, values in errors.items()}
        limit = (
            max(WIDEST * np.median(np.abs(values)) for values in found.values() if len(values))
            or 1.0
        )
        edges, peak = np.linspace(-limit, limit, BINS), 1
        for i, (who, values) in enumerate(found.items()):
            if not len(values):
                continue  # nobody else estimates this label
            n = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
            ax.stairs(n, edges, fill=i == 0, color=color(i), alpha=0.35 if i == 0 else 1)
            ax.stairs(n, edges, color=color(i), lw=1, label=who)
            text = {
                "color": color(i),
                "fontsize": 6.5,
                "va": "top",
                "transform": ax.transAxes,
                "bbox": BOX,
            }
            ax.text(
                0.96 if i else 0.04,
                0.96,
                format_residuals(values, rmse=True),
                ha="right" if i else "left",
                **text,
            )
            peak = max(peak, n.max())
        ax.set(
            yscale="log",
            ylim=(0.7, 16 * peak),
            xlim=(-limit, limit),
            xlabel=rf"pred $-$ true {one.axis}",
        )
        set_ticks((ax.xaxis,), 4, symmetric=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("stars per bin")
    if len(errors) > 1:
        fig.legend(
            *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(errors)
        )
    return save(fig, path)


def draw_error_against(x, name, error, labels, path):
    """Errors predicted - true (n, n_labels) against x (n,) > 0 called `name`, on a logarithmic axis, with percentiles.

    The outermost hundredth of the stars at each end, and far outliers, sit on the frame.
    """
    fig, axes = make_label_panels(labels, 2.1)
    ok = np.isfinite(x) & (x > 0)
    low, high = np.log10(np.percentile(x[ok], [1, 99]))
    low, high = low - 0.02, high + 0.02
    cells = []
    for j, (ax, one) in enumerate(zip(axes.flat, labels)):
        rows = ok & np.isfinite(error[:, j])
        far, wrong = np.clip(np.log10(x[rows]), low, high), error[rows, j]
        limit = compute_strip_limit(wrong)
        shown = np.clip(wrong, -0.99 * limit, 0.99 * limit)
        shape = {"gridsize": (30, 18), "xscale": "log", "extent": (low, high, -limit, limit)}
        cells.append(ax.hexbin(10**far, shown, **shape, **HEX))
        centre, percentiles = compute_running_percentiles(far, wrong)
        for line, width in zip(percentiles, (0.9, 1.2, 0.9)):
            ax.plot(10**centre, line, color=VERMILLION, lw=width, path_effects=HALO)
        ax.axhline(0, color="k", lw=0.5)
        ax.set(xlim=(10**low, 10**high), ylim=(-limit, limit), xlabel=name, title=one.axis)
        set_ticks((ax.yaxis,), 5, symmetric=True)
        ax.xaxis.set_major_locator(LogLocator(subs=(1,) if high - low > 1.5 else (1, 2, 5)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    for ax in axes[:, 0]:
        ax.set_ylabel(r"pred $-$ true")
    share_color_scale(fig, cells, axes)
    return save(fig, path)
