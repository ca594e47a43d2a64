"""Figures of the predicted errors: pulls against N(0, 1), observed against nominal coverage."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from starlabels.learning import calibration
from starlabels.learning.calibration import NOISE_FREE
from starlabels.plots import COLUMN, PAGE, color, plt, save
from starlabels.plots.panels import COLUMNS, MINUS, describe_snr_range

LEVELS = np.r_[np.arange(5, 100, 5), 99]  # per cent
WIDEST = 4.5  # pulls shown
CHANCE = r"$\pm 2\sigma$ by chance"


def draw_pulls(results, labels, path):
    """Histograms of the pulls in each S/N range over N(0, 1), a panel a label; results {range: {mean, err, true}}."""
    results = select_noisy(results)
    columns, rows = min(COLUMNS, len(labels)), -(-len(labels) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), 1.9 * rows + 0.3)
    fig, axes = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    x, head, peak = np.linspace(-WIDEST, WIDEST, 300), 0.08 + 0.09 * len(results), 0.4
    for j, (ax, one) in enumerate(zip(axes.flat, labels)):
        ax.fill_between(
            x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color="0.87", lw=0, label="$N(0, 1)$"
        )
        for i, (key, r) in enumerate(results.items()):
            pull = calibration.compute_pulls(
                *(r[name][:, j] for name in ("true", "mean", "err")), get_true_errors(r)[:, j]
            )
            edges = np.linspace(-WIDEST, WIDEST, 37 if len(pull) > 2000 else 19)
            density = np.histogram(pull, edges)[0] / (
                len(pull) * np.diff(edges)
            )  # of all stars, those outside too
            ax.stairs(density, edges, color=color(i), lw=0.9, label=describe_snr_range(key))
            ax.text(
                0.05,
                0.93 - 0.09 * i,
                format_moments(pull),
                transform=ax.transAxes,
                color=color(i),
                va="top",
                fontsize=7,
            )
            peak = max(peak, density.max())
        ax.set(title=one.symbol, xlim=(-WIDEST, WIDEST))
        ax.xaxis.set_major_locator(MaxNLocator(5))
    axes[0, 0].set_ylim(0, 1.03 * peak / (1 - head))  # the texts above the highest histogram
    finish_panels(fig, axes, len(labels), "(predicted $-$ true) / error", "stars per unit")
    return save(fig, path)


def format_moments(values):
    """Mean and standard deviation of values (n,) for a figure; never "-0.00"."""
    mean = round(float(values.mean()), 2) + 0.0  # -0.0 + 0.0 is 0.0
    return f"mean {mean:.2f}, s.d. {values.std():.2f}".replace("-", MINUS)


def draw_reliability(results, labels, path):
    """Observed against nominal coverage of central intervals, a panel a label, and their difference in a strip below."""
    results = select_noisy(results)
    columns, blocks = min(COLUMNS, len(labels)), -(-len(labels) // COLUMNS)
    size = (max(COLUMN, PAGE * columns / COLUMNS), 2.6 * blocks + 0.3)
    ratios = {"height_ratios": [2, 1] * blocks}
    fig, axes = plt.subplots(
        2 * blocks, columns, figsize=size, sharex=True, sharey="row", squeeze=False, **ratios
    )
    fig.get_layout_engine().set(h_pad=0.01, hspace=0)
    n = min(len(r["true"]) for r in results.values())
    x = np.linspace(0, 100, 101)
    scatter = 2 * np.sqrt(x * (100 - x) / n)  # of the observed per cent, two sigma
    observed = {
        key: 100
        * np.array(
            [calibration.compute_coverage(r["true"], r["mean"], r["err"], p / 100, get_true_errors(r)) for p in LEVELS]
        )
        for key, r in results.items()
    }  # {range: (n_levels, n_labels)}
    limit = 1.2 * max(
        scatter.max(), *(np.abs(values - LEVELS[:, None]).max() for values in observed.values())
    )
    for j, one in enumerate(labels):
        top, low = axes[j // columns * 2 : j // columns * 2 + 2, j % columns]
        for ax, slope in ((top, 1), (low, 0)):
            ax.fill_between(
                x, slope * x - scatter, slope * x + scatter, color="0.85", lw=0, label=CHANCE
            )
            for i, (key, values) in enumerate(observed.items()):
                ax.plot(
                    LEVELS,
                    values[:, j] - (1 - slope) * LEVELS,
                    ".-",
                    ms=2.5,
                    color=color(i),
                    label=describe_snr_range(key),
                )
        top.plot([0, 100], [0, 100], color="k", lw=0.6, zorder=1.5)
        low.axhline(0, color="k", lw=0.6, zorder=1.5)
        top.set(
            xlim=(0, 100),
            ylim=(0, 100),
            title=one.symbol,
            xticks=[0, 25, 50, 75, 100],
            yticks=[0, 25, 50, 75, 100],
        )
        low.set_ylim(-limit, limit)
        low.yaxis.set_major_locator(
            MaxNLocator(4, symmetric=True, prune="both", steps=[1, 2, 5, 10])
        )
    finish_panels(fig, axes, len(labels), "nominal coverage (%)", "observed (%)", "obs $-$ nominal")
    return save(fig, path)


def get_true_errors(found):
    """Errors (n, n_labels) of the true labels, 0 where there are none."""
    return found.get("true_err", np.zeros_like(found["true"]))


def select_noisy(results):
    """The results of the S/N ranges, without the noise-free ones."""
    return {key: r for key, r in results.items() if key != NOISE_FREE}


def finish_panels(fig, axes, n_labels, x, *y):
    """Names of the axes, x below the last panel of each column and y by turns down the left; legend; no empty panels."""
    kinds, columns = len(y), axes.shape[1]
    for j in range(columns):
        last = axes[(n_labels - 1 - j) // columns * kinds + kinds - 1, j]
        last.set_xlabel(x)
        last.tick_params(labelbottom=True)
    for ax in axes[-kinds:, (n_labels - 1) % columns + 1 :].flat:
        ax.axis("off")
    for i, ax in enumerate(axes[:, 0]):
        ax.set_ylabel(y[i % kinds])
    fig.align_ylabels(axes[:, 0])
    handles = axes[0, 0].get_legend_handles_labels()
    fig.legend(*handles, loc="outside upper center", ncols=6 if columns > 2 else 2, borderpad=0.8)
