"""Fixtures for all tests: small recipes, toy spectra and runs that several tests share.

Toy spectra are Gaussian lines; they stand for spectra in tests only.
"""

import ctypes
import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Before NumPy and TensorFlow read them: two workers share two cores, and digits depend on threads
os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1")

import numpy as np
import pytest
import sharing
import yaml
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.layout_engine import ConstrainedLayoutEngine
from one_process import run_captured
from toy_data import (  # noqa: F401  for all tests
    build_without_dropout,
    draw_labels,
    toy_spectra,
    write_grid,
    write_published,
)
from toy_nodes import libraries  # noqa: F401  a fixture of all wings

from starlabels.base import hdf5
from starlabels.config import load
from starlabels.config import paths as config
from starlabels.config.run import Run
from starlabels.learning import backend, components, outliers
from starlabels.learning.networks import CAPABILITIES
from starlabels.plots import plt
from starlabels.stages import join, preprocess, train_flux, train_labels
from starlabels.stages import predict as predict_stage

STAGES = [
    "grid.py",
    "0_join.py",
    "1_label_study.py",
    "2_preprocess.py",
    "3_train.py",
    "4_test.py",
    "jacobian.py",
]
ROOT = Path(__file__).parents[1]
SMALL = {
    "wave.min": 4470.0,
    "wave.max": 4490.0,
    "wave.step": 0.1,
    "grid.n_spectra": 60,
    "preprocess.chunk_rows": 16,
    "preprocess.components": 8,
    "model": {"builder": "residual_mlp", "width": 256, "blocks": 4, "activation": "gelu"},
    "test.refine": None,
}
SECTIONS = {
    "run": "toy",
    "wave": {"min": 4450, "max": 4500, "step": 0.1},
    "model": {"builder": "residual_mlp", "width": 32, "blocks": 1, "activation": "gelu"},
    "jacobian": {"n_stars": 20, "lines": {"Mg II": [4481.2], "H beta": [4861.3]}},
}
# Training a few epochs gains nothing from freed memory, and a worker has to stay below 1 GB
backend.keep_freed_memory = lambda: None


def pytest_collection_modifyitems(items):
    """Put tests of the shared runs first, so that no worker waits for these at the end."""
    items.sort(key=lambda item: sharing.get_place(item.path.stem))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker of pytest-xdist whole files; those that share a run stay together."""
    return sharing.make_scheduler(config, log)


@pytest.fixture(autouse=True, scope="module")
def free_memory():
    """Drop the networks of a test file and return freed memory, to stay below 1 GB."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        if not gc.get_freeze_count():
            gc.freeze()  # TensorFlow itself: to look at its objects takes a second each time


def draw_quickly(patch):
    """Draw figures with few pixels and without the layout, which takes half of a stage's time."""
    patch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
    patch.setitem(plt.rcParams, "savefig.dpi", 40)


def write_blank_figures(patch, drawn=()):
    """Write one pixel for each figure but those whose names begin with one of `drawn`."""
    save = Figure.savefig

    def save_blank(figure, path, **options):
        if Path(path).name.startswith(tuple(drawn)):
            save(figure, path, **options)
        else:
            imsave(path, np.zeros((1, 1, 3)), format="png")

    patch.setattr(Figure, "savefig", save_blank)


def slow(*values):
    """Parameters of a test that make it slow."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture
def make_config(tmp_path, monkeypatch):
    """make_config({"wave.step": 0.2}, name): Config of a small config.yaml with these changes.

    The file is in an empty folder, which is the current one.
    """
    monkeypatch.chdir(tmp_path)

    def make(changes=None, name="config.yaml"):
        values = yaml.safe_load((ROOT / "config.yaml").read_text())
        for key, value in {**SMALL, **(changes or {})}.items():
            *sections, last = key.split(".")
            section = values
            for name_of_section in sections:
                section = section[name_of_section]
            section[last] = value
        Path(name).write_text(yaml.safe_dump(values, sort_keys=False))
        return load.load_config(name)

    return make


def run_script(name, *arguments):
    """Run a script of the repository in the current folder, in this process.

    Returns a CompletedProcess whose output is text.
    """
    words = [str(ROOT / name), *map(str, arguments)]
    return subprocess.CompletedProcess(words, *run_captured(words))


def start_script(name, *arguments):
    """Run a script as a user does, in a process of its own; a CompletedProcess with text output."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)


