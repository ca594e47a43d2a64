"""Catalogues in CSV files: labels of spectra in their ranges, and all other columns."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from starlabels.base import hdf5_labels
from starlabels.base.errors import UserError
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.stages import grid, join, recipe_stars

STARS = """star_id,teff,logg,mh,vsini,kind,parallax,parallax_err,k_mag,source_id,ruwe
a,6500,4,0,10,dwarf,2.5,0.02,9.5,4295806720123456,1.1
b,7000,3.5,-0.5,50,dwarf,-0.1,0.03,,4295806720123457,
c,60000,4,0,10,hot,2.5,,8,4295806720123458,1.0
"""


@pytest.fixture
def read(make_config):
    """read(text, changes): the Catalogue of a CSV file with that text."""

    def of(text, changes=None):
        Path("stars.csv").write_text(text)
        return recipe_stars.list_stars(
            make_config({"grid.labels_csv": "stars.csv", **(changes or {})})
        )

    return of


def test_labels_come_from_a_csv_with_fixed_labels_from_the_config(read):
    stars = read("star_id,teff,logg,mh,vsini\na,6500,4,0,10\nb,7000,3.5,-0.5,50\n")
    labels = stars.labels
    assert (
        labels["teff"].tolist() == [6500, 7000]
        and labels["vmic"].tolist() == [2, 2]
        and stars.ids.tolist() == [b"a", b"b"]
    )
    assert not stars.columns and not stars.errors and not stars.remarks


def test_other_numbers_are_kept_with_holes_and_errors(read):
    stars = read(STARS)
    assert set(stars.labels) == {"teff", "logg", "mh", "vmic", "vsini"} and set(stars.errors) == {
        "parallax"
    }
    np.testing.assert_allclose(stars.columns["parallax"], [2.5, -0.1], rtol=1e-6)
    np.testing.assert_allclose(stars.errors["parallax"], [0.02, 0.03], rtol=1e-6)
    np.testing.assert_array_equal(stars.columns["k_mag"], [9.5, np.nan])
    assert set(stars.columns) == {"parallax", "k_mag", "ruwe"}


def test_what_is_not_used_is_named_and_stars_outside_the_atmospheres_are_left_out_and_counted(read):
    stars = read(STARS)
    assert stars.ids.tolist() == [b"a", b"b"]
    assert (
        "not used: kind (text), source_id (whole numbers too long for float32)" in stars.remarks[0]
    )
    assert (
        "left out 1 stars outside the published atmospheres, teff 2800 to 50000" in stars.remarks[1]
    )


def test_optional_labels_shape_the_spectra_and_the_library_they_need(read, make_config):
    head = "teff,logg,mh,vsini,rv,resolving_power,mg_m,mg_h"
    text = f"{head}\n6500,4,-0.5,10,3,20000,0.2,9\n6600,4,0,10,-3,30000,0,9\n"
    stars = read(text)
    assert {"rv", "resolving_power", "mg_m"} <= set(
        stars.labels
    ) and "not used: mg_h" in stars.remarks[0]
    ranges = recipe_stars.find_label_ranges(
        make_config({"grid.labels_csv": "stars.csv", "grid.resolving_power": 9000})
    )
    assert ranges["resolving_power"] == (20_000, 30_000) and ranges["mg_m"] == pytest.approx(
        (0, 0.2)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("teff,logg,mh\n6500,4,0\n", "no vsini"),
        ("teff,logg,mh,vsini\n6500,4,hot,0\n", "line 2: mh is hot, expected a number in"),
        (
            "teff,logg,mh,vsini\n6500,4,0,5000\n",
            "line 2: vsini is 5000, expected a number in .0, 500.",
        ),
        (
            "teff,logg,mh,vsini,rv\n6500,4,0,50,\n",
            "line 2: rv is nan, expected a number in .-500, 500.",
        ),
        ("star_id,teff,logg,mh,vsini\n,6500,4,0,50\n", "line 2: no star_id"),
        (
            "teff,logg,mh,vsini,parallax,parallax_err\n6500,4,0,50,1,1\n6500,4,0,50,1,-9999\n",
            "line 3: parallax_err is -9999",
        ),
        (
            "teff,logg,mh,vsini,k_mag\n6500,4,0,50,inf\n",
            "line 2: k_mag is inf, expected a finite number",
        ),
        ("teff,logg,mh,vsini\n60000,4,0,50\n", "all 1 stars lie outside the published atmospheres"),
        ("teff,logg,mh,vsini\n", "no rows"),
        ("", "is empty"),
    ],
)
def test_a_bad_csv_is_one_clear_error(read, text, message):
    with pytest.raises(UserError, match=message) as error:
        read(text)
    assert "\n" not in str(error.value)


def test_the_grid_of_a_catalogue_holds_its_columns_and_errors_for_where_and_labels(
    make_config, capsys
):
    where = [{"path": "data/grids/afgk.h5", "where": "parallax_err < 0.025"}]
    cfg = make_config({"grid.labels_csv": "stars.csv", "join.databases": where})
    Path("stars.csv").write_text(STARS)
    grid.make_grid(Run(cfg))
    assert (
        "not used: kind (text), source_id (whole numbers too long for float32)"
        in capsys.readouterr().out
    )
    with h5py.File(paths.run_paths(cfg).grid) as h5:
        assert h5["spectra/flux"].shape[0] == 2 and np.isfinite(h5["spectra/flux"][:]).all()
        assert (
            hdf5_labels.read_label_units(h5)["parallax"] == "mas"
            and hdf5_labels.read_label_units(h5)["ruwe"] == ""
        )
        errors = hdf5_labels.read_label_errors(h5, ["teff", "parallax"])
    np.testing.assert_allclose(errors, [[np.nan, 0.02], [np.nan, 0.03]], rtol=1e-6)
    join.join_databases(Run(cfg))
    assert "kept 1 of 2 spectra: 1 excluded by where" in capsys.readouterr().out
