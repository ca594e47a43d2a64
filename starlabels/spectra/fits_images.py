"""Spectra in FITS images: wavelengths by keyword, errors in rows or extensions; APOGEE files."""

import re
from collections import ChainMap

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.headers import read_keyword, read_metadata
from starlabels.spectra.spectrum import UNITS, RawSpectrum
from starlabels.spectra.table_columns import (
    ERROR_NAMES,
    IVAR_NAMES,
    VARIANCE_NAMES,
    WAVE_NAMES,
    convert_to_errors,
)

ROW_NAMES = ("BANDID", "ARRAY", "ROW")  # with the number of a row: keywords that name its content
MOST_ROWS = 10  # an image of more is no spectrum with its errors and masks
ALL_ERROR_NAMES = (*ERROR_NAMES, *IVAR_NAMES, *VARIANCE_NAMES)
NO_WAVELENGTH = (  # in CTYPE1
    r"^(RA|DEC|[GES]L(ON|AT)|X|Y|VELO|VRAD|FREQ|ENER|PIXEL|STOKES)\b"
)
# APOGEE_PIXMASK: BADPIX, CRPIX, SATPIX, UNFIXABLE, BADDARK, BADFLAT, BADERR, NOSKY (bits 0-7),
# SIG_SKYLINE (12), NOT_ENOUGH_PSF (14). Ghosts, persistence and corrected telluric lines
# (8-11, 13) are warnings only.
APOGEE_BAD = 0xFF | 1 << 12 | 1 << 14
APOGEE_POWER = 22_500.0  # Wilson et al. 2019
RAVE_NAME = r"RAVE_\d{8}_\w+\.fits?"  # file names of data release 6
RAVE_POWER = 7_500.0  # Steinmetz et al. 2006


def read_apogee(hdus):
    """RawSpectrum of an apVisit or apStar file, given as (header, data) pairs; None for others."""
    data = [data for _, data in hdus[1:5]]
    if len(data) < 3:
        return None
    if any(d is None or d.dtype.names or d.shape != data[0].shape for d in data[:3]):
        return None
    metadata = read_metadata(hdus[0][0], APOGEE_POWER, "vacuum")
    header = ChainMap(hdus[1][0], hdus[0][0])
    if read_keyword(header, "CTYPE1") == "LOG-LINEAR":
        # apStar: flux, error and mask of the combined spectrum, then of each visit
        flux, error, mask = (np.atleast_2d(d)[0] for d in data[:3])
        values = compute_linear_scale(header, len(flux))
        if values is None:
            return None
        wave = 10**values
        metadata["rest"] = True
    elif (
        len(data) == 4
        and np.shape(data[3]) == data[0].shape
        and "WAVELENGTH" in read_keyword(hdus[4][0], "BUNIT")
    ):
        flux, error, mask, wave = (d.ravel() for d in data)  # apVisit: three chips, (3, 4096)
    else:
        return None
    flux_err = np.array(error, "f8")
    if mask.dtype.kind in "iu":  # aspcapStar has a model there
        flux_err[(mask.astype("i8") & APOGEE_BAD) != 0] = np.inf
    wave = np.array(wave, "f8")
    return RawSpectrum(wave, np.array(flux, "f8"), flux_err, "Angstrom", **metadata)


