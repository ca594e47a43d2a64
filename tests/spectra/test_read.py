"""Spectra come out of every kind of file as they went in: Angstrom, ascending, NaN where masked."""

import gzip

import h5py
import numpy as np
import pytest
from astropy.io import fits
from conftest import write_grid
from observed_files import ERROR, FLUX, WAVE, N, apogee, image, one, table

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.config import paths
from starlabels.spectra.readers import read_spectra
from starlabels.spectra.spectrum import ReadOptions, check_spectrum

NOTHING = ReadOptions()


def same(observed, wave=WAVE, flux=FLUX, error=None, medium="air"):
    """Assert that a spectrum is the one that was written."""
    np.testing.assert_allclose(observed.wave, wave, rtol=1e-7)
    np.testing.assert_allclose(observed.flux, flux, rtol=1e-6)
    assert observed.medium == medium
    if error is None:
        assert observed.error is None
    else:
        np.testing.assert_allclose(observed.error, error, rtol=1e-6)


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
    same(one(image(tmp_path / "a.fits", keywords)), medium=medium)


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
    same(one(image(tmp_path / "a.fits", keywords)), wave=4450 * np.exp(STEP * np.arange(N)))


def test_errors_of_an_image_are_taken_where_the_file_names_them(tmp_path):
    rows = np.stack([FLUX, FLUX * 0.5, FLUX * 0.1, ERROR])
    named = {
        "BANDID1": "spectrum - background none",
        "BANDID4": "sigma - background none, weights variance",
    }
    same(one(image(tmp_path / "iraf.fits", named, rows[:, None])), error=ERROR)
    same(one(image(tmp_path / "sdss.fits", {"COEFF0": 3.6}, rows[[0, 1, 3, 2]])), error=ERROR)
    same(
        one(image(tmp_path / "extension.fits", extensions=[("MASK", ERROR), ("IVAR", ERROR**-2)])),
        error=ERROR,
    )
    keywords = {"TELESCOP": "LAMOST", "COEFF0": 3.6, "DC-FLAG": 1}
    found = one(image(tmp_path / "lamost.fits", keywords, np.stack([FLUX, ERROR**-2, WAVE * 2])))
    same(found, wave=WAVE * 2, error=ERROR, medium="vacuum")
    assert found.resolving_power == 1800


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
    found = one(path)
    same(found, 8410 + 0.4 * np.arange(N), error=ERROR)
    assert found.resolving_power == 7500 and not found.rest
    assert one(path.rename(tmp_path / "star.fits")).resolving_power is None


def test_rows_of_an_image_that_nobody_names_are_an_error(tmp_path):
    with pytest.raises(
        UserError,
        match="an image of 2 rows and does not say what they are: give one spectrum a file",
    ):
        one(image(tmp_path / "rows.fits", data=np.stack([FLUX, FLUX * 0.5])))


def test_a_packed_file_is_read_like_another(tmp_path):
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(image(tmp_path / "a.fits").read_bytes()))
    same(one(tmp_path / "a.fits.gz"))
    (tmp_path / "a.csv.gz").write_bytes(
        gzip.compress("\n".join(f"{w},{f}" for w, f in zip(WAVE, FLUX)).encode())
    )
    same(one(tmp_path / "a.csv.gz"))


def test_wavelengths_may_be_an_extension(tmp_path):
    path = tmp_path / "a.fits"
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            *(fits.ImageHDU(d, name=n) for n, d in (("FLUX", FLUX), ("WAVE", WAVE))),
        ]
    ).writeto(path)
    same(one(path))


def test_sdss_tables_are_in_vacuum_with_masked_pixels_and_their_own_resolution(tmp_path):
    loglam, ivar, mask = 3.6 + 1e-4 * np.arange(N), ERROR**-2, np.zeros(N)
    ivar[7], mask[9], mask[11] = 0, 1 << 23, 1 << 19
    columns = {"loglam": loglam, "flux": FLUX, "ivar": ivar, "and_mask": mask}
    found = one(table(tmp_path / "a.fits", columns, primary={"TELESCOP": "SDSS 2.5-M"}))
    assert np.flatnonzero(np.isnan(found.flux)).tolist() == [7, 9]
    np.testing.assert_allclose(found.wave, 10**loglam)
    np.testing.assert_allclose(found.error[12:], ERROR[12:])
    assert (found.medium, found.resolving_power, found.rest) == ("vacuum", 1850, False)
    found = one(table(tmp_path / "b.fits", columns | {"wdisp": np.full(N, 1.2)}))
    assert found.resolving_power == pytest.approx(1 / (2.3548 * 1.2e-4 * np.log(10)), rel=1e-4)


