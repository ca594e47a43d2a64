"""A Gauss-Newton step on the nodes: it reaches the Cramér-Rao bound."""

import numpy as np
import pytest

from starlabels.synthesis import cramer_rao
from starlabels.synthesis.gauss_newton import improve_labels, solve_step
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

WAVE = np.arange(4840.0, 4900.0, 0.2)
POWER, N, SIGMA = 10_000, 200, 0.005
STAR = {"teff": 6700.0, "logg": 4.1, "mh": -0.2, "vmic": 2.0, "vsini": 25.0}
FREE = ("teff", "logg", "mh", "vsini")


@pytest.fixture(scope="module")
def sampler():
    return Sampler(
        NODE_FOLDER / "blue.h5", {"teff": (6500, 7000), "logg": (4, 4.5), "mh": (-0.5, 0)}
    )


def test_labels_off_by_their_errors_reach_the_bound(sampler):
    rng = np.random.default_rng(3)
    true = {name: np.full(N, value) for name, value in STAR.items()}
    flux = sampler.sample_spectra(true, WAVE, POWER) + rng.normal(0, SIGMA, (N, len(WAVE)))
    slope = sampler.compute_sensitivities({k: v[:1] for k, v in true.items()}, FREE, WAVE, POWER)
    bound = SIGMA * cramer_rao.compute_unit_bounds(slope)[0]
    errors = {name: np.full(N, 2 * size) for name, size in zip(FREE, bound)}
    near = true | {name: true[name] + rng.normal(0, errors[name]) for name in FREE}
    found, error = improve_labels(sampler, flux, np.full(N, SIGMA), near, errors, WAVE, POWER)
    for name, size in zip(FREE, bound):
        pull = (found[name] - STAR[name]) / size
        assert 0.85 < pull.std() < 1.15 and abs(pull.mean()) < 0.3
        assert np.median(error[name]) == pytest.approx(size, rel=0.1)


def test_stars_outside_the_nodes_and_long_steps_stay_within_their_errors(sampler):
    true = {name: np.full(2, value) for name, value in STAR.items()}
    flux = sampler.sample_spectra(true, WAVE, POWER)
    near = true | {"teff": np.array([6600.0, 3000.0])}
    errors = {"teff": np.array([5.0, 7.0])}
    found, error = improve_labels(sampler, flux, np.full(2, SIGMA), near, errors, WAVE, POWER)
    assert found["teff"][0] == pytest.approx(6615.0)  # three errors, and not the hundred kelvin
    assert found["teff"][1] == 3000.0 and error["teff"][1] == 7.0


def test_a_label_that_changes_nothing_stays():
    slope = np.ones((1, 2, 5)) * np.array([1.0, 0.0])[None, :, None]
    step, bound = solve_step(slope, np.full((1, 5), 0.5))
    assert step[0] == pytest.approx([0.5, 0.0]) and np.isfinite(bound).all()
