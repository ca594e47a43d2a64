"""APOGEE's spectra, one of three detectors ("chips") at a time: normalised each by itself, and brought to one grid."""

import numpy as np
from numpy.polynomial import Chebyshev

from starlabels.spectra.preparation import estimate_noise, rebin_spectrum
from starlabels.synthesis.broaden import LIGHT

# A in vacuum, at rest: pixels of 10^(4.179 + 6e-6 i) that astroNN takes for data releases 13 to 17; Leung & Bovy (2019)
CHIP_PIXELS = ((246, 3273), (3585, 6079), (6344, 8334))
CHIPS = tuple(
    (10 ** (4.179 + 6e-6 * first), 10 ** (4.179 + 6e-6 * last)) for first, last in CHIP_PIXELS
)
BINS = 30  # of a chip, whose upper fluxes the fit begins with
UPPER = 90  # percentile of those: above most lines, below hot pixels
BELOW, ABOVE = 2.0, 3.0  # errors: pixels beyond are lines and hot pixels
FLOOR = 0.005  # of the continuum: no error is less, so that a high S/N takes the same pixels
SLACK = 0.1  # of the continuum, above, halved every round: the first fit may lie low
ROUNDS = 12
LEAST_PIXELS = 100  # of a chip
WORTHLESS = 1.0  # of the continuum: pixels of such an error or more, as those of 1e10, are missing


def select_chip_pixels(wave):
    """Mask (n,) of vacuum wavelengths (n,) in A that lie on one of the CHIPS."""
    return np.any([(wave >= low) & (wave <= high) for low, high in CHIPS], axis=0)


def normalise_on_grid(observed, velocity, grid, order):
    """Normalised flux and its error (n_pix,) on grid (n_pix,) of an Observed spectrum that recedes at velocity km/s.

    NaN where missing and between the chips. order: of the continuum's polynomial.
    """
    wave = observed.wave / (1 + velocity / LIGHT)
    error = (
        np.full(len(wave), estimate_noise(observed.flux)) if observed.error is None else observed.error
    )
    flux_out, error_out = (np.full(len(grid), np.nan) for _ in range(2))
    for low, high in CHIPS:
        own, target = (wave >= low - 1) & (wave <= high + 1), (grid >= low) & (grid <= high)
        if target.sum() < 2:
            continue
        level = fit_chip_continuum(wave[own], observed.flux[own], error[own], order)
        if level is None:
            continue
        flux, sigma = observed.flux[own] / level, error[own] / level
        bad = ~(sigma < WORTHLESS)
        flux_out[target], error_out[target] = rebin_spectrum(
            wave[own], np.where(bad, np.nan, flux), sigma, grid[target]
        )
    return flux_out, error_out


def fit_chip_continuum(wave, flux, error, order):
    """Continuum (n,) of flux (n,) with errors (n,), NaN where missing: a Chebyshev polynomial through the pixels without lines.

    It begins with the upper percentile of each of BINS, then keeps pixels from BELOW errors under it to ABOVE over it, so that
    neither lines nor hot pixels pull it; noise lifts it by less than a tenth of an error. None if there are too few pixels, or
    no light in them.
    """
    good = np.flatnonzero(np.isfinite(flux) & np.isfinite(error))
    if len(good) < LEAST_PIXELS:
        return None
    place = 2 * (wave - wave[0]) / (wave[-1] - wave[0]) - 1
    x, y, error = place[good], flux[good], error[good]
    bins = np.array_split(np.arange(len(x)), BINS)
    centres, tops = zip(*((x[part].mean(), np.percentile(y[part], UPPER)) for part in bins))
    curve, kept = Chebyshev.fit(centres, tops, order, domain=[-1, 1]), None
    for k in range(ROUNDS):
        level = curve(x)
        sigma = np.hypot(error, FLOOR * level)
        keep = (y > level - BELOW * sigma) & (
            y < level + ABOVE * sigma + SLACK * 0.5**k * np.abs(level)
        )
        if keep.sum() < LEAST_PIXELS // 2:
            return None
        if kept is not None and (keep == kept).all():
            break
        kept, curve = (
            keep,
            Chebyshev.fit(x[keep], y[keep], order, domain=[-1, 1], w=1 / sigma[keep]),
        )
    level = curve(place)
    return level if level.min() > 0 else None
