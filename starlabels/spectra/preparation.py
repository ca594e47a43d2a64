"""From a spectrum as observed to what the network reads: in air, at rest, at the recipe's resolving power, on its pixels."""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import Akima1DInterpolator
from scipy.ndimage import gaussian_filter1d, median_filter

from starlabels.base.errors import UserError
from starlabels.spectra.velocity import WEAK, Correlator, RadialVelocity
from starlabels.synthesis.broaden import FWHM, LIGHT

PIXELS = 6  # of the working grid in a resolution element
LEAST = 0.15  # share of the window that must be observed
SPIKE = 6.0  # times the noise above its neighbours: a cosmic ray
EDGE = 1000.0  # km/s: a spectrum is cut this far beyond the window
SLACK = 0.97  # a resolving power this much below the recipe's passes for it


class PreparedSpectrum(NamedTuple):
    """Flux and error (n_pix,) on the recipe's pixels, NaN where missing; S/N a pixel; the Velocity if sought."""

    flux: np.ndarray
    error: np.ndarray
    snr: float
    coverage: float
    velocity: RadialVelocity | None
    accept_on_model_pixels: bool = False
    stored: np.ndarray | None = None  # (n_pix,) see Observed

    @property
    def weak(self):
        """True if the velocity was sought and is not to be trusted."""
        return self.velocity is not None and self.velocity.r < WEAK


def to_air(wave):
    """Wavelengths in air (A) of those in vacuum above 2000 A. Morton (2000, ApJS 130, 403), as VALD takes them."""
    s2 = (1e4 / wave) ** 2
    return wave / (1 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2))


class SpectrumPreparer:
    """The way to the pixels `wave` (n_pix,) of a recipe. least: the lowest resolving power its network has learnt."""

    def __init__(self, wave, resolving_power, least, continuum, sampler):
        self.wave, self.resolving_power, self.least, self.continuum = (
            wave,
            resolving_power,
            least,
            continuum,
        )
        step = 1 / (PIXELS * resolving_power)
        self.grid = wave[0] * np.exp(np.arange(int(np.log(wave[-1] / wave[0]) / step)) * step)
        self.velocity_step = step * LIGHT
        self.correlator = Correlator(sampler, self.grid, resolving_power)

    def __call__(self, observed, rv=None):
        """The Prepared of an Observed spectrum, shifted by rv km/s, or by its own radial velocity if that is None.

        UserError if it cannot be: of another window, of unknown or too low resolving power, with too few pixels.
        """
        check_window(observed, self.wave)
        raw_wave = to_air(observed.wave) if observed.medium == "vacuum" else observed.wave
        power = self._power(observed)
        near = (raw_wave > self.wave[0] * (1 - EDGE / LIGHT)) & (
            raw_wave < self.wave[-1] * (1 + EDGE / LIGHT)
        )
        raw_wave, flux = raw_wave[near], remove_spikes(observed.flux[near])
        error = (
            observed.error[near]
            if observed.error is not None
            else np.full(len(flux), estimate_noise(flux), "f8")
        )
        fine = self._degraded(raw_wave, flux, error, power)
        velocity = None
        if rv is None and observed.rest:
            rv = 0.0
        if rv is None:
            velocity = self._velocity(*fine[:3])
            rv = velocity.rv
        return self._at_rest(*fine, rv, velocity)

    def _power(self, observed):
        """Resolving power of the spectrum; UserError if unknown or below what the network has learnt."""
        power = observed.resolving_power
        if power is None:
            raise UserError(
                f"{observed.name}: its file does not tell the resolving power: give --resolving-power"
            )
        if power < SLACK * self.least:
            found = f"{observed.name}: resolving power {power:g}, but the model has learnt {self.least:g} and more"
            raise UserError(f"{found}: take a model for lower resolving power")
        return power

    def _degraded(self, wave, flux, error, power):
        """Wavelengths, flux and error (n,) on a log-uniform grid around the window, at the recipe's resolving power; and
        how many pixels its noise remembers.
        """
        step = self.velocity_step / LIGHT
        n = int(np.log(wave[-1] / wave[0]) / step)
        grid = wave[0] * np.exp((np.arange(n) + 0.5) * step)
        flux, error = rebin_spectrum(wave, flux, error, grid)
        if power <= self.resolving_power:
            return grid, flux, error, max(1.0, np.median(np.diff(wave)) / np.median(np.diff(grid)))
        sigma = LIGHT * np.sqrt(self.resolving_power**-2 - power**-2) / FWHM / self.velocity_step
        seen = np.isfinite(flux) & np.isfinite(error)
        share = gaussian_filter1d(seen.astype(float), sigma, mode="constant")
        share = np.where(share > 0.5, share, np.nan)
        smooth = gaussian_filter1d(np.where(seen, flux, 0), sigma, mode="constant") / share
        variance = (
            gaussian_filter1d(np.where(seen, error, 0) ** 2, sigma / np.sqrt(2), mode="constant")
            / share
        )
        memory = max(1.0, 2 * np.sqrt(np.pi) * sigma)  # of white noise through a Gaussian
        return grid, smooth, np.sqrt(variance / memory), memory

    def _velocity(self, wave, flux, error):
        """The Velocity of a spectrum: normalised as it stands, then at rest by the first guess."""
        seen, rv = rebin_spectrum(wave, flux, error, self.grid)[0], 0.0
        for _ in range(2):
            at_rest = rebin_spectrum(wave / (1 + rv / LIGHT), flux, error, self.wave)[0]
            level = np.interp(self.grid, self.wave, self.continuum.fit(at_rest[None])[0])
            velocity = self.correlator.measure(seen / level)
            rv = velocity.rv
        return velocity

    def _at_rest(self, wave, flux, error, memory, rv, velocity):
        flux, error = rebin_spectrum(wave / (1 + rv / LIGHT), flux, error, self.wave, memory)
        level = self.continuum.fit(flux[None])[0]
        flux, error = (flux / level).astype("f4"), (error / level).astype("f4")
        flux[flux > 1 + np.maximum(SPIKE * np.where(np.isfinite(error), error, 0), 0.15)] = np.nan
        coverage = float(np.mean(np.isfinite(flux)))
        if coverage < LEAST:
            raise UserError(
                f"{coverage:.0%} of the model's pixels are observed, expected {LEAST:.0%}: mend the masked pixels"
            )
        snr = float(np.nanmedian(flux / error))
        return PreparedSpectrum(flux, error, snr, coverage, velocity)