def test_tables_of_one_row_as_eso_writes_them(tmp_path):
    path = tmp_path / "a.fits"
    about = {
        "primary": {"INSTRUME": "UVES", "SPEC_RP": 51690.0},
        "extra": {"TUCD1": "em.wl;obs.atmos"},
    }
    columns = {"WAVE": WAVE / 10, "FLUX": FLUX, "ERR": np.full(N, np.nan)}
    found = one(table(path, columns, {"WAVE": "nm"}, row=True, **about))
    same(found)  # errors that were never filled are none
    assert found.resolving_power == 51690
    path.unlink()
    about["extra"]["TUCD1"] = "em.wl"
    found = one(table(path, columns | {"ERR": ERROR}, {"WAVE": "nm"}, row=True, **about))
    same(found, error=ERROR, medium="vacuum")


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
    path = table(
        tmp_path / "a.fits", {"Flux": FLUX, "sigma": ERROR, wave: WAVE * scale}, {wave: unit}
    )
    same(one(path), error=ERROR, medium=medium)


def test_options_win_over_the_file(tmp_path):
    columns = {
        "wave": WAVE,
        "flux": FLUX,
        "other": 2 * FLUX,
        "x": WAVE / 10,
        "std": ERROR,
        "e": 3 * ERROR,
    }
    path = table(tmp_path / "a.fits", columns, {"x": "Angstrom"})
    options = {"wave_column": "x", "flux_column": "other", "error_column": "e", "wave_unit": "nm"}
    found = one(path, medium="vacuum", resolving_power=5000.0, **options)
    same(found, flux=2 * FLUX, error=3 * ERROR, medium="vacuum")
    assert found.resolving_power == 5000
    with pytest.raises(
        UserError, match="no columns y but a table of 400 rows .wave, flux.*--flux-column"
    ):
        one(path, flux_column="y")


def test_apvisit_chips_are_joined_and_bad_bits_masked(tmp_path):
    wave = 17000 - 0.2 * np.arange(3 * N).reshape(3, N)
    found = one(apogee(tmp_path / "visit.fits", wave))
    np.testing.assert_allclose(found.wave, wave.ravel()[::-1])
    assert np.flatnonzero(np.isnan(found.flux[::-1])).tolist() == [5, 6]
    assert found.flux[-1] == 3 and found.flux[0] == 1
    assert (found.medium, found.resolving_power, found.rest) == ("vacuum", 22500, False)


def test_apstar_gives_the_combined_spectrum_at_rest(tmp_path):
    found = one(apogee(tmp_path / "star.fits"))
    np.testing.assert_allclose(found.wave, 10 ** (4.179 + 6e-6 * np.arange(N)))
    assert (np.nanmax(found.flux), np.isnan(found.flux).sum(), found.rest, found.medium) == (
        3,
        2,
        True,
        "vacuum",
    )


def test_our_hdf5_is_read_row_by_row_and_a_bad_row_stops_no_other(make_config, monkeypatch):
    cfg = make_config()
    path = paths.run_paths(cfg).grid
    write_grid(cfg, 10, star_id=[f"HD {i}" for i in range(10)])
    with h5py.File(path, "r+") as h5:
        flux = h5["spectra/flux"][:]
        h5["spectra/flux"][3], h5["spectra/flux"][4], h5["spectra/flux"][5, :9] = np.nan, 1e30, 1e30
        h5["spectra/flux_err"] = np.full(flux.shape, 0.01, "f4")
        wave = h5["spectra/wave"][:]
    monkeypatch.setattr(hdf5, "CHUNK_BYTES", 3 * 4 * len(wave))
    found = list(read_spectra(path, NOTHING))
    assert [star.name for star in found] == [f"{path.name} HD {i}" for i in range(10)]
    for i in (0, 2, 9):
        np.testing.assert_array_equal(found[i].flux, flux[i])
        check_spectrum(found[i])
    for i in (3, 4):
        with pytest.raises(UserError, match=f"HD {i}: all .* NaN or masked"):
            check_spectrum(found[i])
    assert np.isnan(found[5].flux).sum() == 9
    assert found[0].wave.tolist() == wave.tolist() and np.all(found[0].error == np.float32(0.01))
    assert found[0][4:8] == ("air", cfg.grid.resolving_power, True, True)


