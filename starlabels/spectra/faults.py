"""Faults of observed spectra, added to synthetic ones so that networks learn to tolerate them."""

import numpy as np

LINE_CELL = 0.5  # Angstrom: errors of lines this far apart are independent, like their log gf


def disturb_spectra(flux, wave, resolving_power, settings, generators):
    """Add random errors of the lines and of the continuum to synthetic spectra.

    Parameters
    ----------
    flux : ndarray (n, n_pix)
        Normalised flux.
    wave : ndarray (n_pix,)
        Wavelengths (Angstrom).
    resolving_power : float
        Resolving power lambda / FWHM.
    settings : section `preprocess.observed` of the configuration
        line_error: relative rms error of a line's depth, shared by the lines of one resolution
        element. continuum_error: rms of a random polynomial of order 2 * settings.order, so that
        the normalisation cannot remove it completely.
    generators : two numpy Generators
        For lines and continuum; the draws do not depend on how many spectra come at a time.

    Returns
    -------
    ndarray (n, n_pix), float32
        Disturbed flux.
    """
    line_rng, continuum_rng = generators
    n, n_pix = flux.shape
    errors = draw_line_errors(n, wave, resolving_power, settings.line_error, line_rng)
    depth = (1 - flux) * (1 + errors)
    shapes = draw_continuum_shapes(
        n, n_pix, settings.order, settings.continuum_error, continuum_rng
    )
    return ((1 - depth) * shapes).astype("f4")


def draw_line_errors(n, wave, resolving_power, error, rng):
    """Relative errors (n, n_pix) of the line depth: independent per cell, linear in between."""
    cell = max(LINE_CELL, wave.mean() / resolving_power)
    place = (wave - wave[0]) / cell
    cells = rng.normal(0, error * np.sqrt(LINE_CELL / cell), (n, int(place[-1]) + 2)).astype("f4")
    low = place.astype(int)
    part = (place - low).astype("f4")
    return cells[:, low] * (1 - part) + cells[:, low + 1] * part


def draw_continuum_shapes(n, n_pix, order, error, rng):
    """Factors (n, n_pix) about 1: exponentials of Chebyshev polynomials of degree 1 to 2 order.

    Lower degrees are stronger; `error` is the rms of the logarithm.
    """
    degree = np.arange(1, 2 * order + 1)
    size = 1 / degree
    scale = error / np.sqrt(0.5 * np.sum(size**2)) if order else 0.0
    coefficient = rng.normal(0, scale, (n, len(degree))) * size
    place = np.linspace(-1, 1, n_pix)
    curve = np.polynomial.chebyshev.chebvander(place, 2 * order)[:, 1:]  # (n_pix, 2 order)
    return np.exp(coefficient @ curve.T)
