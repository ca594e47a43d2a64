"""How well a generator does: its scores have known answers on spectra with known errors."""

import json

import numpy as np
import pytest
from conftest import run_script

from starlabels.config import load
from starlabels.config import paths as config
from starlabels.stages import jacobian_flux, score_flux


def test_errors_put_in_come_out():
    rng = np.random.default_rng(0)
    truth = (1 - 0.3 * rng.uniform(size=(1200, 40))).astype("f4")
    wrong = truth.copy()
    wrong[:, 7] += 0.01  # one pixel of forty
    wrong[3, 20] += 0.5  # one star
    found = score_flux.compare_spectra(lambda rows: wrong[rows], truth, len(truth))
    score = score_flux.score_errors(found)
    assert score["mae"] == pytest.approx(0.01 / 40, rel=0.05)
    assert score["p95_max"] == pytest.approx(0.01, rel=1e-3) and score["worst"] == pytest.approx(
        0.5, rel=1e-3
    )
    assert score["mse"] == pytest.approx(((wrong - truth) ** 2).mean(), rel=1e-3)
    assert score["r2"] == pytest.approx(1 - score["mse"] / truth.var(axis=0).mean(), rel=1e-3)
    assert found["pixel_mean"].argmax() == 7 and found["pixel_worst"].argmax() == 20
    assert found["mean"].shape == (1200,) and found["pixel_p95"].shape == (40,)


def test_the_mean_spectrum_explains_nothing():
    truth = np.random.default_rng(1).uniform(0.5, 1, (600, 30)).astype("f4")
    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    found = score_flux.compare_spectra(lambda rows: mean[rows], truth, len(truth))
    assert score_flux.score_errors(found)["r2"] == pytest.approx(0, abs=1e-4)


def test_derivatives_that_are_off_by_a_tenth_disagree_by_a_tenth():
    nodes = np.random.default_rng(2).normal(size=(5, 3, 100))
    scatter = jacobian_flux.compute_disagreement(1.1 * nodes, nodes)
    np.testing.assert_allclose(scatter, 0.1, rtol=1e-6)


def test_the_stages_of_a_generator_run_and_say_what_they_found(generator_folder, monkeypatch):
    monkeypatch.chdir(generator_folder)
    result = run_script("4_test.py")
    assert result.returncode == 0, result.stderr
    assert "generator" in result.stdout and "autoencoder" in result.stdout
    paths = config.run_paths(load.load_config("config.yaml"))
    metrics = json.loads(paths.metrics.read_text())
    assert metrics["generator"]["mae"] < 0.01 and metrics["autoencoder"]["r2"] > 0.99
    figures = {path.name for path in paths.figure_dir.glob("4_*.png")}
    assert figures == {
        "4_generated.png",
        "4_error_by_wavelength.png",
        "4_errors.png",
        "4_error_by_label.png",
    }


def test_derivatives_of_a_generator_are_compared_with_those_of_the_nodes(
    generator_folder, monkeypatch
):
    monkeypatch.chdir(generator_folder)
    result = run_script("jacobian.py")
    assert result.returncode == 0, result.stderr
    assert "relative rms where it is above its median" in result.stdout
    paths = config.run_paths(load.load_config("config.yaml"))
    assert paths.jacobian.exists() and (paths.figure_dir / "jacobian.png").exists()
