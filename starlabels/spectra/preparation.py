"""Preparation of observed spectra: medium, rest frame, resolving power and pixels of a recipe."""

from typing import NamedTuple

import numpy as np
from numpy.polynomial.chebyshev import chebfit, chebval
from scipy.ndimage import gaussian_filter1d

from starlabels.base.errors import UserError
from starlabels.base.wavelengths import convert_medium
from starlabels.spectra.model_window import EDGE, check_part, check_seen, check_window
from starlabels.spectra.pixels import (
    SPIKE,
    compare_errors,
    estimate_noise,
    find_near_pixels,
    measure_coverage,
    rebin_spectrum,
    remove_spikes,
)
from starlabels.spectra.velocity import REACH, WEAK, Correlator, RadialVelocity
from starlabels.synthesis.broaden import FWHM, LIGHT

PIXELS = 6  # of the working grid per resolution element
SLACK = 0.97  # of the recipe's resolving power: a spectrum above this fraction is accepted


class PreparedSpectrum(NamedTuple):
    """Spectrum on the pixels of a recipe.

    Attributes
    ----------
    flux, flux_err : ndarray (n_pix,)
        Normalised flux and its error, NaN in missing pixels.
    snr : float
        Median signal-to-noise ratio per pixel.
    coverage : float
        Fraction of the pixels that were observed.
    velocity : RadialVelocity or None
        Measured radial velocity; None if it was not measured.
    unchanged : bool
        True if the spectrum was on the pixels of the model already.
    stored : ndarray (n_pix,) or None
        See ObservedSpectrum.
    noise_ratio : float
        Stated error of the file over the scatter of its neighbouring pixels; NaN if unknown.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    snr: float
    coverage: float
    velocity: RadialVelocity | None
    unchanged: bool = False
    stored: np.ndarray | None = None
    noise_ratio: float = np.nan

    @property
    def weak(self):
        """True if the velocity was measured and is not reliable."""
        return self.velocity is not None and self.velocity.r < WEAK

    @property
    def snr_scatter(self):
        """S/N per pixel, with the noise that the scatter of neighbouring pixels shows."""
        return self.snr * self.noise_ratio


class SpectrumPreparer:
    """Preparation of observed spectra for the pixels of a recipe.

    Parameters
    ----------
    wave : ndarray (n_pix,)
        Pixels of the recipe (Angstrom, in the medium of the sampler).
    resolving_power : float
        Resolving power of the recipe.
    least : float
        Lowest resolving power that the network was trained on.
    continuum : ContinuumModel
    sampler : Sampler
        Node spectra for the radial velocity.
    reach : float
        Radial velocities searched to either side of 0 (km/s).
    window : (low, high), optional
        Part of the pixels to use (Angstrom); the others count as missing.

    Raises
    ------
    UserError
        If that part is too small.
    """

    def __init__(self, wave, resolving_power, least, continuum, sampler, reach=REACH, window=None):
        self.wave = wave
        self.window = check_part(window, wave)
        self.resolving_power = resolving_power
        self.least = least
        self.continuum = continuum
        step = 1 / (PIXELS * resolving_power)
        self.grid = wave[0] * np.exp(np.arange(int(np.log(wave[-1] / wave[0]) / step)) * step)
        self.velocity_step = step * LIGHT
        self.medium = sampler.medium
        self.correlator = Correlator(sampler, self.grid, resolving_power, reach)
        self.reach = reach

    def __call__(self, observed, rv=None):
        """Prepare a spectrum.

        Parameters
        ----------
        observed : ObservedSpectrum
        rv : float, optional
            Radial velocity (km/s) to correct for; measured if None.

        Returns
        -------
        PreparedSpectrum

        Raises
        ------
        UserError
            If the spectrum has another window, an unknown or too low resolving power or too few
            pixels.
        """
        check_window(observed, self.wave)
        wave = convert_medium(observed.wave, observed.medium, self.medium)
        power = self.get_resolving_power(observed)
        near = find_near_pixels(wave, self.wave, max(self.reach, abs(rv or 0)) + EDGE)
        check_seen(measure_coverage(wave[near], observed.flux[near], self.wave))
        if (median := np.nanmedian(observed.flux[near])) <= 0:
            found = f"the median flux around the model's window is {median:.3g}, not above 0"
            raise UserError(f"{observed.name}: {found}: check the background that was subtracted")
        flux = remove_spikes(observed.flux[near])
        if observed.flux_err is not None:
            flux_err = observed.flux_err[near]
        else:
            flux_err = np.full(len(flux), estimate_noise(flux), "f8")
        noise_ratio = compare_errors(flux, None if observed.flux_err is None else flux_err)
        *pixels, memory = self._degrade_resolution(wave[near], flux, flux_err, power)
        velocity = None
        if rv is None and observed.rest:
            rv = 0.0
        if rv is None:
            velocity = self._measure_velocity(*pixels)
            rv = velocity.shift
        prepared = self._normalise_at_rest(*pixels, memory, rv, velocity)
        return prepared._replace(noise_ratio=noise_ratio)

    def hide_unused(self, wave, flux):
        """Flux (n,) with NaN outside the part of the wavelengths (n,) that is to be used."""
        low, high = self.window
        return np.where((wave >= low) & (wave <= high), flux, np.nan)

    def get_resolving_power(self, observed):
        """Resolving power of the spectrum; UserError if unknown or below the training range."""
        power = observed.resolving_power
        if power is None:
            found = "its file does not state the resolving power"
            raise UserError(f"{observed.name}: {found}: give --resolving-power")
        if power < SLACK * self.least:
            found = (
                f"resolving power {power:g}, but the model was trained on {self.least:g} and more"
            )
            raise UserError(f"{observed.name}: {found}: take a model for lower resolving power")
        return power

    def _degrade_resolution(self, wave, flux, flux_err, power):
        """Wavelengths, flux and error (n,) at the recipe's resolving power, and the noise memory.

        The grid is log-uniform around the window; the memory is the number of pixels over which
        the noise is correlated.
        """
        step = self.velocity_step / LIGHT
        n = int(np.log(wave[-1] / wave[0]) / step)
        grid = wave[0] * np.exp((np.arange(n) + 0.5) * step)
        flux, flux_err = rebin_spectrum(wave, flux, flux_err, grid)
        if power <= self.resolving_power:
            memory = max(1.0, np.median(np.diff(wave)) / np.median(np.diff(grid)))
            return grid, flux, flux_err, memory
        sigma = LIGHT * np.sqrt(self.resolving_power**-2 - power**-2) / FWHM / self.velocity_step
        seen = np.isfinite(flux) & np.isfinite(flux_err)
        share = gaussian_filter1d(seen.astype(float), sigma, mode="constant")
        share = np.where(share > 0.5, share, np.nan)
        smooth = gaussian_filter1d(np.where(seen, flux, 0), sigma, mode="constant") / share
        square = np.where(seen, flux_err, 0) ** 2
        variance = gaussian_filter1d(square, sigma / np.sqrt(2), mode="constant") / share
        memory = max(1.0, 2 * np.sqrt(np.pi) * sigma)  # of white noise through a Gaussian
        return grid, smooth, np.sqrt(variance / memory), memory

    def _measure_velocity(self, wave, flux, flux_err):
        """RadialVelocity: divided by a plain polynomial first, then normalised at rest.

        The model of the star in the continuum is of no use before its lines are in their places.
        """
        seen = self.hide_unused(self.grid, rebin_spectrum(wave, flux, flux_err, self.grid)[0])
        level = fit_polynomial(seen, self.continuum.order)
        rv = self.correlator.measure(seen / level, find_companion=False).shift
        at_rest = rebin_spectrum(wave / (1 + rv / LIGHT), flux, flux_err, self.wave)[0]
        at_rest = self.hide_unused(self.wave, at_rest)
        level = np.interp(self.grid, self.wave, self.continuum.fit(at_rest[None])[0])
        return self.correlator.measure(seen / level)

    def _normalise_at_rest(self, wave, flux, flux_err, memory, rv, velocity):
        """PreparedSpectrum, corrected for rv (km/s) and divided by its continuum."""
        at_rest = wave / (1 + rv / LIGHT)
        flux, flux_err = rebin_spectrum(at_rest, flux, flux_err, self.wave, memory)
        flux = self.hide_unused(self.wave, flux)
        check_seen(float(np.mean(np.isfinite(flux))))
        level = self.continuum.fit(flux[None])[0]
        flux = (flux / level).astype("f4")
        flux_err = (flux_err / level).astype("f4")
        noise = np.where(np.isfinite(flux_err), flux_err, 0)
        flux[flux > 1 + np.maximum(SPIKE * noise, 0.15)] = np.nan
        coverage = float(np.mean(np.isfinite(flux)))
        check_seen(coverage)
        snr = float(np.nanmedian(flux / flux_err))
        return PreparedSpectrum(flux, flux_err, snr, coverage, velocity)


def fit_polynomial(flux, order):
    """Chebyshev polynomial (n,) of an order through flux (n,) with NaN in missing pixels."""
    place = np.linspace(-1, 1, len(flux))
    seen = np.isfinite(flux)
    return chebval(place, chebfit(place[seen], flux[seen], order))


def accept_on_model_pixels(observed, axis, preparer):
    """Accept a normalised spectrum that is on the pixels of a model already.

    Parameters
    ----------
    observed : ObservedSpectrum
    axis : hdf5_spectra.SpectralAxis
        Pixels and medium of the model.
    preparer : SpectrumPreparer or None
        What could prepare the spectrum instead, and knows the part of the pixels to use.

    Returns
    -------
    PreparedSpectrum

    Raises
    ------
    UserError
        If the spectrum is on other pixels or in another medium.
    """
    wave = axis.wave
    step = wave[1] - wave[0]
    if len(observed.wave) != len(wave) or np.abs(observed.wave - wave).max() > 1e-3 * step:
        hint = f"bring it to them, {wave[0]:g}-{wave[-1]:g} Angstrom in steps of {step:.4g}"
        hint = "add --prepare" if preparer else hint
        raise UserError(f"{observed.name}: not on the model's pixels: {hint}")
    if observed.medium != axis.medium:
        found = f"its wavelengths are in {observed.medium}, those of the model in {axis.medium}"
        hint = "add --prepare" if preparer else f"take a model of spectra in {observed.medium}"
        hint += f", or give --{axis.medium} if the file is wrong"
        raise UserError(f"{observed.name}: {found}: {hint}")
    flux = np.array(observed.flux, "f4")
    if preparer:
        flux = preparer.hide_unused(wave, flux).astype("f4")
    if observed.flux_err is None:
        flux_err = np.full(len(wave), estimate_noise(flux), "f4")
    else:
        flux_err = np.asarray(observed.flux_err, "f4")
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = float(np.nanmedian(flux / flux_err))  # inf for a spectrum without noise
    coverage = float(np.mean(np.isfinite(flux)))
    ratio = compare_errors(flux, observed.flux_err)
    return PreparedSpectrum(flux, flux_err, snr, coverage, None, True, observed.stored, ratio)
