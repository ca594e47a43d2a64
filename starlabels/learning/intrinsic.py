"""Spectra before rotation and instrument, as a generator with a recipe section `intrinsic` uses.

Rotation and the instrument are known operators, so a network need not be trained for them. It
predicts principal components of the nodes' spectra, which are then broadened as in training.
"""

from typing import NamedTuple

import numpy as np

from starlabels.synthesis import broaden

CHUNK = 512  # spectra in memory at a time
FIELDS = ("mean", "components", "wave", "step", "fwhm", "resolving_power")


class Intrinsic(NamedTuple):
    """Principal components of spectra before rotation and instrument, and their broadening.

    Attributes
    ----------
    mean : array (n_pix,)
        Mean line depth, on log-uniform wavelengths.
    components : array (k, n_pix)
        Orthonormal components of the line depth.
    transform : array (1 + k, n_freq)
        Fourier transform of the mean, then of the components.
    broadening : Broadening
        Rotation and instrument on these wavelengths.
    resolving_power : float
        Of spectra for which it is not a label.
    """

    mean: np.ndarray
    components: np.ndarray
    transform: np.ndarray
    broadening: broaden.Broadening
    resolving_power: float

    @property
    def table(self):
        """{name: array} to save; `build_intrinsic` is the inverse."""
        grid = self.broadening
        values = (self.mean, self.components, grid.wave, grid.step, grid.fwhm, self.resolving_power)
        return dict(zip(FIELDS, values))

    def flux(self, code, labels, wave):
        """Compute broadened spectra.

        Parameters
        ----------
        code : array (n, k)
            Coefficients of the components.
        labels : dict
            {name: (n,)}; only those that broaden or shift a spectrum are used.
        wave : array (n_pix,)
            Wavelengths in A.

        Returns
        -------
        array (n, n_pix)
            Flux, float32, with a continuum of 1.
        """
        given = {"vsini": 0.0, "resolving_power": self.resolving_power, "rv": 0.0} | labels
        shifts = {
            name: np.broadcast_to(np.asarray(given[name], float), len(code))
            for name in broaden.BROADENING_LABELS
        }
        code = np.concatenate([np.ones((len(code), 1), "f4"), code], axis=1)
        # as real numbers: half the work of a complex product
        n_freq = self.broadening.count_frequencies(shifts["resolving_power"])
        transform = (code @ self.transform[:, :n_freq].view("f4")).view("c8")
        return self.broadening.broaden(transform, shifts, wave)


def build_intrinsic(table):
    """The Intrinsic of its `table` {name: array}."""
    mean, components, wave, step, fwhm, resolving_power = (table[name] for name in FIELDS)
    broadening = broaden.Broadening(wave, float(step), float(fwhm))
    transform = broadening.to_fourier(np.vstack([mean, components]))
    return Intrinsic(mean, components, transform, broadening, float(resolving_power))
