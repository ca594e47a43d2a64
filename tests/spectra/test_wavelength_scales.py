"""Wavelengths of FITS images follow the header, whatever keywords, units and axes it uses."""

import numpy as np
import pytest
from astropy.io import fits
from observed_files import ERROR, FLUX, WAVE, N, assert_spectrum, read_single, write_image

from starlabels.base.errors import UserError
from starlabels.base.wavelengths import convert_air_to_vacuum

UNSET = {"CDELT1": 1.0}
STEP = 1e-5
LOG_WAVE = 4450 * np.exp(STEP * np.arange(N))


@pytest.mark.parametrize(
    "keywords",
    [
        {"CDELT1": 1.0, "PC1_1": 0.05},
        {"CDELT1": 0.05, "PC1_1": 1.0},
        {"CDELT1": 1.0, "CD1_1": 0.05},
        {"CDELT1": 0.05, "CD1_1": 1.0},
        {"CTYPE1": "AWAV", "CUNIT1": "m", "CRVAL1": 4450e-10, "CDELT1": 1.0, "PC1_1": 0.05e-10},
        {"CTYPE1": "AWAV", "CUNIT1": "nm", "CRVAL1": 445.0, "CDELT1": 1.0, "CD1_1": 0.005},
        {"CTYPE1": "AWAV", "CUNIT1": "um", "CRVAL1": 0.445, "CDELT1": 5e-6},
        {"CUNIT1": "Angstroem"},
        {"CUNIT1": " "},
        {"CRPIX1": 0.0, "INSTRUME": "HERMES-2dF"},  # GALAH counts from 0
    ],
)
def test_steps_and_units_of_the_header_are_followed(tmp_path, keywords):
    assert_spectrum(read_single(write_image(tmp_path / "a.fits", keywords)))


@pytest.mark.parametrize(
    "keywords",
    [
        {"COEFF0": np.log10(4450), "COEFF1": STEP / np.log(10)},
        {"DC-FLAG": "1", "CRVAL1": np.log10(4450), "CDELT1": STEP / np.log(10)},
        {"CTYPE1": "WAVE-LOG", "CUNIT1": "m", "CRVAL1": 4450e-10, "CDELT1": 4450e-10 * STEP},
        {"CTYPE1": "WAVE-LOG", "CUNIT1": "Angstrom", "CRVAL1": np.log(4450), "CDELT1": STEP},
    ],
)
def test_logarithmic_scales_are_known_by_any_of_their_keywords(tmp_path, keywords):
    path = write_image(tmp_path / "a.fits", {"VACUUM": True})
    header = fits.Header({"VACUUM": True, "CRPIX1": 1.0} | keywords)
    fits.PrimaryHDU(np.asarray(FLUX, "f4"), header).writeto(path, overwrite=True)
    assert_spectrum(read_single(path), LOG_WAVE, medium="vacuum")


def test_frequencies_and_scales_of_wcslib_are_converted(tmp_path):
    light = 2.99792458e18  # Angstrom / s
    start, end = light / WAVE[-1], light / WAVE[0]
    frequency = np.linspace(start, end, N)
    keywords = {
        "CTYPE1": "FREQ",
        "CUNIT1": "Hz",
        "CRVAL1": start,
        "CDELT1": (end - start) / (N - 1),
    }
    observed = read_single(write_image(tmp_path / "a.fits", keywords))
    np.testing.assert_allclose(observed.wave, light / frequency[::-1])
    assert observed.medium == "vacuum"
    keywords = {"CTYPE1": "WAVE-F2W", "CUNIT1": "m", "CRVAL1": 4450e-10, "CDELT1": 0.05e-10}
    observed = read_single(write_image(tmp_path / "b.fits", keywords))
    np.testing.assert_allclose(observed.wave, 1 / (1 / 4450 - 0.05 / 4450**2 * np.arange(N)))


