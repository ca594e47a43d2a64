"""Distances from pseudo-luminosities, as AstroNNDist has them. Leung & Bovy (2019), MNRAS 489, 2079.

fakemag = parallax [mas] 10^(K0 / 5) = 10^(M_K / 5 + 2) depends on the star alone, not on its distance, so a spectrum can tell
it; K0 = K_s - A_K is the magnitude without extinction. It is linear in the parallax: a negative one is as good as any.
"""

import numpy as np

PARSEC_MAS = 1000.0  # parsec times milliarcsecond


def brightness(k_mag, a_k):
    """10^(K0 / 5) (n,) of magnitudes and extinctions (n,); an extinction that is not known counts as none."""
    return 10 ** (0.2 * (np.asarray(k_mag, float) - np.nan_to_num(np.asarray(a_k, float))))


def fakemag(parallax, k_mag, a_k):
    """Pseudo-luminosity (n,) in mas of parallaxes (mas), or its error of their errors."""
    return np.asarray(parallax, float) * brightness(k_mag, a_k)


def parallax(luminosity, k_mag, a_k):
    """Parallax (n,) in mas of pseudo-luminosities (mas), or its error of their errors."""
    return np.asarray(luminosity, float) / brightness(k_mag, a_k)


def distance(luminosity, error, k_mag, a_k, e_k_mag=0.0, e_a_k=0.0):
    """Distance (n,) in parsec and its standard error, of pseudo-luminosities (mas) with errors; NaN where there is no K_s.

    Errors of magnitude and extinction (mag) add to it. To first order, so for errors below a fifth.
    """
    luminosity, error = np.asarray(luminosity, float), np.asarray(error, float)
    found = PARSEC_MAS * brightness(k_mag, a_k) / np.where(luminosity > 0, luminosity, np.nan)
    magnitude = 0.2 * np.log(10) * np.hypot(e_k_mag, e_a_k)
    return found, found * np.hypot(error / luminosity, magnitude)
