"""The reader of a survey: an allStar table, apStar and apVisit files, written here."""

import warnings

import h5py
import numpy as np
import pytest
from astropy.io import fits
from survey_files import NAMES, WAVE, all_star, ap_star, ap_visit, shape

from starlabels.base import hdf5_labels
from starlabels.base.errors import UserError
from starlabels.catalogues import allstar
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.spectra import apogee
from starlabels.stages import command_line, join
from starlabels.tools import survey

GRID = np.arange(15150, 16950, 0.2)


def convert(tmp_path, monkeypatch, *words, table="all.fits"):
    """Run the command line on a table and the folder `stars`; path of the database."""
    line = ["survey", table, "stars", "--out", "survey.h5", *map(str, words)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", line)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        command_line.run_command(
            survey.write_survey, survey.__doc__, survey.add_arguments, recipe=lambda args: None
        )
    return tmp_path / "survey.h5"


def columns(path):
    """{label: values (n,)} and {label: errors (n,)} of a database."""
    with h5py.File(path) as h5:
        names = hdf5_labels.read_label_names(h5)
        return dict(zip(names, h5["labels/value"][:].T)), dict(zip(names, h5["labels/error"][:].T))


@pytest.fixture
def stars(tmp_path):
    """A table of four stars and the apStar files of three; the fourth has none."""
    for i, name in enumerate(NAMES[:3]):
        ap_star(tmp_path / f"stars/apo25m/M67/apStar-dr17-{name}.fits", depth=0.1 * (i + 1), seed=i)
    return all_star(tmp_path / "all.fits")


