"""A generator of spectra before rotation and instrument, whose broadening is exact."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from conftest import ROOT

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.config import load, paths
from starlabels.config.run import Run
from starlabels.learning import generator, intrinsic
from starlabels.stages import (
    grid,
    jacobian_flux,
    join,
    preprocess,
    score_flux,
    train_code,
    train_flux,
)
from starlabels.stages.recipe_nodes import build_sensitivity_or_none

SMALL = {
    "run": "small",
    "wave": {"min": 8490.0, "max": 8510.0, "step": 0.1},
    "model": {
        "builder": "residual_mlp",
        "width": 32,
        "blocks": 1,
        "activation": "gelu",
        "harmonics": 1,
    },
    "intrinsic": {"components": 60},
    "jacobian": {"n_stars": 20, "lines": {"Ca II": [8498.0]}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with models/small, a generator trained for seconds on the packaged nodes."""
    folder = tmp_path_factory.mktemp("intrinsic")
    values = load.read_recipe(ROOT / "recipes/rvs_generator_best.yaml") | SMALL
    values["grid"] |= {"n_spectra": 500}
    values["grid"]["labels"] |= {
        "teff": {"min": 6000, "max": 8000},
        "mh": {"min": -0.5, "max": 0.5},
    }
    values["train"] |= {"batch_size": 32, "max_epochs": 8}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        cfg = load.load_config("config.yaml")
        for stage in (
            grid.make_grid,
            join.join_databases,
            preprocess.prepare_spectra,
            train_flux.train_generator,
        ):
            stage(Run(cfg))
    return folder


@pytest.fixture
def cfg(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return load.load_config("config.yaml")


@pytest.mark.slow
def test_components_of_the_nodes_rotated_and_degraded_are_the_spectra(cfg):
    with hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5:
        fitted, codes = train_code.fit_intrinsic(cfg, h5)
        test, truth = h5["test"], h5["test/flux"][:]
        flux = fitted.flux(
            codes(test), train_code.read_all_labels(test, slice(None)), hdf5_spectra.read_wave(h5)
        )
        assert np.abs(flux - truth).max() < 5e-4  # what 60 components leave
        again = intrinsic.build_intrinsic(fitted.table)  # as it is saved
        np.testing.assert_array_equal(
            again.flux(
                codes(test),
                train_code.read_all_labels(test, slice(None)),
                hdf5_spectra.read_wave(h5),
            ),
            flux,
        )


@pytest.mark.slow
def test_the_network_reads_no_label_of_rotation_or_instrument_and_yet_has_their_derivatives(cfg):
    small = generator.open_folder("models/small")
    with hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5:
        labels, wave = (
            hdf5_labels.read_labels(h5["test"], cfg.labels)[:20],
            hdf5_spectra.read_wave(h5),
        )
        nodes = build_sensitivity_or_none(cfg, h5["test"], wave)(slice(0, 20))
    changed = labels.copy()
    changed[:, [cfg.labels.index("vsini"), cfg.labels.index("resolving_power")]] *= 0.9
    np.testing.assert_array_equal(
        generator.call_model(small.model, labels), generator.call_model(small.model, changed)
    )
    scatter = dict(
        zip(
            cfg.labels,
            jacobian_flux.compute_disagreement(
                jacobian_flux.compute_generator_derivatives(small, labels), nodes
            ),
        )
    )
    assert scatter["vsini"] < 0.1 and scatter["resolving_power"] < 0.1
    assert scatter["teff"] < 0.5  # of so short a training


@pytest.mark.slow
def test_its_stages_run(cfg, capsys):
    score_flux.score_generator(Run(cfg))
    jacobian_flux.compare_derivatives(Run(cfg))
    shown, metrics = capsys.readouterr().out, json.loads(paths.run_paths(cfg).metrics.read_text())
    assert (
        "autoencoder" not in shown
        and "autoencoder" not in metrics
        and metrics["generator"]["mae"] < 0.01
    )


@pytest.mark.slow
def test_spectra_that_are_not_of_nodes_have_no_intrinsic_ones(cfg, tmp_path):
    strange = cfg.model_copy(
        update={"join": SimpleNamespace(databases=[SimpleNamespace(path="other.h5")])}
    )
    with (
        hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5,
        pytest.raises(UserError, match=r"intrinsic: not all spectra are from grid.py"),
    ):
        train_code.fit_intrinsic(strange, h5)
