"""generate.py: its files are read back by our own readers; errors are one line."""

import argparse
import csv
import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from astropy.io import fits
from conftest import run_script

from starlabels.base import hdf5, hdf5_labels
from starlabels.base.errors import UserError
from starlabels.catalogues import databases
from starlabels.config import data_sections, load
from starlabels.config.run import Run
from starlabels.learning import generator
from starlabels.plots import generated_spectra as plots
from starlabels.spectra import readers, spectrum
from starlabels.stages import generate as generating
from starlabels.stages import generate_files

MODEL = "models/toy"
STAR = {"teff": 8000.0, "logg": 4.0, "vsini": 30.0, "mh": -0.25}
OPTIONS = [word for name, value in STAR.items() for word in (f"--{name}", str(value))]
NAMES, UNITS = list(STAR), ["K", "dex", "km/s", "dex"]
HEAD = "star_id,teff,logg,vsini,mh"
ROWS = ["hot,9500,3.5,120,0.5", "cool,6500,4.5,5,-1", "α,8000,4,30,0"]


@pytest.fixture(autouse=True)
def folder(generator_folder, monkeypatch):
    monkeypatch.chdir(generator_folder)


def generate(*words, model=MODEL):
    """Run the script's own function on words of a command line."""
    parser = argparse.ArgumentParser()
    generating.add_arguments(parser)
    args = parser.parse_args([*map(str, words), "--model", str(model)])
    generating.generate_spectra(Run(load.load_config(generating.find_model_config(args))), args)


