"""Spectra in the files of APOGEE: apVisit, and the combined spectrum of apStar."""

from collections import ChainMap

import numpy as np

from starlabels.spectra.headers import read_keyword, read_metadata
from starlabels.spectra.image_wavelengths import compute_linear_scale
from starlabels.spectra.spectrum import RawSpectrum

# APOGEE_PIXMASK: BADPIX, CRPIX, SATPIX, UNFIXABLE, BADDARK, BADFLAT, BADERR, NOSKY (bits 0-7),
# SIG_SKYLINE (12), NOT_ENOUGH_PSF (14). Ghosts, persistence and corrected telluric lines
# (8-11, 13) are warnings only.
APOGEE_BAD = 0xFF | 1 << 12 | 1 << 14
APOGEE_POWER = 22_500.0  # Wilson et al. 2019


def read_apogee(hdus):
    """RawSpectrum of an apVisit or apStar file, given as (header, data) pairs; None for others."""
    data = [data for _, data in hdus[1:5]]
    if len(data) < 3:
        return None
    if any(d is None or d.dtype.names or d.shape != data[0].shape for d in data[:3]):
        return None
    metadata = read_metadata(hdus[0][0], APOGEE_POWER, "vacuum", "survey format")
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
    metadata["error_kind"] = "sigma"
    return RawSpectrum(wave, np.array(flux, "f8"), flux_err, "Angstrom", **metadata)
