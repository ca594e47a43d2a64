"""FITS files of spectra as a network read them, with the spectrum at the predicted labels."""

import math

import numpy as np

from starlabels.base.files import replace_file
from starlabels.base.labels import get_label
from starlabels.spectra.results import clean_text

PROGRAM = "starlabels predict.py"
# Statements that predict.py, and other programs, read again
REST_FRAME = {"SPECSYS": "SOURCE", "CONTNORM": True}


def write_spectrum(path, fitted, result, resolving_power):
    """Write a FittedSpectrum as the table extension SPECTRUM of a FITS file.

    The table has the columns wave (Angstrom), flux and flux_err (continuum 1, NaN where missing),
    and model, the spectrum at the labels, if it is known. The header has the labels.

    Parameters
    ----------
    path : Path
    fitted : FittedSpectrum
    result : StarResult
    resolving_power : float or None
        lambda / FWHM of the model.
    """
    from astropy.io import fits

    columns = [fits.Column("wave", "D", "Angstrom", array=fitted.wave)]
    for name in ("flux", "flux_err", "model"):
        values = getattr(fitted, name)
        if values is not None:
            columns.append(fits.Column(name, "E", array=np.asarray(values, "f4")))
    hdu = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    header = hdu.header
    header["PROGRAM"] = PROGRAM
    header["OBJECT"] = ascii(clean_text(result.name))[1:-1][-60:]
    header["AIRORVAC"] = ("air" if fitted.medium == "air" else "vac", "medium of the wavelengths")
    header.update(REST_FRAME)
    if resolving_power:
        header["SPEC_RP"] = (float(resolving_power), "lambda / FWHM")
    header["FLAGS"] = result.flags
    for name, value in result.labels.items():
        error = result.errors.get(name, math.nan)
        if math.isfinite(value):
            key = name.upper() if len(name) <= 8 else f"HIERARCH {name.upper()}"
            comment = f"+- {error:.3g} {get_label(name).plain_unit}" if error > 0 else ""
            header[key] = (float(value), comment.strip())
    with replace_file(path) as tmp:
        hdu.writeto(tmp, overwrite=True)


def is_written_here(path):
    """True if a FITS file was written by `write_spectrum`."""
    from astropy.io import fits

    try:
        return fits.getheader(path, "SPECTRUM").get("PROGRAM") == PROGRAM
    except (OSError, KeyError, ValueError):
        return False
