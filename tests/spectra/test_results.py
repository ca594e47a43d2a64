"""Tables and page of invented results for observed stars."""

import warnings

import numpy as np
import pandas as pd
import pytest
from star_results import ERRORS, FAILED, FINE, FLAGGED, LABELS, NAN

from starlabels.catalogues.derived_labels import ResultColumn
from starlabels.spectra import result_columns, result_page, results
from starlabels.spectra.result_page import format_value

NAMES = list(LABELS)
UNITS = ["K", "dex", "km/s"]
META = {"model": "models/\xe9toiles", "digest": "0123abcd", "version": "0.2", "date": "2025-01-01"}
RESULTS = [FLAGGED, FAILED, FINE]


def read_fits_table(path):
    """Read a table; astropy must not warn."""
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Table.read(path)


def test_tables_hold_labels_units_and_failures_in_order(tmp_path):
    results.write_tables(RESULTS, tmp_path / "out", NAMES, UNITS, META)
    csv = pd.read_csv(tmp_path / "out/results.csv")
    table = read_fits_table(tmp_path / "out/results.fits")
    assert list(csv) == table.colnames
    assert list(csv)[:4] == ["name", "status", "teff", "teff_err"]
    assert list(csv)[-5:] == ["flags", "reasons", "medium", "medium_source", "notes"]
    assert list(csv["name"]) == list(table["name"]) == [result.name for result in RESULTS]
    assert list(csv["status"]) == list(table["status"]) == ["flagged", "failed", "ok"]
    reasons = ["too hot; odd", "no pixel was observed"]
    assert list(csv["reasons"][:2]) == list(table["reasons"][:2]) == reasons
    assert list(table["flags"]) == [3, results.NO_RESULT, 0]
    expected = {"logg": [4.4382, NAN, 4.4382], "rv": [-12.34, NAN, NAN]}
    expected["vsini_err"] = [ERRORS["vsini"], NAN, ERRORS["vsini"]]
    for column, values in expected.items():
        np.testing.assert_allclose(csv[column], values)
        np.testing.assert_allclose(np.ma.filled(table[column], NAN), values)
    units = ["teff_err", "logg", "vsini", "rv", "snr"]
    assert [str(table[name].unit) for name in units] == ["K", "None", "km / s", "km / s", "None"]
    assert table.meta["MODEL"] == "models/\\xe9toiles" and table.meta["DIGEST"] == "0123abcd"


def read_votable(path):
    """Read a VOTable, with an error for anything against its standard."""
    from astropy.io import votable

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return votable.parse(path, verify="exception").get_first_table().to_table()


def test_columns_of_fits_and_votable_have_descriptions_ucds_and_small_types(tmp_path):
    from astropy.io import fits, votable

    extras = {"flag_bad": ResultColumn("", True), "astra_flags": ResultColumn("", 2048)}
    names, units = [*NAMES, "mg_h"], [*UNITS, "dex"]
    results.write_tables(RESULTS, tmp_path, names, units, META, extras)
    with fits.open(tmp_path / "results.fits") as hdus:
        header = hdus[1].header
        columns = {column.name: i for i, column in enumerate(hdus[1].columns, start=1)}
    assert header["EXTNAME"] == "RESULTS"
    assert header[f"TUCD{columns['teff']}"] == "phys.temperature.effective"
    assert header[f"TUCD{columns['teff_err']}"] == "stat.error;phys.temperature.effective"
    assert header[f"TCOMM{columns['mg_h']}"] == "[Mg/H], in dex"
    assert all(header[f"TCOMM{i}"] for i in columns.values())
    assert "" not in [header[key].strip() for key in header if key.startswith("TUNIT")]
    forms = {name: header[f"TFORM{i}"] for name, i in columns.items()}
    assert forms["teff"] == forms["rv"] == "E" and forms["flags"] == "J"
    assert forms["flag_bad"] == "L"
    table = read_votable(tmp_path / "results.vot")
    np.testing.assert_allclose(np.ma.filled(table["logg"], NAN), [4.4382, NAN, 4.4382])
    assert list(table["name"]) == [result.name for result in RESULTS]
    assert [bool(value) for value in table["flag_bad"]] == [True, True, True]
    assert list(table["flags"]) == [3, results.NO_RESULT, 0]
    element = votable.parse(tmp_path / "results.vot").get_first_table()
    ucds = {field.name: field.ucd for field in element.fields}
    assert ucds["logg"] == "phys.gravity" and all(ucds.values())
    assert all(field.description for field in element.fields)
    assert {param.name: param.value for param in element.params}["digest"] == "0123abcd"


def test_a_star_without_a_number_for_a_label_is_failed_with_a_bit_and_bad(tmp_path):
    extras = {"flag_bad": ResultColumn("", True), "astra_flags": ResultColumn("", 2048)}
    good = {"flag_bad": False, "astra_flags": 0}
    odd = FINE._replace(labels=LABELS | {"logg": NAN}, extras=good, flags=1)
    stars = [FINE._replace(extras=good), odd, FAILED]
    assert [star.status for star in stars] == ["ok", "failed", "failed"]
    results.write_tables(stars, tmp_path, NAMES, UNITS, META, extras)
    rows = pd.read_csv(tmp_path / "results.csv")
    assert list(rows["flags"]) == [0, 1 | results.NO_RESULT, results.NO_RESULT]
    assert list(rows["flag_bad"]) == [False, True, True]
    assert list(rows["astra_flags"]) == [0, 2048, 2048]
    assert rows["reasons"][1] == "the network gave no number for logg"
    assert rows.loc[1, [*NAMES, "teff_err"]].isna().all()


