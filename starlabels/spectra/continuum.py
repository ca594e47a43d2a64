"""The continuum of spectra that have none yet: a smooth curve fitted together with a low-rank model of the star.

Spectra observed and spectra in training go through the same fit. The star's model, learnt from the training spectra, tells
the wings of a Balmer line from a bend of the continuum, and noise moves the curve to neither side.
"""

import functools
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from starlabels.base import hdf5

BIN = 1.0  # A, of the pixels averaged before the fit: a continuum is smooth
RANK = 40  # components of the star's model
FIT_ON = 4000  # spectra that the model is learnt from
MISFIT = 0.01  # of the continuum, a bin: what neither model nor noise explain
STIFF = 0.3  # prior on the curve's coefficients, in ln flux: holds those that a gap leaves free
OUTLIER = 3.0  # misfits: beyond, a bin counts less and less
ROUNDS = 8
CHUNK = 128  # spectra at a time


class ContinuumModel(NamedTuple):
    """edges (n_bin + 1,) of the bins in pixels, mean (n_bin,) and components (RANK, n_bin) of the line depth, their variance.

    order: of the Chebyshev polynomial that is ln of the continuum.
    """

    edges: np.ndarray
    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    order: int

    def fit(self, flux):
        """Continuum (n, n_pix) float32 of flux (n, n_pix) > 0 in any unit, NaN where missing."""
        place = np.linspace(-1, 1, self.edges[-1])
        curve = np.polynomial.chebyshev.chebvander(place, self.order).astype(
            "f4"
        )  # (n_pix, order + 1)
        out = np.empty(flux.shape, "f4")
        with get_blas_control().limit(
            limits=1
        ):  # its threads wait for each other at every one of these small products
            for start in range(0, len(flux), CHUNK):
                part = slice(start, start + CHUNK)
                binned, weight = bin_flux(flux[part], self.edges)
                out[part] = np.exp(self._coefficients(binned, weight) @ curve.T)
        return out

    def normalise(self, flux):
        """Flux (n, n_pix) float32 over its continuum."""
        return (flux / self.fit(flux)).astype("f4")

    def _coefficients(self, flux, weight):
        """Coefficients (n, order + 1) of ln continuum from binned flux (n, n_bin) and the observed share of each bin."""
        smooth = np.polynomial.chebyshev.chebvander(
            compute_bin_centres(self.edges), self.order
        )  # (n_bin, m)
        scale = np.sum(flux * weight, axis=1) / np.maximum(
            np.sum((1 - self.mean) * weight, axis=1), 1e-30
        )
        flux, m = np.where(weight > 0, flux / scale[:, None], 1.0), smooth.shape[1]
        prior = np.r_[np.full(m, STIFF**-2), 1 / self.variance] * MISFIT**2  # unit noise is MISFIT
        prior[0] = 0  # any scale
        log_curve, star = np.zeros((len(flux), m)), np.zeros((len(flux), len(self.variance)))
        trust = weight.copy()
        for _ in range(ROUNDS):
            level = np.exp(log_curve @ smooth.T)
            depth = self.mean + star @ self.components
            residual = flux / level - (1 - depth)
            design = np.concatenate(
                [
                    np.maximum(1 - depth, 0.1)[:, :, None] * smooth,
                    np.broadcast_to(-self.components.T, (*flux.shape, len(star.T))),
                ],
                axis=2,
            )  # (n, n_bin, m + RANK): how the model changes
            known = np.concatenate([log_curve, star], axis=1)
            weighted = design * trust[:, :, None]
            matrix = design.transpose(0, 2, 1) @ weighted + np.diag(prior)
            pull = np.einsum("nbk,nb->nk", weighted, residual) - prior * known
            known = known + np.clip(np.linalg.solve(matrix, pull[:, :, None])[:, :, 0], -0.5, 0.5)
            log_curve, star = known[:, :m], known[:, m:]
            trust = weight / (1 + (residual / self._spread(residual, weight) / OUTLIER) ** 2)
        log_curve[:, 0] += np.log(scale)
        return log_curve

    @staticmethod
    def _spread(residual, weight):
        """Typical misfit (n, 1) of the bins, at least MISFIT."""
        size = np.sort(np.where(weight > 0, np.abs(residual), np.inf), axis=1)
        median = np.take_along_axis(
            size, np.count_nonzero(weight, axis=1)[:, None] // 2, axis=1
        )  # (n, 1)
        return np.maximum(1.4826 * median, MISFIT)


@functools.cache
def get_blas_control():
    """The control of the number of threads of linear algebra."""
    return ThreadpoolController()


def compute_bin_centres(edges):
    """Centres (n_bin,) of bins on the scale on which the first pixel is -1 and the last one 1."""
    return (edges[:-1] + edges[1:] - 1) / (edges[-1] - 1) - 1


def bin_flux(flux, edges):
    """Mean flux (n, n_bin) of the bins, and the share of their pixels that is not NaN."""
    seen = np.isfinite(flux)
    number = np.add.reduceat(seen, edges[:-1], axis=1, dtype="f8")
    total = np.add.reduceat(np.where(seen, flux, 0), edges[:-1], axis=1, dtype="f8")
    return total / np.maximum(number, 1), number / np.diff(edges)


def fit_continuum_model(flux, wave, order):
    """The Continuum for a grid of wavelengths (n_pix,) in A, from normalised spectra (n, n_pix)."""
    edges = np.linspace(
        0, len(wave), max(round((wave[-1] - wave[0]) / BIN), 4 * order, 2) + 1
    ).astype(int)
    edges = np.unique(edges)
    depth = 1 - bin_flux(flux, edges)[0]
    mean = depth.mean(axis=0)
    _, size, components = np.linalg.svd(depth - mean, full_matrices=False)
    n = min(RANK, np.count_nonzero(size > 1e-6 * size[0]))
    return ContinuumModel(edges, mean, components[:n], size[:n] ** 2 / len(depth), order)


def write_continuum(h5, found):
    """Write a Continuum into the group `continuum` of an open HDF5 file."""
    for name, values in found._asdict().items():
        hdf5.write(h5, f"continuum/{name}", values)


def read_continuum(h5):
    """The Continuum of an open HDF5 file, None if it has none."""
    if "continuum" not in h5:
        return None
    found = ContinuumModel(*(hdf5.dataset(h5, f"continuum/{name}")[()] for name in ContinuumModel._fields))
    return found._replace(order=int(found.order))
