"""Offsets of the labels of a source from those of the reference, by the spectra of its stars.

Stars of the reference define the mean difference between observed and synthetic spectra. If the
labels of another source are, say, too cool, its stars differ from that mean as warmer stars do.
"""

from types import SimpleNamespace

import numpy as np

from starlabels.spectra.discrepancy import NAMES, Smoothness, predict_mean

LEAST_REFERENCES = 10  # stars; with fewer no offset is estimated
PRIOR = (100.0, 0.2, 0.1)  # standard deviations of offsets in Teff (K), log g, [M/H]
WEIGHT = 0.5  # of a star of the reference, see `Discrepancy`
SHRINKAGE = 0.3  # of the covariance of few stars towards equal variances


def estimate_offsets(labels, source, difference, derivatives, label_err):
    """Estimate the offsets of all stars' labels.

    Parameters
    ----------
    labels : array (n, 3)
        Teff (K), log g, [M/H].
    source : array (n,)
        Number of the source of the labels, 0 of the reference.
    difference : array (n, k)
        Observed minus synthetic spectra in a basis.
    derivatives : array (n, m, k)
        Of synthetic spectra by labels, the first three as above.
    label_err : array (n, m)

    Returns
    -------
    array (n, 3)
        Labels minus those that the reference would give; smaller where it has few stars.
    """
    offsets = np.zeros_like(labels)
    known = source == 0
    if known.sum() < LEAST_REFERENCES or known.all():
        return offsets
    reference = SimpleNamespace(
        labels=labels[known], source=source[known], difference=difference[known],
        weight=np.full(known.sum(), WEIGHT), smoothness=Smoothness(),
    )  # fmt: skip
    mean, error = predict_mean(reference, labels)
    left = difference - mean
    covariance = left[known].T @ left[known] / known.sum()
    white = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * white
    effect = label_err[:, :, None] * derivatives
    for number in np.unique(source[~known]):
        normal, gradient = np.diag(np.array(PRIOR) ** -2.0), np.zeros(len(NAMES))
        for i in np.flatnonzero(source == number):
            total = (1 + error[i] ** 2) * covariance + effect[i].T @ effect[i]
            slopes = derivatives[i, : len(NAMES)]
            weighted = np.linalg.solve(total, slopes.T)
            normal += slopes @ weighted
            gradient -= weighted.T @ left[i]
        rows = source == number
        offsets[rows] = np.linalg.solve(normal, gradient)
    return offsets
