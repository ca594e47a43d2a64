"""Spectra as they leave the star's surface: what a generator learns where its recipe has a section `intrinsic`.

Rotation and instrument are operators that we know, so no network has to learn them: it gives principal components of the nodes'
spectra, and these are then rotated and degraded as the training spectra were.
"""

from typing import NamedTuple

import numpy as np

from starlabels.synthesis import broaden

CHUNK = 512  # spectra in memory at a time
FIELDS = ("mean", "components", "wave", "step", "fwhm", "resolving_power")


class Intrinsic(NamedTuple):
    """Mean depth (n_pix,) and components (k, n_pix) on log-uniform wavelengths (n_pix,), with the Broadening that they need.

    resolving_power: of spectra that have none among their labels.
    """

    mean: np.ndarray
    components: np.ndarray
    transform: np.ndarray  # of the mean, then the components (1 + k, n_freq)
    broadening: broaden.Broadening
    resolving_power: float

    @property
    def table(self):
        """{name: array} to save, see `of_table`."""
        own = self.broadening
        return dict(
            zip(
                FIELDS,
                (self.mean, self.components, own.wave, own.step, own.fwhm, self.resolving_power),
            )
        )

    def flux(self, code, labels, wave):
        """Flux (n, len(wave)) float32 of a code (n, k) at labels {name: (n,)}, of which those of broaden.LABELS are used."""
        own = {"vsini": 0.0, "resolving_power": self.resolving_power, "rv": 0.0} | labels
        own = {
            name: np.broadcast_to(np.asarray(own[name], float), len(code))
            for name in broaden.LABELS
        }
        code = np.concatenate([np.ones((len(code), 1), "f4"), code], axis=1)
        transform = (code @ self.transform.view("f4")).view(
            "c8"
        )  # half the work of a complex product
        return self.broadening.flux(transform, own, self.broadening.onto(wave))


def of_table(table):
    """The Intrinsic that has the table."""
    mean, vectors, wave, step, fwhm, power = (table[name] for name in FIELDS)
    broadening = broaden.Broadening(wave, float(step), float(fwhm))
    return Intrinsic(
        mean, vectors, broadening.transform(np.vstack([mean, vectors])), broadening, float(power)
    )