def test_a_table_and_its_spectra_become_a_database(stars, tmp_path, monkeypatch, capsys):
    path = convert(tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    assert "mg_h: MG_FE + FE_H (errors: in quadrature), known for 4 of 4" in printed
    assert "kept 3 of 4 spectra: 1 without a file" in printed
    value, error = columns(path)
    assert value["mg_h"] == pytest.approx([-0.3] * 3) and error["mg_h"] == pytest.approx([0.05] * 3)
    assert error["parallax"] == pytest.approx([0.02] * 3) and np.isnan(error["snr"]).all()
    assert (
        (value["missing_pixels"] < 0.01).all() and "x_h" not in value and "starflags" not in value
    )
    with h5py.File(path) as h5:
        assert [name.decode() for name in h5["star_id"]] == NAMES[:3]
        assert (
            h5["spectra"].attrs["medium"] == "vacuum"
            and h5["spectra/wave"].attrs["frame"] == "rest"
        )
        flux, wave, inside = (
            h5["spectra/flux"][:],
            h5["spectra/wave"][:],
            apogee.select_chip_pixels(h5["spectra/wave"][:]),
        )
        assert (flux[:, ~inside] == 1).all() and np.isnan(h5["spectra/flux_err"][:, ~inside]).all()
    np.testing.assert_allclose(wave, GRID)
    for i, one in enumerate(flux):
        assert np.abs(one - shape(GRID, 0.1 * (i + 1)))[inside].mean() < 0.008


def test_names_in_small_letters_are_the_same_table(stars, tmp_path, monkeypatch):
    first = columns(convert(tmp_path, monkeypatch))
    all_star(tmp_path / "small.fits", small=True)
    second = columns(convert(tmp_path, monkeypatch, table="small.fits"))
    for one, other in zip(first, second):
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_bad_pixels_are_missing_and_pull_no_continuum(tmp_path, monkeypatch):
    bad = [*range(1000, 1500), *range(4000, 4700, 10)]  # of the blue and the green chip
    ap_star(tmp_path / "stars/apStar-dr17-2M00000001+0000001.fits", bad=bad)
    all_star(tmp_path / "all.fits", 1)
    with h5py.File(convert(tmp_path, monkeypatch)) as h5:
        flux, error, share = (
            h5["spectra/flux"][0],
            h5["spectra/flux_err"][0],
            h5["labels/value"][0, -1],
        )
    wave = WAVE[1000:1500]
    hole = (GRID > wave[2]) & (GRID < wave[-2])
    assert (flux[hole] == 1).all() and np.isnan(error[hole]).all()
    assert share == pytest.approx(570 / 7514, abs=0.01)
    rest = np.isfinite(error)
    assert (
        np.abs(flux - shape(GRID))[rest].max() < 0.08
        and np.abs(np.median((flux - shape(GRID))[rest])) < 0.003
    )


def test_too_many_missing_pixels_are_a_reason(tmp_path, monkeypatch, capsys):
    ap_star(tmp_path / "stars/apStar-dr17-2M00000001+0000001.fits")
    ap_star(tmp_path / "stars/apStar-dr17-2M00000002-0000002.fits", bad=range(246, 3274))
    all_star(tmp_path / "all.fits", 2)
    convert(tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    assert (
        "kept 1 of 2 spectra: 1 with too many missing pixels" in printed
        and "0000002.fits: 3" in printed
    )
    assert columns(convert(tmp_path, monkeypatch, "--most-missing", 0.5))[0]["missing_pixels"][
        1
    ] == pytest.approx(0.37, abs=0.05)


def test_a_damaged_file_is_a_line_and_the_rest_goes_on(stars, tmp_path, monkeypatch, capsys):
    path = tmp_path / f"stars/apo25m/M67/apStar-dr17-{NAMES[1]}.fits"
    path.write_bytes(path.read_bytes()[:60_000])
    value, _ = columns(convert(tmp_path, monkeypatch))
    printed = capsys.readouterr().out
    assert (
        f"left out: {path.relative_to(tmp_path)} is truncated" in printed
        and len(value["teff"]) == 2
    )
    assert "kept 2 of 4 spectra: 1 without a file, 1 that cannot be read" in printed


def test_visits_are_shifted_by_the_velocity_seen_from_the_telescope(tmp_path, monkeypatch, capsys):
    (tmp_path / "stars").mkdir()
    for i, keywords in enumerate([{}, {"VHELIO": 70.0, "BC": 10.0}, {"VHELIO": 70.0}]):
        ap_visit(tmp_path / f"stars/apVisit-r12-5000-56000-{i:03}.fits", 60.0, **keywords)
    files = np.array([f"apVisit-r12-5000-56000-{i:03}.fits" for i in range(3)])
    nan = np.nan
    velocities = {"VHELIO": np.array([85.0, nan, nan]), "BC": np.array([25.0, nan, nan])}
    all_star(tmp_path / "all.fits", 3, FILE=files, **velocities)
    path, printed = convert(tmp_path, monkeypatch), capsys.readouterr().out
    assert (
        "kept 2 of 3 spectra: 1 of unknown velocity" in printed
        and "takes VREL, or VHELIO and BC" in printed
    )
    with h5py.File(path) as h5:
        flux, seen = h5["spectra/flux"][:], np.isfinite(h5["spectra/flux_err"][:])
    for one, there in zip(flux, seen):
        assert (
            there[apogee.select_chip_pixels(GRID)].mean() > 0.98
            and np.abs(one - shape(GRID))[there].max() < 0.05
        )
        assert not there[
            (GRID > 15802) & (GRID < 15865)
        ].any()  # between chips, where the file has no pixels


def test_files_of_one_name_are_told_by_field_and_telescope(tmp_path, monkeypatch):
    for field, depth in (("M67", 0.2), ("N188", 0.5)):
        ap_star(tmp_path / f"stars/apo25m/{field}/apStar-dr17-{NAMES[0]}.fits", depth)
    all_star(tmp_path / "all.fits", 1, FIELD=np.array(["N188"]))
    with h5py.File(convert(tmp_path, monkeypatch)) as h5:
        assert h5["spectra/flux"].shape[0] == 1 and h5["spectra/flux"][0].min() < 0.6


def test_a_star_without_a_file_column_is_found_by_its_id(tmp_path, monkeypatch):
    for name in NAMES[:2]:
        ap_star(tmp_path / f"stars/apStar-1.2-{name}.fits")
    all_star(tmp_path / "all.fits", 2, FILE=None, FIELD=None, TELESCOPE=None)
    assert len(columns(convert(tmp_path, monkeypatch))[0]["teff"]) == 2


@pytest.mark.parametrize("snr", [30, 100, 500])
def test_a_continuum_is_pulled_neither_by_lines_nor_by_hot_pixels(snr):
    rng, wave = np.random.default_rng(0), np.arange(15880, 16420, 0.22)
    level = 100 * (1 + 0.2 * ((wave - 16100) / 300) - 0.1 * ((wave - 16100) / 300) ** 2)
    flux = level * shape(wave, 0.5)
    error = level / snr
    flux += rng.normal(0, 1, len(wave)) * error
    flux[::97] *= 4  # hot pixels without a mask
    flux[700:800] = np.nan
    found = apogee.fit_chip_continuum(wave, flux, error, 2)
    assert np.abs(found / level - 1).max() < 0.004 + 0.2 / snr


def test_a_chip_without_light_has_no_continuum():
    wave = np.arange(15880, 16420, 0.22)
    assert apogee.fit_chip_continuum(wave, -np.ones(len(wave)), np.full(len(wave), 0.1), 2) is None
    assert (
        apogee.fit_chip_continuum(wave, np.full(len(wave), np.nan), np.full(len(wave), 0.1), 2)
        is None
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wave", 4450, 4990, 0.05], "APOGEE sees 15152-15799, 15868-16424, 16484-16944"),
        (["--wave", "nan", 16950, 0.7], "a STEP > 0 that divides"),
        (["--wave", 15150, 16950, 0.7], "a STEP > 0 that divides"),
        (["--keep", "NOSUCH"], "no column NOSUCH: fix --keep"),
        (["--most-missing", 3], "expected a share"),
    ],
)
def test_wrong_options_are_one_line(stars, tmp_path, monkeypatch, capsys, words, message):
    with pytest.raises(SystemExit) as left:
        convert(tmp_path, monkeypatch, *words)
    error = capsys.readouterr().err
    assert left.value.code == 2 and message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "survey.h5").exists()