def write_rows(path, n=3, flux=None, attributes=None, **more):
    """A database in the layout of the README with what a user may leave out; its path. more: datasets."""
    with h5py.File(path, "w") as h5:
        h5["spectra/wave"], h5["spectra/flux"] = (
            WAVE,
            np.tile(FLUX, (n, 1)) if flux is None else flux,
        )
        h5["spectra"].attrs.update(attributes or {})
        for name, data in more.items():
            h5[name] = data
    return path


def test_hdf5_with_the_least_of_our_schema_claims_no_more_than_it_says(tmp_path):
    found = list(read_spectra(write_rows(tmp_path / "a.h5"), NOTHING))
    assert [star.name for star in found] == [f"a.h5 row {i}" for i in range(3)]
    assert found[0][3:8] == (None, "air", None, False, False)
    path = write_rows(
        tmp_path / "b.h5",
        2,
        attributes={"medium": b"vacuum", "resolving_power": 42000},
        star_id=["HD 1", "HD 1"],
    )
    found = list(read_spectra(path, NOTHING))
    assert [star.name for star in found] == ["b.h5 HD 1 row 0", "b.h5 HD 1 row 1"]
    assert found[0][4:8] == ("vacuum", 42000, False, False)
    counts = write_rows(tmp_path / "c.h5", flux=np.tile(np.arange(N) * 10, (1, 1)))
    same(one(counts), flux=np.arange(N) * 10)
    assert next(read_spectra(path, ReadOptions(medium="air", resolving_power=100.0)))[4:6] == ("air", 100)


@pytest.mark.parametrize(
    "lines, error",
    [
        ("{w:.3f} {f:.6f}", None),
        ("# star\nwave,flux,error\n{w:.3f},{f:.6f},{e:.6f}", ERROR),
        ("wave_nm; flux; err\n{n:.4f}; {f:.6f}; {e:.6f}", ERROR),
        ("# wavelength (nm)  flux\n{n:.4f}  {f:.6f}", None),
        ("wavelength [micron]\tflux\n{m:.7f}\t{f:.6f}", None),
        ("! no names, three columns\n{w:.3f}   {f:.6f}   {e:.6f}", ERROR),
        ('"id","lambda","flux"\nx1,{w:.3f},{f:.6f}', None),
    ],
)
def test_text_tables_with_all_separators_and_names(tmp_path, lines, error):
    *head, row = lines.split("\n")
    rows = [row.format(w=w, n=w / 10, m=w / 1e4, f=f, e=e) for w, f, e in zip(WAVE, FLUX, ERROR)]
    (tmp_path / "a.txt").write_text("\n".join([*head, *rows, ""]))
    found = one(tmp_path / "a.txt")
    np.testing.assert_allclose(found.wave, WAVE, atol=1.1e-3)
    np.testing.assert_allclose(found.flux, FLUX, atol=1e-6)
    assert found.medium == "air" and (found.error is None) == (error is None)


def test_text_with_decimal_commas_a_medium_in_a_comment_or_as_ecsv(tmp_path):
    rows = [f"{w:.2f};{f:.6f}".replace(".", ",") for w, f in zip(WAVE, FLUX)]
    (tmp_path / "a.csv").write_text("\n".join(["# wavelengths in vacuum", *rows]))
    same(one(tmp_path / "a.csv"), medium="vacuum")
    from astropy.table import QTable

    QTable({"wave": WAVE / 10, "flux": FLUX}, units={"wave": "nm"}).write(tmp_path / "a.ecsv")
    same(one(tmp_path / "a.ecsv"))


def test_order_duplicates_gaps_and_fills_are_put_right(tmp_path):
    wave, flux, error = WAVE[::-1].copy(), FLUX[::-1].copy(), ERROR[::-1].copy()
    wave[10], error[10], flux[10], flux[9] = wave[9], 2 * error[9], 7.0, 1.0
    wave[20], flux[30], flux[40:43], flux[50], error[60] = np.nan, 1e30, 0.0, 0.0, 0.0
    found = one(table(tmp_path / "a.fits", {"wave": wave, "flux": flux, "err": error}))
    assert len(found.wave) == N - 2 and (np.diff(found.wave) > 0).all()
    value = {round(w, 3): (f, e) for w, f, e in zip(found.wave, found.flux, found.error)}
    assert value[round(wave[9], 3)] == pytest.approx(((4 * 1 + 7) / 5, error[9] * np.sqrt(0.8)))
    masked = [i for i in range(N) if i not in (10, 20) and np.isnan(value[round(wave[i], 3)][0])]
    assert masked == [30, 40, 41, 42, 60]
