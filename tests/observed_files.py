"""Small files of one spectrum in the formats that predict.py reads: FITS, tables, APOGEE."""

import warnings

import numpy as np
from astropy.io import fits

from starlabels.spectra.readers import read_spectra
from starlabels.spectra.spectrum import ReadOptions

N = 400
WAVE = 4450 + 0.05 * np.arange(N)  # Angstrom
FLUX = 1 + 0.1 * np.sin(np.arange(N))
ERROR = 0.01 + 0.001 * np.cos(np.arange(N))


def read_single(path, **options):
    """The only ObservedSpectrum in a file; warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [observed] = read_spectra(path, ReadOptions(**options))
    return observed


def assert_spectrum(observed, wave=WAVE, flux=FLUX, error=None, medium="air"):
    """Assert that a spectrum equals the one that was written."""
    np.testing.assert_allclose(observed.wave, wave, rtol=1e-7)
    np.testing.assert_allclose(observed.flux, flux, rtol=1e-6)
    assert observed.medium == medium
    if error is None:
        assert observed.flux_err is None
    else:
        np.testing.assert_allclose(observed.flux_err, error, rtol=1e-6)


def write_image(path, keywords=None, data=FLUX, extensions=()):
    """Write a FITS image, on WAVE by default, and return its path; extensions: (name, data)."""
    hdus = [fits.PrimaryHDU(np.asarray(data, "f4"))]
    hdus[0].header.update({"CRVAL1": 4450.0, "CDELT1": 0.05, "CRPIX1": 1.0} | (keywords or {}))
    hdus += [fits.ImageHDU(np.asarray(values), name=name) for name, values in extensions]
    fits.HDUList(hdus).writeto(path)
    return path


def write_table(path, columns, units=None, primary=None, extra=None, row=False):
    """Write a FITS table of {name: values} and return its path.

    It has one row per pixel, or a single row of arrays if `row`. primary, extra: keywords.
    """
    cells = []
    for name, values in columns.items():
        kind, values = (f"{len(values)}D", [values]) if row else ("D", values)
        unit = (units or {}).get(name)
        cells.append(fits.Column(name, kind, unit, array=np.asarray(values, "f8")))
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(cells)])
    hdus[0].header.update(primary or {})
    hdus[1].header.update(extra or {})
    hdus.writeto(path)
    return path


def write_apogee(path, wave=None):
    """Write an apVisit file of wavelengths (3, N), or an apStar of two visits without them.

    The flux is 3, 2, 1 in its rows.
    """
    shape = (4, N) if wave is None else wave.shape
    flux = np.ones(shape, "f4") * np.array([3, 2, 1, 1])[: shape[0], None]
    mask = np.zeros(shape, "i2")
    mask[0, [5, 6, 7]] = [1, 1 << 12, 1 << 9]  # bad, sky line, persistence
    arrays = {"Flux (erg)": flux, "Flux Error": 0.1 * flux, "Flag Mask": mask}
    if wave is not None:
        arrays["Wavelength (Ang)"] = wave
    hdus = [fits.ImageHDU(data, fits.Header({"BUNIT": name})) for name, data in arrays.items()]
    if wave is None:
        scale = {"CRVAL1": 4.179, "CDELT1": 6e-6, "CRPIX1": 1}
        hdus[0].header.update(scale | {"CTYPE1": "LOG-LINEAR", "DC-FLAG": 1})
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path
