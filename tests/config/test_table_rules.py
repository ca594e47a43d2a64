"""Rules of recipes that read tables, and scripts of sections that are null."""

from pathlib import Path

import pytest
from conftest import run_script

from starlabels.base.errors import UserError
from starlabels.config import digests, paths

READ = {
    "magnitudes": {"g_mag": "G"},
    "a_v": None,
    "parallax": "parallax",
    "least_parallax": 0.1,
    "distance": None,
}
READ |= {"give": ["absolute"], "columns": [], "hidden": 0}
TABLES = {
    "wave": None,
    "grid": None,
    "preprocess.components": None,
    "jacobian": None,
    "train.noise": None,
    "features": READ,
}
SKY = {"ra": "RA", "dec": "DEC", "radius": 2.0, "to": {"ra": "ra", "dec": "dec"}}


def test_a_recipe_for_tables_has_neither_wavelengths_nor_grid(make_config):
    cfg = make_config(
        {
            **TABLES,
            "join.databases": [{"path": "stars.csv", "columns": {"teff": "Teff"}, "id": "name"}],
        }
    )
    files = paths.run_paths(cfg)
    assert files.grid is None and files.joined == Path("data/afgk/0_joined.h5")
    assert cfg.get_lines("air") == {}
    assert (
        not digests.is_own_grid(cfg, "data/grids/afgk.h5")
        and len(digests.stage_digest(cfg, "jacobian")) == 16
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preprocess.components": 8}, "preprocess.components: expected null where wave is null"),
        ({"preprocess.blocks": 2}, "preprocess.blocks: expected 1 where wave is null"),
        ({"join.resample": True}, "join.resample: expected false where wave is null"),
        (
            {"join.catalogues": [{"path": "a", "match": {"ra": "RA"}}]},
            "join.catalogues[0].match.dec: missing",
        ),
        (
            {"join.catalogues": [{"path": "a", "match": {**SKY, "epoch": 2016}}]},
            "expected pmra and pmdec, or one epoch",
        ),
        (
            {"join.catalogues": [{"path": "a", "match": {**SKY, "radius": 0}}]},
            "found 0, expected a number in [0.001, 3600] arcsec",
        ),
    ],
)
def test_what_does_not_go_with_tables_is_named(make_config, changes, message):
    with pytest.raises(UserError) as error:
        make_config({**TABLES, **changes})
    assert message in str(error.value)


def test_a_grid_needs_wavelengths_and_columns_are_for_tables(make_config):
    with pytest.raises(UserError, match="grid: expected null where wave is null"):
        make_config({"wave": None, "preprocess.components": None})
    with pytest.raises(UserError, match=r"databases\[0\].id: expected none where wave is given"):
        make_config({"join.databases": [{"path": "a.h5", "id": "name"}]})
    with pytest.raises(UserError, match="preprocess.observed: expected null where grid is null"):
        make_config(
            {
                "grid": None,
                "preprocess.observed": {"order": 3, "continuum_error": 0.01, "line_error": 0.1},
            }
        )


def test_scripts_of_sections_that_are_null_say_so_and_end_well(make_config):
    make_config({**TABLES, "join.databases": [{"path": "stars.csv"}]})
    for script, said in (("grid.py", "grid is null"), ("jacobian.py", "jacobian is null")):
        done = run_script(script)
        assert done.returncode == 0 and said in done.stdout and len(done.stdout.splitlines()) == 1
