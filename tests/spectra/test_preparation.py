"""Observed spectra on the pixels of a recipe: velocity, resolving power, continuum, spikes."""

import numpy as np
import pytest

from starlabels.base import hdf5_spectra, workers
from starlabels.base.errors import UserError
from starlabels.config.data_sections import Cluster
from starlabels.spectra import continuum, velocity
from starlabels.spectra.model_window import check_window, cut_around_window
from starlabels.spectra.pixels import estimate_noise, rebin_spectrum, remove_spikes
from starlabels.spectra.preparation import SpectrumPreparer
from starlabels.spectra.spectrum import ObservedSpectrum
from starlabels.spectra.velocity import WEAK
from starlabels.stages import guard, observed_inputs
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

POWER = 10_000
WAVE = 4800 + 0.2 * np.arange(500)
RANGES = {"teff": (6000, 7000), "logg": (3.5, 4.5), "mh": (-0.5, 0.5), "vmic": (2.0, 2.0)}


@pytest.fixture(scope="module")
def sampler():
    return Sampler(NODE_FOLDER / "blue.h5", RANGES)


def draw_labels(n, seed):
    """Labels {name: (n,)} in the RANGES."""
    rng = np.random.default_rng(seed)
    labels = {name: rng.uniform(*ends, n) for name, ends in RANGES.items()}
    return labels | {"vsini": rng.uniform(0, 30, n)}


@pytest.fixture(scope="module")
def prepare(sampler):
    flux = sampler.sample_spectra(draw_labels(300, 1), WAVE, POWER)
    model = continuum.fit_continuum_model(flux, WAVE, 4)
    return SpectrumPreparer(WAVE, POWER, 0.9 * POWER, model, sampler)


def observe(
    sampler, star, rv=0.0, power=20_000, snr=200, seed=0, low=4770, high=4930, medium="air"
):
    """ObservedSpectrum of labels {name: (1,)} at rv (km/s), with a sloping continuum of 500."""
    wave = np.arange(low, high, 0.05)
    flux = sampler.sample_spectra(star | {"rv": np.array([rv])}, wave, power)[0]
    noise = np.random.default_rng(seed).normal(0, 500 / snr, len(wave))
    flux = flux * 500 * (1 + 0.002 * (wave - wave[0])) + noise
    flux_err = np.full(len(wave), 500 / snr)
    return ObservedSpectrum("star", wave, flux, flux_err, medium, power, False, False)


@pytest.mark.parametrize("rv", [-220.0, -3.0, 0.0, 12.5, 180.0])
def test_velocity_slope_and_resolving_power_are_corrected(sampler, prepare, rv):
    star = draw_labels(1, 5)
    prepared = prepare(observe(sampler, star, rv))
    residual = (prepared.flux - sampler.sample_spectra(star, WAVE, POWER)[0])[30:-30]
    assert prepared.velocity.rv == pytest.approx(rv, abs=0.6) and prepared.velocity.r > WEAK
    assert np.nanstd(residual) < 0.01 and abs(np.nanmean(residual)) < 0.005
    assert not prepared.weak and prepared.coverage > 0.9


def test_a_grid_between_the_usual_templates_has_its_own_template(sampler, monkeypatch):
    monkeypatch.setitem(velocity.TEMPLATE_LABELS, "teff", (20_000,))
    wave = 4800 * np.exp(np.arange(2000) * 1e-5)
    correlator = velocity.Correlator(sampler, wave, POWER)
    assert len(correlator.templates) == 1
    assert correlator.measure(1 - correlator.templates[0]).rv == pytest.approx(0, abs=0.1)


def test_velocity_errors_agree_with_repeated_noise(sampler, prepare):
    star = draw_labels(1, 6)
    velocities = []
    for seed in range(15):
        velocities.append(prepare(observe(sampler, star, 5.0, snr=30, seed=seed)).velocity)
    scatter = np.std([velocity.rv for velocity in velocities])
    assert 0.3 < np.median([velocity.err for velocity in velocities]) / scatter < 3


def test_pure_noise_has_a_weak_peak(prepare):
    wave = np.arange(4770, 4930, 0.05)
    flux = 1 + np.random.default_rng(3).normal(0, 0.3, len(wave))
    flux_err = np.full(len(wave), 0.3)
    noise = ObservedSpectrum("noise", wave, flux, flux_err, "air", 20_000.0, False, False)
    assert prepare(noise).weak


