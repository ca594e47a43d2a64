"""Matching by identifier or position is exact and counted; unmatched stars are kept."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import write_grid
from test_tables import RECIPE, joined

from starlabels.base import hdf5_labels
from starlabels.base.errors import UserError
from starlabels.catalogues import crossmatch
from starlabels.config import digests, paths
from starlabels.config.run import Run
from starlabels.stages import join

ARCSEC = 1 / 3600
SKY = {"ra": "RA", "dec": "DEC", "radius": 2.0, "to": {"ra": "ra", "dec": "dec"}}


@pytest.fixture
def match(make_config, capsys):
    """match(ours, theirs, match, **keys): ({name: (n,)} of the joined stars, printed text)."""

    def of(ours, theirs, how, database=None, **keys):
        pd.DataFrame(ours).to_csv("ours.csv", index=False)
        pd.DataFrame(theirs).to_csv("gaia.csv", index=False)
        databases = [{"path": "ours.csv", **(database or {})}]
        catalogues = [{"path": "gaia.csv", "match": how, **keys}]
        cfg = make_config({**RECIPE, "join.databases": databases, "join.catalogues": catalogues})
        join.join_databases(Run(cfg))
        return joined(cfg), capsys.readouterr().out

    return of


def stars(n=4, **more):
    """n stars, a degree from each other."""
    return {
        "teff": 5000.0 + np.arange(n),
        "ra": 10.0 + np.arange(n),
        "dec": np.full(n, 60.0),
    } | more


def test_positions_within_the_radius_match_and_a_star_without_is_kept(match):
    off = np.array([0.5, 1.9, 2.1, 0.0]) * ARCSEC / np.cos(np.radians(60))
    theirs = {
        "RA": (stars()["ra"] + off)[::-1],
        "DEC": [60.0] * 4,
        "ruwe": [1.3, 1.2, 1.1, 1.0],
        "ruwe_err": [0.1] * 4,
    }
    found, said = match(stars(), theirs, SKY, columns={"ruwe": "ruwe", "ruwe_err": "ruwe_err"})
    np.testing.assert_allclose(found["ruwe"], [1.0, 1.1, np.nan, 1.3])
    np.testing.assert_allclose(found["ruwe_err"], [0.1, 0.1, np.nan, 0.1])
    assert 'gaia.csv: matched 3 of 4 stars within 2": 1 have none\n' in said


def test_the_nearest_or_the_first_of_several_candidates_is_taken_and_counted(match):
    ours, dec = stars(2), [60 + 1.5 * ARCSEC, 60 + 0.5 * ARCSEC, 60.0]
    theirs = {"RA": [10, 10, 11], "DEC": dec, "g": [1.0, 2.0, 3.0]}
    found, said = match(ours, theirs, SKY)
    assert (
        found["g"].tolist() == [2, 3]
        and 'matched 2 of 2 stars within 2": 1 had several candidates (nearest taken)' in said
    )
    found, said = match(ours, theirs, SKY, duplicates="first")
    assert found["g"].tolist() == [1, 3] and "1 had several candidates (first taken)" in said
    with pytest.raises(
        UserError, match="gaia.csv: 1 have several candidates, 0 share theirs, such as"
    ):
        match(ours, theirs, SKY, duplicates="error")


def test_an_entry_goes_to_the_nearest_star_and_to_all_rows_of_that_star(match):
    ours = stars(3) | {
        "ra": [10.0, 10.0, 10.0],
        "dec": [60, 60 + 1.5 * ARCSEC, 60],
        "name": ["a", "b", "a"],
    }
    found, said = match(ours, {"RA": [10], "DEC": [60], "g": [7.0]}, SKY, {"id": "name"})
    np.testing.assert_array_equal(found["g"], [7, np.nan, 7])
    assert (
        'matched 2 of 3 stars within 2": 1 lost theirs to another star (nearest in place)' in said
    )


def test_stars_without_a_position_have_no_match_and_are_counted(match):
    found, said = match(
        stars(2) | {"dec": [60, np.nan]}, {"RA": [10], "DEC": [60], "g": [7.0]}, SKY
    )
    np.testing.assert_array_equal(found["g"], [7, np.nan])
    assert 'matched 1 of 2 stars within 2": 1 have no position' in said
    with pytest.raises(UserError, match=r"gaia.csv: DEC is 95, expected within \[-90, 90\] deg"):
        match(stars(2), {"RA": [10], "DEC": [95], "g": [7.0]}, SKY)


def test_proper_motion_brings_positions_to_one_epoch(match):
    """Barnard's star moves by 10.3 arcsec a year: 166 arcsec from 2000 to 2016."""
    ra, dec, pm = 269.452075, 4.693391, {"pmra": [-801.551], "pmdec": [10362.394]}
    later = {
        "RA": [ra - 16 * 0.801551 * ARCSEC / np.cos(np.radians(dec))],
        "DEC": [dec + 16 * 10.362394 * ARCSEC],
        "g": [8.2],
    }
    star = {"teff": [3200.0], "ra": [ra], "dec": [dec]}
    moving = {**SKY, "epoch": 2016, "pmra": "pmra", "pmdec": "pmdec"}
    assert match(star, later | pm, moving)[0]["g"] == np.float32(8.2)
    to = {"ra": "ra", "dec": "dec", "pmra": "pmra", "pmdec": "pmdec"}
    assert match(star | pm, later, {**SKY, "epoch": 2016, "to": to})[0]["g"] == np.float32(8.2)
    assert np.isnan(match(star, later, SKY)[0]["g"])