def test_a_table_that_is_none_and_a_folder_without_spectra_are_errors(tmp_path, monkeypatch):
    fits.BinTableHDU.from_columns([fits.Column("RA", "D", array=[1.0])]).writeto(
        tmp_path / "other.fits"
    )
    with pytest.raises(
        UserError, match="holds RA: expected a table with a column APOGEE_ID or FILE"
    ):
        allstar.read_allstar(tmp_path / "other.fits")
    all_star(tmp_path / "all.fits")
    (tmp_path / "stars").mkdir()
    with pytest.raises(SystemExit):
        convert(tmp_path, monkeypatch)
    assert not (tmp_path / "survey.h5").exists()


def test_join_takes_the_database_with_bits_and_cuts(make_config, tmp_path, monkeypatch, capsys):
    for i, name in enumerate(NAMES):
        ap_star(tmp_path / f"stars/apStar-dr17-{name}.fits", seed=i)
    flags = {
        "MG_FE_FLAG": np.array([0, 4, 0, 0], "i4"),
        "ASPCAPFLAG": np.array([0, 0, 1 << 23, 0], "i8"),
    }
    all_star(tmp_path / "all.fits", SNR=np.array([200.0, 200, 200, 30]), **flags)
    path = convert(tmp_path, monkeypatch)
    cut = {
        "where": "snr > 100",
        "missing": {"mg_h": {"mg_fe_flag": [2]}, "teff": {"aspcapflag": [23]}},
    }
    wave = {"wave.min": 15150.0, "wave.max": 16950.0, "wave.step": 0.2}
    cfg = make_config(
        wave | {"labels": ["teff", "logg", "mg_h"], "join.databases": [{"path": str(path)} | cut]}
    )
    join.join_databases(Run(cfg))
    assert "kept 3 of 4 spectra: 1 excluded by where" in capsys.readouterr().out
    with h5py.File(paths.run_paths(cfg).joined) as h5:
        value = dict(zip(hdf5_labels.read_label_names(h5), h5["labels/value"][:].T))
        assert h5["spectra"].attrs["medium"] == "vacuum" and h5["spectra/flux"].shape == (3, 9000)
        assert h5["labels/error"][0, list(value).index("teff")] == 30
    assert np.isnan(value["mg_h"]).tolist() == [False, True, False]
    assert np.isnan(value["teff"]).tolist() == [False, False, True]