def message(*words, **options):
    """The one line of the UserError that those words of a command line give."""
    with pytest.raises(UserError) as error:
        generate(*words, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def table(path, rows=ROWS, head=HEAD):
    """A CSV file of labels; its path."""
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def expected(rows=ROWS):
    """Flux (n, n_pix) of the rows of a table, from the generator itself."""
    values = np.array([row.split(",")[1:] for row in rows], float)
    return generator.generate(MODEL, **dict(zip(NAMES, values.T)))[1]


def is_clean(folder):
    return not list(folder.rglob("*.tmp"))


def test_the_script_writes_a_fits_table_that_predict_reads(tmp_path):
    out = tmp_path / "new/star.fits"
    done = run_script("generate.py", *OPTIONS, "--model", MODEL, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: 1 spectrum of 500 pixels from {MODEL}\n" and not done.stderr
    wave, flux = generator.generate(MODEL, **STAR)
    [found] = readers.read_spectra(out, spectrum.ReadOptions())
    np.testing.assert_array_equal(found.wave, wave)
    np.testing.assert_allclose(found.flux, flux[0], atol=1e-6)
    assert (found.medium, found.resolving_power, found.rest, found.normalised) == (
        "air",
        35000,
        True,
        True,
    )
    for header in (fits.getheader(out), fits.getheader(out, "SPECTRUM")):
        assert [header[name] for name in ("TEFF", "LOGG", "VSINI", "MH", "R")] == [
            *STAR.values(),
            35000,
        ]
        assert [header.comments[name] for name in ("TEFF", "LOGG", "VSINI")] == [
            "[K]",
            "[dex]",
            "[km/s]",
        ]
        assert header["MODEL"] == MODEL
    assert fits.getheader(out, 1)["TUNIT1"] == "Angstrom" and is_clean(tmp_path)


def test_csv_of_one_star_is_read_back(tmp_path):
    generate(*OPTIONS, "--out", tmp_path / "star.csv")
    wave, flux = generator.generate(MODEL, **STAR)
    [found] = readers.read_spectra(tmp_path / "star.csv", spectrum.ReadOptions())
    np.testing.assert_allclose(found.wave, wave, rtol=1e-9)
    np.testing.assert_allclose(found.flux, flux[0], rtol=1e-6)
    assert (tmp_path / "star.csv").read_text().startswith("wave,flux\n") and found.medium == "air"


def test_csv_of_many_stars_has_one_column_per_star(tmp_path):
    generate("--table", table(tmp_path / "labels.csv"), "--out", tmp_path / "many.csv")
    with open(tmp_path / "many.csv", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["wave", "hot", "cool", "α"]
    np.testing.assert_allclose(np.array(rows, float)[:, 1:].T, expected(), rtol=1e-6)


@pytest.mark.parametrize("suffix", ["h5", "hdf5"])
def test_hdf5_is_a_database_that_join_and_predict_read(tmp_path, suffix):
    out = tmp_path / f"many.{suffix}"
    generate("--table", table(tmp_path / "labels.csv"), "--out", out)
    with hdf5.open_hdf5(out, "") as h5:
        assert hdf5_labels.read_label_names(h5) == NAMES
        assert list(hdf5_labels.read_label_units(h5).values()) == UNITS
        np.testing.assert_allclose(
            hdf5_labels.read_labels(h5, ["mh", "teff"]), [[0.5, 9500], [-1, 6500], [0, 8000]]
        )
        assert [star.decode() for star in hdf5.read_text(h5["star_id"])] == ["hot", "cool", "α"]
        assert h5.attrs["stage"] == "generate" and h5["spectra"].attrs["resolving_power"] == 35000
    with databases.open_database(load.load_config("config.yaml"), str(out)) as database:
        databases.check_wave(database, load.load_config("config.yaml").wave, resample=False)
        np.testing.assert_allclose(database.flux[:], expected(), atol=1e-6)
    spectra = list(readers.read_spectra(out, spectrum.ReadOptions()))
    names = [f"many.{suffix} {star}" for star in ("hot", "cool", "α")]
    assert [observed.name for observed in spectra] == names
    np.testing.assert_allclose([observed.flux for observed in spectra], expected(), atol=1e-6)
    for observed in spectra:
        assert observed.rest and observed.normalised and observed.medium == "air"


def test_the_medium_of_a_generator_is_stated_in_its_files(tmp_path, monkeypatch):
    model, many, drawn = shutil.copytree(MODEL, tmp_path / "model"), tmp_path / "many.fits", []
    with h5py.File(model / "scaling.h5", "r+") as h5:
        h5["spectra"].attrs["medium"] = "vacuum"
    for out in (tmp_path / "star.fits", tmp_path / "star.h5"):
        generate(*OPTIONS, "--out", out, model=model)
        [observed] = readers.read_spectra(out, spectrum.ReadOptions())
        assert observed.medium == "vacuum"
    generate("--table", table(tmp_path / "labels.csv"), "--out", many, model=model)
    assert (fits.getheader(many)["CTYPE1"], fits.getheader(many)["AIRORVAC"]) == ("WAVE", "vac")
    monkeypatch.setattr(generate_files, "stamp_figure", lambda *_: None)
    monkeypatch.setattr(
        plots,
        "save_figure",
        lambda figure, path: drawn.extend(ax.get_xlabel() for ax in figure.axes),
    )
    generate(*OPTIONS, "--out", tmp_path / "star.png", model=model)
    generate("--table", tmp_path / "labels.csv", "--out", tmp_path / "many.png", model=model)
    assert [name for name in drawn if name] == [r"Wavelength in vacuum ($\mathrm{\AA}$)"] * 2


def test_fits_of_many_stars_is_an_image_with_wavelengths_and_labels(tmp_path):
    generate("--table", table(tmp_path / "labels.csv"), "--out", tmp_path / "many.FITS")
    wave = generator.generate(MODEL, **STAR)[0]
    with fits.open(tmp_path / "many.FITS") as hdus:
        hdus.verify("exception")
        header, labels = hdus[0].header, hdus["LABELS"]
        np.testing.assert_allclose(hdus[0].data, expected(), atol=1e-6)
        np.testing.assert_allclose(
            header["CRVAL1"] + header["CDELT1"] * np.arange(header["NAXIS1"]), wave
        )
        assert (header["CTYPE1"], header["CUNIT1"], header["CRPIX1"]) == ("AWAV", "Angstrom", 1)
        assert (header["R"], header["MODEL"]) == (35000, MODEL) and "TEFF" not in header
        np.testing.assert_array_equal(hdus["WAVE"].data["WAVE"], wave)
        assert list(labels.data["star_id"]) == ["hot", "cool", r"\u03b1"]
        np.testing.assert_array_equal(labels.data["mh"], [0.5, -1, 0])
        assert labels.columns.units == ["", *UNITS]
    assert is_clean(tmp_path)


@pytest.mark.parametrize("suffix", ["fits", "h5"])
def test_spectra_in_chunks_are_those_at_once(tmp_path, monkeypatch, suffix):
    stars = [f"{i},{7000 + 10 * i},4,{i},0" for i in range(1, 24)]
    truth = expected(stars)
    monkeypatch.setattr(generator, "CHUNK", 5)
    out = tmp_path / f"many.{suffix}"
    generate("--table", table(tmp_path / "labels.csv", stars), "--out", out)
    found = fits.getdata(out) if suffix == "fits" else h5py.File(out)["spectra/flux"][:]
    np.testing.assert_allclose(found, truth, atol=1e-6)


def test_wavelengths_of_unequal_steps_are_no_linear_scale():
    assert not generate_files.describe_linear_axis(np.array([4450.0, 4451.0, 4453.0]))


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]])
def test_a_figure_has_one_panel_per_star_or_one_star_in_rows(tmp_path, monkeypatch, rows):
    drawn = []
    monkeypatch.setattr(generate_files, "stamp_figure", lambda *_: None)
    monkeypatch.setattr(plots, "save_figure", lambda fig, path: drawn.append(fig))
    generate("--table", table(tmp_path / "labels.csv", rows), "--out", tmp_path / "stars.png")
    axes = [ax for ax in drawn[0].axes if ax.lines]
    titles = [ax.get_title("left") for ax in axes]
    assert axes[-1].get_xlabel() == r"Wavelength in air ($\mathrm{\AA}$)"
    if len(rows) > 1:
        assert len(axes) == 3 and titles[1].startswith("cool ") and r"[M/H] −1 dex" in titles[1]
    else:
        assert titles[0].startswith(r"$T_{\rm eff}$ 9500 K") and not any(titles[1:])
        np.testing.assert_allclose(
            np.concatenate([ax.lines[0].get_ydata() for ax in axes]), expected(rows)[0]
        )


