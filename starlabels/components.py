"""Principal components of the training spectra: a few hundred numbers that hold all a spectrum says of its labels.

White noise stays white in orthonormal components, so a network that reads them can be trained without the pixels; what the
components leave over is noise alone, and measures it.
"""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from starlabels import h5io
from starlabels.cli import progress

FIT_ON = 8000  # training spectra: with 4000 the others have a residual one fifth larger
POWER = 3  # iterations of the randomised decomposition: with 1 the residual is five times larger


class Basis(NamedTuple):
    """Mean line depth 1 - flux (n_pix,), orthonormal components (n, n_pix), variance of the training stars on them (n,)."""

    mean: np.ndarray
    components: np.ndarray
    variance: np.ndarray

    @property
    def n_left(self):
        """Dimensions that the components leave over."""
        return self.components.shape[1] - len(self.components)


def fit(flux, n, seed):
    """The Basis of n components of flux (n_spectra, n_pix), by scikit-learn's randomised PCA."""
    found = PCA(n, svd_solver="randomized", iterated_power=POWER, random_state=seed).fit(1 - flux)
    return Basis(*(values.astype("f4") for values in (found.mean_, found.components_, found.explained_variance_)))


def project(flux, basis):
    """{components (n, n_components), outside (n,), level (n,)} of flux (n, n_pix).

    outside: sum of squares of what the components leave over; level: mean flux, by which S/N gives the noise.
    """
    depth = 1 - flux - basis.mean
    coefficient = depth @ basis.components.T
    left = depth - coefficient @ basis.components
    return {"components": coefficient, "outside": np.einsum("np,np->n", left, left), "level": flux.mean(axis=1)}


def write(h5, parts, n, seed, step):
    """Fit a basis to the training part of an open 2_prepared.h5 and write it, and the projections of `parts` on it."""
    basis = fit(h5["train/flux"][:FIT_ON], n, seed)
    for name, values in basis._asdict().items():
        h5[f"basis/{name}"] = values
    for part in parts:
        flux = h5[part]["flux"]
        starts = progress(range(0, len(flux), step), f"components of {part}")
        found = [project(flux[start : start + step], basis) for start in starts]
        for name in found[0]:
            h5[part][name] = np.concatenate([block[name] for block in found])
    spread = np.sqrt(np.median(h5["train/outside"]) / flux.shape[1])
    print(f"{n} components leave over a median rms of {spread:.1e} of the continuum")


def read(h5):
    """The Basis of an open 2_prepared.h5, None if its spectra are read as pixels."""
    return Basis(*(h5io.dataset(h5, f"basis/{name}")[:] for name in Basis._fields)) if "basis" in h5 else None
