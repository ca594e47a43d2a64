"""Trainings that stop early, are killed, and go on as if nothing had happened."""

import json
import os

import numpy as np
import pytest
from conftest import change_sections, fit_run

from starlabels.base.files import remove_folder
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.learning import checkpoints
from starlabels.stages import train_labels

LOSSES = [
    3.0,
    2.0,
    1.0,
    1.5,
    2.5,
    2.6,
    2.7,
    2.8,
]  # of validation, an epoch each: the third is the best


def pretend(monkeypatch, losses=LOSSES):
    """Replace the validation losses that Keras reports by these."""
    import keras

    original = keras.callbacks.CallbackList.on_epoch_end

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = losses[epoch]
        original(self, epoch, logs)

    monkeypatch.setattr(keras.callbacks.CallbackList, "on_epoch_end", on_epoch_end)


def stopping(cfg, patience, epochs, **train):
    """The Config with that patience, number of epochs and other keys of `train`."""
    stop = cfg.train.early_stopping.model_copy(update={"patience": patience})
    return change_sections(cfg, train={"early_stopping": stop, "max_epochs": epochs, **train})


def weights(network, *_):
    return network.get_weights()


def kill_after(monkeypatch, epoch):
    """Interrupt the training once the checkpoint of that epoch is written; undo() lets it go on."""
    kept = checkpoints.write_checkpoint

    def checkpoint(network, history, *args):
        kept(network, history, *args)
        if len(history["loss"]) == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "write_checkpoint", checkpoint)
    return lambda: monkeypatch.setattr(checkpoints, "write_checkpoint", kept)


def test_training_stops_early_and_keeps_the_weights_of_its_best_epoch(run, monkeypatch):
    pretend(monkeypatch)
    _, best = fit_run(stopping(run, 9, 3, schedule="plateau"), weights)
    remove_folder(paths.run_paths(run).partial_dir)
    history, kept = fit_run(stopping(run, 2, 8, schedule="plateau"), weights)
    assert history["val_loss"] == LOSSES[:5]
    for weight, expected_weight in zip(kept, best):
        np.testing.assert_allclose(weight, expected_weight, atol=1e-5)


# killed in epochs before the best, after it and the last
CASES = [(killed, schedule) for schedule in ("cosine", "plateau") for killed in (2, 4, 5)]


@pytest.mark.slow
@pytest.mark.parametrize(("killed", "schedule"), CASES)
def test_a_killed_training_goes_on_to_the_same_history_and_weights(
    run, monkeypatch, killed, schedule
):
    pretend(monkeypatch)
    cfg = stopping(
        run,
        2,
        8,
        schedule=schedule,
        reduce_lr=run.train.reduce_lr.model_copy(update={"patience": 1}),
    )
    whole, expected = fit_run(cfg, weights)
    remove_folder(paths.run_paths(cfg).partial_dir)
    undo = kill_after(monkeypatch, killed)
    with pytest.raises(KeyboardInterrupt):
        fit_run(cfg)
    undo()
    history, kept = fit_run(cfg, weights)
    assert len(history["loss"]) == len(whole["loss"]) == 5
    for key in ("loss", "val_loss", "learning_rate"):
        assert history[key] == pytest.approx(whole[key], rel=1e-4)
    for weight, expected_weight in zip(kept, expected):
        np.testing.assert_allclose(weight, expected_weight, atol=1e-4)


@pytest.mark.slow
def test_a_stopped_training_of_another_recipe_is_not_gone_on_with(run, monkeypatch):
    undo = kill_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        train_labels.train_label_network(Run(run))
    undo()
    other = stopping(run, 9, 4)
    train_labels.train_label_network(Run(other))
    assert len((paths.run_paths(other).model_dir / "history.csv").read_text().split()) == 1 + 4


def test_dropout_draws_go_on_where_they_were(tmp_path):
    import keras

    x = np.random.default_rng(0).normal(size=(64, 4)).astype("f4")

    def network():
        keras.utils.set_random_seed(1)
        network = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(1),
            ]
        )
        network.compile(keras.optimizers.Adam(), loss="mse")
        network.optimizer.build(network.trainable_variables)
        return network

    whole, killed, resumed = network(), network(), network()
    logs = {"loss": 1.0, "val_loss": 1.0, "learning_rate": 1e-3, "seconds": 1.0}
    whole.fit(x, x[:, :1], epochs=2, shuffle=False, verbose=0)
    killed.fit(x, x[:, :1], epochs=1, shuffle=False, verbose=0)
    checkpoints.write_checkpoint(
        killed, {key: [] for key in logs}, logs, tmp_path / "state", "digest"
    )
    history, ended = checkpoints.resume_training(resumed, tmp_path / "state", "digest")
    assert (len(history["loss"]), ended) == (1, False)
    resumed.fit(x, x[:, :1], epochs=1, shuffle=False, verbose=0)
    for weight, expected_weight in zip(resumed.get_weights(), whole.get_weights()):
        np.testing.assert_array_equal(weight, expected_weight)