def train_toy_model(folder, trainer, values, **train):
    """Write a recipe of `values` and keys of `train` and toy spectra to a folder; train a model."""
    values = yaml.safe_load((ROOT / "config.yaml").read_text()) | SECTIONS | values
    values["train"] |= {"batch_size": 32, **train}
    reads_components = CAPABILITIES[values["model"]["builder"]].components
    values["preprocess"] |= {"components": 12 if reads_components else None}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(outliers, "PASSES", 6)  # of 600 toy spectra a decoder needs no more
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        cfg = load.load_config("config.yaml")
        write_grid(cfg, 600)
        for stage in (join.join_databases, preprocess.prepare_spectra, trainer):
            stage(Run(cfg))
    return folder


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory):
    """Folder with a small recipe, toy spectra and models/toy, a model trained on them."""
    trainer = train_labels.train_label_network
    options = {"max_epochs": 3, "passes": 2}
    return sharing.make_once(
        tmp_path_factory, "trained", lambda folder: train_toy_model(folder, trainer, {}, **options)
    )


@pytest.fixture(scope="session")
def generator_folder(tmp_path_factory):
    """Folder with models/toy, a generator of toy spectra from teff, logg, vsini and mh."""
    values = {"target": "flux", "test": {"snr": [], "n_stars": None, "generator": None}}
    options = {"max_epochs": 20, "passes": 10, "loss": "mse", "noise": None}
    trainer = train_flux.train_generator
    return sharing.make_once(
        tmp_path_factory,
        "generator",
        lambda folder: train_toy_model(folder, trainer, values, **options),
    )


@pytest.fixture
def run(trained_folder, tmp_path, monkeypatch):
    """Config of a fresh copy of the trained folder, which is the current one."""
    shutil.copytree(trained_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return load.load_config("config.yaml")


def change_sections(cfg, **sections):
    """The Config with keys of some sections changed."""
    return cfg.model_copy(
        update={name: getattr(cfg, name).model_copy(update=keys) for name, keys in sections.items()}
    )


def fit_run(cfg, then=lambda *_: None):
    """History of a training by cfg, and the output of then(network, h5, basis)."""
    paths = config.run_paths(cfg)
    with hdf5.open_stage(paths.prepared, "2_preprocess") as h5:
        basis = components.read_basis(h5)
        network = train_labels.build_label_network(cfg, h5, basis)
        history = train_labels.fit_network(network, cfg, h5, basis, paths.partial_dir, "digest")
        return history, then(network, h5, basis)


def run_smoke(folder, run_stage):
    """Run all stages of recipes/smoke.yaml in a folder by run_stage(name of the script)."""
    text = load.load_config(ROOT / "recipes/smoke.yaml").text
    (folder / "config.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in STAGES:
            result = run_stage(stage)
            assert result.returncode == 0, result.stderr


@pytest.fixture(scope="session")
def finished_folder(tmp_path_factory):
    """A folder in which all stages of recipes/smoke.yaml have run; tests only read it.

    Of its figures only 4_pulls.png is drawn; the others are one pixel.
    """

    def make(folder):
        with pytest.MonkeyPatch.context() as patch:
            draw_quickly(patch)
            write_blank_figures(patch, drawn=["4_pulls"])
            run_smoke(folder, run_script)

    return sharing.make_once(tmp_path_factory, "finished", make)


@pytest.fixture(scope="session")
def user_folder(tmp_path_factory):
    """The same, by scripts in processes of their own, as a user runs them; it takes a minute."""
    return sharing.make_once(
        tmp_path_factory, "user", lambda folder: run_smoke(folder, start_script)
    )


@pytest.fixture(scope="session")
def predictors():
    """{(folder of a model, reach, window): Predictor} that the tests have opened so far."""
    return {}


@pytest.fixture
def open_once(predictors, monkeypatch):
    """Open each model once, which takes longer than to predict."""
    function = predict_stage.open_predictor

    def open_predictor(cfg, folder, reach, window):
        key = (folder, reach, tuple(window or ()))
        if key not in predictors:
            predictors[key] = function(cfg, folder, reach, window)
        return predictors[key]

    monkeypatch.setattr(predict_stage, "open_predictor", open_predictor)


@pytest.fixture
def model_folder(finished_folder, open_once, tmp_path, monkeypatch):
    """Folder of the trained smoke model; the current folder is another, empty one."""
    monkeypatch.chdir(tmp_path)
    return finished_folder


@pytest.fixture
def finished_copy(finished_folder, tmp_path, monkeypatch):
    """A copy of the finished folder that a test may spoil; it is the current folder."""
    shutil.copytree(finished_folder, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"
