"""Wavelengths in air and in vacuum."""

import numpy as np

SHORTEST_IN_AIR = 2000.0  # Angstrom: by the IAU's convention shorter wavelengths stay in vacuum


def convert_vacuum_to_air(wave):
    """Convert wavelengths in vacuum to standard air.

    Parameters
    ----------
    wave : float or ndarray
        Wavelengths in vacuum (Angstrom). Those below SHORTEST_IN_AIR are returned unchanged.

    Returns
    -------
    float or ndarray
        Wavelengths in air (Angstrom).

    References
    ----------
    Refractive index: Birch & Downs (1994, Metrologia 31, 315) as given by Morton (2000,
    ApJS 130, 403) and used by VALD.
    """
    s2 = (1e4 / wave) ** 2
    air = wave / (1 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2))
    return np.where(wave < SHORTEST_IN_AIR, wave, air)[()]


def convert_medium(wave, source, target):
    """Wavelengths (Angstrom) in the medium `target` of those in `source`: "air" or "vacuum"."""
    if source == target:
        return wave
    return convert_vacuum_to_air(wave) if target == "air" else convert_air_to_vacuum(wave)


def convert_air_to_vacuum(wave):
    """Convert wavelengths in air (Angstrom) to vacuum: the inverse of `convert_vacuum_to_air`.

    The fixed-point iteration is accurate to 1e-9 Angstrom above SHORTEST_IN_AIR.
    """
    vacuum = wave
    for _ in range(3):
        vacuum = vacuum + (wave - convert_vacuum_to_air(vacuum))
    return vacuum
