"""Pixels of a spectrum: rebinning to another grid, noise, and spikes of cosmic rays."""

import numpy as np
from scipy.interpolate import Akima1DInterpolator
from scipy.ndimage import gaussian_filter1d, median_filter

from starlabels.synthesis.broaden import LIGHT

SPIKE = 6.0  # times the noise above its neighbours: a cosmic ray


def rebin_spectrum(wave, flux, flux_err, target, memory=1.0):
    """Average a spectrum over the pixels of another grid.

    The flux between pixels is a modified Akima spline.

    Parameters
    ----------
    wave, flux, flux_err : ndarray (n,)
        Ascending wavelengths, flux and its error, NaN in missing pixels.
    target : ndarray (m,)
        Ascending wavelengths in the unit of wave.
    memory : float
        number of pixels over which the noise is correlated.

    Returns
    -------
    flux, flux_err : ndarray (m,)
        NaN if less than half of a pixel is observed.
    """
    first = 1.5 * target[0] - 0.5 * target[1]
    last = 1.5 * target[-1] - 0.5 * target[-2]
    edges = np.concatenate([[first], 0.5 * (target[1:] + target[:-1]), [last]])
    seen = np.isfinite(flux) & np.isfinite(flux_err)
    if seen.sum() < 5:
        return np.full(len(target), np.nan), np.full(len(target), np.nan)
    spline = Akima1DInterpolator(wave[seen], flux[seen], method="makima", extrapolate=False)
    sums = spline.antiderivative()(edges)
    width = np.diff(edges)
    spacing = np.interp(target, wave, np.gradient(wave))  # of the observed pixels
    weight = gaussian_filter1d(seen.astype(float), 0.5)  # a hole of one pixel counts as a hole
    hidden = np.interp(target, wave, weight) < 0.5
    hidden |= target < wave[seen][0] - spacing
    hidden |= target > wave[seen][-1] + spacing
    variance = np.interp(target, wave[seen], flux_err[seen].astype(float) ** 2)
    variance = variance * np.minimum(memory * spacing / width, 1)
    mean = np.where(hidden, np.nan, np.diff(sums) / width)
    return mean, np.where(hidden, np.nan, np.sqrt(variance))


def remove_spikes(flux):
    """Copy of flux (n,) with NaN in pixels that exceed their neighbours like a cosmic ray."""
    flux = np.array(flux, float)
    middle = median_filter(np.where(np.isfinite(flux), flux, np.nanmedian(flux)), 9)
    limit = SPIKE * max(estimate_noise(flux), 0.02 * abs(np.nanmedian(flux)))
    flux[flux - middle > limit] = np.nan
    return flux


def estimate_noise(flux):
    """Noise per pixel of flux (n,) by DER_SNR (Stoehr et al. 2008, ASPC 394, 505).

    The noise follows from differences of every second pixel; NaN for fewer than five pixels.
    """
    good = flux[np.isfinite(flux)]
    if len(good) <= 4:
        return np.nan
    return 0.6052697 * float(np.median(np.abs(2 * good[2:-2] - good[:-4] - good[4:])))


def measure_coverage(wave, flux, window):
    """Fraction of the pixels `window` (n_pix,) that lie within a good pixel of a spectrum (n,)."""
    if len(wave) < 2:
        return 0.0
    nearest = np.searchsorted(0.5 * (wave[1:] + wave[:-1]), window)
    inside = np.abs(window - wave[nearest]) <= np.median(np.diff(wave))
    return float(np.mean(inside & np.isfinite(flux)[nearest]))


def compare_errors(flux, flux_err):
    """Median stated error over the scatter of neighbouring pixels (n,); 1 without errors."""
    if flux_err is None:
        return 1.0
    scatter = estimate_noise(flux)
    return float(np.nanmedian(flux_err) / scatter) if scatter > 0 else np.nan


def find_near_pixels(wave, window, margin):
    """Mask (n,) of the pixels `wave` inside a window (n_pix,), or up to `margin` km/s beyond."""
    margin = 1 + margin / LIGHT
    return (wave > window[0] / margin) & (wave < window[-1] * margin)
