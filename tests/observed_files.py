"""Small files of one spectrum in the formats that predict.py reads: FITS images, tables, APOGEE's products."""

import warnings

import numpy as np
from astropy.io import fits

from starlabels.spectra.readers import read_spectra
from starlabels.spectra.spectrum import ReadOptions

N = 400
WAVE = 4450 + 0.05 * np.arange(N)  # Angstrom
FLUX = 1 + 0.1 * np.sin(np.arange(N))
ERROR = 0.01 + 0.001 * np.cos(np.arange(N))


def one(path, **options):
    """The only Observed in a file; warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [observed] = read_spectra(path, ReadOptions(**options))
    return observed


def image(path, keywords=None, data=FLUX, extensions=()):
    """A FITS image on WAVE unless the keywords say otherwise; its path. extensions: (name, data)."""
    hdus = [fits.PrimaryHDU(np.asarray(data, "f4"))]
    hdus[0].header.update({"CRVAL1": 4450.0, "CDELT1": 0.05, "CRPIX1": 1.0} | (keywords or {}))
    hdus += [fits.ImageHDU(np.asarray(values), name=name) for name, values in extensions]
    fits.HDUList(hdus).writeto(path)
    return path


def table(path, columns, units=None, primary=None, extra=None, row=False):
    """A FITS table of {name: values}, a row a pixel or one row that holds all; its path. primary, extra: keywords."""
    cells = []
    for name, values in columns.items():
        kind, values = (f"{len(values)}D", [values]) if row else ("D", values)
        cells.append(
            fits.Column(name, kind, (units or {}).get(name), array=np.asarray(values, "f8"))
        )
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(cells)])
    hdus[0].header.update(primary or {})
    hdus[1].header.update(extra or {})
    hdus.writeto(path)
    return path


def apogee(path, wave=None):
    """An apVisit file of wavelengths (3, N); without them an apStar of two visits. Flux 3, 2, 1 in its rows."""
    shape = (4, N) if wave is None else wave.shape
    flux = np.ones(shape, "f4") * np.array([3, 2, 1, 1])[: shape[0], None]
    mask = np.zeros(shape, "i2")
    mask[0, [5, 6, 7]] = [1, 1 << 12, 1 << 9]  # bad, sky line, persistence
    arrays = {
        "Flux (erg)": flux,
        "Flux Error": 0.1 * flux,
        "Flag Mask": mask,
        "Wavelength (Ang)": wave,
    }
    hdus = [
        fits.ImageHDU(data, fits.Header({"BUNIT": name}))
        for name, data in arrays.items()
        if data is not None
    ]
    if wave is None:
        hdus[0].header.update(
            {"CRVAL1": 4.179, "CDELT1": 6e-6, "CRPIX1": 1, "CTYPE1": "LOG-LINEAR", "DC-FLAG": 1}
        )
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path
