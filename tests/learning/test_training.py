"""Training, testing and Jacobians on toy stars: what is saved, refused and reproduced."""

import json
from argparse import Namespace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from conftest import ROOT, change_sections, fit_run, slow
from toy_data import ToySampler

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.config import digests, load, paths
from starlabels.config.run import Run
from starlabels.learning import calibration, components, jacobians, outliers, trained_model
from starlabels.stages import (
    jacobian_labels,
    load_model,
    preprocess,
    recipe_nodes,
    score_figures,
    score_labels,
    train_labels,
)

NAMES = ["teff", "logg", "vsini", "mh"]


def test_model_scaling_history_and_config_are_saved_together(run):
    folder = paths.run_paths(run).model_dir
    files = {"model.keras", "decoder.keras", "scaling.h5", "history.csv", "config.yaml"}
    assert {path.name for path in folder.iterdir()} == files
    assert (folder / "config.yaml").read_text() == run.text
    header, *rows = (folder / "history.csv").read_text().split()
    assert (
        header == "epoch,loss,val_loss,learning_rate,seconds" and len(rows) == run.train.max_epochs
    )
    stored = load_model.load_trained_model(Run(run))
    with hdf5.open_stage(paths.run_paths(run).prepared, "2_preprocess") as h5:
        np.testing.assert_array_equal(stored.mean, h5["scaling/mean"][:])
    assert stored.seconds > 0 and stored.digest == digests.stage_digest(run, "3_train")


@pytest.mark.slow
def test_test_stage_writes_the_agreed_metrics_and_physical_predictions(run, monkeypatch):
    monkeypatch.setattr(recipe_nodes, "open_sampler", lambda cfg, build: ToySampler())
    score_labels.score_labels(Run(run))
    metrics = json.loads(paths.run_paths(run).metrics.read_text())
    assert list(metrics) == [
        "run",
        "labels",
        "n_test",
        "snr",
        "flagged",
        "train_seconds",
        "versions",
        "refined",
        "subsets",
    ]
    assert metrics["labels"] == NAMES and metrics["n_test"] == 120
    assert list(metrics["snr"]) == ["20_100", "100_200", "200_400", "inf"]
    with hdf5.open_stage(paths.run_paths(run).predictions, "4_test") as h5:
        residual = h5["snr20_100/mean"][:] - h5["snr20_100/true"][:]
        assert 20 <= h5["snr20_100/snr"][:].min() and h5["snr20_100/snr"][:].max() <= 100
        assert h5["snr20_100/mean"][:, 2].min() >= 0 and h5["snr20_100/err"][:].min() > 0
        assert h5["snr20_100/crlb"].shape == (120, 4) and "crlb" not in h5["snrinf"]
    table = metrics["snr"]["20_100"]
    rmse = table["rmse"]
    for name in NAMES:
        assert table["ratio"][name] == pytest.approx(rmse[name] / table["crlb"][name])
        assert 0 <= table["coverage_68"][name] <= table["coverage_95"][name] <= 1
    assert list(rmse.values()) == pytest.approx(np.sqrt((residual**2).mean(axis=0)), rel=1e-4)
    assert rmse["teff"] > 10  # kelvin, not z-scores
    figures = {path.name for path in paths.run_paths(run).figure_dir.glob("4_*.png")}
    several = {
        "4_error_vs_snr.png",
        "4_residuals.png",
        "4_pulls.png",
        "4_reliability.png",
        "4_error_over_bound.png",
    }
    assert figures == several | {f"4_one_to_one_{key}.png" for key in metrics["snr"]}


@pytest.mark.parametrize("shift, code", [(0.0, None), slow(50.0, 1)])
def test_strict_leaves_with_1_where_the_errors_are_not_true(run, monkeypatch, capsys, shift, code):
    def gaussian(self, batches, snr):
        err = np.ones((len(snr), 4), "f4")
        mean = batches.target + shift + np.random.default_rng(0).normal(size=err.shape).astype("f4")
        return {"mean": mean, "err": err, "flags": np.zeros(len(snr), "u1")}

    monkeypatch.setattr(score_figures, "draw_figures", lambda *args: None)
    monkeypatch.setattr(trained_model.TrainedModel, "predict", gaussian)
    monkeypatch.setattr(
        calibration, "find_violations", partial(calibration.find_violations, low=0.5, high=0.85)
    )
    strict = Namespace(strict=True)
    run = change_sections(run, test={"refine": None})
    if code is None:
        score_labels.score_labels(Run(run), strict)
    else:
        with pytest.raises(SystemExit) as left:
            score_labels.score_labels(Run(run), strict)
        assert left.value.code == code
        assert (
            "error: teff at S/N 20-100: 0.0% of the stars within one error, expected"
            in capsys.readouterr().err
        )


