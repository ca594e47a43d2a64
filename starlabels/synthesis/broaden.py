"""Rotation and instrument as factors on the Fourier transform of a spectrum on a log-uniform wavelength grid."""

import numpy as np
import scipy.fft
from scipy.sparse import csr_matrix
from scipy.special import j1

from starlabels.synthesis.interpolate import lagrange

LIGHT = 299792.458  # km/s
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in sigma
LIMB_DARKENING = 0.6
LABELS = ("vsini", "resolving_power", "rv")  # that a spectrum needs besides those of its atmosphere
OVERSAMPLE = 2  # pixels of the inverse transform per pixel: leaves the last interpolation an error below 1e-5


def velocity_grid(wave_min, wave_max, step):
    """Log-uniform wavelengths (A) from wave_min to at least wave_max, `step` km/s apart."""
    n = int(np.ceil(np.log(wave_max / wave_min) * LIGHT / step)) + 1
    return wave_min * np.exp(np.arange(n) * step / LIGHT)


def gaussian_transfer(frequency, fwhm):
    """Factors (..., n_freq) of a Gaussian of FWHM km/s at frequencies in cycles per km/s."""
    return np.exp(-2 * (np.pi * frequency * np.asarray(fwhm) / FWHM) ** 2)


def _rotation(x):
    """Fourier transform of the rotation profile at x = 2 pi frequency vsini. Gray (2005) ch. 18."""
    e, tiny, x = LIMB_DARKENING, x < 1e-2, np.maximum(x, 1e-2)
    profile = 2 * (1 - e) * j1(x) / x + 2 * e * (np.sin(x) / x**3 - np.cos(x) / x**2)
    return np.where(tiny, 1.0, profile / (1 - e / 3))


_X_STEP = 0.02
_ROTATION = _rotation(np.arange(0, 2000, _X_STEP)).astype(
    "f4"
)  # j1 for every star and frequency would cost more than the FFT


def rotation_transfer(frequency, vsini):
    """Factors (n, n_freq) float32 of solid-body rotation at vsini (n,) km/s, limb darkening 0.6; 1 at vsini = 0.

    ValueError for a negative vsini.
    """
    vsini = np.atleast_1d(vsini)
    if np.any(vsini < 0):
        raise ValueError(f"vsini = {vsini.min():g} km/s: must not be negative")
    x = (vsini[:, None] * (2 * np.pi / _X_STEP * frequency)[None]).astype("f4")
    i = np.minimum(x.astype("i4"), len(_ROTATION) - 2)
    return _ROTATION[i] + (x - i) * (_ROTATION[i + 1] - _ROTATION[i])


def instrument_fwhm(resolving_power, already):
    """FWHM in km/s still to apply for lambda/FWHM = resolving_power on spectra that carry `already` km/s.

    ValueError when the resolving power is above what they have.
    """
    wanted = LIGHT / np.asarray(resolving_power, float)
    if np.any(wanted < already * (1 - 1e-3)):
        highest = LIGHT / already
        raise ValueError(
            f"resolving power {np.max(resolving_power):g} is above the {highest:.0f} of the nodes"
        )
    return np.sqrt(np.maximum(wanted**2 - already**2, 0))


class Broadening:
    """Rotates, degrades, shifts and resamples line depths on log-uniform wavelengths (n_pix,) in A, `step` km/s apart.

    fwhm: km/s of the instrument that they have gone through already.
    """

    def __init__(self, wave, step, fwhm):
        self.wave, self.step, self.fwhm = wave, step, fwhm
        self.n_fft = 2 * scipy.fft.next_fast_len(
            -(-len(wave) // 2), real=True
        )  # the margins take up what wraps around
        self.frequency = np.fft.rfftfreq(self.n_fft, step)  # cycles per km/s
        self._resampling = {}

    def transform(self, depth):
        """Fourier transform (n, n_freq) of line depths (n, n_pix)."""
        return scipy.fft.rfft(depth, self.n_fft, axis=1).astype("c8")

    def depth(self, transform):
        """Line depths (n, n_pix) of a transform (n, n_freq)."""
        return scipy.fft.irfft(transform, self.n_fft, axis=1)[:, : len(self.wave)]

    def flux(self, transform, labels, onto):
        """Flux (n, n_out) from the transform (n, n_freq) of line depths, which is spoilt, at LABELS {name: (n,)}."""
        transform *= rotation_transfer(self.frequency, labels["vsini"])
        fwhm = instrument_fwhm(labels["resolving_power"], self.fwhm)
        transform *= gaussian_transfer(self.frequency, fwhm[:, None]).astype("f4")
        if np.any(labels["rv"]):
            transform *= np.exp(-2j * np.pi * self.frequency * labels["rv"][:, None]).astype("c8")
        fine = scipy.fft.irfft(transform, OVERSAMPLE * self.n_fft, axis=1, overwrite_x=True)
        return 1 - OVERSAMPLE * (onto @ fine[:, : OVERSAMPLE * len(self.wave)].T).T

    def onto(self, wave):
        """Sparse matrix (n_out, n_fine): six-point interpolation to wavelengths (n_out,); kept for the next call."""
        key = (len(wave), float(wave[0]), float(wave[-1]))
        if key not in self._resampling:
            pixel = np.log(np.asarray(wave) / self.wave[0]) * LIGHT / self.step * OVERSAMPLE
            n_fine = OVERSAMPLE * len(self.wave)
            index, weight = lagrange(pixel, np.arange(n_fine), order=6)
            rows = np.repeat(np.arange(len(wave)), index.shape[1])
            self._resampling = {
                key: csr_matrix(
                    (weight.astype("f4").ravel(), (rows, index.ravel())), (len(wave), n_fine)
                )
            }
        return self._resampling[key]
