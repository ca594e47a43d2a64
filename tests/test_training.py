"""Training, testing and Jacobians on toy stars: what is saved, what is refused, what is reproduced."""

import json
import shutil
from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, toy_spectra, write_grid

from starlabels import (
    calibration,
    components,
    config,
    evaluation,
    grid,
    h5io,
    jacobians,
    join,
    limits,
    preprocess,
    trained,
    training,
)
from starlabels.cli import UserError
from starlabels.files import replaced_folder

NAMES = ["teff", "logg", "vsini", "mh"]
SECTIONS = {
    "run": "toy",
    "wave": {"min": 4450, "max": 4500, "step": 0.1},
    "model": {"builder": "residual_mlp", "width": 32, "blocks": 1, "activation": "gelu"},
    "jacobian": {"n_stars": 20, "lines": {"Mg II": [4481.2], "H beta": [4861.3]}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder with a small recipe, toy spectra and a model trained on them."""
    folder = tmp_path_factory.mktemp("run")
    values = yaml.safe_load((ROOT / "config.yaml").read_text()) | SECTIONS
    values["train"] |= {"max_epochs": 3, "passes": 2, "batch_size": 32}
    values["preprocess"] |= {"components": 12}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        cfg = config.load("config.yaml")
        write_grid(cfg, 600)
        for stage in (join, preprocess, training):
            stage.run(cfg)
    return folder


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """A fresh copy of that folder to work in; its Config."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return config.load("config.yaml")


def changed(cfg, **sections):
    """The Config with keys of some sections changed."""
    return cfg.model_copy(update={name: getattr(cfg, name).model_copy(update=keys) for name, keys in sections.items()})


def test_model_scaling_history_and_config_are_saved_together(run):
    folder = config.paths(run).model_dir
    assert {path.name for path in folder.iterdir()} == {"model.keras", "decoder.keras", "scaling.h5", "history.csv", "config.yaml"}
    assert (folder / "config.yaml").read_text() == run.text
    header, *rows = (folder / "history.csv").read_text().split()
    assert header == "epoch,loss,val_loss,learning_rate,seconds" and len(rows) == run.train.max_epochs
    stored = trained.load(run)
    with h5io.open_stage(config.paths(run).prepared, "2_preprocess") as h5:
        np.testing.assert_array_equal(stored.mean, h5["scaling/mean"][:])
    assert stored.seconds > 0 and stored.digest == config.digest(run, "3_train")


class ToySampler:
    """Stands in for the Sampler of the nodes: central differences of the toy spectra."""

    def sensitivities(self, labels, names, wave, resolving_power):
        found = []
        for name in names:
            step = {"teff": 20, "logg": 0.02, "vsini": 1, "mh": 0.02}[name]
            high, low = (toy_spectra(wave, labels | {name: labels[name] + sign * step}) for sign in (1, -1))
            found.append((high - low) / (2 * step))
        return np.stack(found, axis=1)


def test_test_stage_writes_the_agreed_metrics_and_physical_predictions(run, monkeypatch):
    monkeypatch.setattr(grid, "sampler_for", lambda cfg: ToySampler())
    evaluation.run(run)
    metrics = json.loads(config.paths(run).metrics.read_text())
    assert list(metrics) == ["run", "labels", "n_test", "snr", "flagged", "train_seconds", "versions"]
    assert metrics["labels"] == NAMES and metrics["n_test"] == 120
    assert list(metrics["snr"]) == ["20_100", "100_200", "200_400", "inf"]
    with h5io.open_stage(config.paths(run).predictions, "4_test") as h5:
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
    figures = {path.name for path in config.paths(run).figure_dir.glob("4_*.png")}
    several = {"4_error_vs_snr.png", "4_residuals.png", "4_pulls.png", "4_reliability.png", "4_error_over_bound.png"}
    assert figures == several | {f"4_one_to_one_{key}.png" for key in metrics["snr"]}


@pytest.mark.parametrize("shift, code", [(0.0, None), (50.0, 1)])
def test_strict_leaves_with_1_where_the_errors_are_not_true(run, monkeypatch, capsys, shift, code):
    def gaussian(self, batches, snr):
        err = np.ones((len(snr), 4), "f4")
        mean = batches.target + shift + np.random.default_rng(0).normal(size=err.shape).astype("f4")
        return {"mean": mean, "err": err, "flags": np.zeros(len(snr), "u1")}

    monkeypatch.setattr(evaluation, "draw", lambda *args: None)
    monkeypatch.setattr(trained.Trained, "predict", gaussian)
    monkeypatch.setattr(evaluation.calibration, "violations", partial(calibration.violations, low=0.5, high=0.85))
    strict = Namespace(strict=True)
    if code is None:
        evaluation.run(run, strict)
    else:
        with pytest.raises(SystemExit) as left:
            evaluation.run(run, strict)
        assert left.value.code == code
        assert "error: teff at S/N 20-100: 0.0% of the stars within one error, expected" in capsys.readouterr().err


def test_jacobian_stage_writes_the_network_in_physical_units_beside_the_nodes(run, monkeypatch):
    monkeypatch.setattr(grid, "sampler_for", lambda cfg: ToySampler())
    jacobians.run(run)
    stored = trained.load(run)
    with h5io.open_stage(config.paths(run).prepared, "2_preprocess") as h5:
        flux = h5["test/flux"][:20]
    expected = jacobians.jacobian(stored.model, flux, 4).mean(axis=0) * stored.std[:, None]
    with h5io.open_stage(config.paths(run).jacobian, "jacobian") as h5:
        np.testing.assert_allclose(h5["network/mean"][:], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
        assert h5["network/std"].shape == h5["sensitivity/mean"].shape == h5["ideal/mean"].shape == (4, 500)
        assert h5["sensitivity/mean"][0, 167] > 0 > h5["sensitivity/mean"][3, 167]  # deeper with mh, weaker with teff
    assert {path.name for path in config.paths(run).figure_dir.glob("j*")} == {"jacobian.png", "jacobian_zoom.png"}


def test_jacobian_stage_goes_on_with_a_plain_message_where_the_nodes_do_not_apply(run, monkeypatch, capsys):
    def no_nodes(cfg):
        raise UserError("no nodes for this grid")

    monkeypatch.setattr(grid, "sampler_for", no_nodes)
    jacobians.run(run)
    assert "neither bound nor sensitivity: no nodes for this grid" in capsys.readouterr().out
    with h5io.open_stage(config.paths(run).jacobian, "jacobian") as h5:
        assert "network" in h5 and "sensitivity" not in h5
    foreign = run.join.databases[0].model_copy(update={"path": "elsewhere.h5"})
    assert limits.sensitivity_of(changed(run, join={"databases": [foreign]}), None, None) is None
    assert "not all spectra are from grid.py" in capsys.readouterr().out


def test_same_seed_gives_the_same_metrics(run, monkeypatch):
    monkeypatch.setattr(evaluation, "draw", lambda *args: None)
    evaluation.run(run)
    first = config.paths(run).metrics.read_text()
    training.run(run)
    evaluation.run(run)
    again = json.loads(config.paths(run).metrics.read_text())["snr"]
    for key, table in json.loads(first)["snr"].items():
        assert list(again[key]["rmse"].values()) == pytest.approx(list(table["rmse"].values()), rel=0.01)


def fit(cfg, then=lambda *_: None):
    """History of a training by cfg, and then(network, h5, basis)."""
    paths = config.paths(cfg)
    with h5io.open_stage(paths.prepared, "2_preprocess") as h5:
        basis = components.read(h5)
        network = training.build(cfg, h5, basis)
        return training.fit(network, cfg, h5, basis, paths.partial_dir, "digest"), then(network, h5, basis)


def test_published_network_trains_on_pixels_without_noise_and_with_a_plateau_schedule(run):
    plateau = run.train.reduce_lr.model_copy(update={"patience": 1})
    values = yaml.safe_load(run.text)
    values["model"] = yaml.safe_load((ROOT / "recipes/seed.yaml").read_text())["model"] | {"dense": [16]}
    values["preprocess"] |= {"components": None}
    Path("seed.yaml").write_text(yaml.safe_dump(values))
    cfg = config.load("seed.yaml")
    preprocess.run(cfg)
    train = {"noise": None, "loss": "mse", "schedule": "plateau", "reduce_lr": plateau, "amsgrad": True, "max_epochs": 2}
    cfg = changed(cfg, train=train)
    history, _ = fit(cfg)
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all()
    training.run(cfg)
    evaluation.run(cfg)
    with h5io.open_stage(config.paths(cfg).predictions, "4_test") as h5:
        assert "err" not in h5["snr20_100"] and h5["snr20_100/mean"].shape == (120, 4)


def test_best_weights_are_kept_even_where_the_gain_is_below_min_delta(run):
    stop = run.train.early_stopping.model_copy(update={"min_delta": 1.0, "patience": 2})
    cfg = changed(run, train={"early_stopping": stop, "max_epochs": 8})
    history, loss = fit(cfg, lambda net, h5, basis: net.evaluate(training.batches(cfg, h5, basis, "validation"), verbose=0))
    best = np.argmin(history["val_loss"])
    assert len(history["loss"]) < 8 and history["val_loss"][0] - 1 < min(history["val_loss"])
    assert loss == pytest.approx(history["val_loss"][best], rel=1e-4)


def test_a_stopped_training_goes_on_to_the_very_same_weights(run, monkeypatch):
    whole, expected = fit(run, lambda network, *_: network.get_weights())
    trained.remove(config.paths(run).partial_dir)
    kept = training.checkpoint

    def stop_after_two(network, history, *args):
        kept(network, history, *args)
        if len(history["loss"]) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "checkpoint", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        fit(run)
    monkeypatch.setattr(training, "checkpoint", kept)
    history, weights = fit(run, lambda network, *_: network.get_weights())
    assert len(history["loss"]) == 3 and history["loss"] == pytest.approx(whole["loss"], rel=1e-4)
    for found, wanted in zip(weights, expected):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_missing_and_stale_inputs_name_the_script_to_run(run):
    with pytest.raises(UserError, match="re-run python 3_train.py"):
        evaluation.run(changed(run, train={"max_epochs": 9}))
    config.paths(run).prepared.unlink()
    with pytest.raises(UserError, match="2_preprocess.py"):
        training.run(run)
    assert (config.paths(run).model_dir / "model.keras").exists()  # the old model is untouched


def test_damaged_model_names_the_script_to_run(run):
    path = config.paths(run).model_dir / "model.keras"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read: run python 3_train.py"):
        evaluation.run(run)


def test_diverged_training_is_refused_and_leaves_the_old_model(run):
    before = (config.paths(run).model_dir / "model.keras").read_bytes()
    with pytest.raises(UserError, match="lower train.learning_rate"):
        training.run(changed(run, train={"learning_rate": 1e30, "schedule": "plateau"}))
    assert (config.paths(run).model_dir / "model.keras").read_bytes() == before
    assert not list(config.paths(run).model_dir.parent.glob("*.tmp"))


def test_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with replaced_folder(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(RuntimeError), replaced_folder(target) as folder:
        (folder / "b").write_text("2")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["a"]
    with replaced_folder(target) as folder:
        (folder / "b").write_text("2")
    assert [path.name for path in target.iterdir()] == ["b"] and [path.name for path in tmp_path.iterdir()] == ["model"]
