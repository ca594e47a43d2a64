"""Training, testing and Jacobians on toy stars: what is saved, what is refused, what is reproduced."""

import json
import shutil

import numpy as np
import pytest
import yaml
from conftest import ROOT, toy_spectra, write_grid

from starlabels import config, evaluation, grid, h5io, jacobians, join, preprocess, training
from starlabels.cli import UserError

NAMES = ["teff", "logg", "vsini", "mh"]
SECTIONS = {
    "run": "toy",
    "wave": {"min": 4450, "max": 4500, "step": 0.1},
    "model": {
        "builder": "strided_cnn",
        "filters": [4, 8],
        "kernel_size": 8,
        "strides": [4, 4],
        "dense": [32],
        "activation": "gelu",
    },
    "jacobian": {"n_stars": 20, "lines": {"Mg II": [4481.2], "H beta": [4861.3]}},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder with a small recipe, toy spectra and a model trained on them."""
    folder = tmp_path_factory.mktemp("run")
    values = yaml.safe_load((ROOT / "config.yaml").read_text()) | SECTIONS
    values["train"] |= {"max_epochs": 3, "batch_size": 32}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        cfg = config.load("config.yaml")
        write_grid(cfg, 600)
        for stage in (join, preprocess, training):
            stage.run(cfg)
    return folder


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """A fresh copy of that folder to work in; its Config."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return config.load("config.yaml")


def changed(cfg, **sections):
    """The Config with keys of some sections changed."""
    return cfg.model_copy(update={name: getattr(cfg, name).model_copy(update=keys) for name, keys in sections.items()})


def test_model_scaling_history_and_config_are_saved_together(run):
    folder = config.paths(run).model_dir
    assert {path.name for path in folder.iterdir()} == {"model.keras", "scaling.h5", "history.csv", "config.yaml"}
    assert (folder / "config.yaml").read_text() == run.text
    header, *rows = (folder / "history.csv").read_text().split()
    assert header == "epoch,loss,val_loss,learning_rate,seconds" and len(rows) == run.train.max_epochs
    model, stored = training.load(run)
    with h5io.open_stage(config.paths(run).prepared, "2_preprocess") as h5:
        np.testing.assert_array_equal(stored.mean, h5["scaling/mean"][:])
    assert stored.seconds > 0 and stored.digest == config.digest(run, "3_train")


def test_test_stage_writes_the_agreed_metrics_and_physical_predictions(run):
    evaluation.run(run)
    metrics = json.loads(config.paths(run).metrics.read_text())
    assert list(metrics) == ["run", "labels", "n_test", "snr", "train_seconds", "versions"]
    assert metrics["labels"] == NAMES and metrics["n_test"] == 120
    assert list(metrics["snr"]) == ["20_100", "100_200", "200_400", "inf"]
    with h5io.open_stage(config.paths(run).predictions, "4_test") as h5:
        residual = h5["snr20_100/mean"][:] - h5["snr20_100/true"][:]
        assert 20 <= h5["snr20_100/snr"][:].min() and h5["snr20_100/snr"][:].max() <= 100
    rmse = metrics["snr"]["20_100"]["rmse"]
    assert list(rmse.values()) == pytest.approx(np.sqrt((residual**2).mean(axis=0)), rel=1e-4)
    assert rmse["teff"] > 10  # kelvin, not z-scores
    figures = {path.name for path in config.paths(run).figure_dir.glob("4_*.png")}
    assert figures == {"4_error_vs_snr.png", "4_residuals.png"} | {f"4_one_to_one_{key}.png" for key in metrics["snr"]}


class ToySampler:
    """Stands in for the Sampler of the nodes: central differences of the toy spectra."""

    def sensitivities(self, labels, names, wave, resolving_power):
        found = []
        for name in names:
            step = {"teff": 20, "logg": 0.02, "vsini": 1, "mh": 0.02}[name]
            high, low = (toy_spectra(wave, labels | {name: labels[name] + sign * step}) for sign in (1, -1))
            found.append((high - low) / (2 * step))
        return np.stack(found, axis=1)


def test_jacobian_stage_writes_the_network_in_physical_units_beside_the_nodes(run, monkeypatch):
    monkeypatch.setattr(grid, "sampler_for", lambda cfg: ToySampler())
    jacobians.run(run)
    model, stored = training.load(run)
    with h5io.open_stage(config.paths(run).prepared, "2_preprocess") as h5:
        flux = h5["test/flux"][:20]
    expected = jacobians.jacobian(model, flux).mean(axis=0) * stored.std[:, None]
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
    assert "no sensitivity of the atmosphere in the figures: no nodes for this grid" in capsys.readouterr().out
    with h5io.open_stage(config.paths(run).jacobian, "jacobian") as h5:
        assert "network" in h5 and "sensitivity" not in h5
    foreign = run.join.databases[0].model_copy(update={"path": "elsewhere.h5"})
    assert jacobians.physics(changed(run, join={"databases": [foreign]}), None, None) is None
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


def test_noise_free_seed_network_trains_with_a_plateau_schedule(run):
    plateau = run.train.reduce_lr.model_copy(update={"patience": 1})
    cfg = changed(run, train={"noise": None, "schedule": "plateau", "reduce_lr": plateau, "amsgrad": True, "max_epochs": 2})
    with h5io.open_stage(config.paths(cfg).prepared, "2_preprocess") as h5:
        history = training.fit(training.build(cfg, 500), cfg, h5)
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all()


def test_best_weights_are_kept_even_where_the_gain_is_below_min_delta(run):
    stop = run.train.early_stopping.model_copy(update={"min_delta": 1.0, "patience": 2})
    cfg = changed(run, train={"early_stopping": stop, "max_epochs": 4})
    with h5io.open_stage(config.paths(cfg).prepared, "2_preprocess") as h5:
        model = training.build(cfg, 500)
        history = training.fit(model, cfg, h5)
        loss = model.evaluate(training.batches(cfg, h5, "validation"), verbose=0)
    assert len(history["loss"]) == 3  # the first epoch and two without a gain of 1
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-4) and loss < history["val_loss"][0]


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


def test_arguments_that_do_not_go_together_are_a_users_mistake(run):
    with pytest.raises(UserError, match="equally many"):
        training.build(changed(run, model={"strides": [4]}), 500)


def test_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with training.replaced_folder(target) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(RuntimeError), training.replaced_folder(target) as folder:
        (folder / "b").write_text("2")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["a"]
    with training.replaced_folder(target) as folder:
        (folder / "b").write_text("2")
    assert [path.name for path in target.iterdir()] == ["b"] and [path.name for path in tmp_path.iterdir()] == ["model"]
