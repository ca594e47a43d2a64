"""Quality flags bit for bit as SDSS Astra (data release 19) documents them for AstroNN and AstroNNDist."""

import numpy as np

UNCERTAIN_LOGG, UNCERTAIN_TEFF, UNCERTAIN_FE_H, NO_RESULT = 1 << 0, 1 << 1, 1 << 2, 1 << 11
FAKEMAG_UNRELIABLE, MISSING_PHOTOMETRY, MISSING_EXTINCTION = 1 << 0, 1 << 1, 1 << 2
LARGE = 0.2  # dex: smaller errors of log g and [Fe/H] are never uncertain, so that a star of [Fe/H] 0 is not


def flag_labels(teff, logg, fe_h, e_teff, e_logg, e_fe_h):
    """Flags (n,) of AstroNN's labels (n,) and their errors, in K and dex; what is no number has no result."""
    values = [np.asarray(x, float) for x in (teff, logg, fe_h, e_teff, e_logg, e_fe_h)]
    _, logg, fe_h, e_teff, e_logg, e_fe_h = values
    flags = UNCERTAIN_LOGG * ((e_logg > LARGE) & _relative(e_logg, logg, 0.075))
    flags += UNCERTAIN_TEFF * (e_teff > 300)
    flags += UNCERTAIN_FE_H * (
        (e_fe_h > LARGE) & _relative(e_fe_h, fe_h, 0.12)
    )  # Astra has no guard: all solar stars carry it
    return np.where(np.isfinite(values).all(axis=0), flags, NO_RESULT).astype("i4")


def _relative(error, value, limit):
    """Whether |error / value| is above the limit, also for a value of 0."""
    return np.abs(error) > limit * np.abs(value)


def warn_labels(flags):
    """AstroNN's flag_warn (n,): any flag."""
    return np.asarray(flags) > 0


def reject_labels(flags):
    """AstroNN's flag_bad (n,): all of log g, Teff and [Fe/H] are uncertain."""
    every = UNCERTAIN_LOGG | UNCERTAIN_TEFF | UNCERTAIN_FE_H
    return (np.asarray(flags) & every) == every


def flag_distances(fakemag, e_fakemag, k_mag, a_k):
    """Flags (n,) of AstroNNDist: pseudo-luminosity and its error, K_s magnitude and extinction A_K, NaN where missing."""
    fakemag, e_fakemag, k_mag, a_k = (
        np.asarray(x, float) for x in (fakemag, e_fakemag, k_mag, a_k)
    )
    known = np.isfinite(fakemag) & np.isfinite(e_fakemag)
    flags = FAKEMAG_UNRELIABLE * (e_fakemag >= 0.2 * fakemag) + MISSING_PHOTOMETRY * ~np.isfinite(
        k_mag
    )
    flags += MISSING_EXTINCTION * ~np.isfinite(a_k)
    return np.where(known, flags, NO_RESULT).astype("i4")


def warn_distances(flags):
    """AstroNNDist's flag_warn (n,): no extinction; the distance is there, but too large."""
    return (np.asarray(flags) & MISSING_EXTINCTION) > 0


def reject_distances(flags):
    """AstroNNDist's flag_bad (n,): no trustworthy distance."""
    return (np.asarray(flags) & (FAKEMAG_UNRELIABLE | MISSING_PHOTOMETRY | NO_RESULT)) > 0
