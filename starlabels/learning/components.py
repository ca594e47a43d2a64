"""Principal components of the training spectra: a few hundred numbers that hold all a spectrum says of its labels.

White noise stays white in orthonormal components, so a network that reads them can be trained without the pixels; what the
components leave over is noise alone, and measures it. The window may be cut into equal blocks, each with its own components
and noise: then one can be missing, or noisier than the others.
"""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from starlabels.base import hdf5
from starlabels.base.console import progress

FIT_ON = 8000  # training spectra: with 4000 the others have a residual one fifth larger
POWER = 3  # iterations of the randomised decomposition: with 1 the residual is five times larger


class Basis(NamedTuple):
    """Mean line depth 1 - flux (n_pix,), orthonormal components (n, n_pix), variance of the training stars on them (n,).

    Of n_blocks equal parts of the window each has n / n_blocks components, which are 0 elsewhere.
    """

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray
    n_blocks: int

    @property
    def n_left(self):
        """Dimensions that the components leave over in each block."""
        return (self.components.shape[1] - len(self.components)) // self.n_blocks


def fit(flux, n, n_blocks, seed):
    """The Basis of n components of flux (n_spectra, n_pix), by scikit-learn's randomised PCA."""
    components, variance = np.zeros((n, flux.shape[1]), "f4"), np.empty(n, "f4")
    mean, width, each = np.empty(flux.shape[1], "f4"), flux.shape[1] // n_blocks, n // n_blocks
    for block in range(n_blocks):
        pixels, rows = (slice(block * size, (block + 1) * size) for size in (width, each))
        found = PCA(each, svd_solver="randomized", iterated_power=POWER, random_state=seed).fit(
            1 - flux[:, pixels]
        )
        mean[pixels], components[rows, pixels], variance[rows] = (
            found.mean_,
            found.components_,
            found.explained_variance_,
        )
    return Basis(mean, components, variance, n_blocks)


def project(flux, basis):
    """{components (n, n_components), outside (n, n_blocks), level (n,)} of flux (n, n_pix).

    outside: sum of squares of what the components leave over in a block; level: mean flux, by which S/N gives the noise.
    """
    depth = 1 - flux - basis.mean
    coefficient = depth @ basis.components.T
    left = (depth - coefficient @ basis.components).reshape(len(flux), basis.n_blocks, -1)
    return {
        "components": coefficient,
        "outside": np.einsum("nbp,nbp->nb", left, left),
        "level": flux.mean(axis=1),
    }


def fill(flux, basis, noise):
    """Put what the components expect into the NaN pixels of flux (n_pix,), in place; where half a block is NaN it stays so.

    noise: of the other pixels. The expectation is that of the training stars given those pixels.
    """
    width, each = flux.size // basis.n_blocks, len(basis.components) // basis.n_blocks
    for block in range(basis.n_blocks):
        pixels, rows = (slice(block * size, (block + 1) * size) for size in (width, each))
        seen = np.isfinite(flux[pixels])
        if seen.all():
            continue
        if 2 * seen.sum() < width:
            flux[pixels] = np.nan
            continue
        vectors, depth = (
            basis.components[rows, pixels].astype(float),
            1 - flux[pixels] - basis.mean[pixels],
        )
        weighted = vectors[:, seen] / noise**2
        matrix = weighted @ vectors[:, seen].T + np.diag(1 / basis.variance[rows].astype(float))
        coefficient = np.linalg.solve(matrix, weighted @ depth[seen])
        flux[pixels][~seen] = (1 - basis.mean[pixels] - coefficient @ vectors)[~seen]
    return flux


def write(h5, parts, n, n_blocks, seed, step):
    """Fit a basis to the training part of an open 2_prepared.h5 and write it, and the projections of `parts` on it."""
    basis = fit(h5["train/flux"][:FIT_ON], n, n_blocks, seed)
    for name, values in basis._asdict().items():
        hdf5.write(h5, f"basis/{name}", values)
    for part in parts:
        flux = h5[part]["flux"]
        starts = progress(range(0, len(flux), step), f"components of {part}")
        found = [project(flux[start : start + step], basis) for start in starts]
        for name in found[0]:
            hdf5.write(h5[part], name, np.concatenate([block[name] for block in found]))
    spread = np.sqrt(np.median(h5["train/outside"][:].sum(axis=1)) / flux.shape[1])
    print(f"{n} components leave over a median rms of {spread:.1e} of the continuum")


def read(h5):
    """The Basis of an open 2_prepared.h5, None if its spectra are read as pixels."""
    if "basis" not in h5:
        return None
    basis = Basis(*(hdf5.dataset(h5, f"basis/{name}")[()] for name in Basis._fields))
    return basis._replace(n_blocks=int(basis.n_blocks))
