"""Values and bits of a survey's table: what stands for missing, and flags by name."""

import numpy as np
import pytest
from astropy.io import fits
from survey_files import all_star

from starlabels.catalogues import allstar


def test_what_stands_for_missing_is_missing(tmp_path):
    missing = {
        "TEFF": np.array([-9999.0, 4000, 4500, np.nan]),
        "LOGG_ERR": np.array([0.1, -9999.99, 0.1, 0.1]),
        "MG_FE": np.array([0.1, 0.1, -9999.99, 0.1]),
        "K": np.array([9.0, 99.99, 9, 9]),
        "GAIAEDR3_PARALLAX": np.array([-0.3, 1, -9999, 1]),
    }
    found = allstar.read_allstar(all_star(tmp_path / "all.fits", **missing))
    value, error = (dict(zip(found.names, table.T)) for table in (found.value, found.error))
    assert np.isnan(value["teff"]).tolist() == [True, False, False, True]
    assert np.isnan(error["teff"]).tolist() == [True, False, False, True]
    assert (
        np.isnan(error["logg"]).tolist() == [False, True, False, False]
        and np.isfinite(value["logg"]).all()
    )
    assert np.isnan(value["mg_h"]).tolist() == [False, False, True, False]
    assert np.isnan(value["k_mag"]).tolist() == [False, True, False, False]
    assert value["parallax"][0] == pytest.approx(-0.3) and np.isnan(value["parallax"]).tolist() == [
        False,
        False,
        True,
        False,
    ]


def test_bitmasks_keep_every_bit(tmp_path):
    flags = np.array([1 << 23 | 1, 1 << 40 | 1 << 24, 0, -9999], "i8")
    signed = np.array([0, -(2**31) + 4, 1 << 26, 0], "i4")
    elements = np.array([[1, 0], [0, 2], [0, 0], [4, 0]], "i4")
    found = allstar.read_allstar(
        all_star(tmp_path / "all.fits", ASPCAPFLAG=flags, STARFLAG=signed, ELEMFLAG=elements)
    )
    value = dict(zip(found.names, found.value.T.astype("i8")))
    every = (1 << 24) - 1
    assert value["aspcapflag"].tolist() == [1 << 23 | 1, 0, 0, every]
    assert value["aspcapflag_24"].tolist() == [0, 1 << 16 | 1, 0, every]
    assert value["starflag"].tolist() == [0, 4, 0, 0] and value["starflag_24"].tolist() == [
        0,
        1 << 7,
        1 << 2,
        0,
    ]
    assert value["elemflag_0"].tolist() == [1, 0, 0, 4] and value["elemflag_1"].tolist() == [
        0,
        2,
        0,
        0,
    ]


def test_arrays_of_flags_have_the_names_of_their_elements(tmp_path):
    all_star(tmp_path / "all.fits", ELEMFLAG=np.array([[1, 0], [0, 2], [0, 0], [4, 0]], "i4"))
    with fits.open(tmp_path / "all.fits", mode="append") as hdus:
        hdus.append(
            fits.BinTableHDU.from_columns(
                [fits.Column("ELEM_SYMBOL", "4A", dim="(2,2)", array=[["Mg", "Si"]])]
            )
        )
    found = allstar.read_allstar(tmp_path / "all.fits")
    assert {"elemflag_mg", "elemflag_si"} <= set(found.names)
    assert any(line.strip().startswith("elemflag_*") for line in allstar.summarize_columns(found))
