"""Training on several devices and in mixed precision agrees with one device and can be followed."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, change_sections, fit_run

from starlabels.base.errors import UserError
from starlabels.config import digests, load, paths
from starlabels.config.run import Run
from starlabels.learning import batches, checkpoints, devices, trained_model, training
from starlabels.learning.networks import BUILDERS
from starlabels.stages import train_labels

CPUS = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from starlabels.config import load
from starlabels.config.run import Run
from starlabels.learning import devices
from starlabels.stages import train_labels

train_labels.start_devices = lambda train: devices.mirror_gpus(train.precision, ["CPU:0", "CPU:1"])
train_labels.train_label_network(Run(load.load_config("config.yaml")))
"""  # two devices of a machine without GPUs


@pytest.fixture
def start():
    """A function that starts python in the current folder; it is killed after the test."""
    started = []

    def start(*command, **environment):
        environment = (
            os.environ | {"TF_NUM_INTRAOP_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment
        )
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(
            subprocess.Popen([sys.executable, *map(str, command)], env=environment, **streams)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def task(index, addresses):
    """TF_CONFIG of one of the workers at these addresses."""
    return json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )


def addresses(n):
    """n addresses of this machine that are free."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    places = [f"127.0.0.1:{server.getsockname()[1]}" for server in sockets]
    for server in sockets:
        server.close()
    return places


def rewrite(**train):
    """The Config after keys of the section train in config.yaml got those values."""
    values = yaml.safe_load(Path("config.yaml").read_text())
    values["train"] |= train
    Path("config.yaml").write_text(yaml.safe_dump(values))
    return load.load_config("config.yaml")


def losses(folder):
    """{column: values (n_epochs,)} of a history.csv, without the time."""
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {
        key: [float(row[key]) for row in rows]
        for key in ("epoch", "loss", "val_loss", "learning_rate")
    }


@pytest.fixture(scope="module")
def plain_folder(trained_folder, tmp_path_factory):
    """A folder with a model of one device, which saw batches that two do not share equally."""
    folder = tmp_path_factory.mktemp("plain")
    shutil.copytree(trained_folder, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train_labels.train_label_network(
            Run(rewrite(batch_size=33, loss="mse"))
        )  # without errors, whose calibration takes longer
    return folder


@pytest.fixture
def plain(plain_folder, tmp_path, monkeypatch):
    """A copy of it to work in: its history.csv, and its answers to a few spectra."""
    shutil.copytree(plain_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    cfg = load.load_config("config.yaml")
    return losses(paths.run_paths(cfg).model_dir), answers(cfg)


def answers(cfg):
    """What the model on disk says of a few spectra (50, 2 n_labels)."""
    flux = np.random.default_rng(0).normal(1, 0.02, (50, cfg.wave.n_pix)).astype("f4")
    return trained_model.read_keras_model(paths.run_paths(cfg).model_dir / "model.keras").predict(
        flux, verbose=0
    )


def assert_as(plain, cfg):
    """The losses and answers of the model on disk are those of one device."""
    columns = losses(paths.run_paths(cfg).model_dir)
    for key, expected in plain[
        0
    ].items():  # a batch that was filled up weighs a little more in the loss of its epoch
        np.testing.assert_allclose(columns[key], expected, rtol=1e-3 if "loss" in key else 1e-6)
    np.testing.assert_allclose(answers(cfg), plain[1], atol=1e-5)


@pytest.mark.slow
def test_two_workers_give_the_model_of_one_and_the_chief_alone_writes_it(plain, start):
    cfg = rewrite(devices="workers")
    model = paths.run_paths(cfg).model_dir / "model.keras"
    before, places = model.stat().st_mtime_ns, addresses(2)
    workers = [start(ROOT / "3_train.py", TF_CONFIG=task(i, places)) for i in range(2)]
    (chief, _), (other, _) = (worker.communicate(timeout=600) for worker in workers)
    assert [worker.returncode for worker in workers] == [0, 0], chief + other
    assert model.stat().st_mtime_ns > before and str(model) in chief and str(model) not in other
    assert sum(line.startswith("epoch ") for line in other.splitlines()) == cfg.train.max_epochs
    assert_as(plain, cfg)


@pytest.mark.slow
def test_two_devices_of_a_machine_give_the_model_of_one(plain, start):
    cfg = rewrite(devices="all")
    (printed, wrong) = start("-c", CPUS).communicate(timeout=600)
    assert "each of 2 takes its share of every batch" in printed, wrong
    assert_as(plain, cfg)


@pytest.mark.parametrize("rows", [1, 2, 5, 6])
@pytest.mark.parametrize("n", [2, 3])
def test_the_mean_over_the_shares_of_a_batch_is_that_of_the_batch(rows, n):
    inputs = np.random.default_rng(rows).normal(size=(rows, 3)).astype("f4")
    parts = [batches.share_batch((inputs, inputs[:, :1]), i, n) for i in range(n)]
    assert len({len(weights) for *_, weights in parts}) == 1  # the devices are equally busy
    means = [(x[:, 0] * weights).mean() for x, _, weights in parts]
    assert np.mean(means) == pytest.approx(inputs[:, 0].mean(), abs=1e-6)
    for one, whole in zip(zip(*parts), batches.share_batch((inputs, inputs[:, :1]), None, n)):
        np.testing.assert_array_equal(np.concatenate(one), whole)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_network_trained_in_mixed_precision_answers_in_float32_and_about_the_same(
    plain, capsys, precision
):
    import keras

    train_labels.train_label_network(Run(cfg := rewrite(precision=precision)))
    assert f"train.precision {precision}: without a GPU it is slower" in capsys.readouterr().out
    assert keras.config.dtype_policy().name == "float32"
    output = answers(cfg)
    assert output.dtype == np.float32
    difference = np.abs(output - plain[1]).max()
    assert 0 < difference < 0.05 * plain[1].std()
    network = trained_model.read_keras_model(
        paths.run_paths(cfg).model_dir / "model.keras"
    ).get_layer("residual_mlp")
    assert {layer.compute_dtype for layer in network._flatten_layers()} == {"float32"}


@pytest.mark.parametrize(
    "builder",
    ["residual_mlp", "mlp", "seed_cnn", "bayesian_cnn", "spectrum_table_cnn", "censored_cnn"],
)
def test_every_network_of_mixed_precision_gives_float32(builder):
    known = (
        {"wave": np.arange(64.0), "labels": ["teff", "mg_h"], "windows": {"mg_h": [[3, 20]]}}
        if "cens" in builder
        else {}
    )
    with training.dtype_policy("mixed_bfloat16"):
        network = BUILDERS[builder](64, 4, **known)
    output = np.asarray(
        network(np.random.default_rng(0).normal(size=(3, 64)).astype("f4"), training=True)
    )
    assert (
        output.dtype == np.float32 and (output.view("u4") & 0xFFFF).any()
    )  # bits that no bfloat16 has
    assert "bfloat16" in {layer.compute_dtype for layer in network.layers}


@pytest.mark.slow
def test_a_run_is_followed_by_a_line_an_epoch_and_by_tensorboard(run, monkeypatch):
    cfg, seen = change_sections(run, train={"tensorboard": True}), []
    folder, kept = paths.run_paths(cfg).partial_dir, checkpoints.write_checkpoint

    def checkpoint(*args):
        kept(*args)
        seen.append((folder / "history.csv").read_text().splitlines())

    monkeypatch.setattr(checkpoints, "write_checkpoint", checkpoint)
    train_labels.train_label_network(Run(cfg))
    assert [len(lines) for lines in seen] == [2, 3, 4]
    assert (paths.run_paths(cfg).model_dir / "history.csv").read_text().splitlines() == seen[-1]
    events = (paths.run_paths(cfg).model_dir / "tensorboard").glob("*/events.*")
    assert {path.parent.name for path in events} == {"train", "validation"}


@pytest.mark.slow
def test_a_run_that_goes_on_continues_the_lines_of_its_history(run, monkeypatch):
    kept = checkpoints.write_checkpoint

    def checkpoint(network, history, *args):
        kept(network, history, *args)
        if len(history["loss"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "write_checkpoint", checkpoint)
        fit_run(run)
    path = paths.run_paths(run).partial_dir / "history.csv"
    with path.open("a") as file:
        file.write("3,0.1")  # a line that was cut off
    fit_run(run)
    assert [line.split(",")[0] for line in path.read_text().split()] == ["epoch", "1", "2", "3"]


def test_devices_and_what_is_followed_make_no_model_stale_but_precision_does(run):
    digest = digests.stage_digest(run, "3_train")
    assert (
        digests.stage_digest(
            change_sections(run, train={"devices": "workers", "tensorboard": True}), "3_train"
        )
        == digest
    )
    assert (
        digests.stage_digest(change_sections(run, train={"precision": "mixed_float16"}), "3_train")
        != digest
    )


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"ps": []}}',
    ],
    ids=["none", "no JSON", "an index too many", "no workers"],
)
def test_workers_without_a_sound_tf_config_are_told_what_it_is(run, monkeypatch, text):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(
        UserError, match="train.devices: workers needs the environment variable TF_CONFIG"
    ):
        devices.start_devices(change_sections(run, train={"devices": "workers"}).train)


def test_all_gpus_of_a_machine_without_any_are_its_cpu_and_that_is_said(run, capsys):
    started = devices.start_devices(change_sections(run, train={"devices": "all"}).train)
    assert (
        started == devices.ONE_DEVICE
        and "no GPU found, the network trains on the CPU" in capsys.readouterr().out
    )
