"""APOGEE spectra on one grid: each of the three detectors ("chips") is normalised separately."""

import numpy as np
from numpy.polynomial import Chebyshev

from starlabels.spectra.pixels import estimate_noise, rebin_spectrum
from starlabels.synthesis.broaden import LIGHT

# Chips in vacuum at rest (Angstrom): pixels of 10^(4.179 + 6e-6 i) that astroNN uses for data
# releases 13 to 17; Leung & Bovy (2019, MNRAS 483, 3255)
CHIP_PIXELS = ((246, 3273), (3585, 6079), (6344, 8334))
CHIPS = tuple(
    (10 ** (4.179 + 6e-6 * first), 10 ** (4.179 + 6e-6 * last)) for first, last in CHIP_PIXELS
)
BINS = 30  # per chip: the fit begins with their upper fluxes
UPPER = 90  # percentile of a bin: above most lines, below hot pixels
BELOW = 2.0  # errors: pixels further below the curve are lines
ABOVE = 3.0  # errors: pixels further above the curve are hot
FLOOR = 0.005  # of the continuum: least error, so that a high S/N selects the same pixels
SLACK = 0.1  # of the continuum, above, halved every round: the first fit may lie low
ROUNDS = 12
LEAST_PIXELS = 100  # of a chip
WORTHLESS = 1.0  # of the continuum: pixels of such an error or more, as of 1e10, are missing


def select_chip_pixels(wave):
    """Mask (n,) of vacuum wavelengths (n,) in Angstrom that lie on one of the CHIPS."""
    return np.any([(wave >= low) & (wave <= high) for low, high in CHIPS], axis=0)


def normalise_on_grid(observed, velocity, grid, order):
    """Normalise an APOGEE spectrum chip by chip and rebin it to a grid at rest.

    Parameters
    ----------
    observed : ObservedSpectrum
        Spectrum in vacuum.
    velocity : float
        Radial velocity (km/s), positive if the star recedes.
    grid : ndarray (n_pix,)
        Vacuum wavelengths (Angstrom).
    order : int
        Order of the polynomial of the continuum.

    Returns
    -------
    flux, flux_err : ndarray (n_pix,)
        Normalised flux and its error, NaN where missing and between the chips.
    """
    wave = observed.wave / (1 + velocity / LIGHT)
    error = observed.flux_err
    if error is None:
        error = np.full(len(wave), estimate_noise(observed.flux))
    flux = np.full(len(grid), np.nan)
    flux_err = np.full(len(grid), np.nan)
    for low, high in CHIPS:
        chip = (wave >= low - 1) & (wave <= high + 1)
        target = (grid >= low) & (grid <= high)
        if target.sum() < 2:
            continue
        level = fit_chip_continuum(wave[chip], observed.flux[chip], error[chip], order)
        if level is None:
            continue
        chip_flux = observed.flux[chip] / level
        chip_err = error[chip] / level
        chip_flux = np.where(chip_err < WORTHLESS, chip_flux, np.nan)
        rebinned = rebin_spectrum(wave[chip], chip_flux, chip_err, grid[target])
        flux[target], flux_err[target] = rebinned
    return flux, flux_err


def fit_chip_continuum(wave, flux, flux_err, order):
    """Fit the continuum of one chip by a Chebyshev polynomial through the pixels without lines.

    The fit begins with the upper percentile of each of BINS, then keeps pixels from BELOW errors
    under the curve to ABOVE errors over it. Neither lines nor hot pixels pull it, and noise lifts
    it by less than a tenth of an error.

    Parameters
    ----------
    wave, flux, flux_err : ndarray (n,)
        Wavelengths (Angstrom), flux and its error, NaN in missing pixels.
    order : int
        Order of the polynomial.

    Returns
    -------
    ndarray (n,) or None
        Continuum; None if there are too few pixels or no light in them.
    """
    good = np.flatnonzero(np.isfinite(flux) & np.isfinite(flux_err))
    if len(good) < LEAST_PIXELS:
        return None
    place = 2 * (wave - wave[0]) / (wave[-1] - wave[0]) - 1
    x, y, error = place[good], flux[good], flux_err[good]
    bins = np.array_split(np.arange(len(x)), BINS)
    centres, tops = zip(*((x[part].mean(), np.percentile(y[part], UPPER)) for part in bins))
    curve = Chebyshev.fit(centres, tops, order, domain=[-1, 1])
    kept = None
    for k in range(ROUNDS):
        level = curve(x)
        sigma = np.hypot(error, FLOOR * level)
        top = level + ABOVE * sigma + SLACK * 0.5**k * np.abs(level)
        keep = (y > level - BELOW * sigma) & (y < top)
        if keep.sum() < LEAST_PIXELS // 2:
            return None
        if kept is not None and (keep == kept).all():
            break
        kept = keep
        curve = Chebyshev.fit(x[keep], y[keep], order, domain=[-1, 1], w=1 / sigma[keep])
    level = curve(place)
    return level if level.min() > 0 else None