def test_errors_of_the_prepared_spectrum_agree_with_its_noise(sampler, prepare):
    star = draw_labels(1, 7)
    clean = prepare(observe(sampler, star, snr=1e6)).flux
    spectra = [prepare(observe(sampler, star, snr=50, seed=seed)) for seed in range(20)]
    scatter = np.nanstd([spectrum.flux - clean for spectrum in spectra])
    assert np.nanmedian(spectra[0].flux_err) / scatter == pytest.approx(1, abs=0.25)


def test_a_lower_or_unknown_resolving_power_is_an_error_not_a_guess(sampler, prepare):
    star = draw_labels(1, 8)
    message = "resolving power 5000, but the model was trained on 9000"
    with pytest.raises(UserError, match=message):
        prepare(observe(sampler, star)._replace(resolving_power=5000.0))
    with pytest.raises(UserError, match="give --resolving-power"):
        prepare(observe(sampler, star)._replace(resolving_power=None))


def test_a_window_elsewhere_is_an_error_that_names_both():
    wave = np.linspace(15145, 16960, 100)
    far = ObservedSpectrum("far", wave, np.ones(100), None, "vacuum", 22_500.0, False, False)
    with pytest.raises(UserError, match="15145 to 16960 A lies outside the model's 4800 to 4900 A"):
        check_window(far, WAVE)


def test_spikes_are_removed_and_lines_are_kept():
    flux = np.ones(300) + np.random.default_rng(4).normal(0, 0.01, 300)
    flux[100] = 9.0
    flux[200:203] = 0.2
    cleaned = remove_spikes(flux)
    assert np.isnan(cleaned[100]) and np.isfinite(np.delete(cleaned, 100)).all()


def test_rebinning_conserves_flux_and_keeps_holes():
    wave = np.arange(4800, 4900, 0.03)
    flux = 1 + 0.3 * np.sin(wave / 3)
    flux[1000:1100] = np.nan
    target = np.arange(4805, 4895, 0.5)
    rebinned, error = rebin_spectrum(wave, flux, np.full(len(wave), 0.1), target)
    hole = (target > 4830.2) & (target < 4832.8)
    assert np.isnan(rebinned[hole]).all()
    assert np.isfinite(rebinned[(target < 4829) | (target > 4834)]).all()
    good = np.isfinite(rebinned)
    assert np.abs(rebinned - 1 - 0.3 * np.sin(target / 3))[good].max() < 3e-3
    assert np.nanmedian(error) == pytest.approx(0.1 * np.sqrt(0.03 / 0.5), rel=0.1)


def test_noise_is_measured_under_lines():
    line = 0.5 * np.exp(-0.5 * ((np.arange(2000) - 1000) / 20) ** 2)
    flux = 1 - line + np.random.default_rng(0).normal(0, 0.02, 2000)
    assert estimate_noise(flux) == pytest.approx(0.02, rel=0.1)


def are_equal(prepared, other):
    """True if two PreparedSpectra are equal bit by bit."""
    return prepared.velocity == other.velocity and all(
        np.array_equal(*pair, equal_nan=True) for pair in zip(prepared[:4], other[:4])
    )


def test_pixels_far_from_the_window_change_nothing(sampler, prepare):
    wide = observe(sampler, draw_labels(1, 5), low=4500, high=4980)
    near = cut_around_window(wide, WAVE)
    assert len(near.wave) < 0.5 * len(wide.wave) and are_equal(prepare(near), prepare(wide))


@pytest.mark.slow
def test_workers_prepare_the_same_spectra_in_the_same_order(sampler, prepare):
    labels = draw_labels(9, 6)
    stars = []
    for i in range(9):
        star = {name: values[i : i + 1] for name, values in labels.items()}
        stars.append(observe(sampler, star, rv=10.0 * i, seed=i))
    stars[3] = stars[3]._replace(resolving_power=None)
    stars[5] = guard.build_failure("star", "it has no numbers")
    axis = hdf5_spectra.SpectralAxis(WAVE)
    batches = []
    for section in (None, Cluster(scheduler=None, workers=2)):
        with workers.open_caller(section, len(stars)) as call:
            batch = observed_inputs.prepare_batch(stars, prepare, axis, False, call)
            batches.append(batch)
    for i, (serial, parallel) in enumerate(zip(*batches)):
        if i in (3, 5):
            assert serial.failure == parallel.failure != "", i
        else:
            assert are_equal(serial[1], parallel[1]), i