def test_motion_across_the_pole_and_the_meridian_is_along_the_sky():
    ra, dec = crossmatch.propagate_positions(
        np.array([0.0, 0.0]),
        np.array([90 - 1 * ARCSEC, 0.0]),
        np.array([0.0, -1000.0]),
        np.array([2e3, 0]),
        1,
    )
    np.testing.assert_allclose(ra, [180, 360 - ARCSEC], atol=1e-9)
    np.testing.assert_allclose(dec, [90 - ARCSEC, 0], atol=1e-9)


def test_identifiers_longer_than_a_float_match_exactly(match):
    first = 2**53 + 1  # the float nearest to it is 2**53
    ours = {
        "teff": [5000.0, 5100.0, 5200.0],
        "gaia": [str(first), "", str(first + 1)],
    }  # a hole would make them floats
    theirs = {"source_id": [first - 1, first + 1, first], "g": [1.0, 2.0, 3.0]}
    found, said = match(ours, theirs, {"id": "source_id", "to": "gaia"})
    np.testing.assert_array_equal(found["g"], [3, np.nan, 2])
    assert (
        "gaia.csv: matched 2 of 3 stars by source_id: 1 have no gaia" in said
        and "gaia" not in found
    )


def test_of_equal_identifiers_the_first_is_taken_and_none_in_common_is_an_error(match):
    ours = {"teff": [5000.0, 5100.0], "name": ["HD 1", "HD 2"]}
    theirs = {"star": ["HD 1 ", "HD 1", "HD 9"], "g": [1.0, 2.0, 3.0]}
    found, said = match(ours, theirs, {"id": "star", "to": "star_id"}, {"id": "name"})
    np.testing.assert_array_equal(found["g"], [1, np.nan])
    assert (
        "matched 1 of 2 stars by star: 1 had several candidates (first taken), 1 have none" in said
    )
    with pytest.raises(
        UserError, match="no star has its teff in star; they look like '5000' and 'HD 1'"
    ):
        match(ours, theirs, {"id": "star", "to": "teff"})
    with pytest.raises(
        UserError, match="the databases have no column nam; there is teff, name_err"
    ):
        match(
            ours,
            theirs,
            {"id": "star", "to": "nam"},
            {"columns": {"teff": "teff", "name_err": "teff"}, "id": "name"},
        )


