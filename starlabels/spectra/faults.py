"""What observed spectra have and synthetic ones lack, given to the latter so that the network learns to bear it."""

import numpy as np

LINE_CELL = 0.5  # A: errors of lines so far apart are independent, as those of their log gf are


def disturb_spectra(flux, wave, resolving_power, settings, generators):
    """Flux (n, n_pix) float32 with random errors of the lines and of the continuum; wave (n_pix,) in A.

    settings.line_error: relative rms of a line's depth, where lines of one resolution element share it; continuum_error: rms
    of a random polynomial of twice settings.order, which leaves the normalisation something to miss. generators: two, one
    for either, so that the draws do not depend on how many spectra come at a time.
    """
    lines, curves = generators
    depth = (1 - flux) * (
        1 + draw_line_errors(len(flux), wave, resolving_power, settings.line_error, lines)
    )
    return (
        (1 - depth)
        * draw_continuum_shapes(len(flux), len(wave), settings.order, settings.continuum_error, curves)
    ).astype("f4")


def draw_line_errors(n, wave, resolving_power, error, rng):
    """Relative errors (n, n_pix) of the line depth, independent between cells and linear from one to the next."""
    cell = max(LINE_CELL, wave.mean() / resolving_power)
    place = (wave - wave[0]) / cell
    cells = rng.normal(0, error * np.sqrt(LINE_CELL / cell), (n, int(place[-1]) + 2)).astype("f4")
    low = place.astype(int)
    part = (place - low).astype("f4")
    return cells[:, low] * (1 - part) + cells[:, low + 1] * part


def draw_continuum_shapes(n, n_pix, order, error, rng):
    """Factors (n, n_pix) about 1: exponentials of Chebyshev polynomials of degree 1 to 2 order, the lower the stronger."""
    degree = np.arange(1, 2 * order + 1)
    size = 1 / degree
    coefficient = (
        rng.normal(0, error / np.sqrt(0.5 * np.sum(size**2)) if order else 0.0, (n, len(degree)))
        * size
    )
    curve = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, n_pix), 2 * order)[
        :, 1:
    ]  # (n_pix, 2 order)
    return np.exp(coefficient @ curve.T)