def check_window(observed, wave):
    """UserError if a spectrum and the pixels `wave` of a model hardly overlap."""
    shared = min(observed.wave[-1], wave[-1]) - max(observed.wave[0], wave[0])
    if shared < LEAST * (wave[-1] - wave[0]):
        found = f"{observed.name}: {observed.wave[0]:.0f} to {observed.wave[-1]:.0f} A lies outside the model's"
        raise UserError(
            f"{found} {wave[0]:.0f} to {wave[-1]:.0f} A: take a model of that window, or check the wavelength unit"
        )


def cut_around_window(observed, wave):
    """An Observed spectrum without what is so far from the pixels `wave` that nothing depends on it."""
    near = (observed.wave > wave[0] * (1 - 2 * EDGE / LIGHT)) & (
        observed.wave < wave[-1] * (1 + 2 * EDGE / LIGHT)
    )
    error, stored = (
        None if values is None else values[near] for values in (observed.error, observed.stored)
    )
    return observed._replace(
        wave=observed.wave[near], flux=observed.flux[near], error=error, stored=stored
    )


def accept_on_model_pixels(observed, axis, preparation):
    """The Prepared of a spectrum that is normalised on the pixels of a model's hdf5.Axis; UserError if on others.

    preparation: what could bring it there, or None.
    """
    wave = axis.wave
    if len(observed.wave) != len(wave) or np.abs(observed.wave - wave).max() > 1e-3 * (
        wave[1] - wave[0]
    ):
        pixels = f"bring it to them, {wave[0]:g}-{wave[-1]:g} Angstrom in steps of {wave[1] - wave[0]:.4g}"
        raise UserError(
            f"{observed.name}: not on the model's pixels: {'add --prepare' if preparation else pixels}"
        )
    if observed.medium != axis.medium:
        found = f"{observed.name}: its wavelengths are in {observed.medium}, those of the model in {axis.medium}"
        mend = "add --prepare" if preparation else f"take a model of spectra in {observed.medium}"
        raise UserError(f"{found}: {mend}, or give --{axis.medium} if the file is wrong")
    flux = np.array(observed.flux, "f4")
    error = (
        np.full(len(wave), estimate_noise(flux), "f4")
        if observed.error is None
        else np.asarray(observed.error, "f4")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = float(np.nanmedian(flux / error))  # inf of a spectrum without noise
    return PreparedSpectrum(
        flux, error, snr, float(np.mean(np.isfinite(flux))), None, True, observed.stored
    )


def rebin_spectrum(wave, flux, error, target, memory=1.0):
    """Flux and error (m,) on ascending wavelengths `target` (m,): means over its pixels, NaN where less than half is seen.

    The flux between pixels is a modified Akima spline; the noise is independent `memory` pixels apart.
    """
    edges = np.concatenate([[1.5 * target[0] - 0.5 * target[1]], 0.5 * (target[1:] + target[:-1]),
                            [1.5 * target[-1] - 0.5 * target[-2]]])  # fmt: skip
    seen = np.isfinite(flux) & np.isfinite(error)
    if seen.sum() < 5:
        return np.full(len(target), np.nan), np.full(len(target), np.nan)
    spacing = np.gradient(wave)
    sums = Akima1DInterpolator(
        wave[seen], flux[seen], method="makima", extrapolate=False
    ).antiderivative()(edges)
    width = np.diff(edges)
    own = np.interp(target, wave, spacing)  # of the observed pixels
    share = np.interp(
        target, wave, gaussian_filter1d(seen.astype(float), 0.5)
    )  # a hole of one pixel is a hole
    hidden = (share < 0.5) | (target < wave[seen][0] - own) | (target > wave[seen][-1] + own)
    variance = np.interp(target, wave[seen], error[seen].astype(float) ** 2) * np.minimum(
        memory * own / width, 1
    )
    return np.where(hidden, np.nan, np.diff(sums) / width), np.where(
        hidden, np.nan, np.sqrt(variance)
    )


def remove_spikes(flux):
    """A copy of flux (n,) with NaN where it stands out of its neighbours as a cosmic ray does."""
    flux = np.array(flux, float)
    middle = median_filter(np.where(np.isfinite(flux), flux, np.nanmedian(flux)), 9)
    limit = SPIKE * max(estimate_noise(flux), 0.02 * abs(np.nanmedian(flux)))
    flux[flux - middle > limit] = np.nan
    return flux


def estimate_noise(flux):
    """Noise a pixel from differences of every second one. DER_SNR, Stoehr et al. (2008)."""
    good = flux[np.isfinite(flux)]
    return (
        0.6052697 * float(np.median(np.abs(2 * good[2:-2] - good[:-4] - good[4:])))
        if len(good) > 4
        else np.nan
    )
