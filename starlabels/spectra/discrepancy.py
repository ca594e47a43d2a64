"""Model discrepancy: how observed spectra differ from synthetic ones at the same labels.

It has two parts, which stars with known labels show. The first is a mean difference, a smooth
function of the labels. The second is what remains of each star; random draws are made from it.
Both are added to training spectra, so that a network learns how wrong its models are.

References
----------
Kennedy & O'Hagan (2001, J. R. Stat. Soc. B 63, 425), on model discrepancy.
Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, ch. 2.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.signal import fftconvolve

NAMES = ("teff", "logg", "mh")
CENTRE = (1.0, 3.5, 0.0)  # 5040 K / Teff, log g, [M/H]
SCALE = (0.15, 1.0, 0.5)  # over which spectra change about as much
SHARED = 0.05  # of the variance of label errors: common to all stars of a source, beyond its offset
NEIGHBOURS = 25  # stars with similar labels whose remainders are mixed


class Smoothness(NamedTuple):
    """Prior variances of the mean difference relative to the remainder of one star.

    Attributes
    ----------
    constant, linear : float
        Of an offset and of slopes per scaled label.
    local : float
        Of a smooth function of the labels.
    length : float
        Distance in scaled labels over which that function changes.
    """

    constant: float = 10.0
    linear: float = 1.0
    local: float = 0.3
    length: float = 1.0


def scale_labels(labels):
    """Scaled (n, 3) 5040 K / Teff, log g and [M/H] of labels (n, 3), about 1 apart."""
    labels = np.asarray(labels, float)
    values = np.column_stack([5040 / labels[:, 0], labels[:, 1:]])
    return (values - CENTRE) / SCALE


def compute_kernel(first, second, smoothness):
    """Prior covariance (n, m) of the mean difference at scaled labels (n, 3) and (m, 3)."""
    square = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    local = np.exp(-0.5 * square / smoothness.length**2)
    linear = first @ second.T
    return smoothness.constant + smoothness.linear * linear + smoothness.local * local


def compute_noise(weight, source):
    """Covariance (n, n) of stars about the mean, in units of the variance of a remainder.

    Label errors of a source, other than the reference 0, are in part common to its stars.
    """
    error = np.sqrt(1 / weight - 1)
    same = (source[:, None] == source) & (source > 0)
    shared = np.where(same, SHARED * np.outer(error, error), 0)
    return shared + np.diag(1 / weight - np.diag(shared))


class Discrepancy(NamedTuple):
    """Differences between observed and synthetic normalised spectra of stars with known labels.

    Attributes
    ----------
    wave : array (n_pix,)
        Wavelengths (A).
    labels : array (n, 3)
        Literature labels of the stars, see NAMES.
    weight : array (n,)
        Weights of the stars: 1 of exact labels, less of uncertain ones and of outliers.
    source : array (n,)
        Number of the source of each star's labels, 0 of the reference; see `compute_noise`.
    basis : array (k, n_pix)
        Orthonormal components of the differences.
    difference : array (n, k)
        Observed minus synthetic spectrum of each star, in the basis.
    remainder : array (n, k)
        The same without the mean and without the probable effect of errors of the labels.
    label_effect : array (n, m, k)
        Independent unit draws of the labels' remaining errors are multiplied by this.
    scatter : array (n_pix,)
        Rms of what a new star has outside the basis, relative to the size of its remainder.
    smear : array ()
        Sigma (A) of the Gaussian that correlates it.
    smoothness : array (4,)
        See `Smoothness`.
    shares : array (3,)
        Parts of the variance of a new star's remainder: as of stars with similar labels, as of all
        stars, and equal in all components. The last two are what few stars do not show.
    """

    wave: np.ndarray
    labels: np.ndarray
    weight: np.ndarray
    source: np.ndarray
    basis: np.ndarray
    difference: np.ndarray
    remainder: np.ndarray
    label_effect: np.ndarray
    scatter: np.ndarray
    smear: np.ndarray
    smoothness: np.ndarray
    shares: np.ndarray

    def predict_mean(self, labels):
        """Mean difference and how uncertain it is.

        Parameters
        ----------
        labels : array (n, 3)
            Teff (K), log g, [M/H].

        Returns
        -------
        array (n, n_pix)
            Observed minus synthetic flux.
        array (n,)
            Standard error of the mean in units of the remainder of a star; it grows with the
            distance to the stars.
        """
        mean, error = predict_mean(self, labels)
        return mean @ self.basis, error

    def draw(self, labels, rng):
        """Draw random differences: the mean, its error and a remainder.

        Parameters
        ----------
        labels : array (n, 3)
            Teff (K), log g, [M/H].
        rng : numpy.random.Generator

        Returns
        -------
        array (n, n_pix) float32
            To be added to synthetic normalised flux.
        """
        draws = RemainderDraws(self, labels)
        coefficients = predict_mean(self, labels)[0] + draws.draw(rng)
        return (coefficients @ self.basis + draws.draw_outside(rng)).astype("f4")


class RemainderDraws:
    """Random remainders of stars, with the error of the mean difference.

    Parameters
    ----------
    discrepancy : Discrepancy
    labels : array (n, 3)
        Teff (K), log g, [M/H].
    """

    def __init__(self, discrepancy, labels):
        self.stars = discrepancy
        self.size = measure_sizes(discrepancy.remainder, discrepancy.label_effect)
        self.near = find_neighbours(discrepancy.labels, labels)
        self.amplitude = np.sqrt(np.median(self.size[self.near] ** 2, axis=1))
        self.growth = np.hypot(1, predict_mean(discrepancy, labels)[1])

    def draw(self, rng, rows=slice(None)):
        """Draw remainders (m, k), in the basis, for some rows of the labels.

        Their variance has the `shares` of three sources.
        """
        near, amplitude = self.near[rows], self.amplitude[rows, None]
        others = rng.integers(len(self.size), size=near.shape)
        k = self.stars.remainder.shape[1]
        sources = (
            self._mix(near, rng),
            amplitude * self._mix(others, rng, 1 / self.size),
            amplitude / np.sqrt(k) * rng.standard_normal((len(near), k)),
        )
        drawn = sum(np.sqrt(share) * part for share, part in zip(self.stars.shares, sources))
        return self.growth[rows, None] * drawn

    def draw_outside(self, rng):
        """Draw what the basis does not hold (n, n_pix) for all labels."""
        stars = self.stars
        sigma = float(stars.smear) / np.median(np.diff(stars.wave))
        reach = int(np.ceil(4 * sigma))
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
        kernel /= np.sqrt(np.sum(kernel**2))  # the noise keeps its variance
        size = self.amplitude * self.growth
        noise = rng.standard_normal((len(size), len(stars.wave) + 2 * reach))
        smooth = fftconvolve(noise, kernel[None], mode="valid", axes=1)
        return size[:, None] * stars.scatter * smooth

    def _mix(self, stars, rng, scale=None):
        """Mixtures (n, k) of the remainders of two of the stars (n, m), whose labels are uncertain.

        scale (n_stars,) of the remainders; the mixture has the variance of one of them.
        """
        n = len(stars)
        first = rng.integers(stars.shape[1], size=n)
        second = (first + rng.integers(1, max(2, stars.shape[1]), size=n)) % stars.shape[1]
        angle = rng.uniform(0, 2 * np.pi, n)
        effect = self.stars.label_effect
        mixture = np.zeros((n, effect.shape[2]))
        for column, share in ((first, np.cos(angle)), (second, np.sin(angle))):
            star = stars[np.arange(n), column]
            unit = rng.standard_normal((n, effect.shape[1]))
            drawn = self.stars.remainder[star] + np.einsum("nm,nmk->nk", unit, effect[star])
            mixture += share[:, None] * (drawn if scale is None else scale[star, None] * drawn)
        return mixture


def measure_sizes(remainder, label_effect):
    """Size (n,) of remainders (n, k), with the label errors (n, m, k) that are still possible."""
    return np.sqrt(np.sum(remainder**2, axis=1) + np.sum(label_effect**2, axis=(1, 2)))


def predict_mean(stars, labels):
    """Mean difference (n, k) in the basis and its standard error (n,) at labels (n, 3).

    stars: a `Discrepancy`. Beyond the range of its stars the labels at the edge are taken.
    """
    smoothness = Smoothness(*stars.smoothness)
    known = scale_labels(stars.labels)
    asked = np.clip(scale_labels(labels), known.min(axis=0), known.max(axis=0))
    noise = compute_noise(stars.weight, stars.source)
    solver = cho_factor(compute_kernel(known, known, smoothness) + noise)
    cross = compute_kernel(asked, known, smoothness)
    mean = cross @ cho_solve(solver, stars.difference)
    square = (asked**2).sum(axis=1)
    prior = smoothness.constant + smoothness.linear * square + smoothness.local
    variance = prior - np.einsum("ij,ji->i", cross, cho_solve(solver, cross.T))
    return mean, np.sqrt(np.maximum(variance, 0))


def find_neighbours(known, labels):
    """Indices (n, NEIGHBOURS) of the stars with labels (m, 3) nearest to labels (n, 3)."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(known))).fit(scale_labels(known))
    return search.kneighbors(scale_labels(labels), return_distance=False)