def test_jacobian_stage_writes_the_network_in_physical_units_beside_the_nodes(run, monkeypatch):
    monkeypatch.setattr(recipe_nodes, "open_sampler", lambda cfg, build: ToySampler())
    jacobian_labels.average_jacobians(Run(run))
    stored = load_model.load_trained_model(Run(run))
    with hdf5.open_stage(paths.run_paths(run).prepared, "2_preprocess") as h5:
        flux = h5["test/flux"][:20]
    expected = jacobians.compute_jacobian(stored.model, flux, 4).mean(axis=0) * stored.std[:, None]
    with hdf5.open_stage(paths.run_paths(run).jacobian, "jacobian") as h5:
        np.testing.assert_allclose(
            h5["network/mean"][:], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )
        assert (
            h5["network/std"].shape
            == h5["sensitivity/mean"].shape
            == h5["ideal/mean"].shape
            == (4, 500)
        )
        assert (
            h5["sensitivity/mean"][0, 167] > 0 > h5["sensitivity/mean"][3, 167]
        )  # deeper with mh, weaker with teff
    assert {path.name for path in paths.run_paths(run).figure_dir.glob("j*")} == {
        "jacobian.png",
        "jacobian_zoom.png",
    }


@pytest.mark.slow
def test_jacobian_stage_goes_on_with_a_plain_message_where_the_nodes_do_not_apply(
    run, monkeypatch, capsys
):
    def no_nodes(cfg, build):
        raise UserError("no nodes for this grid")

    monkeypatch.setattr(recipe_nodes, "open_sampler", no_nodes)
    jacobian_labels.average_jacobians(Run(run))
    assert "neither bound nor sensitivity: no nodes for this grid" in capsys.readouterr().out
    with hdf5.open_stage(paths.run_paths(run).jacobian, "jacobian") as h5:
        assert "network" in h5 and "sensitivity" not in h5
    foreign = run.join.databases[0].model_copy(update={"path": "elsewhere.h5"})
    assert (
        recipe_nodes.build_sensitivity_or_none(
            change_sections(run, join={"databases": [foreign]}), None, None
        )
        is None
    )
    assert "not all spectra are from grid.py" in capsys.readouterr().out


@pytest.mark.slow
def test_same_seed_gives_the_same_metrics(run, monkeypatch):
    monkeypatch.setattr(score_figures, "draw_figures", lambda *args: None)
    score_labels.score_labels(Run(run))
    first = paths.run_paths(run).metrics.read_text()
    train_labels.train_label_network(Run(run))
    score_labels.score_labels(Run(run))
    again = json.loads(paths.run_paths(run).metrics.read_text())["snr"]
    for key, table in json.loads(first)["snr"].items():
        assert list(again[key]["rmse"].values()) == pytest.approx(
            list(table["rmse"].values()), rel=0.01
        )


@pytest.mark.slow
def test_published_network_trains_on_pixels_without_noise_and_with_a_plateau_schedule(run):
    plateau = run.train.reduce_lr.model_copy(update={"patience": 1})
    values = yaml.safe_load(run.text)
    values["model"] = yaml.safe_load((ROOT / "recipes/seed.yaml").read_text())["model"] | {
        "dense": [16]
    }
    values["preprocess"] |= {"components": None}
    Path("seed.yaml").write_text(yaml.safe_dump(values))
    cfg = load.load_config("seed.yaml")
    preprocess.prepare_spectra(Run(cfg))
    train = {
        "noise": None,
        "loss": "mse",
        "schedule": "plateau",
        "reduce_lr": plateau,
        "optimizer": "amsgrad",
        "max_epochs": 2,
    }
    cfg = change_sections(cfg, train=train)
    history, _ = fit_run(cfg)
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all()
    train_labels.train_label_network(Run(cfg))
    score_labels.score_labels(Run(cfg))
    with hdf5.open_stage(paths.run_paths(cfg).predictions, "4_test") as h5:
        assert "err" not in h5["snr20_100"] and h5["snr20_100/mean"].shape == (120, 4)


