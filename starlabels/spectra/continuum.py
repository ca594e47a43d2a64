"""Continuum of unnormalised spectra: a smooth curve fitted with a low-rank model of the star.

Observed spectra and training spectra pass through the same fit. The model of the star, trained on
the training spectra, separates the wings of a Balmer line from a bend of the continuum. Noise
moves the curve to neither side.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from threadpoolctl import ThreadpoolController

from starlabels.base import hdf5

BIN = 1.0  # Angstrom, of the pixels averaged before the fit: a continuum is smooth
RANK = 40  # components of the star's model
FIT_ON = 4000  # spectra that the model is trained on
MISFIT = 0.01  # of the continuum, per bin: explained neither by the model nor by noise
STIFF = 0.3  # prior on the curve's coefficients, in ln flux: holds those that a gap leaves free
OUTLIER = 3.0  # misfits: beyond it a bin counts less and less
ROUNDS = 8
CHUNK = 128  # spectra at a time


class ContinuumModel(NamedTuple):
    """Low-rank model of the line depth and order of the continuum on a grid of pixels.

    Attributes
    ----------
    edges : ndarray (n_bin + 1,)
        Edges of the bins in pixels.
    mean : ndarray (n_bin,)
        Mean line depth.
    components : ndarray (n_components, n_bin)
        Components of the line depth, at most RANK.
    variance : ndarray (n_components,)
        Variance of the components.
    order : int
        Order of the Chebyshev polynomial that is the logarithm of the continuum.
    """

    edges: np.ndarray
    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    order: int

    def fit(self, flux):
        """Fit the continuum.

        Parameters
        ----------
        flux : ndarray (n, n_pix)
            Positive flux in any unit, NaN in missing pixels.

        Returns
        -------
        ndarray (n, n_pix), float32
            Continuum in the unit of flux.
        """
        place = np.linspace(-1, 1, self.edges[-1])
        curve = chebvander(place, self.order).astype("f4")  # (n_pix, order + 1)
        binned_curve = chebvander(compute_bin_centres(self.edges), self.order)  # (n_bin, order + 1)
        equations = NormalEquations(binned_curve, -self.components.T)
        continuum = np.empty(flux.shape, "f4")
        # BLAS threads would wait for each other at each of these many small products.
        with get_blas_control().limit(limits=1):
            for start in range(0, len(flux), CHUNK):
                part = slice(start, start + CHUNK)
                binned, weight = bin_flux(flux[part], self.edges)
                coefficients = self._fit_coefficients(binned, weight, equations)
                continuum[part] = np.exp(coefficients @ curve.T)
        return continuum

    def normalise(self, flux):
        """Flux (n, n_pix) float32 divided by its continuum."""
        return (flux / self.fit(flux)).astype("f4")

    def _fit_coefficients(self, flux, weight, equations):
        """Coefficients (n, order + 1) of ln continuum from binned flux and weight (n, n_bin).

        The weight is the observed fraction of each bin; equations: NormalEquations of the model.
        """
        smooth = equations.curve  # (n_bin, m)
        m = smooth.shape[1]
        light = np.sum((1 - self.mean) * weight, axis=1)
        scale = np.sum(flux * weight, axis=1) / np.maximum(light, 1e-30)
        flux = np.where(weight > 0, flux / scale[:, None], 1.0)
        prior = np.r_[np.full(m, STIFF**-2), 1 / self.variance] * MISFIT**2  # unit noise is MISFIT
        prior[0] = MISFIT**2  # the scale, within a factor e of the mean flux
        parameters = np.zeros((len(flux), len(prior)))
        trust = weight.copy()
        for _ in range(ROUNDS):
            log_curve, star = parameters[:, :m], parameters[:, m:]
            level = np.exp(log_curve @ smooth.T)
            star_flux = 1 - self.mean - star @ self.components
            residual = flux / level - star_flux
            # How the flux over the curve changes with the curve
            gain = np.maximum(star_flux, 0.1)
            matrix, gradient = equations.sum_bins(trust, gain, residual)
            matrix += np.diag(prior)
            gradient -= prior * parameters
            step = np.linalg.solve(matrix, gradient[:, :, None])[:, :, 0]
            parameters = parameters + np.clip(step, -0.5, 0.5)
            misfit = residual / self._measure_misfit(residual, weight)
            trust = weight / (1 + (misfit / OUTLIER) ** 2)
        log_curve = parameters[:, :m].copy()
        log_curve[:, 0] += np.log(scale)
        return log_curve

    @staticmethod
    def _measure_misfit(residual, weight):
        """Typical misfit (n, 1) of the bins, at least MISFIT."""
        size = np.sort(np.where(weight > 0, np.abs(residual), np.inf), axis=1)
        middle = np.count_nonzero(weight, axis=1)[:, None] // 2
        median = np.take_along_axis(size, middle, axis=1)  # (n, 1)
        return np.maximum(1.4826 * median, MISFIT)


class NormalEquations:
    """Normal equations of many stars whose design differs by a gain of some columns.

    The design of a star is [gain curve, star]. Products of two columns are the same for all stars,
    so that their sums over the bins are three matrix products.

    Parameters
    ----------
    curve : ndarray (n_bin, m)
    star : ndarray (n_bin, k)
    """

    def __init__(self, curve, star):
        self.curve = curve
        self.star = star
        columns = np.concatenate([curve, star], axis=1)
        first, second = np.triu_indices(columns.shape[1])
        # Number of factors of the gain in each pair of columns
        power = (first < curve.shape[1]).astype(int) + (second < curve.shape[1])
        self.pairs = []
        for exponent in range(3):
            i, j = first[power == exponent], second[power == exponent]
            self.pairs.append((i, j, columns[:, i] * columns[:, j]))

    def sum_bins(self, weight, gain, residual):
        """Matrices (n, m + k, m + k) and right sides (n, m + k) of stars.

        weight, gain, residual: (n, n_bin).
        """
        n_columns = self.curve.shape[1] + self.star.shape[1]
        matrix = np.empty((len(weight), n_columns, n_columns))
        for exponent, (i, j, products) in enumerate(self.pairs):
            matrix[:, i, j] = matrix[:, j, i] = (weight * gain**exponent) @ products
        weighted = weight * residual
        right = np.concatenate([(weighted * gain) @ self.curve, weighted @ self.star], axis=1)
        return matrix, right


@functools.cache
def get_blas_control():
    """Controller of the number of threads of linear algebra."""
    return ThreadpoolController()


def compute_bin_centres(edges):
    """Centres (n_bin,) of bins on a scale from -1 at the first pixel to 1 at the last."""
    return (edges[:-1] + edges[1:] - 1) / (edges[-1] - 1) - 1


def bin_flux(flux, edges):
    """Mean flux (n, n_bin) of the bins and the fraction of their pixels that is not NaN."""
    seen = np.isfinite(flux)
    number = np.add.reduceat(seen, edges[:-1], axis=1, dtype="f8")
    total = np.add.reduceat(np.where(seen, flux, 0), edges[:-1], axis=1, dtype="f8")
    return total / np.maximum(number, 1), number / np.diff(edges)


def fit_continuum_model(flux, wave, order):
    """Train a ContinuumModel.

    Parameters
    ----------
    flux : ndarray (n, n_pix)
        Normalised spectra.
    wave : ndarray (n_pix,)
        Wavelengths (Angstrom).
    order : int
        Order of the polynomial of the continuum.

    Returns
    -------
    ContinuumModel
    """
    n_bin = max(round((wave[-1] - wave[0]) / BIN), 4 * order, 2)
    edges = np.unique(np.linspace(0, len(wave), n_bin + 1).astype(int))
    depth = 1 - bin_flux(flux, edges)[0]
    mean = depth.mean(axis=0)
    _, size, components = np.linalg.svd(depth - mean, full_matrices=False)
    n = min(RANK, np.count_nonzero(size > 1e-6 * size[0]))
    return ContinuumModel(edges, mean, components[:n], size[:n] ** 2 / len(depth), order)


def write_continuum(h5, model):
    """Write a ContinuumModel into the group `continuum` of an open HDF5 file."""
    for name, values in model._asdict().items():
        hdf5.write_dataset(h5, f"continuum/{name}", values)


def read_continuum(h5):
    """Read the ContinuumModel of an open HDF5 file; None if it has none."""
    if "continuum" not in h5:
        return None
    fields = [hdf5.get_dataset(h5, f"continuum/{name}")[()] for name in ContinuumModel._fields]
    model = ContinuumModel(*fields)
    return model._replace(order=int(model.order))
