"""Mistakes in command lines and tables of generate.py: each is one line that names the place."""

import pytest
from test_generate import HEAD, NAMES, OPTIONS, ROWS, generate, message, table

from starlabels.learning import generator
from starlabels.stages import generate as generating


@pytest.fixture(autouse=True)
def in_its_folder(generator_folder, monkeypatch):
    monkeypatch.chdir(generator_folder)


@pytest.fixture
def no_model(monkeypatch):  # errors are found before the model is loaded
    monkeypatch.setattr(
        generator, "open_folder", lambda folder: pytest.fail("the model was loaded")
    )


@pytest.mark.parametrize("name", ["star.txt", "star", "star.fits.gz"])
def test_an_unknown_kind_of_file_is_an_error_before_the_model_is_loaded(no_model, name):
    found = f"--out {name}: unknown kind of file: end its name in .fits, .csv, .h5, .hdf5, .png"
    assert message(*OPTIONS, "--out", name) == found


def test_labels_are_given_as_options_or_as_a_table(no_model, tmp_path):
    assert "no labels: give those of one star, --teff --logg --vsini --mh, or" in message(
        "--out", "star.fits"
    )
    found = message(
        "--table",
        table(tmp_path / "a.csv"),
        "--teff",
        "8000",
        "--resolving-power",
        "9000",
        "--out",
        "star.fits",
    )
    assert "a.csv together with --teff --resolving-power: put all labels into the table" in found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{HEAD}\n{ROWS[0]}\na,8000,four,30,0\n", "line 3: logg is four, expected a number"),
        (f"{HEAD}\n\na,8000,4,,0\n", "line 3: vsini is missing, expected a number"),
        (f"{HEAD}\na,8000,4,30,nan\n", "line 2: mh is missing, expected a number"),
        (f"{HEAD}\na,inf,4,30,0\n", "line 2: teff is inf, expected a number"),
        (
            f"{HEAD}\n{ROWS[0]}\na,8000,4,30\n",
            "line 3 ends after column vsini, has 4 entries for 5 columns",
        ),
        (f'{HEAD}\n"a,8000,4,30,0\n', "line 2: a quotation mark is not closed: fix it"),
        (f"{HEAD}\n,8000,4,30,0\n", "line 2: star_id is empty"),
        ("teff,logg,vsini\n8000,4,30\n", "has no column mh; there is teff, logg, vsini"),
        (f"{HEAD},mh\n{ROWS[0]},0\n", "line 1: column mh comes twice: leave one out"),
        (f"{HEAD}\n", ": no rows: add stars"),
        ("", "is empty: expected a CSV table with column names in its first line"),
        (b"\x89HDF\r\n\x1a\n\0\0", "is not a sound HDF5 file"),
        (b"\0" + HEAD.encode(), "is not a CSV table: it is binary"),
    ],
)
def test_a_malformed_table_is_named_with_line_and_column(no_model, tmp_path, text, found):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert (
        f"{path}" in (line := message("--table", path, "--out", tmp_path / "x.h5"))
        and found in line
    )
    assert "no.csv not found: name a table in CSV, FITS or HDF5" in message(
        "--table", "no.csv", "--out", "x.h5"
    )


def test_a_table_of_excel_is_read(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(("\ufeff" + "\r\n".join([HEAD, *ROWS, ",,,,"])).encode())
    assert list(generating.read_table(path, NAMES, tmp_path / "x.h5")["teff"]) == [9500, 6500, 8000]


@pytest.mark.parametrize(("n", "out", "most"), [(9, "x.png", 8), (1001, "x.csv", 1000)])
def test_a_kind_of_file_that_takes_fewer_spectra_says_so(no_model, tmp_path, n, out, most):
    path = table(tmp_path / "labels.csv", [f"{i},8000,4,30,0" for i in range(n)])
    found = message("--table", path, "--out", out)
    assert f"stars, a .{out[2:]} file takes {most}: end --out in .fits or .h5" in found


def test_stars_that_would_name_one_column_are_an_error_in_csv_only(tmp_path):
    path = table(tmp_path / "labels.csv", [ROWS[0], ROWS[1], ROWS[0]])
    assert "line 4: star_id hot names another column already" in message(
        "--table", path, "--out", tmp_path / "x.csv"
    )
    generate("--table", path, "--out", tmp_path / "x.h5")


def test_labels_out_of_range_are_named_with_their_line_and_the_range(tmp_path):
    path = table(tmp_path / "labels.csv", [*ROWS, "", "a,8000,4,30,-3", "b,20000,4,30,0"])
    found = message("--table", path, "--out", tmp_path / "x.fits")
    assert (
        f"{path}: line 6: mh -3 is outside the range of training: give it within [-1." in found
        and "dex" in found
    )
    assert not (tmp_path / "x.fits").exists()


def test_labels_that_the_model_does_not_take_are_an_error(tmp_path):
    out = ["--out", tmp_path / "x.fits"]
    assert "teff 20000 is outside the range of training: give it within [40" in message(
        *OPTIONS, "--teff", 20000, *out
    )
    assert "the generator does not know resolving_power" in message(
        *OPTIONS, "--resolving-power", 9000, *out
    )
    assert "the generator lacks logg, vsini, mh" in message("--teff", 8000, *out)


def test_a_model_that_is_not_there_names_the_recipe_to_train(tmp_path):
    found = message(*OPTIONS, "--out", "x.fits", model="models/none")
    assert (
        found == "models/none not found: train it by python 3_train.py --config recipes/none.yaml"
    )
    (tmp_path / "odd").mkdir()
    assert "odd/config.yaml not found: train it" in message(
        *OPTIONS, "--out", "x.fits", model=tmp_path / "odd"
    )


def test_the_table_is_not_overwritten(no_model, tmp_path):
    path = table(tmp_path / "a.csv")
    assert "a.csv would be overwritten, but is read" in message("--table", path, "--out", path)
