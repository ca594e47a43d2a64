"""The recipes of docs/bring_your_own.md run on own grids and spectra, surveys and catalogues."""

import argparse
from pathlib import Path

import h5py
import numpy as np
import pytest
import small_recipes
import yaml
from astropy.table import Table
from documentation import PAGES, SNIPPETS, find_blocks, load_snippet

from starlabels.base import hdf5_spectra
from starlabels.config import schema
from starlabels.config.run import Run
from starlabels.stages import (
    command_line,
    grid,
    join,
    observed_inputs,
    preprocess,
    recipe_stars,
    spectrum_options,
)
from starlabels.tools import mock_catalogue, survey


@pytest.fixture
def own(tmp_path, monkeypatch):
    """own(run): the Config of the recipe of that name on the page, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    found = {
        yaml.safe_load(block)["run"]: block for page, block in SNIPPETS if page == "bring_your_own"
    }
    return lambda run: load_snippet(found[run], tmp_path / f"{run}.yaml")


def test_ones_own_grid_is_sampled_and_prepared_as_the_page_says(own):
    cfg = own("narrow")
    for stage in (grid.make_grid, join.join_databases, preprocess.prepare_spectra):
        stage(Run(cfg))
    assert set(cfg.grid.labels) == set(
        recipe_stars.REQUIRED_LABELS
    )  # for those who replace the whole section


def answer(wave):
    """The first star of data/mine.h5 as prepared for a model of pixels wave (n_pix,)."""
    parser = argparse.ArgumentParser()
    spectrum_options.add_file_arguments(parser)
    options = spectrum_options.SpectrumOptions(parser.parse_args([]))
    star = next(observed_inputs.read_spectra([Path("data/mine.h5")], options, wave))
    axis = hdf5_spectra.SpectralAxis(wave)
    return observed_inputs.prepare_spectrum(star, None, axis, anyway=False)


def test_ones_own_spectra_are_prepared_and_predict_takes_them_as_they_are(own, tmp_path):
    cfg = own("mine")
    (tmp_path / "data").mkdir()
    [code] = find_blocks(PAGES["bring_your_own"].read_text(encoding="utf-8"), "python")
    exec(compile(code, "bring_your_own", "exec"), {})
    for stage in (join.join_databases, preprocess.prepare_spectra):
        stage(Run(cfg))
    wave = cfg.wave.grid()
    assert answer(wave).unchanged
    assert "in steps of 0.05" in answer(wave[:-1]).failure
    for dataset, name in (("wave", "frame"), ("flux", "continuum")):
        with h5py.File("data/mine.h5", "a") as h5:
            value = h5[f"spectra/{dataset}"].attrs.pop(name)
        assert "attributes frame" in answer(wave).failure and "continuum 1" in answer(wave).failure
        with h5py.File("data/mine.h5", "a") as h5:
            h5[f"spectra/{dataset}"].attrs[name] = value


def test_a_survey_is_joined_and_tested_as_it_is(own, tmp_path, monkeypatch):
    cfg = own("apogee")
    small_recipes.write_ap_stars(tmp_path / "spectra")
    small_recipes.all_star(tmp_path / "allStar.fits")
    monkeypatch.setattr(
        "sys.argv", ["survey", "allStar.fits", "spectra", "--out", "data/apogee.h5"]
    )
    command_line.run_command(
        survey.write_survey, survey.__doc__, survey.add_arguments, recipe=lambda args: None
    )
    join.join_databases(Run(cfg))
    assert schema.has_own_noise(cfg)


def tables_of(n=300):
    """Write stars of 2016 that move 1 arcsec a year, and two catalogues to match."""
    made = mock_catalogue.draw_catalogue(np.random.default_rng(1), n).assign(
        ruwe=1.0, pmra=0.0, pmdec=1000.0
    )
    made["source_id"] = 4_000_000_000_000_000_000 + np.arange(n)
    gaia = {
        "teff": "Teff",
        "mh": "[Fe/H]",
        "g_mag": "Gmag",
        "bp_mag": "BPmag",
        "rp_mag": "RPmag",
        "a_v": "Av",
    }
    gaia |= {"parallax": "Plx", "parallax_err": "e_Plx", "ruwe": "RUWE"}
    made.rename(columns=gaia)[[*gaia.values(), *"logg source_id ra dec pmra pmdec".split()]].to_csv(
        "gaia.csv", index=False
    )
    wise = Table({"source_id": made["source_id"], "W1mag": made["w1_mag"], "W2mag": made["w2_mag"]})
    wise[::-1].write("wise.fits")
    twomass = made.assign(RAJ2000=made["ra"], DEJ2000=made["dec"] - 16 / 3600).iloc[::-1]
    names = {"j_mag": "Jmag", "h_mag": "Hmag", "k_mag": "Kmag"}
    twomass.rename(columns=names)[["RAJ2000", "DEJ2000", *names.values()]].to_csv(
        "twomass.csv", index=False
    )


def test_catalogues_are_joined_with_all_that_the_recipe_reads(own, capsys):
    tables_of()
    cfg = own("catalogue")
    for stage in (join.join_databases, preprocess.prepare_spectra):
        stage(Run(cfg))
    printed = capsys.readouterr().out
    assert (
        "wise.fits: matched 300 of 300" in printed and "twomass.csv: matched 300 of 300" in printed
    )
    assert "of 10 columns" in printed  # eight magnitudes, the extinction, the parallax
