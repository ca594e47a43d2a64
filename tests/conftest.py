"""Small configurations and toy databases; Gaussian lines stand for spectra here and nowhere else."""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from toy_nodes import libraries  # noqa: F401  a fixture of all wings

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.config import digests, load
from starlabels.config import paths as config
from starlabels.config.run import Run
from starlabels.config.data_sections import Range
from starlabels.learning import components
from starlabels.learning.networks import BUILDERS
from starlabels.stages import join, preprocess, train_flux, train_labels

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
}


def toy_spectra(wave, labels):
    """Flux (n, n_pix): two Gaussian lines, deeper with mh, one weaker with teff, broader with vsini."""
    flux = np.ones((len(labels["teff"]), len(wave)))
    for place, slope in ((wave[len(wave) // 3], -0.3), (wave[2 * len(wave) // 3], 0.1)):
        depth = (
            0.2 + 0.08 * labels["mh"] + slope * (labels["teff"] / 8000 - 1) + 0.02 * labels["logg"]
        )
        width = 0.5 + labels["vsini"] / 150
        flux -= depth[:, None] * np.exp(-0.5 * ((wave - place) / width[:, None]) ** 2)
    return flux.astype("f4")


@pytest.fixture
def make_config(tmp_path, monkeypatch):
    """make_config({"wave.step": 0.2}, name): a small config.yaml with that change, in an empty folder, loaded."""
    monkeypatch.chdir(tmp_path)

    def make(changes=None, name="config.yaml"):
        values = yaml.safe_load((ROOT / "config.yaml").read_text())
        for key, value in {**SMALL, **(changes or {})}.items():
            *sections, last = key.split(".")
            place = values
            for section in sections:
                place = place[section]
            place[last] = value
        Path(name).write_text(yaml.safe_dump(values, sort_keys=False))
        return load.load_config(name)

    return make


def draw_labels(cfg, n, seed=0):
    """{label: (n,) float32} drawn uniformly in the ranges of cfg.grid, on its steps where it has some."""
    rng, labels = np.random.default_rng(seed), {}
    for name, spec in cfg.grid.labels.items():
        if not isinstance(spec, Range):
            labels[name] = np.full(n, spec)
        elif spec.step:
            labels[name] = rng.choice(np.arange(spec.min, spec.max + spec.step / 2, spec.step), n)
        else:
            labels[name] = rng.uniform(spec.min, spec.max, n)
    return {name: values.astype("f4") for name, values in labels.items()}


def write_grid(cfg, n=60, path=None, labels=None, wave=None, star_id=None):
    """A toy database in our schema, where grid.py would write it if no path is given; its labels."""
    path, labels = path or config.run_paths(cfg).grid, labels or draw_labels(cfg, n)
    wave = cfg.wave.grid() if wave is None else wave
    with hdf5.create_file(path, "grid", digests.stage_digest(cfg, "grid"), cfg.text) as h5:
        hdf5_spectra.write_wave(h5, wave, "air", cfg.grid.resolving_power)
        flux = hdf5_spectra.create_spectra(h5, len(labels["teff"]), len(wave))
        flux[:] = toy_spectra(wave, labels)
        hdf5_labels.write_labels(h5, np.stack(list(labels.values()), axis=1), labels, ["" for _ in labels])
        if star_id is not None:
            hdf5.write_text(h5, "star_id", star_id)
    return labels


def write_published(path, labels, flux):
    """A database in the layout of stellar-parameters-NN."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as h5:
        h5["X"] = flux
        for key, name in (("TEMP", "teff"), ("LOGG", "logg"), ("VROT", "vsini"), ("META", "mh")):
            h5[key] = labels[name]


def run_script(name, *arguments):
    """Run a script of the repository in the current folder; its CompletedProcess with text output."""
    command = [sys.executable, str(ROOT / name), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)


def build_without_dropout(name, n_inputs, n_outputs, **arguments):
    """The network of a builder, of those arguments that it takes, without dropout: that answers differently each time."""
    known = inspect.signature(BUILDERS[name]).parameters
    arguments = {key: value for key, value in {**arguments, "dropout": 0.0}.items() if key in known}
    return BUILDERS[name](n_inputs, n_outputs, **arguments)


SECTIONS = {
    "run": "toy",
    "wave": {"min": 4450, "max": 4500, "step": 0.1},
    "model": {"builder": "residual_mlp", "width": 32, "blocks": 1, "activation": "gelu"},
    "jacobian": {"n_stars": 20, "lines": {"Mg II": [4481.2], "H beta": [4861.3]}},
}


def train_toy_model(folder, trainer, values, **train):
    """The folder, with a small recipe of values and keys of `train`, toy spectra and a model that a trainer made of them."""
    values = yaml.safe_load((ROOT / "config.yaml").read_text()) | SECTIONS | values
    values["train"] |= {"batch_size": 32, **train}
    values["preprocess"] |= {"components": 12}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        cfg = load.load_config("config.yaml")
        write_grid(cfg, 600)
        for stage in (join.join_databases, preprocess.prepare_spectra, trainer):
            stage(Run(cfg))
    return folder


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory):
    """Folder with a small recipe, toy spectra and a model trained on them."""
    return train_toy_model(
        tmp_path_factory.mktemp("run"), train_labels.train_label_network, {}, max_epochs=3, passes=2
    )


@pytest.fixture(scope="session")
def generator_folder(tmp_path_factory):
    """Folder with models/toy, a generator trained on toy spectra: their components from teff, logg, vsini and mh."""
    values = {"target": "flux", "test": {"snr": [], "n_stars": None, "generator": None}}
    train = {"max_epochs": 20, "passes": 10, "loss": "mse", "noise": None}
    return train_toy_model(
        tmp_path_factory.mktemp("generator"), train_flux.train_generator, values, **train
    )


@pytest.fixture
def run(trained_folder, tmp_path, monkeypatch):
    """A fresh copy of that folder to work in; its Config."""
    shutil.copytree(trained_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return load.load_config("config.yaml")


def change_sections(cfg, **sections):
    """The Config with keys of some sections changed."""
    return cfg.model_copy(
        update={name: getattr(cfg, name).model_copy(update=keys) for name, keys in sections.items()}
    )


def fit_run(cfg, then=lambda *_: None):
    """History of a training by cfg, and then(network, h5, basis)."""
    paths = config.run_paths(cfg)
    with hdf5.open_stage(paths.prepared, "2_preprocess") as h5:
        basis = components.read_basis(h5)
        network = train_labels.build_label_network(cfg, h5, basis)
        return train_labels.fit_network(network, cfg, h5, basis, paths.partial_dir, "digest"), then(
            network, h5, basis
        )


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which all stages have run, and what each printed."""
    folder, here, printed = tmp_path_factory.mktemp("smoke"), Path.cwd(), {}
    text = load.load_config(ROOT / "recipes/smoke.yaml").text
    (folder / "config.yaml").write_text(text)
    os.chdir(folder)
    try:
        for stage in STAGES:
            result = run_script(stage)
            assert result.returncode == 0, result.stderr
            printed[stage] = result.stdout + result.stderr
    finally:
        os.chdir(here)
    return folder, printed
