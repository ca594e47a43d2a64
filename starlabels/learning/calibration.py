"""Error bars that are true: their coverage, and a factor as a function of S/N that mends it, fitted on validation stars."""

import numpy as np
from scipy.special import ndtr, ndtri

ONE_SIGMA = float(ndtr(1) - ndtr(-1))  # 68.27 %
MOST_KNOTS = 12
STARS_A_KNOT = 200  # at least; each knot sees twice as many, of whom the right number lies within one error to 2.3 %
PRIOR_STARS = 10  # as much trust in the factor 1 as this many stars give; ln factor scatters by 0.96 / sqrt(stars)
NOISE_FREE = "inf"
AS_THEY_ARE = "as_they_are"  # in figures: real stars, to which no noise was added
SMALLEST = 0.5  # factor where labels have errors: large ones tell nothing of the network's


def pulls(true, mean, err, own=0.0):
    """Residuals over their errors, all (n, n_labels): N(0, 1) where the errors are true. own: errors of the true labels."""
    return (mean - true) / np.hypot(err, own)


def fit(true, mean, err, snr, own=0.0):
    """{log_snr (n_knots,), factor (n_knots, n_labels)}: factors on err (n, n_labels) with which 68.27 % lie within 1.

    Knots are at the mean ln S/N of windows that hold equal numbers of stars and overlap by half; there are fewer for fewer
    stars, and one if all have the same S/N (n,), or none. Those of infinite S/N, to whom no noise was added, have one of
    their own, as far from all others as that. Validation stars in several draws of noise count as so many more.
    own (n, n_labels) are errors of the labels `true`, which add to err; NaN labels do not count.
    """
    plain = np.isinf(snr)
    if plain.any() and not plain.all():
        own = np.broadcast_to(own, true.shape)
        parts = [
            fit(true[rows], mean[rows], err[rows], snr[rows], own[rows]) for rows in (~plain, plain)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    size, n = (
        np.sqrt(np.maximum((mean - true) ** 2 - np.square(own), 0)) / err,
        len(snr),
    )  # the factor that a star needs
    order, log_snr = np.argsort(snr, kind="stable"), np.log(np.asarray(snr, float))
    varies = n and snr[order[0]] < snr[order[-1]]
    n_knots = int(np.clip(n // STARS_A_KNOT, 1, MOST_KNOTS)) if varies else 1
    ends = np.clip((np.arange(n_knots)[:, None] + [-0.5, 1.5]) / n_knots * n, 0, n).astype(int)
    windows = [order[low:high] for low, high in ends]
    factors = np.array(
        [[needed(column) for column in size[rows].T] for rows in windows]
    )  # (n_knots, n_labels)
    stars = np.array([np.isfinite(size[rows]).sum(axis=0) for rows in windows])
    return {
        "log_snr": np.array([log_snr[rows].mean() for rows in windows]),
        "factor": np.maximum(
            factors ** (stars / (stars + PRIOR_STARS)), SMALLEST if np.any(own) else 0
        ),
    }


def needed(size):
    """The factor with which ONE_SIGMA of the stars that need `size` (n,) have enough; 1 if all are NaN."""
    size = size[np.isfinite(size)]
    return (
        np.quantile(size, ONE_SIGMA, method="weibull") if len(size) else 1.0
    )  # weibull: right on average


def apply(table, err, snr):
    """Errors (n, n_labels) times the factors of a table at S/N (n,): linear in ln S/N, constant beyond the end knots.

    And so between the last finite one and that of infinite S/N, where there is one.
    """
    log_snr = np.log(np.asarray(snr, float))
    return err * np.stack(
        [np.interp(log_snr, table["log_snr"], factor) for factor in table["factor"].T], axis=1
    )


def coverage(true, mean, err, level, own=0.0):
    """Fraction of stars (n_labels,) whose true label lies in the central interval that shall hold `level` of them."""
    found = np.abs(pulls(true, mean, err, own))
    return np.sum(found <= ndtri(0.5 + 0.5 * level), axis=0) / np.isfinite(found).sum(axis=0)


def report(true, mean, err, own=0.0):
    """{coverage_68, coverage_95, pull_mean, pull_std}: an array (n_labels,) each, of the labels that are not NaN."""
    found = pulls(true, mean, err, own)
    return {
        "coverage_68": coverage(true, mean, err, ONE_SIGMA, own),
        "coverage_95": coverage(true, mean, err, 0.95, own),
        "pull_mean": np.nanmean(found, axis=0),
        "pull_std": np.nanstd(found, axis=0),
    }


def violations(metrics, low=0.63, high=0.73):
    """A line for each label and S/N range of metrics.json whose 68 % coverage leaves low to high.

    Noise-free is a range only where there is no other: the spectra, or tables, have noise of their own.
    """
    found = {key: table.get("coverage_68") for key, table in metrics["snr"].items()}
    tables = {key: table for key, table in found.items() if key != NOISE_FREE} or found
    if not tables or not all(tables.values()):
        return ["no coverage to check: the model predicts no errors, or test.snr has no range"]
    where = {key: "" if key == NOISE_FREE else f" at S/N {key.replace('_', '-')}" for key in tables}
    return [
        f"{name}{where[key]}: {value:.1%} of the stars within one error, expected {low:.0%} to {high:.0%}"
        for key, table in tables.items()
        for name, value in table.items()
        if not low <= value <= high  # NaN too
    ]
