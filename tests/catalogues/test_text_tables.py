"""Texts of tables: marks of comments, sentinels, and numbers that are none."""

import numpy as np
import pytest

from starlabels.base.errors import UserError
from starlabels.catalogues import table_columns, tables


def write_text(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_sentinels_of_a_table_are_missing_and_said(tmp_path, capsys):
    write_text(tmp_path / "stars.csv", "teff,teff_err,n\n5000,50,1\n-9999,-9999,2\n-9999,-9999,3\n")
    columns = table_columns.extract_columns(tables.read_table(tmp_path / "stars.csv"))
    np.testing.assert_array_equal(columns.values["teff"], [5000, np.nan, np.nan])
    np.testing.assert_array_equal(columns.errors["teff"], [50, np.nan, np.nan])
    assert "stars.csv: teff is -9999 in 2 of 3 rows: taken as missing" in capsys.readouterr().out


def test_values_with_their_errors_in_one_cell_are_one_line(tmp_path):
    write_text(tmp_path / "stars.csv", "teff\n5000±50\n5100±60\n")
    message = "column teff, such as 5000±50, holds values with errors: put .* a column teff_err"
    with pytest.raises(UserError, match=message):
        table_columns.extract_columns(tables.read_table(tmp_path / "stars.csv"))


def test_rows_that_begin_with_a_mark_of_comments_are_counted(tmp_path, capsys):
    write_text(tmp_path / "stars.csv", "a,b\n1,2\n#3,4\n# note\n5,6\n")
    table = tables.read_table(tmp_path / "stars.csv")
    assert list(table.frame["a"]) == [1, 5] and table.place(1) == "line 5"
    assert "left out 1 rows that begin with #" in capsys.readouterr().out


def test_names_in_a_comment_may_stand_above_a_row_without_numbers(tmp_path):
    write_text(tmp_path / "stars.csv", "# name,teff,mh\nHD 1,,\nHD 2,5000,0\n")
    frame = tables.read_table(tmp_path / "stars.csv").frame
    assert list(frame) == ["name", "teff", "mh"] and list(frame["name"]) == ["HD 1", "HD 2"]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [("5,777.5", "leave the digits only"), ("5777 K", "leave the digits only")],
)
def test_numbers_with_commas_or_units_are_one_line(tmp_path, cell, hint):
    write_text(tmp_path / "stars.csv", f'teff\n"{cell}"\n"{cell}"\n')
    with pytest.raises(UserError, match=f"column teff, such as {cell}, holds .*: {hint}"):
        table_columns.extract_columns(tables.read_table(tmp_path / "stars.csv"))
