"""Rotational and instrumental broadening as factors in Fourier space.

Spectra are on a log-uniform wavelength grid.
"""

import numpy as np
import scipy.fft
from scipy.sparse import csr_matrix
from scipy.special import j1

from starlabels.synthesis.interpolate import compute_lagrange_weights

LIGHT = 299792.458  # km/s
FWHM = 2 * np.sqrt(2 * np.log(2))  # of a Gaussian, in sigma
LIMB_DARKENING = 0.6
LEAST_TRANSFER = 1e-7  # of a Gaussian: at frequencies below, nothing is left
BROADENING_LABELS = ("vsini", "resolving_power", "rv")  # needed in addition to the atmosphere's
# Pixels of the inverse transform per pixel that holds all frequencies: the last interpolation then
# has an error below 1e-5
OVERSAMPLE = 2


def make_velocity_grid(wave_min, wave_max, step):
    """Log-uniform wavelengths (A) from wave_min to at least wave_max, `step` km/s apart."""
    n = int(np.ceil(np.log(wave_max / wave_min) * LIGHT / step)) + 1
    return wave_min * np.exp(np.arange(n) * step / LIGHT)


def gaussian_transfer(frequency, fwhm):
    """Factors (..., n_freq) of a Gaussian of FWHM km/s at frequencies in cycles per km/s."""
    return np.exp(-2 * (np.pi * frequency * np.asarray(fwhm) / FWHM) ** 2)


def _rotation_profile_transform(x):
    """Fourier transform of the rotation profile at x = 2 pi frequency vsini. Gray (2005) ch. 18."""
    e = LIMB_DARKENING
    is_tiny = x < 1e-2
    x = np.maximum(x, 1e-2)
    profile = 2 * (1 - e) * j1(x) / x + 2 * e * (np.sin(x) / x**3 - np.cos(x) / x**2)
    return np.where(is_tiny, 1.0, profile / (1 - e / 3))


_X_STEP = 0.02
# Tabulated: j1 at every star and frequency would cost more than the FFT
_ROTATION = _rotation_profile_transform(np.arange(0, 2000, _X_STEP)).astype("f4")


def rotation_transfer(frequency, vsini):
    """Factors of solid-body rotation with limb darkening 0.6; 1 at vsini = 0.

    Parameters
    ----------
    frequency : array (n_freq,)
        Cycles per km/s.
    vsini : array (n,)
        Projected rotation velocity (km/s).

    Returns
    -------
    array (n, n_freq) float32

    Raises
    ------
    ValueError
        For a negative vsini.

    References
    ----------
    Gray (2005), The Observation and Analysis of Stellar Photospheres, ch. 18.
    """
    vsini = np.atleast_1d(vsini)
    if np.any(vsini < 0):
        raise ValueError(f"vsini = {vsini.min():g} km/s: must not be negative")
    x = (vsini[:, None] * (2 * np.pi / _X_STEP * frequency)[None]).astype("f4")
    i = np.minimum(x.astype("i4"), len(_ROTATION) - 2)
    return _ROTATION[i] + (x - i) * (_ROTATION[i + 1] - _ROTATION[i])


def compute_remaining_fwhm(resolving_power, applied_fwhm):
    """FWHM (km/s) of the Gaussian that brings spectra to a resolving power lambda/FWHM.

    applied_fwhm: FWHM (km/s) of the broadening that the spectra already have. Raises ValueError
    if the resolving power is higher than theirs.
    """
    fwhm = LIGHT / np.asarray(resolving_power, float)
    if np.any(fwhm < applied_fwhm * (1 - 1e-3)):
        raise ValueError(
            f"resolving power {np.max(resolving_power):g} is above "
            f"the {LIGHT / applied_fwhm:.0f} of the nodes"
        )
    return np.sqrt(np.maximum(fwhm**2 - applied_fwhm**2, 0))


class Broadening:
    """Rotate, degrade, shift and resample line depths.

    Parameters
    ----------
    wave : array (n_pix,)
        Log-uniform wavelengths (A).
    step : float
        Velocity (km/s) between pixels.
    fwhm : float
        FWHM (km/s) of the broadening that the line depths already have.
    """

    def __init__(self, wave, step, fwhm):
        self.wave = wave
        self.step = step
        self.fwhm = fwhm
        # The margins of the window take up what wraps around: no padding
        self.n_fft = 2 * scipy.fft.next_fast_len(-(-len(wave) // 2), real=True)
        self.frequency = np.fft.rfftfreq(self.n_fft, step)  # cycles per km/s
        self._resampling = {}

    def to_fourier(self, depth):
        """Fourier transform (n, n_freq) of line depths (n, n_pix)."""
        return scipy.fft.rfft(depth, self.n_fft, axis=1).astype("c8")

    def from_fourier(self, transform):
        """Line depths (n, n_pix) of a transform (n, n_freq)."""
        return scipy.fft.irfft(transform, self.n_fft, axis=1)[:, : len(self.wave)]

    def count_frequencies(self, resolving_power):
        """Number of frequencies at which spectra of this resolving power have anything left."""
        fwhm = compute_remaining_fwhm(np.max(resolving_power), self.fwhm)
        left = gaussian_transfer(self.frequency, fwhm) > LEAST_TRANSFER
        return int(np.count_nonzero(left))

    def broaden(self, transform, labels, wave):
        """Flux (n, n_out) of line depths with their BROADENING_LABELS {name: (n,)} applied.

        transform: Fourier transform (n, n_freq) of the line depths, overwritten; at least its first
        `count_frequencies`. wave: wavelengths (n_out,) in A.
        """
        n_freq = transform.shape[1]
        frequency = self.frequency[:n_freq]
        transform *= rotation_transfer(frequency, labels["vsini"])
        fwhm = compute_remaining_fwhm(labels["resolving_power"], self.fwhm)
        transform *= gaussian_transfer(frequency, fwhm[:, None]).astype("f4")
        if np.any(labels["rv"]):
            transform *= np.exp(-2j * np.pi * frequency * labels["rv"][:, None]).astype("c8")
        n_fine = OVERSAMPLE * self.n_fft
        if n_freq < len(self.frequency):
            n_fine = 2 * scipy.fft.next_fast_len(OVERSAMPLE * (n_freq - 1), real=True)
        fine = scipy.fft.irfft(transform, n_fine, axis=1, overwrite_x=True)
        scale = n_fine / self.n_fft
        resampling = self._make_resampling(wave, scale)
        return 1 - scale * (resampling @ fine[:, : resampling.shape[1]].T).T

    def _make_resampling(self, wave, scale):
        """Sparse matrix (n_out, n_fine) of six-point interpolation to wavelengths (n_out,) in A.

        scale: pixels that are interpolated per pixel of the line depths. The last matrix is cached.
        """
        key = (len(wave), float(wave[0]), float(wave[-1]), scale)
        if key not in self._resampling:
            pixel = np.log(np.asarray(wave) / self.wave[0]) * LIGHT / self.step * scale
            n_fine = int(scale * len(self.wave))
            index, weight = compute_lagrange_weights(pixel, np.arange(n_fine), n_nodes=6)
            rows = np.repeat(np.arange(len(wave)), index.shape[1])
            entries = (weight.astype("f4").ravel(), (rows, index.ravel()))
            self._resampling = {key: csr_matrix(entries, (len(wave), n_fine))}
        return self._resampling[key]
