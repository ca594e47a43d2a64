"""Tables without spectra are read exactly or refused in one line, and joined."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from conftest import draw_quickly

from starlabels.base import hdf5, hdf5_labels
from starlabels.base.errors import UserError
from starlabels.catalogues import table_columns, tables
from starlabels.config import digests, paths
from starlabels.config.run import Run
from starlabels.plots.tables import find_common_patterns
from starlabels.stages import join, label_study

RECIPE = {
    "wave": None,
    "grid": None,
    "preprocess.components": None,
    "jacobian": None,
    "train.noise": None,
    "labels": ["teff"],
    "features": {
        "magnitudes": {},
        "a_v": None,
        "parallax": None,
        "least_parallax": 0.1,
        "distance": None,
    }
    | {"give": [], "columns": ["feh"], "hidden": 0},
}
STARS = """source_id,teff,teff_err,feh,kind
5853498713190525697,5800,50,0.0,dwarf
5853498713190525696,4700,80,NULL,"giant, red"
12,6100,60,--,dwarf
"""


@pytest.fixture
def make(make_config):
    """make([database], **join): a recipe that reads tables."""

    def recipe(databases, **changes):
        return make_config(
            {
                **RECIPE,
                "join.databases": databases,
                **{f"join.{key}": value for key, value in changes.items()},
            }
        )

    return recipe


def joined(cfg):
    """{name: (n,)} of the joined file, with the errors as <name>_err, star_id and source_row."""
    with hdf5.open_stage(
        paths.run_paths(cfg).joined, "0_join", digests.stage_digest(cfg, "0_join")
    ) as h5:
        assert "spectra" not in h5
        names = hdf5_labels.read_label_names(h5)
        found = dict(zip(names, hdf5_labels.read_labels(h5, names).T))
        found |= dict(
            zip((f"{name}_err" for name in names), hdf5_labels.read_label_errors(h5, names).T)
        )
        return found | {name: h5[name][:] for name in ("star_id", "source", "source_row")}


def test_a_column_that_is_not_there_suggests_the_nearest(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text(STARS)
    with pytest.raises(UserError, match="stars.csv has no column Tef, did you mean teff?"):
        tables.read_table(path, ["Tef"])


def test_only_the_listed_words_are_missing_values(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text(
        "a,b\n1,\n2,NaN\n3, nan\n4,NULL\n5,--\n6,0\n7,true\n8,1e3\n9,2\n10,3\n11,4\n12,5\n"
    )
    b = table_columns.extract_columns(tables.read_table(path)).values["b"]
    np.testing.assert_array_equal(b, [np.nan] * 5 + [0, 1, 1000, 2, 3, 4, 5])


def test_blanks_quotes_and_line_ends_of_windows_do_not_matter(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_bytes(
        b'\xef\xbb\xbfname, teff ,mh\r\n"a, ""b""",5800 ,\r\n\r\n"x\r\ny", 4700,-1\r\n'
    )
    table = tables.read_table(path, texts=["name"])
    assert list(table.frame["name"]) == ['a, "b"', "x\r\ny"] and [
        table.place(0),
        table.place(1),
    ] == ["line 2", "line 4"]
    np.testing.assert_array_equal(table_columns.extract_columns(table).values["teff"], [5800, 4700])


def test_a_csv_becomes_columns_errors_and_identifiers_and_names_what_is_left(make, capsys):
    Path("stars.csv").write_text(STARS)
    cfg = make([{"path": "stars.csv", "id": "source_id"}])
    join.join_databases(Run(cfg))
    found, said = joined(cfg), capsys.readouterr().out
    assert found["star_id"].tolist() == [b"5853498713190525697", b"5853498713190525696", b"12"]
    assert found["teff"].tolist() == [5800, 4700, 6100] and found["teff_err"].tolist() == [
        50,
        80,
        60,
    ]
    np.testing.assert_array_equal(found["feh"], [0, np.nan, np.nan])
    assert np.isnan(found["feh_err"]).all() and "kind" not in found
    assert "stars.csv: not kept: kind (text)" in said and "0_joined.h5: 3 stars, 2 columns" in said


def test_columns_are_chosen_and_renamed_and_where_reads_the_new_names(make):
    Path("stars.csv").write_text(STARS.replace("teff", "Teff"))
    columns = {"teff": "Teff", "teff_err": "Teff_err"}
    cfg = make(
        [{"path": "stars.csv", "columns": columns, "where": "teff > 5000 and teff_err < 55"}]
    )
    join.join_databases(Run(cfg))
    found = joined(cfg)
    assert (
        found["teff"].tolist() == [5800]
        and found["teff_err"].tolist() == [50]
        and "feh" not in found
    )
    with pytest.raises(
        UserError, match="stars.csv: column kind has text, expected numbers: take teff out of"
    ):
        join.join_databases(Run(make([{"path": "stars.csv", "columns": {"teff": "kind"}}])))


