"""Spectra of a survey with their own noise: the medium in all files, and predict.py as 4_test."""

import argparse
import json

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, SECTIONS, draw_labels, toy_spectra

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.config import load, schema
from starlabels.config import paths as config
from starlabels.config.data_sections import Observed
from starlabels.config.run import Run
from starlabels.learning import outliers
from starlabels.learning.components import Basis
from starlabels.plots import jacobian as plots
from starlabels.spectra.preparation import PreparedSpectrum, accept_on_model_pixels
from starlabels.spectra.spectrum import ObservedSpectrum
from starlabels.stages import (
    card,
    jacobian_labels,
    join,
    load_model,
    observed_effects,
    observed_inputs,
    predict,
    preprocess,
    score_figures,
    score_labels,
    train_labels,
)
from starlabels.tools import export

FEATURES = {
    "magnitudes": {"j_mag": "J", "k_mag": "Ks"},
    "a_v": None,
    "parallax": None,
    "least_parallax": 0.1,
}
FEATURES |= {"distance": None, "give": ["colours"], "columns": ["snr"], "hidden": 0}
RECIPE = SECTIONS | {"grid": None, "labels": ["teff", "mh"], "features": FEATURES}
N, NOISE = 300, 0.01


def write_survey(cfg, labels):
    """Write survey.h5: normalised spectra at rest in vacuum.

    Every second one has a run of pixels with flux 1 and error NaN.
    """
    rng, wave = np.random.default_rng(0), cfg.wave.grid()
    flux = toy_spectra(wave, labels) + NOISE * rng.normal(size=(N, len(wave)))
    error = np.full(flux.shape, NOISE)
    for row, start in enumerate(rng.integers(0, len(wave), N)):
        hole = slice(start, start + 20 * (row % 2))
        flux[row, hole], error[row, hole] = 1, np.nan
    columns = labels | {
        "j_mag": 9 + rng.normal(size=N),
        "k_mag": 8 + labels["teff"] / 8000,
        "snr": np.full(N, 1 / NOISE),
    }
    with hdf5.create_file("survey.h5", "survey", "0") as h5:
        hdf5_spectra.write_wave(h5, wave, "vacuum", 20_000)
        for name, values in (("flux", flux), ("flux_err", error)):
            hdf5_spectra.create_spectra(h5, N, len(wave), f"spectra/{name}")[:] = values
        values = np.column_stack(list(columns.values()))
        hdf5_labels.write_labels(h5, values, columns, [""] * len(columns))
        hdf5.write_text(h5, "star_id", [f"s{i}".encode() for i in range(N)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with survey.h5 and a tested model that reads its components and table."""
    folder = tmp_path_factory.mktemp("survey")
    values = yaml.safe_load((ROOT / "config.yaml").read_text()) | RECIPE
    values["join"]["databases"] = [{"path": "survey.h5", "where": None}]
    values["preprocess"]["components"] = 12
    values["test"]["snr"] = []
    values["jacobian"]["n_stars"] = 2
    values["train"] |= {"batch_size": 32, "max_epochs": 5, "passes": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(outliers, "PASSES", 3)
        patch.setattr(score_figures, "draw_figures", lambda *_: None)
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        cfg = load.load_config("config.yaml")
        write_survey(cfg, draw_labels(load.load_config(ROOT / "config.yaml"), N))
        run = Run(cfg)
        join.join_databases(run)
        preprocess.prepare_spectra(run)
        train_labels.train_label_network(run)
        score_labels.score_labels(run)
    return folder


@pytest.fixture
def survey(folder, monkeypatch):
    """The Config of that model, in its folder."""
    monkeypatch.chdir(folder)
    return load.load_config("config.yaml")


def results(*words):
    """Rows of the results of predict.py for survey.h5, by star."""
    parser = argparse.ArgumentParser()
    predict.add_arguments(parser)
    args = parser.parse_args(["survey.h5", "--model", "models/toy", "--figures", "0", *words])
    predict.predict_labels(Run(load.load_config(predict.find_model_config(args))), args)
    rows = pd.read_csv("results/results.csv", index_col="name")
    return rows.set_axis([name.split()[-1] for name in rows.index])


@pytest.mark.slow
def test_predict_gives_what_4_test_gives_for_its_stars_also_where_pixels_are_missing(survey):
    cfg = survey
    assert schema.has_own_noise(cfg)
    with hdf5.open_stage(config.run_paths(cfg).prepared, "2_preprocess") as h5:
        stars = [star.decode() for star in h5["test/star_id"][:]]
    rows = results().loc[stars]
    with hdf5.open_hdf5(config.run_paths(cfg).predictions, "") as h5:
        tested = {name: h5[f"snrinf/{name}"][:] for name in ("mean", "err", "flags")}
    np.testing.assert_allclose(rows[cfg.labels], tested["mean"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        rows[[f"{name}_err" for name in cfg.labels]], tested["err"], rtol=1e-4
    )
    np.testing.assert_array_equal(rows["flags"], tested["flags"])
    assert len(set(tested["flags"])) > 1
    assert (
        rows["coverage"][[int(star[1:]) % 2 == 1 for star in stars]] < 1
    ).all()  # what is missing is known as that


@pytest.mark.slow
def test_the_medium_is_kept_by_model_card_export_and_figures_and_another_is_refused(
    survey, monkeypatch
):
    cfg, drawn = survey, []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: drawn.append(figure))
    jacobian_labels.average_jacobians(Run(cfg))
    paths = config.run_paths(cfg)
    for path in (paths.prepared, paths.model_dir / "scaling.h5", paths.jacobian):
        with hdf5.open_hdf5(path, "") as h5:
            assert hdf5_spectra.read_axis(h5)[1:] == ("vacuum", 20_000, "rest"), path
    assert r"Wavelength in vacuum ($\mathrm{\AA}$)" in [ax.get_xlabel() for ax in drawn[0].axes]
    source = export.read_source(paths.model_dir)
    assert export.describe_export(source, paths.model_dir)["wave_unit"] == "Angstrom, in vacuum"
    run = Run(cfg)
    network = load_model.load_trained_model(run).model
    card.write_card(run, json.loads(paths.metrics.read_text()), network, N)
    assert "A in vacuum, 500 pixels" in (paths.model_dir / "README.md").read_text()
    rows = results("--air")
    assert (rows["status"] == "failed").all()
    assert rows["reasons"].iloc[0] == (
        "its wavelengths are in air, those of the model in vacuum: "
        "take a model of spectra in air, or give --vacuum if the file is wrong"
    )


def test_a_recipe_in_another_medium_than_its_databases_is_refused(make_config):
    databases = {"join.databases": [{"path": "survey.h5", "where": None}]}
    cfg = make_config(databases | {"wave.medium": "air"})
    write_survey(cfg, draw_labels(cfg, N))
    with pytest.raises(UserError, match="survey.h5 is in vacuum, wave.medium is air: correct"):
        join.join_databases(Run(cfg))
    join.join_databases(Run(make_config(databases | {"wave.medium": "vacuum"})))


def test_a_model_of_observed_spectra_is_not_made_from_spectra_in_vacuum(make_config):
    observed = Observed(order=3, continuum_error=0.01, line_error=0.1)
    cfg = make_config({"join.databases": [{"path": "survey.h5", "where": None}]})
    write_survey(cfg, draw_labels(cfg, N))
    join.join_databases(Run(cfg))
    with (
        hdf5.open_hdf5(config.run_paths(cfg).joined, "") as h5,
        pytest.raises(UserError, match="is in vacuum, expected air"),
    ):
        section = cfg.preprocess.model_copy(update={"observed": observed})
        observed_effects.open_effects(
            h5, h5, np.arange(9), cfg.model_copy(update={"preprocess": section})
        )


def test_masked_pixels_are_read_as_stored_by_networks_of_a_survey_and_filled_for_others():
    n_pix = 60
    basis = Basis(np.full(n_pix, 0.2, "f4"), np.eye(2, n_pix, dtype="f4"), np.ones(2, "f4"), 1)
    stored, error = np.full(n_pix, 0.8, "f4"), np.full(n_pix, 0.01, "f4")
    stored[10], stored[20] = 1, np.nan
    flux = np.where(stored == 1, np.nan, stored)
    ready = PreparedSpectrum(flux, error, 100.0, 1.0, None, True, stored)
    stored = observed_inputs.fill_flux(ready, basis, as_stored=True)
    np.testing.assert_allclose(stored[[10, 20]], [1, 0.8], rtol=1e-6)
    filled = observed_inputs.fill_flux(ready, basis)
    np.testing.assert_allclose(filled[[10, 20]], [0.8, 0.8], rtol=1e-6)


@pytest.mark.parametrize("frame", ["rest", "observer"])
def test_spectra_in_the_frame_of_the_model_are_used_unchanged(frame):
    wave = np.linspace(5000, 5100, 101)
    star = ObservedSpectrum("a", wave, np.ones(101), np.full(101, 0.01), "air", None, False, True)
    axis = hdf5_spectra.SpectralAxis(wave, frame=frame)
    outcome = observed_inputs.prepare_spectrum(star, None, axis, False)
    assert isinstance(outcome, PreparedSpectrum) == (frame == "observer")
    at_rest = star._replace(rest=True)
    outcome = observed_inputs.prepare_spectrum(at_rest, None, axis, False)
    assert isinstance(outcome, PreparedSpectrum)
    with pytest.raises(
        UserError,
        match="a: its wavelengths are in air, those of the model in vacuum: take .* --vacuum if",
    ):
        accept_on_model_pixels(star, hdf5_spectra.SpectralAxis(wave, "vacuum"), None)


def test_a_file_without_attributes_is_at_rest_and_in_air_unless_far_in_the_ultraviolet():
    for low, medium in ((5000.0, "air"), (1500.0, "vacuum")):
        with h5py.File("axis.h5", "w", driver="core", backing_store=False) as h5:
            h5["spectra/wave"] = low + np.arange(9)
            assert hdf5_spectra.read_axis(h5)[1:] == (medium, None, "rest")
            h5["spectra/wave"].attrs["frame"], h5["spectra"].attrs["medium"] = "observer", "Vacuum"
            assert hdf5_spectra.read_axis(h5)[1:] == ("vacuum", None, "observer")
