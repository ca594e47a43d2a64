"""Identifiers are texts by one rule, whatever file they come from."""

import h5py
import numpy as np
import pandas as pd
import pytest

from starlabels.base.errors import UserError
from starlabels.base.identifiers import normalise_identifiers, read_star_ids

LONG = 5937083312263887617  # above 2^53


@pytest.mark.parametrize(
    "values",
    [
        np.array([LONG, 12]),
        np.array([LONG, 12], ">i8"),
        np.array([LONG, 12], "u8"),
        np.array([str(LONG), " 12 "]),
        np.array([f"{LONG}", "12.0"], object),
        np.array([b"5937083312263887617", b"12\0"]),
        pd.Series([LONG, 12], dtype="Int64"),
        pd.Series([LONG, 12.0], dtype=object),
    ],
    ids=lambda values: str(values.dtype),
)
def test_whole_numbers_keep_all_digits_in_every_type(values):
    texts, lost = normalise_identifiers(values)
    assert texts.tolist() == [str(LONG), "12"] and not lost.any()


def test_nan_blanks_and_words_are_missing_and_none_of_them_is_a_star():
    texts, lost = normalise_identifiers([None, np.nan, "", "  ", "null", "--", "-9999", "HD  1 "])
    assert texts.tolist() == [None] * 7 + ["HD 1"] and not lost.any()
    assert normalise_identifiers(np.array([np.nan, 3.0]))[0].tolist() == [None, "3"]
    assert normalise_identifiers(np.array([-9999, 3]))[0].tolist() == [None, "3"]


@pytest.mark.parametrize(
    "values",
    [
        np.array([float(LONG)]),
        np.array([2**24 + 2], "f4"),
        np.array([0.5]),
        np.array(["5.937083312263888e+18"]),
        np.array(["6E+18"]),
        np.array(["5937083312263887872.0"]),
        np.array(["593708331226388000", "593708331226389000", "593708331226390000"]),
    ],
    ids=["float64", "float32", "fraction", "scientific", "short", "printed float", "spreadsheet"],
)
def test_numbers_that_lost_digits_are_found(values):
    assert normalise_identifiers(values)[1].all()


def test_texts_of_hexadecimal_digits_are_no_rounded_numbers():
    texts, lost = normalise_identifiers(["00000000000012e3", "1234567890123e45"])
    assert texts.tolist() == ["00000000000012e3", "1234567890123e45"] and not lost.any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan], "row 2: no star_id"),
        ([b"a", b" "], "row 2: no star_id"),
        ([float(LONG), 1.0], r"row 1: star_id is 5.937083312263888e\+18, .* lost digits"),
    ],
)
def test_star_ids_of_hdf5_are_checked_as_those_of_a_table(tmp_path, values, message):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["star_id"] = values
        with pytest.raises(UserError, match=message):
            read_star_ids(h5)


def test_sound_star_ids_of_hdf5_are_bytes_without_blanks(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["star_id"] = [LONG, 7]
        assert read_star_ids(h5).tolist() == [str(LONG).encode(), b"7"]
        del h5["star_id"]
        h5["star_id"] = [b" HD 1", b"HD 1 "]
        assert read_star_ids(h5).tolist() == [b"HD 1", b"HD 1"]