def read_image(path, hdus, index, metadata):
    """RawSpectrum of image `index` among (header, data) pairs; None if it is no spectrum.

    `metadata` holds the header of the image and the primary header.
    """
    header, data = hdus[index]
    kind = read_keyword(header, "CTYPE1")
    rows = split_rows(data)  # (n_rows, n)
    if rows is None or re.match(NO_WAVELENGTH, kind):
        return None
    if kind == "MULTISPE":
        found = "an IRAF multispec file of several orders"
        raise UserError(f"{path} is {found}: bring them to one linear scale by scombine")
    flux_err = find_error_row(header, rows)
    if flux_err is None:
        flux_err = find_error_extension(hdus[index + 1 :], data.shape)
    values, log, unit = compute_wavelengths(header, rows.shape[1])
    if read_keyword(metadata, "TELESCOP") == "LAMOST" and len(rows) >= 3:
        # data releases 1-7: flux, inverse variance, wavelength, masks
        values = rows[2]
        log = None
        flux_err = convert_to_errors("ivar", rows[1])
    elif "COEFF0" in header and len(rows) >= 3:
        # SDSS spSpec: flux, flux without continuum, error, mask
        flux_err = np.array(rows[2], "f8")
    if values is None:
        values = find_wave_extension(hdus, rows.shape[1])
    if values is None:
        return None
    named = any(f"{key}1" in header for key in ROW_NAMES)
    if len(rows) > 1 and flux_err is None and not named:
        found = f"an image of {len(rows)} rows and does not say what they are"
        raise UserError(f"{path} is {found}: give one spectrum per file")
    fields = read_metadata(metadata)
    if fields["resolving_power"] is None and re.match(RAVE_NAME, path.name):
        fields["resolving_power"] = RAVE_POWER
    return RawSpectrum(values, np.array(rows[0], "f8"), flux_err, unit, log, **fields)


def split_rows(data):
    """Rows (n_rows, n), flux first, of an image (n,), (n_rows, n) or (n_bands, 1, n); else None."""
    if data is None or data.dtype.names or data.ndim > 3 or data.size == 0:
        return None
    if data.ndim == 3 and data.shape[1] != 1:
        return None
    rows = data.reshape(-1, data.shape[-1])
    return rows if len(rows) <= MOST_ROWS else None


def compute_linear_scale(header, n):
    """Linear scale (n,) of CRVAL1, CRPIX1 (default 1) and CD1_1 or CDELT1; None if absent."""
    step = header.get("CD1_1") or header.get("CDELT1")
    start = header.get("CRVAL1")
    first = header.get("CRPIX1", 1.0)
    if not step or not all(isinstance(value, (int, float)) for value in (step, start, first)):
        return None
    return start + step * (np.arange(1, n + 1) - first)


def compute_wavelengths(header, n):
    """(values (n,) or None, None, "log10" or "ln", unit or None) of an image by its keywords."""
    values = compute_linear_scale(header, n)
    kind = read_keyword(header, "CTYPE1")
    match = re.search(r"units=(\w+)", str(header.get("WAT1_001", "")))  # IRAF
    unit = header.get("CUNIT1") or (match and match[1]) or (kind if kind.lower() in UNITS else None)
    if values is None:
        return None, None, unit
    start = header["CRVAL1"]
    if kind.endswith("-LOG") and not 1e-3 < start < 20:
        # Greisen et al. 2006, eq. 5; else CRVAL1 is itself a logarithm
        values = start * np.exp((values - start) / start)
    if unit is None and kind.split("-")[0] in ("WAVE", "AWAV") and values.max() < 1e-3:
        unit = "m"  # the unit of FITS if none is given
    if header.get("DC-FLAG") == 1 or ("LOG" in kind and values.max() < 20 and unit != "m"):
        return values, "log10" if values.max() < 6 else "ln", unit
    return values, None, unit


def find_error_row(header, rows):
    """Standard errors (n,) of the row that BANDIDn, ARRAYn or ROWn names as such; else None."""
    for i in range(1, len(rows)):
        for key in ROW_NAMES:
            name = read_keyword(header, f"{key}{i + 1}").lower().split(" ")[0].strip(":,-")
            if name in ALL_ERROR_NAMES:
                return convert_to_errors(name, rows[i])
    return None


def find_error_extension(hdus, shape):
    """Standard errors (n,) of the first extension of that shape with a name of errors; or None."""
    for header, data in hdus:
        name = read_keyword(header, "EXTNAME").lower()
        if data is None or name not in ALL_ERROR_NAMES:
            continue
        if not data.dtype.names and data.shape == shape:
            return convert_to_errors(name, split_rows(data)[0])
    return None


def find_wave_extension(hdus, n):
    """Wavelengths (n,) of an extension with a name of wavelengths; None if absent."""
    for header, data in hdus:
        if data is None or read_keyword(header, "EXTNAME").lower() not in WAVE_NAMES:
            continue
        if not data.dtype.names and data.size == n:
            return np.array(data, "f8").ravel()
    return None