def test_a_figure_is_written_whole(tmp_path):
    wave = np.linspace(8400, 8800, 200)
    heading = plots.format_heading(
        "a $tar of a very long name that would leave the page", STAR | {"resolving_power": 11500.0}
    )
    assert r"\$" in heading and "…" in heading and "$R$ 11500" in heading
    plots.draw_generated_spectra(
        wave, np.ones((2, 200)), [heading, "b"], tmp_path / "two.png", {"Ca II": [8542.1]}
    )
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG") and is_clean(tmp_path)


def test_stars_without_ids_have_numbers_and_in_hdf5_equal_labels_are_one_star(tmp_path):
    labels = table(
        tmp_path / "labels.csv",
        ["8000,4,30,0", "8000,4,30,0", "", "9000,4,30,0"],
        "teff,logg,vsini,mh",
    )
    for suffix in ("csv", "fits", "h5"):
        generate("--table", labels, "--out", tmp_path / f"many.{suffix}")
    assert (tmp_path / "many.csv").read_text().startswith("wave,1,2,3\n")
    assert list(fits.getdata(tmp_path / "many.fits", "LABELS")["star_id"]) == ["1", "2", "3"]
    with h5py.File(tmp_path / "many.h5") as h5:
        first, second, third = h5["star_id"][:]
    assert first == second != third


def test_columns_that_are_not_labels_are_named(tmp_path, capsys):
    labels = table(tmp_path / "labels.csv", [row + ",6,x" for row in ROWS], HEAD + ",vmic, note")
    generate("--table", labels, "--out", tmp_path / "many.h5")
    assert capsys.readouterr().out.endswith(
        f"many.h5: 3 spectra of 500 pixels from {MODEL}; columns not used: vmic, note\n"
    )


def test_a_run_that_fails_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    for suffix in ("fits", "csv", "h5", "png"):
        out = tmp_path / f"many.{suffix}"
        out.write_text("old")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(generator.Generator, "flux", fail)
            generate("--table", table(tmp_path / "labels.csv"), "--out", out)
        assert out.read_text() == "old" and is_clean(tmp_path)
        generate("--table", tmp_path / "labels.csv", "--out", out)
        assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    ("names", "values", "drawn", "path", "power", "rest"),
    [
        (["resolving_power"], [[9000.0], [9000.0]], 5000.0, "ours.h5", 9000, True),
        (
            ["resolving_power", "rv"],
            [[9000.0, 0.0], [8000.0, 10.0]],
            5000.0,
            "ours.h5",
            None,
            False,
        ),
        (["teff"], [[9000.0]], 5000.0, "ours.h5", 5000, True),
        (["teff"], [[9000.0]], data_sections.Range(min=4000, max=5000), "ours.h5", None, True),
        (["teff"], [[9000.0]], 5000.0, "theirs.h5", None, True),
    ],
)
def test_resolving_power_and_rest_are_stated_where_they_are_known(
    monkeypatch, names, values, drawn, path, power, rest
):
    monkeypatch.setattr(generate_files, "is_own_grid", lambda cfg, path: path == "ours.h5")
    grid = SimpleNamespace(labels={"resolving_power": drawn}, resolving_power=35000.0)
    cfg = SimpleNamespace(grid=grid, join=SimpleNamespace(databases=[SimpleNamespace(path=path)]))
    made = SimpleNamespace(names=names)
    spectra = generate_files.GeneratedSpectra(made, np.array(values), None, cfg, None)
    assert (spectra.resolving_power, spectra.at_rest) == (power, rest)