def test_a_scale_may_stand_in_the_primary_header_or_on_another_axis(tmp_path):
    path = tmp_path / "a.fits"
    keywords = {"CTYPE1": "AWAV", "CRVAL1": 4450.0, "CDELT1": 0.05, "CRPIX1": 1.0}
    primary = fits.PrimaryHDU(header=fits.Header(keywords))
    fits.HDUList([primary, fits.ImageHDU(FLUX, name="FLUX")]).writeto(path)
    assert_spectrum(read_single(path))
    keywords = {"CTYPE3": "AWAV", "CUNIT3": "Angstrom", "CRVAL3": 4450.0, "CD3_3": 0.05}
    header = fits.Header(keywords | {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX3": 1.0})
    fits.PrimaryHDU(FLUX[:, None, None], header).writeto(path, overwrite=True)
    assert_spectrum(read_single(path))


@pytest.mark.parametrize("rows", ["2 x N", "N x 2", "3 x N", "N x 3", "named"])
def test_arrays_of_wavelength_flux_and_error_are_read(tmp_path, rows):
    error = None if "2" in rows else ERROR
    data = np.array([WAVE, FLUX] if error is None else [WAVE, FLUX, ERROR])
    header = fits.Header()
    if rows == "named":
        data = data[[1, 2, 0]]
        header.update({"ARRAY1": "FLUX", "ARRAY2": "ERROR", "ARRAY3": "WAVELENGTH"})
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(data.T if rows.startswith("N") else data, header).writeto(path)
    observed = read_single(path)
    assert_spectrum(observed, error=error)
    assert any("rows were taken" in note for note in observed.notes) == (rows != "named")


def write_multispec(path, orders, data):
    """Write an IRAF multispec image of the texts of its orders; its path."""
    text = "wtype=multispec " + " ".join(f'spec{i} = "{o}"' for i, o in enumerate(orders, 1))
    header = fits.Header({"CTYPE1": "MULTISPE", "WAT1_001": "wtype=multispec units=angstroms"})
    for i in range(0, len(text), 68):
        header[f"WAT2_{i // 68 + 1:03d}"] = text[i : i + 68]
    fits.PrimaryHDU(np.asarray(data, "f4"), header).writeto(path)
    return path


def test_orders_of_multispec_files_are_read(tmp_path):
    one = write_multispec(tmp_path / "a.fits", [f"1 1 0 4450. 0.05 {N} 0. 1 1"], FLUX)
    assert_spectrum(read_single(one))
    start, step = np.log10(4450), STEP / np.log(10)
    log = write_multispec(tmp_path / "b.fits", [f"1 1 1 {start} {step} {N} 0. 1 1"], FLUX[None])
    assert_spectrum(read_single(log), LOG_WAVE)
    orders = [f"{i} {i} 0 {4450 + 25 * i} 0.05 {N} 0. 1 1" for i in range(3)]
    bands = np.ones((2, 3, N))  # flux and sky
    observed = read_single(write_multispec(tmp_path / "c.fits", orders, bands))
    assert len(observed.wave) == 3 * N and observed.wave[-1] == pytest.approx(4519.95)
    with pytest.raises(UserError, match="3 orders with wavelengths of 2 in WAT2.*dispcor"):
        read_single(write_multispec(tmp_path / "d.fits", orders[:2], bands))
    chebyshev = ["1 1 2 4450. 0.05 400 0. 1 1 1. 0. 1 3 1. 400. 4460. 10. 0.1"]
    with pytest.raises(UserError, match="non-linear wavelengths in order 1.*dispcor"):
        read_single(write_multispec(tmp_path / "e.fits", chebyshev, FLUX))


def test_wavenumbers_are_in_vacuum(tmp_path):
    path = tmp_path / "a.txt"
    lines = [f"{1e8 / w:.7f} {f:.6f}" for w, f in zip(WAVE, FLUX)]
    path.write_text("# wavenumber(cm-1) flux\n" + "\n".join(lines))
    observed = read_single(path)
    np.testing.assert_allclose(observed.wave, WAVE, rtol=1e-9)
    assert (observed.medium, observed.medium_source) == ("vacuum", "unit")
    assert convert_air_to_vacuum(4450.0) > 4451
