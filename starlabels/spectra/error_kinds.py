"""Errors of a spectrum, which files give as sigma, variance, inverse variance, S/N or relative."""

import numpy as np

from starlabels.spectra.column_names import recognise_content
from starlabels.spectra.pixels import estimate_noise

WORDS = {
    "sigma": "standard errors",
    "variance": "variances",
    "ivar": "inverse variances",
    "snr": "signal-to-noise ratios",
    "relative": "relative errors",
}
PREFERRED = ("sigma", "ivar", "variance", "relative", "snr")  # where a file has several
FAR = 30.0  # errors this many times above or below the scatter are no standard errors
NEAR = 5.0  # errors within this factor of the scatter are plausible


def convert_errors(kind, values, flux):
    """Convert stated errors to standard errors.

    Parameters
    ----------
    kind : str
        A key of WORDS.
    values, flux : array (n,)
        Errors as the file states them, and the flux.

    Returns
    -------
    ndarray (n,)
        Standard errors, inf in pixels that an inverse variance of 0 marks as bad.
    """
    values = np.array(values, "f8")
    flux = np.abs(np.asarray(flux, "f8"))
    with np.errstate(all="ignore"):
        if kind == "ivar":
            return np.where(values <= 0, np.inf, values**-0.5)
        if kind == "variance":
            return np.sqrt(values)
        if kind == "snr":
            return np.where(values > 0, flux / values, np.inf)
        if kind == "relative":
            return np.where(values > 0, values * flux, np.inf)
    return values


def read_errors(name, values, flux, wanted=None, utype=""):
    """Standard errors of a column or extension, by its name or by the scatter of the flux.

    Parameters
    ----------
    name : str
        Name of the column or extension.
    values, flux : array (n,)
        Errors as the file states them, and the flux.
    wanted : str, optional
        Kind of error that the user states: a key of WORDS.
    utype : str, optional
        Keyword UTYPE of an extension of astropy's CCDData, such as StdDevUncertainty.

    Returns
    -------
    flux_err : ndarray (n,)
        Standard errors.
    kind : str
        A key of WORDS.
    notes : list of str
        What was assumed.
    """
    kind = wanted or find_kind_by_utype(utype)
    content = recognise_content(name)
    if kind is None and content.form in WORDS and "weight" not in str(name).lower():
        kind = content.form
    if kind is not None:
        notes = [] if kind == "sigma" or wanted else [f"{name} holds {WORDS[kind]}"]
        return convert_errors(kind, values, flux), kind, notes
    kind = choose_kind_by_scatter(values, flux)
    name = f"column {name}" if str(name).isdigit() else name
    note = f"{name} was taken for {WORDS[kind]}, by the scatter of the flux"
    return convert_errors(kind, values, flux), kind, [note]


def find_kind_by_utype(utype):
    """Kind of error by the name of a class in astropy.nddata; None if it is another text."""
    kinds = {"STDDEV": "sigma", "VARIANCE": "variance", "INVERSE": "ivar"}
    text = str(utype).upper()
    return next((kind for start, kind in kinds.items() if text.startswith(start)), None)


def choose_kind_by_scatter(values, flux):
    """The kind "sigma", "variance" or "ivar" whose errors are next to the scatter of the flux.

    It is sigma unless sigma is FAR below the scatter or above the flux, and another kind NEAR.
    """
    ratio = {}
    for kind in ("sigma", "variance", "ivar"):
        ratio[kind] = compare_with_scatter(convert_errors(kind, values, flux), flux)
    in_flux, in_scatter = ratio["sigma"]
    if not (in_scatter < 1 / FAR or in_flux > 1):
        return "sigma"
    distance = {kind: abs(np.log(pair[1])) for kind, pair in ratio.items()}
    best = min(distance, key=distance.get)
    return best if distance[best] < np.log(NEAR) else "sigma"


def compare_with_scatter(flux_err, flux):
    """Median error in units of the flux, and of the scatter of neighbouring pixels (n,)."""
    flux = np.asarray(flux, "f8")
    good = np.isfinite(flux_err) & (flux_err > 0) & np.isfinite(flux)
    scatter = estimate_noise(flux[good])
    if not scatter > 0:
        return 0.0, 1.0
    error = float(np.median(flux_err[good]))
    return error / max(float(np.median(np.abs(flux[good]))), 1e-300), error / scatter
