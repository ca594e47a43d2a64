"""Calibrated error bars: their coverage, and factors on them as a function of S/N.

The factors are fitted on validation stars.
"""

import numpy as np
from scipy.special import ndtr, ndtri

ONE_SIGMA = float(ndtr(1) - ndtr(-1))  # 68.27 %
MAX_KNOTS = 12
# At least; each knot sees twice as many, so the fraction within one error is right to 2.3 %
STARS_PER_KNOT = 200
# Weight of the prior factor 1, in stars; ln factor scatters by 0.96 / sqrt(stars)
PRIOR_STARS = 10
NOISE_FREE = "inf"
AS_THEY_ARE = "as_they_are"  # in figures: real stars, to which no noise was added
# Of labels with errors, which constrain the network's error little where they are large
MIN_FACTOR = 0.5


def compute_pulls(true, mean, err, true_err=0.0):
    """Residuals over their errors, all (n, n_labels): N(0, 1) if the errors are right.

    Parameters
    ----------
    true, mean : array (n, n_labels)
        Labels and predictions.
    err, true_err : array (n, n_labels)
        Errors of the predictions and of the labels.
    """
    return (mean - true) / np.hypot(err, true_err)


def fit_calibration(true, mean, err, snr, true_err=0.0):
    """Fit factors on the errors that put 68.27 % of the stars within one error.

    Knots are at the mean ln S/N of windows that hold equal numbers of stars and overlap by half.
    There are fewer knots for fewer stars, and one if all stars have the same S/N. Stars of infinite
    S/N have a knot of their own. Stars in several draws of noise count several times.

    Parameters
    ----------
    true, mean, err : array (n, n_labels)
        Labels, predictions and errors of validation stars. Labels that are NaN do not count.
    snr : array (n,)
        S/N; infinite for stars to which no noise was added.
    true_err : array (n, n_labels)
        Errors of the labels, which add to err in quadrature.

    Returns
    -------
    dict
        `log_snr` (n_knots,) and `factor` (n_knots, n_labels).
    """
    noise_free = np.isinf(snr)
    if noise_free.any() and not noise_free.all():
        true_err = np.broadcast_to(true_err, true.shape)
        arrays = (true, mean, err, snr, true_err)
        noisy = fit_calibration(*(array[~noise_free] for array in arrays))
        plain = fit_calibration(*(array[noise_free] for array in arrays))
        return {name: np.concatenate([noisy[name], plain[name]]) for name in noisy}
    # the factor that each star needs
    size = np.sqrt(np.maximum((mean - true) ** 2 - np.square(true_err), 0)) / err
    log_snr = np.log(np.asarray(snr, float))
    windows = divide_by_snr(snr)
    factors = np.array([[compute_factor(column) for column in size[rows].T] for rows in windows])
    n_known = np.array([np.isfinite(size[rows]).sum(axis=0) for rows in windows])
    factors = factors ** (n_known / (n_known + PRIOR_STARS))
    return {
        "log_snr": np.array([log_snr[rows].mean() for rows in windows]),
        "factor": np.maximum(factors, MIN_FACTOR if np.any(true_err) else 0),
    }


def divide_by_snr(snr):
    """Rows of each window in S/N (n,): equal numbers of stars, overlapping by half."""
    n = len(snr)
    order = np.argsort(snr, kind="stable")
    varies = n and snr[order[0]] < snr[order[-1]]
    n_knots = int(np.clip(n // STARS_PER_KNOT, 1, MAX_KNOTS)) if varies else 1
    ends = np.clip((np.arange(n_knots)[:, None] + [-0.5, 1.5]) / n_knots * n, 0, n).astype(int)
    return [order[low:high] for low, high in ends]


def compute_factor(size):
    """68.27th percentile of `size` (n,): the factor that puts 68.27 % of stars within one error.

    It is 1 if all are NaN.
    """
    size = size[np.isfinite(size)]
    # weibull: unbiased
    return np.quantile(size, ONE_SIGMA, method="weibull") if len(size) else 1.0


def apply_calibration(table, err, snr):
    """Multiply errors by the calibration factors.

    The factors are linear in ln S/N and constant beyond the end knots, and between the last finite
    knot and the one of infinite S/N.

    Parameters
    ----------
    table : dict
        Output of `fit_calibration`.
    err : array (n, n_labels)
        Errors of the network.
    snr : array (n,)
        S/N, infinite without added noise.

    Returns
    -------
    array (n, n_labels)
        Calibrated errors.
    """
    log_snr = np.log(np.asarray(snr, float))
    columns = [np.interp(log_snr, table["log_snr"], factor) for factor in table["factor"].T]
    return err * np.stack(columns, axis=1)


def compute_coverage(true, mean, err, level, true_err=0.0):
    """Fraction of stars (n_labels,) within the central interval of probability `level`."""
    pulls = np.abs(compute_pulls(true, mean, err, true_err))
    return np.sum(pulls <= ndtri(0.5 + 0.5 * level), axis=0) / np.isfinite(pulls).sum(axis=0)


def score_errors(true, mean, err, true_err=0.0):
    """Score the errors of predictions.

    Parameters
    ----------
    true, mean, err, true_err : array (n, n_labels)
        As of `compute_pulls`; labels that are NaN do not count.

    Returns
    -------
    dict
        `coverage_68`, `coverage_95`, `pull_mean` and `pull_std`, each (n_labels,).
    """
    pulls = compute_pulls(true, mean, err, true_err)
    return {
        "coverage_68": compute_coverage(true, mean, err, ONE_SIGMA, true_err),
        "coverage_95": compute_coverage(true, mean, err, 0.95, true_err),
        "pull_mean": np.nanmean(pulls, axis=0),
        "pull_std": np.nanstd(pulls, axis=0),
    }


def find_violations(metrics, low=0.63, high=0.73):
    """Find labels and S/N ranges whose 68 % coverage is outside [low, high].

    Noise-free spectra count only if there is no other range: they have noise of their own then.

    Parameters
    ----------
    metrics : dict
        Content of metrics.json.
    low, high : float
        Limits of the coverage.

    Returns
    -------
    list of str
        One line per violation.
    """
    coverages = {key: scores.get("coverage_68") for key, scores in metrics["snr"].items()}
    noisy = {key: coverage for key, coverage in coverages.items() if key != NOISE_FREE}
    coverages = noisy or coverages
    if not coverages or not all(coverages.values()):
        return ["no coverage to check: the model predicts no errors, or test.snr has no range"]
    lines = []
    for key, coverage in coverages.items():
        where = "" if key == NOISE_FREE else f" at S/N {key.replace('_', '-')}"
        for name, value in coverage.items():
            if not low <= value <= high:  # NaN too
                within = f"{value:.1%} of the stars within one error"
                lines.append(f"{name}{where}: {within}, expected {low:.0%} to {high:.0%}")
    return lines
