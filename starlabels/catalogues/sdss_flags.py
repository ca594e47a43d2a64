"""Quality flags of AstroNN and AstroNNDist, bit for bit as SDSS Astra documents them,
except that small errors of [Fe/H] are never flagged.

Reference: documentation of SDSS Data Release 19, Astra summary files.
"""

import numpy as np

from starlabels.spectra.results import NO_RESULT

UNCERTAIN_LOGG = 1 << 0
UNCERTAIN_TEFF = 1 << 1
UNCERTAIN_FE_H = 1 << 2
FAKEMAG_UNRELIABLE = 1 << 0
MISSING_PHOTOMETRY = 1 << 1
MISSING_EXTINCTION = 1 << 2
MIN_FLAGGED_ERROR = 0.2  # dex: smaller errors of log g and [Fe/H] are never flagged


def flag_labels(teff, logg, fe_h, e_teff, e_logg, e_fe_h):
    """Compute AstroNN's flags.

    Parameters
    ----------
    teff, logg, fe_h : labels (n,) in K and dex.
    e_teff, e_logg, e_fe_h : their errors (n,).

    Returns
    -------
    Flags (n,) int32; NO_RESULT where a value is not finite.
    """
    values = [np.asarray(x, float) for x in (teff, logg, fe_h, e_teff, e_logg, e_fe_h)]
    _, logg, fe_h, e_teff, e_logg, e_fe_h = values
    flags = UNCERTAIN_LOGG * ((e_logg > MIN_FLAGGED_ERROR) & _exceeds_fraction(e_logg, logg, 0.075))
    flags += UNCERTAIN_TEFF * (e_teff > 300)
    # Astra has no minimum for [Fe/H], and so it flags all stars of solar metallicity
    flags += UNCERTAIN_FE_H * ((e_fe_h > MIN_FLAGGED_ERROR) & _exceeds_fraction(e_fe_h, fe_h, 0.12))
    return np.where(np.isfinite(values).all(axis=0), flags, NO_RESULT).astype("i4")


def _exceeds_fraction(error, value, limit):
    """True if |error / value| exceeds the limit, also for a value of 0."""
    return np.abs(error) > limit * np.abs(value)


def find_warned_labels(flags):
    """AstroNN's flag_warn (n,): any flag is set."""
    return np.asarray(flags) > 0


def find_bad_labels(flags):
    """AstroNN's flag_bad (n,): no result, Teff uncertain, or both log g and [Fe/H] uncertain."""
    flags = np.asarray(flags)
    both = UNCERTAIN_LOGG | UNCERTAIN_FE_H
    return ((flags & (UNCERTAIN_TEFF | NO_RESULT)) > 0) | ((flags & both) == both)


def flag_distances(fakemag, e_fakemag, k_mag, a_k):
    """Compute AstroNNDist's flags.

    Parameters
    ----------
    fakemag, e_fakemag : pseudo-luminosity (n,) and its error, in mas.
    k_mag, a_k : K_s magnitude (n,) and extinction A_K (n,), NaN where missing.

    Returns
    -------
    Flags (n,) int32; NO_RESULT where the pseudo-luminosity or its error is not finite.
    """
    fakemag, e_fakemag, k_mag, a_k = (
        np.asarray(x, float) for x in (fakemag, e_fakemag, k_mag, a_k)
    )
    known = np.isfinite(fakemag) & np.isfinite(e_fakemag)
    flags = FAKEMAG_UNRELIABLE * (e_fakemag >= 0.2 * fakemag)
    flags += MISSING_PHOTOMETRY * ~np.isfinite(k_mag)
    flags += MISSING_EXTINCTION * ~np.isfinite(a_k)
    return np.where(known, flags, NO_RESULT).astype("i4")


def find_warned_distances(flags):
    """AstroNNDist's flag_warn (n,): without an extinction the distance is too large."""
    return (np.asarray(flags) & MISSING_EXTINCTION) > 0


def find_bad_distances(flags):
    """AstroNNDist's flag_bad (n,): there is no reliable distance."""
    return (np.asarray(flags) & (FAKEMAG_UNRELIABLE | MISSING_PHOTOMETRY | NO_RESULT)) > 0
