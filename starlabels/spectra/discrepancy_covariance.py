"""Covariance of what remains between observed and synthetic spectra, see discrepancy.py."""

import numpy as np
from scipy.linalg import cho_solve_banded, cholesky_banded

from starlabels.spectra.discrepancy import find_neighbours, measure_sizes, predict_mean

LEAST_CORRELATION = 1e-3  # of pixels: less is left out


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
        self.correlation = compute_correlation(discrepancy.wave, float(discrepancy.smear))

    def iterate(self, labels):
        """Yield, for each of labels (n, 3), a covariance (k, k) and a scatter (n_pix,).

        They are those in the basis, and those of what it does not hold, with the error of the mean
        difference. The latter has the `correlation` (n_band,) at 0, 1, ... pixels.
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
            size = np.sqrt(growth[i] * variance[i])
            yield growth[i] * covariance, size * stars.scatter


def compute_correlation(wave, smear):
    """Correlation (n_band,) at 0, 1, ... pixels of white noise through a Gaussian.

    wave (n_pix,), and smear, the sigma of the Gaussian, in A.
    """
    if smear <= 0:
        return np.ones(1)
    distance = np.arange(len(wave)) * np.median(np.diff(wave))
    correlation = np.exp(-0.25 * (distance / smear) ** 2)
    return correlation[correlation > LEAST_CORRELATION]


class Weighting:
    """Products with the inverse of a covariance of pixels.

    The covariance is that of a basis, plus that of scatter whose correlation reaches some pixels,
    plus independent noise. By the Woodbury identity.

    Parameters
    ----------
    basis : array (k, n_pix)
    covariance : array (k, k)
        Of its coefficients.
    scatter : array (n_pix,)
        Standard deviations.
    correlation : array (n_band,)
        Of that scatter at 0, 1, ... pixels.
    variance : array (n_pix,)
        Of the noise; infinite in missing pixels.
    """

    def __init__(self, basis, covariance, scatter, correlation, variance):
        seen = np.isfinite(variance)
        scatter = np.where(seen, scatter, 0.0)
        band = np.zeros((len(correlation), len(scatter)))
        for i, value in enumerate(correlation):
            band[i, : len(scatter) - i] = value * scatter[: len(scatter) - i] * scatter[i:]
        band[0] += np.where(seen, variance, 1.0)
        self.seen = seen
        self.factor = cholesky_banded(band, lower=True)
        self.basis = np.where(seen, basis, 0.0)
        self.scaled = cho_solve_banded((self.factor, True), self.basis.T).T
        self.inner = np.linalg.inv(np.linalg.inv(covariance) + self.scaled @ self.basis.T)

    def __call__(self, rows):
        """Rows (n, n_pix) times the inverse; missing pixels have no weight."""
        rows = np.where(self.seen, rows, 0.0)
        direct = cho_solve_banded((self.factor, True), rows.T).T
        return direct - (rows @ self.scaled.T) @ self.inner @ self.scaled