def test_a_column_that_is_there_already_is_left_out_or_if_chosen_refused(match):
    ours, theirs = stars(1), {"RA": [10], "DEC": [60], "teff": [1.0], "teff_err": [9.0]}
    found, said = match(ours, theirs, SKY)
    assert (
        found["teff"] == 5000
        and np.isnan(found["teff_err"])
        and "not kept: teff (exists already), teff_err (exists" in said
    )
    with pytest.raises(
        UserError, match="gaia.csv: teff is a column of the databases already: rename it"
    ):
        match(ours, theirs, SKY, columns={"teff": "teff"})


def test_positions_that_one_database_keeps_as_columns_are_those_of_all(make_config):
    for i in range(2):
        pd.DataFrame(stars(2)).assign(ra=[10.0 + i, 20.0 + i]).to_csv(f"{i}.csv", index=False)
    pd.DataFrame({"RA": [10, 20, 11, 21], "DEC": [60] * 4, "g": [1.0, 2.0, 3.0, 4.0]}).to_csv(
        "gaia.csv", index=False
    )
    kept = (["teff"], ["teff", "ra", "dec"])
    entries = [
        {"path": f"{i}.csv", "columns": {name: name for name in names}}
        for i, names in enumerate(kept)
    ]
    cfg = make_config(
        {
            **RECIPE,
            "join.databases": entries,
            "join.catalogues": [{"path": "gaia.csv", "match": SKY}],
        }
    )
    join.join_databases(Run(cfg))
    np.testing.assert_array_equal(joined(cfg)["g"], [1, 2, 3, 4])


def test_a_catalogue_may_bring_the_identifiers_of_the_next(make_config, capsys):
    pd.DataFrame(stars(2)).to_csv("ours.csv", index=False)
    pd.DataFrame({"RA": [11], "DEC": [60], "tmass": ["J1"]}).to_csv("one.csv", index=False)
    pd.DataFrame({"id": ["J0", "J1"], "k_mag": [8.0, 9.0]}).to_csv("two.csv", index=False)
    catalogues = [
        {"path": "one.csv", "match": SKY},
        {"path": "two.csv", "match": {"id": "id", "to": "tmass"}},
    ]
    cfg = make_config(
        {**RECIPE, "join.databases": [{"path": "ours.csv"}], "join.catalogues": catalogues}
    )
    join.join_databases(Run(cfg))
    np.testing.assert_array_equal(joined(cfg)["k_mag"], [np.nan, 9])
    assert "two.csv: matched 1 of 2 stars by id: 1 have no tmass" in capsys.readouterr().out


def test_catalogues_and_cuts_go_with_spectra_too(make_config):
    catalogues = [{"path": "phot.csv", "match": {"id": "star", "to": "star_id"}}]
    cfg = make_config(
        {"join.catalogues": catalogues, "join.cuts": ["k_mag < 9"], "labels": ["teff", "k_mag"]}
    )
    labels = write_grid(cfg, 5, star_id=["a", "b", "c", "d", "e"])
    Path("phot.csv").write_text("star,k_mag\ne,8\nb,7\nc,9.5\n")
    join.join_databases(Run(cfg))
    with h5py.File(paths.run_paths(cfg).joined) as h5, h5py.File(paths.run_paths(cfg).grid) as grid:
        assert h5["source_row"][:].tolist() == [1, 4] and h5["star_id"][:].tolist() == [b"b", b"e"]
        np.testing.assert_array_equal(h5["spectra/flux"][:], grid["spectra/flux"][:][[1, 4]])
        np.testing.assert_array_equal(
            hdf5_labels.read_labels(h5, ["teff", "k_mag"]).T, [labels["teff"][[1, 4]], [7, 8]]
        )
    digest = digests.stage_digest(cfg, "0_join")
    Path("phot.csv").write_text("star,k_mag\ne,8\nb,7\nc,8.5\n")
    assert digests.stage_digest(cfg, "0_join") != digest
