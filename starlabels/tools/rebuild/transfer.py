"""Radiative transfer in opacity bins: Planck function and formal solution."""

import numpy as np

from starlabels.tools.rebuild import opacity

SIGMA = 5.670374e-5  # erg/s/cm2/K4
LIGHT = 2.99792458e10  # cm/s
PLANCK = 6.62607015e-27  # erg s
MU, MU_WEIGHT = np.polynomial.legendre.leggauss(3)
MU = 0.5 * (MU + 1)
MU_WEIGHT = 0.5 * MU_WEIGHT


def integrate_planck(temperature):
    """Planck function B integrated over each opacity bin (n_bin, ...), erg/s/cm2/sr."""
    x, weight = np.polynomial.legendre.leggauss(5)
    low = opacity.BIN_EDGES[:-1, None] * 1e-8
    high = opacity.BIN_EDGES[1:, None] * 1e-8
    shape = (-1,) + (1,) * np.ndim(temperature)
    temperature = np.asarray(temperature)
    width = (high - low).reshape(shape)
    total = 0.0
    for xi, wi in zip(x, weight):
        wave = (0.5 * (low + high) + 0.5 * xi * (high - low)).reshape(shape)
        u = PLANCK * LIGHT / (wave * opacity.BOLTZMANN * temperature[None])
        u = np.clip(u, 1e-4, 300)
        total = total + 0.5 * wi * 2 * PLANCK * LIGHT**2 / wave**5 / np.expm1(u) * width
    # The last bin has all that lies redward
    total[-1] = SIGMA * temperature**4 / np.pi - total[:-1].sum(axis=0)
    return total


def solve_transfer(column, chi, source):
    """Solve the transfer equation for opacities chi (..., n_layer) in cm2/g.

    Short characteristics with linear source give j = (I+ + I-)/2 on each ray, h = mu dj/dtau
    between layers: a compact difference, so that no zigzag of the temperatures is invisible to the
    flux.

    Returns
    -------
    mean : array (..., n_layer)
        Mean intensity J.
    flux : array (..., n_layer - 1)
        Eddington flux H between layers.
    """
    optical = 0.5 * (chi[..., 1:] + chi[..., :-1]) * np.diff(column)
    # dS/dtau at the bottom: diffusion
    slope = (source[..., -1] - source[..., -2]) / optical[..., -1]
    mean = np.zeros_like(source)
    flux = np.zeros_like(source[..., 1:])
    for mu, weight in zip(MU, MU_WEIGHT):
        step = optical / mu
        decay = np.exp(-np.minimum(step, 300))
        is_thin = step < 1e-3
        ratio = np.where(is_thin, 1 - 0.5 * step, (1 - decay) / np.where(is_thin, 1.0, step))
        near = np.where(is_thin, 0.5 * step, 1 - ratio)
        far = np.where(is_thin, 0.5 * step, ratio - decay)
        bottom = source[..., -1] + mu * slope
        outward, inward = _sweep_rays(source, decay, near, far, bottom)
        symmetric = 0.5 * (outward + inward)
        mean += weight * symmetric
        flux += weight * mu * np.diff(symmetric) / step
    return mean, flux


def _sweep_rays(source, decay, near, far, bottom):
    """Outward and inward intensities (..., n_layer) along one angle, without incoming radiation."""
    last = source.shape[-1] - 1
    inward = np.zeros_like(source)
    outward = np.empty_like(source)
    for k in range(1, last + 1):
        i = k - 1
        inward[..., k] = (
            inward[..., i] * decay[..., i]
            + far[..., i] * source[..., i]
            + near[..., i] * source[..., k]
        )
    outward[..., last] = bottom
    for k in range(last - 1, -1, -1):
        outward[..., k] = (
            outward[..., k + 1] * decay[..., k]
            + far[..., k] * source[..., k + 1]
            + near[..., k] * source[..., k]
        )
    return outward, inward
