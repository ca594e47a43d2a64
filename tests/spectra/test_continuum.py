"""Continuum fitted with the star, and faults of observed spectra added to synthetic ones."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from starlabels.spectra import continuum, faults

WAVE = 4450 + 0.2 * np.arange(2000)
SETTINGS = SimpleNamespace(order=6, continuum_error=0.02, line_error=0.1)


def make_stars(n, seed):
    """Flux (n, n_pix) of toy stars: a broad Balmer line and narrow lines of random strength."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.2, 0.6, (n, 1))
    broad = depth * np.exp(-np.abs(WAVE - 4650) / rng.uniform(4, 14, (n, 1)))
    lines = np.zeros((n, len(WAVE)))
    strength = rng.uniform(0, 0.3, (n, 1))
    for place in np.random.default_rng(0).uniform(4455, 4845, 60):
        lines += strength * np.exp(-0.5 * ((WAVE - place) / 0.5) ** 2)
    return np.clip(1 - broad - lines, 0.05, 1).astype("f4")


@pytest.fixture(scope="module")
def model():
    return continuum.fit_continuum_model(make_stars(800, 1), WAVE, 6)


def bend_spectra(flux, seed):
    """Flux (n, n_pix) under smooth curves of any scale, and the curves."""
    rng = np.random.default_rng(seed)
    shapes = 1e4 * faults.draw_continuum_shapes(len(flux), flux.shape[1], 3, 0.3, rng)
    return (flux * shapes).astype("f4"), shapes


def test_any_smooth_curve_is_fitted_under_broad_lines(model):
    flux = make_stars(50, 2)
    bent, shapes = bend_spectra(flux, 3)
    error = np.log(model.fit(bent) / shapes)
    assert np.sqrt(np.mean(error**2)) < 0.005


def test_noise_moves_the_continuum_to_neither_side(model):
    flux = make_stars(100, 4)
    noisy = flux + np.random.default_rng(5).normal(0, 0.05, flux.shape).astype("f4")
    assert abs(np.log(model.fit(noisy) / model.fit(flux)).mean()) < 5e-4


def test_half_a_window_gives_the_continuum_of_the_other_half(model):
    flux, shapes = bend_spectra(make_stars(50, 6), 7)
    half = flux.copy()
    half[:, :1000] = np.nan
    error = np.log(model.fit(half) / shapes)[:, 1000:]
    assert np.sqrt(np.mean(error**2)) < 0.01


def test_spikes_do_not_lift_the_continuum(model):
    flux = make_stars(20, 8)
    spiky = flux.copy()
    spiky[:, ::97] += 3
    assert np.abs(np.log(model.fit(spiky) / model.fit(flux))).max() < 0.02


def test_a_continuum_model_is_the_same_after_writing(model, tmp_path):
    flux = make_stars(5, 9)
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        assert continuum.read_continuum(h5) is None
        continuum.write_continuum(h5, model)
        np.testing.assert_array_equal(continuum.read_continuum(h5).fit(flux), model.fit(flux))


def test_disturbed_spectra_do_not_depend_on_how_many_come_at_a_time():
    flux = make_stars(30, 10)
    generators = np.random.default_rng(1).spawn(2)
    whole = faults.disturb_spectra(flux, WAVE, 20_000, SETTINGS, generators)
    generators = np.random.default_rng(1).spawn(2)
    parts = []
    for i in (0, 10, 20):
        part = flux[i : i + 10]
        parts.append(faults.disturb_spectra(part, WAVE, 20_000, SETTINGS, generators))
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)


def test_disturbances_have_the_configured_size():
    rng = np.random.default_rng(2)
    errors = faults.draw_line_errors(200, WAVE, 20_000, 0.1, rng)
    assert np.std(errors) == pytest.approx(0.1 * np.sqrt(2 / 3), rel=0.1)
    shapes = faults.draw_continuum_shapes(500, len(WAVE), 6, 0.02, rng)
    assert np.std(np.log(shapes)) == pytest.approx(0.02, rel=0.15)
    calm = SimpleNamespace(order=6, continuum_error=0.0, line_error=0.0)
    flux = make_stars(3, 11)
    disturbed = faults.disturb_spectra(flux, WAVE, 20_000, calm, rng.spawn(2))
    np.testing.assert_allclose(disturbed, flux, atol=1e-6)


def test_normal_equations_are_those_of_the_complete_design():
    rng = np.random.default_rng(4)
    curve, star = rng.normal(size=(50, 3)), rng.normal(size=(50, 5))
    weight, gain, residual = rng.uniform(0.1, 1, (3, 4, 50))
    matrix, right = continuum.NormalEquations(curve, star).sum_bins(weight, gain, residual)
    for i in range(4):
        design = np.concatenate([gain[i][:, None] * curve, star], axis=1)
        weighted = design * weight[i][:, None]
        np.testing.assert_allclose(matrix[i], design.T @ weighted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(right[i], weighted.T @ residual[i], rtol=1e-12, atol=1e-12)
