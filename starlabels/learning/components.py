"""Principal components of the training spectra: the few hundred numbers that carry the labels.

White noise stays white in orthonormal components, so a network that reads them can be trained
without the pixels; the residual of the components is pure noise and measures it. The window may be
cut into equal blocks, each with its own components and noise. A block may then be missing, or
noisier than the others.
"""

from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, integrity
from starlabels.base.console import show_progress

# Training spectra for the fit: with 4000, the residual of the others is 20 % larger
N_FIT = 8000
POWER = 3  # iterations of the randomised decomposition: with 1 the residual is five times larger


class Basis(NamedTuple):
    """Principal components of the line depth 1 - flux, in blocks of the window.

    Attributes
    ----------
    mean : array (n_pix,)
        Mean line depth.
    components : array (n, n_pix)
        Orthonormal; each block has n / n_blocks of them, which are 0 elsewhere.
    variance : array (n,)
        Variance of the training stars along them.
    n_blocks : int
        Number of equal parts of the window.
    """

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    n_blocks: int

    @property
    def n_left(self):
        """Number of dimensions in each block that the components do not span."""
        return (self.components.shape[1] - len(self.components)) // self.n_blocks

    def block_slices(self):
        """(pixels, rows) of each block: its slices of n_pix and of the components."""
        n, n_pix = self.components.shape
        return [
            (cut_block(n_pix, self.n_blocks, block), cut_block(n, self.n_blocks, block))
            for block in range(self.n_blocks)
        ]


def cut_block(n, n_blocks, block):
    """Slice of the block with that number, of n elements in n_blocks equal blocks."""
    width = n // n_blocks
    return slice(block * width, (block + 1) * width)


def fit_basis(flux, n, n_blocks, seed):
    """Fit principal components by scikit-learn's randomised PCA.

    Parameters
    ----------
    flux : array (n_spectra, n_pix)
        Noise-free flux, continuum 1.
    n : int
        Number of components.
    n_blocks : int
        Number of equal blocks of the window; it divides n and n_pix.
    seed : int
        Of the decomposition.

    Returns
    -------
    Basis
    """
    from sklearn.decomposition import PCA  # takes 1.5 s

    n_pix = flux.shape[1]
    basis = Basis(np.empty(n_pix, "f4"), np.zeros((n, n_pix), "f4"), np.empty(n, "f4"), n_blocks)
    for pixels, rows in basis.block_slices():
        pca = PCA(
            n // n_blocks, svd_solver="randomized", iterated_power=POWER, random_state=seed
        ).fit(1 - flux[:, pixels])
        basis.mean[pixels] = pca.mean_
        basis.components[rows, pixels] = pca.components_
        basis.variance[rows] = pca.explained_variance_
    return basis


def project_flux(flux, basis):
    """Project spectra on the components.

    Parameters
    ----------
    flux : array (n, n_pix)
        Flux, continuum 1.
    basis : Basis
        Of the same pixels.

    Returns
    -------
    dict
        `components` (n, n_components); `outside` (n, n_blocks), sum of squares of the residual in
        each block; `level` (n,), mean flux, which converts S/N to noise.
    """
    depth = 1 - flux - basis.mean
    coefficients = depth @ basis.components.T
    residual = (depth - coefficients @ basis.components).reshape(len(flux), basis.n_blocks, -1)
    return {
        "components": coefficients,
        "outside": np.einsum("nbp,nbp->nb", residual, residual),
        "level": flux.mean(axis=1),
    }


def fill_missing_pixels(flux, basis, noise):
    """Replace NaN pixels by their expectation, in place; a block that is half NaN becomes NaN.

    The expectation is that of the training stars, given the other pixels of the block.

    Parameters
    ----------
    flux : array (n_pix,)
        Flux of one star, continuum 1.
    basis : Basis
        Of the same pixels.
    noise : float
        Standard deviation of the other pixels.

    Returns
    -------
    array (n_pix,)
        The same array as `flux`.
    """
    for pixels, rows in basis.block_slices():
        seen = np.isfinite(flux[pixels])
        if seen.all():
            continue
        if 2 * seen.sum() < len(seen):
            flux[pixels] = np.nan
            continue
        vectors = basis.components[rows, pixels].astype(float)
        depth = 1 - flux[pixels] - basis.mean[pixels]
        weighted = vectors[:, seen] / noise**2
        prior = np.diag(1 / basis.variance[rows].astype(float))
        matrix = weighted @ vectors[:, seen].T + prior
        coefficients = np.linalg.solve(matrix, weighted @ depth[seen])
        flux[pixels][~seen] = (1 - basis.mean[pixels] - coefficients @ vectors)[~seen]
    return flux


def write_components(h5, parts, n, n_blocks, seed, step):
    """Fit a Basis to an open 2_prepared.h5; write it, and the projections of some parts.

    Parameters
    ----------
    h5 : h5py.File
        Open for writing, with the flux of all parts.
    parts : list of str
        Parts to project.
    n, n_blocks, seed : int
        As of `fit_basis`.
    step : int
        Spectra in memory at a time.
    """
    basis = fit_basis(h5["train/flux"][:N_FIT], n, n_blocks, seed)
    for name, values in basis._asdict().items():
        hdf5.write_dataset(h5, f"basis/{name}", values)
    for part in parts:
        flux = h5[part]["flux"]
        starts = show_progress(range(0, len(flux), step), f"components of {part}")
        chunks = [project_flux(flux[start : start + step], basis) for start in starts]
        for name in chunks[0]:
            hdf5.write_dataset(h5[part], name, np.concatenate([chunk[name] for chunk in chunks]))
    spread = np.sqrt(np.median(h5["train/outside"][:].sum(axis=1)) / flux.shape[1])
    print(f"{n} components leave a median rms residual of {spread:.1e} of the continuum")


def read_basis(h5):
    """Read the Basis of an open 2_prepared.h5 or scaling.h5; None if it has none.

    scaling.h5 has n_blocks as an attribute, see `write_basis`.
    """
    if "basis" not in h5:
        return None
    mean, components, variance = (
        hdf5.get_dataset(h5, f"basis/{name}")[()] for name in ("mean", "components", "variance")
    )
    return Basis(mean, components, variance, int(integrity.read_block_number(h5["basis"])))


def write_basis(h5, basis):
    """Write a Basis into an open scaling.h5."""
    for name in ("mean", "components", "variance"):
        hdf5.write_dataset(h5, f"basis/{name}", getattr(basis, name))
    h5["basis"].attrs["n_blocks"] = basis.n_blocks
