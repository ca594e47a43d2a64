"""Discrepancies are added to training spectra, other ones in each epoch."""

from types import SimpleNamespace

import numpy as np
import pytest

from starlabels.config.data_sections import Observed
from starlabels.learning.noisy_spectra import ComponentSpectra
from starlabels.spectra import continuum
from starlabels.spectra.discrepancy import Discrepancy, RemainderDraws
from starlabels.stages.observed_effects import ObservedEffects

N_PIX, N_STARS, K = 300, 40, 5
WAVE = 4500 + np.arange(N_PIX, dtype=float)


def make_lines(n, rng):
    """Normalised spectra (n, N_PIX) with lines of random depths at fixed places."""
    places = np.random.default_rng(3).uniform(WAVE[0], WAVE[-1], 40)
    shapes = np.exp(-0.5 * ((WAVE - places[:, None]) / 3) ** 2)
    return (1 - np.clip(rng.uniform(0, 0.3, (n, 40)) @ shapes, 0, 0.8)).astype("f4")


@pytest.fixture(scope="module")
def discrepancy():
    rng = np.random.default_rng(0)
    labels = np.column_stack([rng.uniform(5000, 7000, N_STARS), *rng.uniform(-1, 4, (2, N_STARS))])
    basis = np.linalg.qr(rng.normal(size=(N_PIX, K)))[0].T
    remainder = rng.normal(0, 0.05, (N_STARS, K))
    return Discrepancy(
        wave=WAVE, labels=labels, weight=np.full(N_STARS, 0.5), source=np.zeros(N_STARS),
        basis=basis, difference=0.2 + remainder, remainder=remainder,
        label_effect=np.zeros((N_STARS, 3, K)), scatter=np.full(N_PIX, 0.01), smear=np.array(1.0),
        smoothness=np.array([10.0, 0.3, 0.3, 1.0]), shares=np.array([0.5, 0.3, 0.2]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def effects(discrepancy):
    curve = continuum.fit_continuum_model(make_lines(400, np.random.default_rng(1)), WAVE, 3)
    cfg = SimpleNamespace(
        wave=SimpleNamespace(grid=lambda: WAVE),
        grid=SimpleNamespace(resolving_power=1800),
        preprocess=SimpleNamespace(observed=Observed(order=3, continuum_error=0.0, line_error=0.0)),
    )
    return ObservedEffects(cfg, curve, discrepancy, discrepancy.labels)


def test_spectra_get_the_mean_difference_and_a_remainder(effects):
    flux = np.repeat(make_lines(1, np.random.default_rng(2)), N_STARS, axis=0)
    generators = np.random.default_rng(5).spawn(3)
    changed, remainder = effects.add(flux, np.arange(N_STARS), generators)
    assert changed.shape == flux.shape and remainder.shape == (N_STARS, K)
    plain = effects.continuum.normalise(flux)
    response = effects.compute_response(flux[0])
    expected = effects.discrepancy.predict_mean(effects.labels)[0] @ effects.discrepancy.basis.T
    found = (changed - plain).mean(axis=0)
    assert np.corrcoef(found, (expected @ response).mean(axis=0))[0, 1] > 0.9


def test_the_response_is_the_change_of_normalised_spectra(effects):
    flux = make_lines(1, np.random.default_rng(2))
    response = effects.compute_response(flux[0])
    drawn = np.random.default_rng(4).normal(0, 0.05, (20, K))
    changed = effects.continuum.normalise(flux + drawn @ effects.discrepancy.basis)
    change = changed - effects.continuum.normalise(flux)
    assert np.abs(change - drawn @ response).max() < 0.15 * np.abs(change).max()


def test_draws_repeat_with_their_seed_and_have_the_size_of_the_remainders(discrepancy):
    draws = RemainderDraws(discrepancy, np.tile(discrepancy.labels[:1], (4000, 1)))
    first, second = (draws.draw(np.random.default_rng(seed)) for seed in (1, 2))
    assert (first == draws.draw(np.random.default_rng(1))).all() and (first != second).all()
    size = np.sqrt((first**2).sum(axis=1).mean()) / draws.growth[0]
    assert size == pytest.approx(draws.amplitude[0], rel=0.25)
    outside = draws.draw_outside(np.random.default_rng(3))
    ratio = outside.std() / (draws.amplitude[0] * draws.growth[0] * 0.01)
    assert ratio == pytest.approx(1, rel=0.05)
    neighbours = np.mean(outside[:, 1:] * outside[:, :-1]) / np.mean(outside**2)
    assert neighbours == pytest.approx(np.exp(-0.25), abs=0.03)  # a Gaussian of 1 A


def test_training_alone_redraws():
    components = np.zeros((10, 4), "f4")
    redraw = lambda rows, rng: rng.normal(size=(len(rows), 4))  # noqa: E731
    spectra = ComponentSpectra(components, np.ones((10, 1)), np.ones(10), 20, redraw=redraw)
    rows = np.arange(10)
    first, second = (spectra.batch(rows, None, np.random.default_rng(i)) for i in (1, 2))
    assert (first[:, :4] != second[:, :4]).all()
    assert (spectra.batch(rows, None, None)[:, :4] == 0).all()
    assert (spectra.components == 0).all()