def test_a_broken_run_leaves_the_rows_of_the_csv_and_no_fits_table(tmp_path):
    results.write_tables(RESULTS, tmp_path, NAMES, UNITS, META)
    tables = results.ResultTables(tmp_path, NAMES, UNITS, META)
    with pytest.raises(KeyboardInterrupt), tables:
        tables.add([FINE, FAILED])
        assert len(pd.read_csv(tmp_path / "results.csv")) == 2
        raise KeyboardInterrupt
    assert len(pd.read_csv(tmp_path / "results.csv")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_tables_take_many_stars_and_none(tmp_path):
    with results.ResultTables(tmp_path, NAMES, UNITS, META) as tables:
        for _ in range(100):
            tables.add(RESULTS * 40)
    assert len(pd.read_csv(tmp_path / "results.csv")) == 12_000
    assert len(read_fits_table(tmp_path / "results.fits")) == 12_000
    results.write_tables([], tmp_path, NAMES, UNITS, META)
    assert len(pd.read_csv(tmp_path / "results.csv")) == 0
    assert len(read_fits_table(tmp_path / "results.fits")) == 0
    assert len(read_votable(tmp_path / "results.vot")) == 0


def test_names_that_are_not_utf8_can_be_written(tmp_path):
    strange = [
        FINE._replace(name="\udce9.fits"),
        FAILED._replace(name="\udce8.fits", failure="\udce8.fits is no FITS file"),
    ]
    results.write_tables(strange, tmp_path, NAMES, UNITS, META)
    result_page.write_page(strange, [None, None], tmp_path)
    names = list(read_fits_table(tmp_path / "results.fits")["name"])
    assert names == ["\\udce9.fits", "\\udce8.fits"]
    assert list(read_votable(tmp_path / "results.vot")["name"]) == names


@pytest.mark.parametrize(
    ("value", "err", "text"),
    [
        (5771.6, 31.2, "5772 ± 31"),
        (5771.6, 311.9, "5770 ± 310"),
        (4.4382, 0.0123, "4.438 ± 0.012"),
        (4.4382, 0.0996, "4.44 ± 0.10"),
        (-0.0342, 0.25, "\N{MINUS SIGN}0.03 ± 0.25"),
        (-0.0004, 0.02, "0.000 ± 0.020"),
        (5771.64, NAN, "5771.6"),
        (0.0, 0.0, "0"),
        (NAN, 1.0, "unknown"),
    ],
)
def test_values_are_rounded_to_two_digits_of_their_error(value, err, text):
    assert format_value(value, err) == text


def test_pictures_have_safe_and_different_names():
    taken = set()
    names = ["a b.fits", "a/b.fits", "A_b.fits", "../../etc/passwd", "", "x" * 300, "x" * 300]
    pictures = [result_page.choose_file_name(name, taken) for name in names]
    safe = ["a_b.fits.png", "a_b.fits_2.png", "A_b.fits_3.png", "_.._etc_passwd.png", "star.png"]
    assert pictures[:5] == safe
    assert len({name.lower() for name in pictures}) == len(names)
    assert max(map(len, pictures)) < 100


def test_page_states_the_medium_how_it_is_known_and_what_was_assumed(tmp_path):
    star = FINE._replace(medium="air", medium_source="assumed", notes=("give <--air> or --vacuum",))
    page = result_page.write_page([star], [None], tmp_path).read_text()
    assert "wavelengths in air (assumed)" in page and "give &lt;--air&gt; or --vacuum" in page


def test_page_escapes_all_text_and_lists_failures_at_the_end(tmp_path):
    bad = '<script>alert("1")</script>'
    stars = [
        FAILED._replace(name=bad, failure=bad),
        FLAGGED._replace(name=bad, reasons=[bad]),
        FINE,
    ]
    pictures = [None, "pictures/a&b.png", None]
    page = result_page.write_page(stars, pictures, tmp_path).read_text()
    assert "<script" not in page and page.count("&lt;script&gt;") == 5  # a picture's text too
    assert "<title>3 stars, 1 flagged, 1 failed</title>" in page
    assert page.index("Failed") > page.index("sun.fits")
    assert page.index(FINE.name) < page.rindex("&lt;script&gt;")
    assert '<a href="pictures/a%26b.png"><img src="pictures/a%26b.png" loading="lazy"' in page
    assert "5772 ± 31 K" in page and "\N{MINUS SIGN}12.34 ± 0.21 km/s" in page and "154" in page
    assert "http" not in page and [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.parametrize("name", ["=1+1.fits", "+a.fits", "-a.fits", "@SUM(1).fits"])
def test_a_name_is_no_formula_of_a_spreadsheet(tmp_path, name):
    assert results.format_cell(results.clean_text(name)) == f"'{name}"


def test_control_characters_of_a_name_reach_no_table():
    assert results.clean_text("a\x1b[2J\x07\n.fits") == "a\\x1b[2J\\x07 .fits"


def test_ucds_are_of_the_controlled_vocabulary():
    from astropy.io.votable.ucd import check_ucd

    for name in (*result_columns.COLUMNS, "teff_err", "mg_h_err_model", "distance_err"):
        assert check_ucd(result_columns.describe_column(name, "").ucd, True), name
