"""The continuum fitted together with the star, and the errors of observed spectra given to synthetic ones."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from starlabels.spectra import continuum, faults

WAVE = 4450 + 0.2 * np.arange(2000)
SETTINGS = SimpleNamespace(order=6, continuum_error=0.02, line_error=0.1)


def stars(n, seed):
    """Flux (n, n_pix) of toy stars: a broad Balmer line and narrow ones, each with its own depth and width."""
    rng = np.random.default_rng(seed)
    broad = rng.uniform(0.2, 0.6, (n, 1)) * np.exp(
        -np.abs(WAVE - 4650) / rng.uniform(4, 14, (n, 1))
    )
    lines = np.zeros((n, len(WAVE)))
    strength = rng.uniform(0, 0.3, (n, 1))
    for place in np.random.default_rng(0).uniform(4455, 4845, 60):
        lines += strength * np.exp(-0.5 * ((WAVE - place) / 0.5) ** 2)
    return np.clip(1 - broad - lines, 0.05, 1).astype("f4")


@pytest.fixture(scope="module")
def curve():
    return continuum.fit_continuum_model(stars(800, 1), WAVE, 6)


def bent(flux, seed):
    """Flux (n, n_pix) under smooth curves of any scale, and the curves."""
    shapes = 1e4 * faults.draw_continuum_shapes(
        len(flux), flux.shape[1], 3, 0.3, np.random.default_rng(seed)
    )
    return (flux * shapes).astype("f4"), shapes


def test_any_smooth_curve_is_found_under_broad_lines(curve):
    flux = stars(50, 2)
    seen, shapes = bent(flux, 3)
    error = np.log(curve.fit(seen) / shapes)
    assert np.sqrt(np.mean(error**2)) < 0.005


def test_noise_moves_the_continuum_to_neither_side(curve):
    flux = stars(100, 4)
    noisy = flux + np.random.default_rng(5).normal(0, 0.05, flux.shape).astype("f4")
    assert abs(np.log(curve.fit(noisy) / curve.fit(flux)).mean()) < 5e-4


def test_half_a_window_gives_the_continuum_of_the_other_half(curve):
    flux, shapes = bent(stars(50, 6), 7)
    half = flux.copy()
    half[:, :1000] = np.nan
    error = np.log(curve.fit(half) / shapes)[:, 1000:]
    assert np.sqrt(np.mean(error**2)) < 0.01


def test_spikes_do_not_lift_the_continuum(curve):
    flux = stars(20, 8)
    spiky = flux.copy()
    spiky[:, ::97] += 3
    assert np.abs(np.log(curve.fit(spiky) / curve.fit(flux))).max() < 0.02


def test_a_continuum_is_the_same_after_writing(curve, tmp_path):
    flux = stars(5, 9)
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        assert continuum.read_continuum(h5) is None
        continuum.write_continuum(h5, curve)
        np.testing.assert_array_equal(continuum.read_continuum(h5).fit(flux), curve.fit(flux))


def test_disturbed_spectra_do_not_depend_on_how_many_come_at_a_time():
    flux = stars(30, 10)
    whole = faults.disturb_spectra(flux, WAVE, 20_000, SETTINGS, np.random.default_rng(1).spawn(2))
    generators = np.random.default_rng(1).spawn(2)
    parts = [
        faults.disturb_spectra(flux[i : i + 10], WAVE, 20_000, SETTINGS, generators) for i in (0, 10, 20)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)


def test_disturbances_have_the_size_that_is_asked():
    rng = np.random.default_rng(2)
    assert np.std(faults.draw_line_errors(200, WAVE, 20_000, 0.1, rng)) == pytest.approx(
        0.1 * np.sqrt(2 / 3), rel=0.1
    )
    shapes = faults.draw_continuum_shapes(500, len(WAVE), 6, 0.02, rng)
    assert np.std(np.log(shapes)) == pytest.approx(0.02, rel=0.15)
    calm = SimpleNamespace(order=6, continuum_error=0.0, line_error=0.0)
    flux = stars(3, 11)
    np.testing.assert_allclose(
        faults.disturb_spectra(flux, WAVE, 20_000, calm, rng.spawn(2)), flux, atol=1e-6
    )