def test_fits_and_hdf5_tables_hold_the_same_stars_as_csv(make):
    ids, teff = (
        np.array([5853498713190525697, 5853498713190525696, 12]),
        np.array([5800, np.nan, 6100]),
    )
    columns = [fits.Column("ID", "K", array=ids), fits.Column("teff", "E", array=teff, unit="K")]
    columns += [
        fits.Column("n", "J", array=[1, -99, 3], null=-99),
        fits.Column("kind", "5A", array=["a", "", "c"]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto("stars.fits")
    with h5py.File("stars.h5", "w") as h5:
        h5["ID"], h5["teff"], h5["n"], h5["kind"] = ids, teff, [1, np.nan, 3], [b"a", b"", b"c"]
    for path in ("stars.fits", "stars.h5"):
        cfg = make([{"path": path, "id": "ID"}])
        join.join_databases(Run(cfg))
        found = joined(cfg)
        assert found["star_id"].tolist() == [str(one).encode() for one in ids]
        np.testing.assert_array_equal(found["teff"], teff.astype("f4"))
        np.testing.assert_array_equal(found["n"], [1, np.nan, 3])
        assert set(found) == {"teff", "n", "teff_err", "n_err", "star_id", "source", "source_row"}


def test_the_labels_of_our_own_files_are_a_table_and_their_spectra_are_left_alone(make):
    Path("stars.csv").write_text(STARS)
    first = make([{"path": "stars.csv", "id": "source_id"}])
    join.join_databases(Run(first))
    paths.run_paths(first).joined.rename("ours.h5")
    with h5py.File("ours.h5", "r+") as h5:
        h5["spectra/flux"] = np.ones((3, 5))
    cfg = make([{"path": "ours.h5"}, {"path": "stars.csv", "id": "source_id"}])
    join.join_databases(Run(cfg))
    found = joined(cfg)
    assert found["star_id"].tolist() == 2 * [b"5853498713190525697", b"5853498713190525696", b"12"]
    assert (
        found["teff_err"].tolist() == 2 * [50, 80, 60]
        and found["source"].tolist() == [0] * 3 + [1] * 3
    )


def test_identifiers_that_went_through_float_are_refused(make):
    Path("stars.csv").write_text("id,teff\n5.853498713190525e+18,5800\n")
    with pytest.raises(
        UserError, match=r"line 2: id is 5.853498713190525e\+18, an identifier that has lost digits"
    ):
        join.join_databases(Run(make([{"path": "stars.csv", "id": "id"}])))
    columns = [
        fits.Column("id", "D", array=[5.853498713190525e18]),
        fits.Column("teff", "E", array=[5800]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto("stars.fits")
    with pytest.raises(UserError, match="row 1: id is .* lost digits"):
        join.join_databases(Run(make([{"path": "stars.fits", "id": "id"}])))


def test_without_identifiers_equal_rows_are_one_star(make):
    Path("stars.csv").write_text("teff,logg\n5800,4\n5800,4.5\n5800,4\n")
    cfg = make([{"path": "stars.csv"}])
    join.join_databases(Run(cfg))
    a, b, c = joined(cfg)["star_id"]
    assert a == c != b


def test_cuts_say_how_many_they_remove_and_how_many_of_them_for_a_missing_value(make, capsys):
    Path("stars.csv").write_text(
        "teff,feh,teff_err\n5800,0.1,10\n4700,,10\n6100,-1,10\n6200,0,99\n6300,0.2,\n"
    )
    cfg = make([{"path": "stars.csv"}], cuts=["feh > -0.5", "teff_err < 50"])
    join.join_databases(Run(cfg))
    assert joined(cfg)["teff"].tolist() == [5800] and joined(cfg)["source_row"].tolist() == [0]
    said = capsys.readouterr().out
    assert "cut feh > -0.5: removed 2 of 5, 1 of them for a missing value\n" in said
    assert "cut teff_err < 50: removed 2 of 3, 1 of them for a missing value\n" in said
    assert "stars.csv: kept 1 of 5 stars: 4 excluded by cuts" in said
    with pytest.raises(
        UserError,
        match="join.cuts: 'fe > 0': name 'fe' is not defined; a condition on teff, feh, teff_err",
    ):
        join.join_databases(Run(make([{"path": "stars.csv"}], cuts=["fe > 0"])))
    with pytest.raises(UserError, match="no star is left to join: loosen `where` and `cuts`"):
        join.join_databases(Run(make([{"path": "stars.csv"}], cuts=["teff > 9000"])))


def test_patterns_of_missing_values_are_counted_the_most_common_first():
    mask = np.array([[0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1]], bool)
    patterns, share, n = find_common_patterns(mask)
    assert (
        patterns[0].tolist() == [False, False, True]
        and share.tolist() == [0.6, 0.2, 0.2]
        and n == 3
    )


def test_three_stars_have_all_figures_and_those_of_a_table_before_go(make, monkeypatch):
    draw_quickly(monkeypatch)
    Path("stars.csv").write_text(
        "teff,teff_err,ra,dec,g\n5800,50,10,80,\n4700,0,350,-80,9\n6100,,180,0,8\n"
    )
    join.join_databases(Run(cfg := make([{"path": "stars.csv"}])))
    label_study.study_labels(Run(cfg))
    folder, drawn = paths.run_paths(cfg).figure_dir, {"1_missing.png", "1_errors.png", "1_sky.png"}
    assert drawn <= {path.name for path in folder.iterdir()}
    join.join_databases(
        Run(cfg := make([{"path": "stars.csv", "columns": {"teff": "teff", "ra": "ra"}}]))
    )
    label_study.study_labels(Run(cfg))
    assert not drawn & {path.name for path in folder.iterdir()}


def test_labels_in_another_case_are_named_with_the_columns_to_set(make):
    Path("stars.csv").write_text("TEFF,logg\n5800,4\n")
    with pytest.raises(UserError, match="teff: fix `labels`, or set `columns` to {teff: TEFF}"):
        join.join_databases(Run(make([{"path": "stars.csv"}])))


def test_names_of_columns_do_not_control_the_terminal(make, capsys):
    Path("stars.csv").write_text("teff,\x1b[2Jnote,feh\n5800,a,0\n5700,b,-9999\n5600,c,-9999\n")
    join.join_databases(Run(make([{"path": "stars.csv"}])))
    said = capsys.readouterr().out
    assert "not kept: \\x1b[2Jnote (text)" in said and "\x1b" not in said
    assert "stars.csv: feh is -9999 in 2 of 3 rows" in said
