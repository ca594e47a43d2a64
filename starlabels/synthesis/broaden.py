"""Rotation and instrument as factors on the Fourier transform of a spectrum on a log-uniform wavelength grid."""

import numpy as np
from scipy.special import j1

LIGHT = 299792.458  # km/s
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in sigma
LIMB_DARKENING = 0.6


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
_ROTATION = _rotation(np.arange(0, 2000, _X_STEP)).astype("f4")  # j1 for every star and frequency would cost more than the FFT


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
        raise ValueError(f"resolving power {np.max(resolving_power):g} is above the {highest:.0f} of the nodes")
    return np.sqrt(np.maximum(wanted**2 - already**2, 0))