def test_model_on_flux_is_the_network_on_components_with_errors_limits_and_flags(run):
    stored = load_model.load_trained_model(Run(run))
    with hdf5.open_stage(paths.run_paths(run).prepared, "2_preprocess") as h5:
        basis = components.read_basis(h5)
        flux = h5["test/flux"][:50]
    snr = np.full(50, 100.0)
    projections = components.project_flux(flux, basis)
    ln_noise = 0.5 * np.log(projections["outside"][:, 0] / basis.n_left)
    inputs = np.column_stack([projections["components"], ln_noise]).astype("f4")
    output = stored.model.get_layer("residual_mlp").predict(inputs, verbose=0)
    np.testing.assert_allclose(stored.model.predict(flux, verbose=0), output, atol=1e-3)
    # every vsini is predicted far below 0
    shifted = stored._replace(mean=stored.mean - [0, 0, 1e4, 0])
    clipped = shifted.predict(flux, snr)
    assert not clipped["mean"][:, 2].any() and np.all(clipped["flags"] & outliers.BITS["limit"])
    prediction = stored.predict(flux, snr)
    raw = np.exp(0.5 * output[:, 4:]) * stored.std
    growth = prediction["err"] / calibration.apply_calibration(stored.calibration, raw, snr)
    like = prediction["flags"] & outliers.BITS["unlike"] == 0
    np.testing.assert_allclose(growth[like], 1, rtol=1e-2)
    assert (growth[~like] > 0.99).all()
    assert np.all(stored.std > 0) and np.all(stored.std < [3000.0, 3.0, 270.0, 2.7])
    noise = np.random.default_rng(0).normal(1, 0.5, flux.shape).astype("f4")
    wild = stored.predict(noise, np.full(50, 2.0))
    assert np.all(wild["flags"] & outliers.BITS["unlike"])


def test_a_model_keeps_the_basis_it_reads_and_one_without_it_predicts_the_same(run):
    folder = paths.run_paths(run).model_dir
    stored = load_model.load_trained_model(Run(run))
    with hdf5.open_stage(paths.run_paths(run).prepared, "2_preprocess") as h5:
        prepared = components.read_basis(h5)
        flux = h5["test/flux"][:20]
    with h5py.File(folder / "scaling.h5", "r+") as h5:
        assert h5["basis"].attrs["n_blocks"] == prepared.n_blocks
        del h5["basis"]  # as of older models
    older = load_model.load_trained_model(Run(run))
    for basis in (stored.basis, older.basis):
        for values, expected in zip(basis, prepared):
            np.testing.assert_array_equal(values, expected)
    snr = np.full(20, 100.0)
    prediction = stored.predict(flux, snr)
    for name, values in older.predict(flux, snr).items():
        np.testing.assert_array_equal(values, prediction[name])


def test_missing_and_stale_inputs_name_the_script_to_run(run):
    with pytest.raises(UserError, match="re-run python 3_train.py"):
        score_labels.score_labels(Run(change_sections(run, train={"max_epochs": 9})))
    paths.run_paths(run).prepared.unlink()
    with pytest.raises(UserError, match="2_preprocess.py"):
        train_labels.train_label_network(Run(run))
    assert (paths.run_paths(run).model_dir / "model.keras").exists()  # the old model is untouched


def test_damaged_model_names_the_script_to_run(run):
    path = paths.run_paths(run).model_dir / "model.keras"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read: run python 3_train.py"):
        score_labels.score_labels(Run(run))


def test_diverged_training_is_refused_and_leaves_the_old_model(run):
    before = (paths.run_paths(run).model_dir / "model.keras").read_bytes()
    with pytest.raises(UserError, match="lower train.learning_rate"):
        train_labels.train_label_network(
            Run(change_sections(run, train={"learning_rate": 1e30, "schedule": "plateau"}))
        )
    assert (paths.run_paths(run).model_dir / "model.keras").read_bytes() == before
    assert not list(paths.run_paths(run).model_dir.parent.glob("*.tmp"))


def test_arguments_that_do_not_go_together_are_a_users_mistake(run):
    cfg = change_sections(run, model={"blocks": -1})
    with pytest.raises(UserError, match="blocks is -1, expected 0 or more"):
        fit_run(cfg)
