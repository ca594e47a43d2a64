"""Covariance of what remains between observed and synthetic spectra, see discrepancy.py."""

import numpy as np

from starlabels.spectra.discrepancy import find_neighbours, measure_sizes, predict_mean


class RemainderCovariance:
    """Covariance of the remainders of stars at any labels.

    Parameters
    ----------
    discrepancy : Discrepancy
    """

    def __init__(self, discrepancy):
        self.stars = discrepancy
        remainder, effect = discrepancy.remainder, discrepancy.label_effect
        self.size = measure_sizes(remainder, effect)
        scaled = remainder / self.size[:, None]
        effect = effect / self.size[:, None, None]
        total = scaled.T @ scaled + np.einsum("nmi,nmj->ij", effect, effect)
        self.others = total / len(remainder)
        step = np.median(np.diff(discrepancy.wave))
        # Noise that is correlated by a Gaussian counts more in what is smooth
        smear = max(1.0, 2 * np.sqrt(np.pi) * float(discrepancy.smear) / step)
        self.outside = smear * discrepancy.scatter**2

    def iterate(self, labels):
        """Yield, for each of labels (n, 3), a covariance (k, k) and a variance (n_pix,).

        They are those in the basis, and those of what it does not hold, with the error of the mean
        difference.
        """
        stars = self.stars
        k = stars.remainder.shape[1]
        near = find_neighbours(stars.labels, labels)
        variance = np.median(self.size[near] ** 2, axis=1)
        growth = 1 + predict_mean(stars, labels)[1] ** 2
        similar, other, white = stars.shares
        for i, chosen in enumerate(near):
            effects = stars.label_effect[chosen].reshape(-1, k)
            spread = np.concatenate([stars.remainder[chosen], effects])
            others = other * self.others + white / k * np.eye(k)
            covariance = similar / len(chosen) * spread.T @ spread + variance[i] * others
            yield growth[i] * covariance, growth[i] * variance[i] * self.outside