@pytest.fixture
def tiny():
    """tiny(units): a compiled network of so many units, with its optimiser built."""
    import keras

    def build(units=3):
        keras.utils.set_random_seed(1)
        network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
        network.compile(keras.optimizers.Adam(), loss="mse")
        network.optimizer.build(network.trainable_variables)
        return network

    return build


def write_epoch(network, folder):
    logs = {"loss": 1.0, "val_loss": 1.0, "learning_rate": 1e-3, "seconds": 1.0}
    checkpoints.write_checkpoint(network, {key: [] for key in logs}, logs, folder, "digest")
    return folder / checkpoints.STATE


def resume(network, folder, digest="digest"):
    """Number of epochs that are resumed; the network must be unchanged if there are none."""
    before = network.get_weights()
    history, _ = checkpoints.resume_training(network, folder, digest)
    for weight, expected in zip(network.get_weights(), before):
        np.testing.assert_array_equal(weight, expected)
    return len(history["loss"])


@pytest.mark.parametrize("name", [checkpoints.LAST, checkpoints.BEST, checkpoints.PROGRESS])
@pytest.mark.parametrize("damage", ["empty", "half", "text", "null", "list", "array", "missing"])
def test_a_damaged_checkpoint_starts_anew_with_a_line_that_names_the_file(
    tiny, tmp_path, capsys, name, damage
):
    network = tiny()
    path = write_epoch(network, tmp_path) / name
    content = path.read_bytes()
    words = {"empty": b"", "half": content[: len(content) // 2], "text": b"abc"}
    words |= {"null": b"null", "list": b"[1, 2]"}
    if damage == "missing":
        path.unlink()
    elif damage == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    else:
        path.write_bytes(words[damage])
    assert resume(network, tmp_path) == 0
    found = damage if damage in ("empty", "missing") else "damaged"
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{path} is {found}: the training starts anew" and len(said) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"history": {}},
        {"history": {"loss": [1.0], "val_loss": [], "learning_rate": [1.0], "seconds": [1.0]}},
        {"history": {key: ["high"] for key in checkpoints.KEYS}},
        {"history": {key: [] for key in checkpoints.KEYS}},
        {"ended": "no"},
        {"digest": None},
    ],
)
def test_a_history_that_is_not_one_starts_anew(tiny, tmp_path, capsys, change):
    network = tiny()
    path = write_epoch(network, tmp_path) / checkpoints.PROGRESS
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert resume(network, tmp_path) == 0
    assert f"{path} is damaged: the training starts anew" in capsys.readouterr().out


def test_a_checkpoint_of_another_network_or_recipe_starts_anew(tiny, tmp_path, capsys):
    path = write_epoch(tiny(2), tmp_path) / checkpoints.BEST
    assert resume(tiny(3), tmp_path) == 0
    assert f"{path} is of another network: the training starts" in capsys.readouterr().out
    write_epoch(tiny(), tmp_path)
    assert resume(tiny(), tmp_path, "other") == 0
    assert f"{tmp_path} has other settings or spectra: the train" in capsys.readouterr().out


def test_a_checkpoint_is_on_the_disk_before_it_replaces_the_last_one(tiny, tmp_path, monkeypatch):
    events, names = [], {}
    opened, flushed, replaced = os.open, os.fsync, os.replace

    def note_open(path, *args, **options):
        handle = opened(path, *args, **options)
        names[handle] = os.path.basename(path)
        return handle

    monkeypatch.setattr(os, "open", note_open)
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append(names[fd]), flushed(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replaced(a, b)))
    write_epoch(tiny(), tmp_path)
    files = {checkpoints.LAST, checkpoints.BEST, checkpoints.PROGRESS, "state.tmp"}
    assert files <= set(events[: events.index("replace")])
    assert events[-1] == tmp_path.name  # the folder that has the new name


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [checkpoints.LAST, checkpoints.BEST, "history.json"])
def test_a_damaged_checkpoint_is_not_gone_on_with_and_leaves_the_network_as_it_was(run, spoilt):
    fit_run(stopping(run, 9, 2))
    folder = paths.run_paths(run).partial_dir
    file = folder / checkpoints.STATE / spoilt
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content if spoilt != "history.json" else content[: len(content) // 2])
    untouched, resumed = (stopping(run, 9, 3) for _ in range(2))
    history, kept = fit_run(resumed, weights)
    remove_folder(folder)
    expected, expected_weights = fit_run(untouched, weights)
    assert history["loss"] == expected["loss"] and len(history["loss"]) == 3
    for weight, expected_weight in zip(kept, expected_weights):
        np.testing.assert_array_equal(weight, expected_weight)
