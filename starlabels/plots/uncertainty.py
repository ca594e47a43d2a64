"""Figures of the predicted errors: pulls against N(0, 1), observed against nominal coverage."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.learning.calibration import NOISE_FREE, compute_coverage, compute_pulls
from starlabels.plots import color, save_figure
from starlabels.plots.panels import (
    COLUMNS,
    MINUS,
    describe_snr_range,
    label_panels,
    make_label_panels,
)

LEVELS = np.r_[np.arange(5, 100, 5), 99]  # per cent
WIDEST = 4.5  # pulls shown
CHANCE = r"$\pm 2\sigma$ by chance"


def draw_pulls(results, labels, path):
    """Draw histograms of the pulls in each range of S/N over N(0, 1), one panel per label.

    Parameters
    ----------
    results : dict
        {range of S/N: {"mean", "err", "true": (n, n_labels)}}, with "true_err" if known.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    results = select_noisy(results)
    fig, axes = make_label_panels(len(labels), 1.9, sharex=True, sharey=True)
    x = np.linspace(-WIDEST, WIDEST, 300)
    normal = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    peak = 0.4
    for j, (ax, label) in enumerate(zip(axes.flat, labels)):
        ax.fill_between(x, normal, color="0.87", lw=0, label="$N(0, 1)$")
        for i, (key, result) in enumerate(results.items()):
            true, mean, err = (result[name][:, j] for name in ("true", "mean", "err"))
            pulls = compute_pulls(true, mean, err, get_true_errors(result)[:, j])
            edges = np.linspace(-WIDEST, WIDEST, 37 if len(pulls) > 2000 else 19)
            number = np.histogram(pulls, edges)[0]
            density = number / (len(pulls) * np.diff(edges))  # of all stars, also those outside
            ax.stairs(density, edges, color=color(i), lw=0.9, label=describe_snr_range(key))
            style = {"transform": ax.transAxes, "color": color(i), "va": "top", "fontsize": 7}
            ax.text(0.05, 0.93 - 0.09 * i, format_moments(pulls), **style)
            peak = max(peak, density.max())
        ax.set(title=label.symbol, xlim=(-WIDEST, WIDEST))
        ax.xaxis.set_major_locator(MaxNLocator(5))
    head = 0.08 + 0.09 * len(results)  # the texts above the highest histogram
    axes[0, 0].set_ylim(0, 1.03 * peak / (1 - head))
    label_panels(axes, len(labels), "(predicted $-$ true) / error", "stars per unit")
    add_legend(fig, axes)
    return save_figure(fig, path)


def format_moments(values):
    """Text of mean and standard deviation of values (n,); never "-0.00"."""
    mean = round(float(values.mean()), 2) + 0.0  # -0.0 + 0.0 is 0.0
    return f"mean {mean:.2f}, s.d. {values.std():.2f}".replace("-", MINUS)


def draw_reliability(results, labels, path):
    """Draw observed against nominal coverage of central intervals, and their difference below.

    Parameters
    ----------
    results : dict
        {range of S/N: {"mean", "err", "true": (n, n_labels)}}, with "true_err" if known.
    labels : list of Label (n_labels,)
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    results = select_noisy(results)
    shape = {"sharex": True, "sharey": "row"}
    shape["height_ratios"] = [2, 1] * -(-len(labels) // COLUMNS)
    fig, axes = make_label_panels(len(labels), 2.6, 2, **shape)
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    n = min(len(result["true"]) for result in results.values())
    x = np.linspace(0, 100, 101)
    scatter = 2 * np.sqrt(x * (100 - x) / n)  # of the observed per cent, two sigma
    observed = {}  # {range: (n_levels, n_labels)}
    for key, result in results.items():
        observed[key] = 100 * measure_coverage(result)
    errors = [np.abs(values - LEVELS[:, None]).max() for values in observed.values()]
    limit = 1.2 * max(scatter.max(), *errors)
    columns = axes.shape[1]
    for j, label in enumerate(labels):
        top, low = axes[j // columns * 2 : j // columns * 2 + 2, j % columns]
        for ax, slope in ((top, 1), (low, 0)):
            edges = (slope * x - scatter, slope * x + scatter)
            ax.fill_between(x, *edges, color="0.85", lw=0, label=CHANCE)
            for i, (key, values) in enumerate(observed.items()):
                y = values[:, j] - (1 - slope) * LEVELS
                ax.plot(LEVELS, y, ".-", ms=2.5, color=color(i), label=describe_snr_range(key))
        top.plot([0, 100], [0, 100], color="k", lw=0.6, zorder=1.5)
        low.axhline(0, color="k", lw=0.6, zorder=1.5)
        ticks = [0, 25, 50, 75, 100]
        top.set(xlim=(0, 100), ylim=(0, 100), title=label.symbol, xticks=ticks, yticks=ticks)
        low.set_ylim(-limit, limit)
        locator = MaxNLocator(4, symmetric=True, prune="both", steps=[1, 2, 5, 10])
        low.yaxis.set_major_locator(locator)
    names = ("nominal coverage (%)", "observed (%)", "obs $-$ nominal")
    label_panels(axes, len(labels), *names)
    add_legend(fig, axes)
    return save_figure(fig, path)


def measure_coverage(result):
    """Coverage (n_levels, n_labels) of the central intervals of LEVELS, 0 to 1."""
    arrays = [result[name] for name in ("true", "mean", "err")]
    true_err = get_true_errors(result)
    return np.array([compute_coverage(*arrays, level / 100, true_err) for level in LEVELS])


def get_true_errors(result):
    """Errors (n, n_labels) of the true labels, 0 if absent."""
    return result.get("true_err", np.zeros_like(result["true"]))


def select_noisy(results):
    """Results of the ranges of S/N, without the noise-free one."""
    return {key: result for key, result in results.items() if key != NOISE_FREE}


def add_legend(fig, axes):
    """Align the names of the y axes and draw the legend of the first panel above the figure."""
    fig.align_ylabels(axes[:, 0])
    handles = axes[0, 0].get_legend_handles_labels()
    columns = 6 if axes.shape[1] > 2 else 2
    fig.legend(*handles, loc="outside upper center", ncols=columns, borderpad=0.8)
