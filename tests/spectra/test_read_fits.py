"""Spectra are read unchanged from FITS: Angstrom, ascending, NaN in masked pixels."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from observed_files import (
    ERROR,
    FLUX,
    WAVE,
    N,
    assert_spectrum,
    read_single,
    write_apogee,
    write_image,
    write_table,
)

from starlabels.base.errors import UserError


@pytest.mark.parametrize(
    "keywords, medium",
    [
        ({}, "air"),
        ({"CTYPE1": "ANGSTROM"}, "air"),
        ({"CTYPE1": "AWAV", "CUNIT1": "Angstrom"}, "air"),
        ({"CTYPE1": "WAVE", "CUNIT1": "nm", "CRVAL1": 445.0, "CDELT1": 0.005}, "vacuum"),
        (
            {"CTYPE1": "WAVE", "CRVAL1": 4450e-10, "CDELT1": 0.05e-10},
            "vacuum",
        ),  # no unit: metres, as FITS has it
        (
            {
                "CTYPE1": "LINEAR",
                "WAT1_001": "wtype=linear label=Wavelength units=microns",
                "CRVAL1": 0.445,
                "CDELT1": 5e-6,
            },
            "air",
        ),
        (
            {"CRPIX1": 101.0, "CRVAL1": 4455.0, "CDELT1": 1.0, "CD1_1": 0.05, "VACUUM": True},
            "vacuum",
        ),
        ({"INSTRUME": "ESPRESSO"}, "vacuum"),
    ],
)
def test_an_image_has_the_wavelengths_of_its_keywords(tmp_path, keywords, medium):
    assert_spectrum(read_single(write_image(tmp_path / "a.fits", keywords)), medium=medium)


STEP = 1e-5


@pytest.mark.parametrize(
    "keywords",
    [
        {"DC-FLAG": 1, "CRVAL1": np.log10(4450), "CDELT1": STEP / np.log(10)},
        {"CTYPE1": "LOG-LINEAR", "CRVAL1": np.log10(4450), "CDELT1": STEP / np.log(10)},
        {"CRVAL1": np.log10(4450), "CDELT1": STEP / np.log(10), "CUNIT1": "Angstrom"},
        {"CRVAL1": np.log(4450), "CDELT1": STEP},
        {"CTYPE1": "AWAV-LOG", "CUNIT1": "Angstrom", "CRVAL1": 4450.0, "CDELT1": 4450 * STEP},
        {"CTYPE1": "AWAV-LOG", "CRVAL1": 4450e-10, "CDELT1": 4450e-10 * STEP, "CUNIT1": "m"},
        {"CTYPE1": "AWAV-LOG", "CUNIT1": "Angstrom", "CRVAL1": np.log(4450), "CDELT1": STEP},
    ],
)
def test_an_image_on_a_logarithmic_scale_is_known_as_such(tmp_path, keywords):
    assert_spectrum(
        read_single(write_image(tmp_path / "a.fits", keywords)),
        wave=4450 * np.exp(STEP * np.arange(N)),
    )


def test_errors_of_an_image_are_taken_where_the_file_names_them(tmp_path):
    rows = np.stack([FLUX, FLUX * 0.5, FLUX * 0.1, ERROR])
    named = {
        "BANDID1": "spectrum - background none",
        "BANDID4": "sigma - background none, weights variance",
    }
    assert_spectrum(
        read_single(write_image(tmp_path / "iraf.fits", named, rows[:, None])), error=ERROR
    )
    assert_spectrum(
        read_single(write_image(tmp_path / "sdss.fits", {"COEFF0": 3.6}, rows[[0, 1, 3, 2]])),
        error=ERROR,
    )
    assert_spectrum(
        read_single(
            write_image(
                tmp_path / "extension.fits", extensions=[("MASK", ERROR), ("IVAR", ERROR**-2)]
            )
        ),
        error=ERROR,
    )
    keywords = {"TELESCOP": "LAMOST", "COEFF0": 3.6, "DC-FLAG": 1}
    observed = read_single(
        write_image(tmp_path / "lamost.fits", keywords, np.stack([FLUX, ERROR**-2, WAVE * 2]))
    )
    assert_spectrum(observed, wave=WAVE * 2, error=ERROR, medium="vacuum")
    assert observed.resolving_power == 1800


@pytest.mark.parametrize("primary", [True, False])
def test_rave_spectra_have_their_errors_and_resolving_power(tmp_path, primary):
    path, keywords = (
        tmp_path / "RAVE_20040403_1042m11_024.fits",
        {"CRVAL1": 8410.0, "CDELT1": 0.4, "CRPIX1": 1.0},
    )
    spectrum = fits.PrimaryHDU(FLUX) if primary else fits.ImageHDU(FLUX)
    spectrum.header.update(keywords | {"EXTNAME": "SPECTRUM"})
    error = fits.ImageHDU(ERROR, fits.Header(keywords), name="ERROR")
    fits.HDUList([spectrum, error] if primary else [fits.PrimaryHDU(), spectrum, error]).writeto(
        path
    )
    observed = read_single(path)
    assert_spectrum(observed, 8410 + 0.4 * np.arange(N), error=ERROR)
    assert observed.resolving_power == 7500 and not observed.rest
    assert read_single(path.rename(tmp_path / "star.fits")).resolving_power is None


def test_unnamed_rows_of_an_image_are_an_error(tmp_path):
    with pytest.raises(
        UserError,
        match="an image of 2 rows and does not say what they are: give one spectrum per file",
    ):
        read_single(write_image(tmp_path / "rows.fits", data=np.stack([FLUX, FLUX * 0.5])))


def test_gzipped_files_are_read(tmp_path):
    (tmp_path / "a.fits.gz").write_bytes(
        gzip.compress(write_image(tmp_path / "a.fits").read_bytes())
    )
    assert_spectrum(read_single(tmp_path / "a.fits.gz"))
    (tmp_path / "a.csv.gz").write_bytes(
        gzip.compress("\n".join(f"{w},{f}" for w, f in zip(WAVE, FLUX)).encode())
    )
    assert_spectrum(read_single(tmp_path / "a.csv.gz"))


def test_wavelengths_may_be_an_extension(tmp_path):
    path = tmp_path / "a.fits"
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            *(fits.ImageHDU(d, name=n) for n, d in (("FLUX", FLUX), ("WAVE", WAVE))),
        ]
    ).writeto(path)
    assert_spectrum(read_single(path))


def test_sdss_tables_are_in_vacuum_with_masked_pixels_and_their_own_resolution(tmp_path):
    loglam, ivar, mask = 3.6 + 1e-4 * np.arange(N), ERROR**-2, np.zeros(N)
    ivar[7], mask[9], mask[11] = 0, 1 << 23, 1 << 19
    columns = {"loglam": loglam, "flux": FLUX, "ivar": ivar, "and_mask": mask}
    observed = read_single(
        write_table(tmp_path / "a.fits", columns, primary={"TELESCOP": "SDSS 2.5-M"})
    )
    assert np.flatnonzero(np.isnan(observed.flux)).tolist() == [7, 9]
    np.testing.assert_allclose(observed.wave, 10**loglam)
    np.testing.assert_allclose(observed.flux_err[12:], ERROR[12:])
    assert (observed.medium, observed.resolving_power, observed.rest) == ("vacuum", 1850, False)
    observed = read_single(write_table(tmp_path / "b.fits", columns | {"wdisp": np.full(N, 1.2)}))
    assert observed.resolving_power == pytest.approx(1 / (2.3548 * 1.2e-4 * np.log(10)), rel=1e-4)


def test_eso_tables_of_one_row(tmp_path):
    path = tmp_path / "a.fits"
    about = {
        "primary": {"INSTRUME": "UVES", "SPEC_RP": 51690.0},
        "extra": {"TUCD1": "em.wl;obs.atmos"},
    }
    columns = {"WAVE": WAVE / 10, "FLUX": FLUX, "ERR": np.full(N, np.nan)}
    observed = read_single(write_table(path, columns, {"WAVE": "nm"}, row=True, **about))
    assert_spectrum(observed)  # errors that were never filled are none
    assert observed.resolving_power == 51690
    path.unlink()
    about["extra"]["TUCD1"] = "em.wl"
    observed = read_single(
        write_table(path, columns | {"ERR": ERROR}, {"WAVE": "nm"}, row=True, **about)
    )
    assert_spectrum(observed, error=ERROR, medium="vacuum")


@pytest.mark.parametrize(
    "wave, unit, scale, medium",
    [
        ("wavelength", "Angstrom", 1, "air"),
        ("Wave", None, 1, "air"),
        ("LAMBDA", "um", 1e-4, "air"),
        ("wave_nm", None, 0.1, "air"),
        ("wavelength [micron]", None, 1e-4, "air"),
        ("wave_vac", "0.1 nm", 1, "vacuum"),
        ("WAVE_AIR", "m", 1e-10, "air"),
    ],
)
def test_columns_are_known_by_their_usual_names_and_units(tmp_path, wave, unit, scale, medium):
    path = write_table(
        tmp_path / "a.fits", {"Flux": FLUX, "sigma": ERROR, wave: WAVE * scale}, {wave: unit}
    )
    assert_spectrum(read_single(path), error=ERROR, medium=medium)


def test_options_win_over_the_file(tmp_path):
    columns = {
        "wave": WAVE,
        "flux": FLUX,
        "other": 2 * FLUX,
        "x": WAVE / 10,
        "std": ERROR,
        "e": 3 * ERROR,
    }
    path = write_table(tmp_path / "a.fits", columns, {"x": "Angstrom"})
    options = {"wave_column": "x", "flux_column": "other", "error_column": "e", "wave_unit": "nm"}
    observed = read_single(path, medium="vacuum", resolving_power=5000.0, **options)
    assert_spectrum(observed, flux=2 * FLUX, error=3 * ERROR, medium="vacuum")
    assert observed.resolving_power == 5000
    with pytest.raises(
        UserError, match="no columns y but a table of 400 rows .wave, flux.*--flux-column"
    ):
        read_single(path, flux_column="y")


def test_apvisit_chips_are_joined_and_bad_bits_masked(tmp_path):
    wave = 17000 - 0.2 * np.arange(3 * N).reshape(3, N)
    observed = read_single(write_apogee(tmp_path / "visit.fits", wave))
    np.testing.assert_allclose(observed.wave, wave.ravel()[::-1])
    assert np.flatnonzero(np.isnan(observed.flux[::-1])).tolist() == [5, 6]
    assert observed.flux[-1] == 3 and observed.flux[0] == 1
    assert (observed.medium, observed.resolving_power, observed.rest) == ("vacuum", 22500, False)


def test_apstar_gives_the_combined_spectrum_at_rest(tmp_path):
    observed = read_single(write_apogee(tmp_path / "star.fits"))
    np.testing.assert_allclose(observed.wave, 10 ** (4.179 + 6e-6 * np.arange(N)))
    assert np.nanmax(observed.flux) == 3 and np.isnan(observed.flux).sum() == 2
    assert observed.rest and observed.medium == "vacuum"
