"""From observed spectra to the pixels of a recipe: air, velocity, resolving power, continuum, spikes and holes."""

from types import SimpleNamespace

import numpy as np
import pytest

from starlabels.base import hdf5, workers
from starlabels.base.errors import UserError
from starlabels.config.data_sections import Cluster
from starlabels.spectra import continuum, velocity
from starlabels.spectra.preparation import (
    SpectrumPreparer,
    cut_around_window,
    check_window,
    estimate_noise,
    rebin_spectrum,
    to_air,
    remove_spikes,
)
from starlabels.spectra.spectrum import ObservedSpectrum
from starlabels.spectra.velocity import WEAK
from starlabels.stages import predict
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

POWER = 10_000
WAVE = 4800 + 0.2 * np.arange(500)
RANGES = {"teff": (6000, 7000), "logg": (3.5, 4.5), "mh": (-0.5, 0.5), "vmic": (2.0, 2.0)}


@pytest.fixture(scope="module")
def sampler():
    return Sampler(NODE_FOLDER / "blue_4450_4990.h5", RANGES)


def draw(n, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(*ends, n) for name, ends in RANGES.items()} | {
        "vsini": rng.uniform(0, 30, n)
    }


@pytest.fixture(scope="module")
def prepare(sampler):
    curve = continuum.fit_continuum_model(sampler.sample_spectra(draw(300, 1), WAVE, POWER), WAVE, 4)
    return SpectrumPreparer(WAVE, POWER, 0.9 * POWER, curve, sampler)


def observe(
    sampler, star, rv=0.0, power=20_000, snr=200, seed=0, low=4770, high=4930, medium="air"
):
    """An Observed star of labels {name: (1,)}, receding at rv km/s, under a sloping continuum of 500 counts."""
    wave = np.arange(low, high, 0.05)
    flux = sampler.sample_spectra(star | {"rv": np.array([rv])}, wave, power)[0]
    flux = flux * 500 * (1 + 0.002 * (wave - wave[0])) + np.random.default_rng(seed).normal(
        0, 500 / snr, len(wave)
    )
    return ObservedSpectrum("star", wave, flux, np.full(len(wave), 500 / snr), medium, power, False, False)


@pytest.mark.parametrize("rv", [-220.0, -3.0, 0.0, 12.5, 180.0])
def test_velocity_slope_and_resolving_power_are_taken_out(sampler, prepare, rv):
    star = {name: values[:1] for name, values in draw(1, 5).items()}
    found = prepare(observe(sampler, star, rv))
    true = sampler.sample_spectra(star, WAVE, POWER)[0]
    assert found.velocity.rv == pytest.approx(rv, abs=0.6) and found.velocity.r > WEAK
    inner = slice(30, -30)
    assert (
        np.nanstd((found.flux - true)[inner]) < 0.01
        and abs(np.nanmean((found.flux - true)[inner])) < 0.005
    )
    assert not found.weak and found.coverage > 0.9


def test_a_grid_between_the_usual_templates_has_one_of_its_own(sampler, monkeypatch):
    monkeypatch.setitem(velocity.TEMPLATE_LABELS, "teff", (20_000,))
    wave = 4800 * np.exp(np.arange(2000) * 1e-5)
    correlator = velocity.Correlator(sampler, wave, POWER)
    assert len(correlator.templates) == 1
    assert correlator.measure(1 - correlator.templates[0]).rv == pytest.approx(0, abs=0.1)


def test_velocity_errors_are_those_of_repeated_noise(sampler, prepare):
    star = {name: values[:1] for name, values in draw(1, 6).items()}
    found = [prepare(observe(sampler, star, 5.0, snr=30, seed=seed)).velocity for seed in range(15)]
    scatter = np.std([one.rv for one in found])
    assert 0.3 < np.median([one.err for one in found]) / scatter < 3


def test_pure_noise_has_a_weak_peak(prepare):
    wave = np.arange(4770, 4930, 0.05)
    flux = 1 + np.random.default_rng(3).normal(0, 0.3, len(wave))
    found = prepare(
        ObservedSpectrum("noise", wave, flux, np.full(len(wave), 0.3), "air", 20_000.0, False, False)
    )
    assert found.weak


def test_errors_of_the_prepared_spectrum_are_those_of_its_noise(sampler, prepare):
    star = {name: values[:1] for name, values in draw(1, 7).items()}
    clean = prepare(observe(sampler, star, snr=1e6)).flux
    found = [prepare(observe(sampler, star, snr=50, seed=seed)) for seed in range(20)]
    scatter = np.nanstd([one.flux - clean for one in found])
    assert np.nanmedian(found[0].error) / scatter == pytest.approx(1, abs=0.25)


def test_vacuum_wavelengths_come_to_air():
    assert to_air(np.array([4862.69]))[0] == pytest.approx(4861.33, abs=0.01)  # H beta
    assert to_air(np.array([6564.61]))[0] == pytest.approx(6562.79, abs=0.01)  # H alpha


def test_a_lower_or_unknown_resolving_power_is_an_error_not_a_guess(sampler, prepare):
    star = {name: values[:1] for name, values in draw(1, 8).items()}
    with pytest.raises(UserError, match="resolving power 5000, but the model has learnt 9000"):
        prepare(observe(sampler, star)._replace(resolving_power=5000.0))
    with pytest.raises(UserError, match="give --resolving-power"):
        prepare(observe(sampler, star)._replace(resolving_power=None))


def test_a_window_elsewhere_is_an_error_that_names_both():
    far = ObservedSpectrum(
        "far", np.linspace(15145, 16960, 100), np.ones(100), None, "vacuum", 22_500.0, False, False
    )
    with pytest.raises(UserError, match="15145 to 16960 A lies outside the model's 4800 to 4900 A"):
        check_window(far, WAVE)


def test_spikes_go_and_lines_stay():
    flux = np.ones(300) + np.random.default_rng(4).normal(0, 0.01, 300)
    flux[100], flux[200:203] = 9.0, 0.2
    found = remove_spikes(flux)
    assert np.isnan(found[100]) and np.isfinite(np.delete(found, 100)).all()


def test_rebinning_conserves_flux_and_knows_holes():
    wave = np.arange(4800, 4900, 0.03)
    flux = 1 + 0.3 * np.sin(wave / 3)
    flux[1000:1100] = np.nan
    target = np.arange(4805, 4895, 0.5)
    found, error = rebin_spectrum(wave, flux, np.full(len(wave), 0.1), target)
    hole = (target > 4830.2) & (target < 4832.8)
    assert (
        np.isnan(found[hole]).all() and np.isfinite(found[(target < 4829) | (target > 4834)]).all()
    )
    good = np.isfinite(found)
    assert np.abs(found - 1 - 0.3 * np.sin(target / 3))[good].max() < 3e-3
    assert np.nanmedian(error) == pytest.approx(0.1 * np.sqrt(0.03 / 0.5), rel=0.1)


def test_noise_is_measured_under_lines():
    flux = (
        1
        - 0.5 * np.exp(-0.5 * ((np.arange(2000) - 1000) / 20) ** 2)
        + np.random.default_rng(0).normal(0, 0.02, 2000)
    )
    assert estimate_noise(flux) == pytest.approx(0.02, rel=0.1)


def same(one, other):
    """Whether two Prepared are equal bit by bit."""
    return one.velocity == other.velocity and all(
        np.array_equal(*pair, equal_nan=True) for pair in zip(one[:4], other[:4])
    )


def test_what_lies_far_from_the_window_changes_nothing(sampler, prepare):
    wide = observe(
        sampler, {name: values[:1] for name, values in draw(1, 5).items()}, low=4500, high=4980
    )
    near = cut_around_window(wide, WAVE)
    assert len(near.wave) < 0.5 * len(wide.wave) and same(prepare(near), prepare(wide))


def test_workers_prepare_the_same_spectra_in_the_same_order(sampler, prepare):
    labels = draw(9, 6)
    stars = [
        observe(sampler, {name: v[i : i + 1] for name, v in labels.items()}, rv=10.0 * i, seed=i)
        for i in range(9)
    ]
    stars[3], stars[5] = (
        stars[3]._replace(resolving_power=None),
        predict.describe_failure("star", "it has no numbers"),
    )
    machine, found = SimpleNamespace(prepare=prepare, axis=hdf5.Axis(WAVE)), []
    options = SimpleNamespace(rv=None, prepare=False)
    for section in (None, Cluster(scheduler=None, workers=2)):
        with workers.open_caller(section, len(stars)) as call:
            found.append(predict.prepare_batch(machine, stars, options, call))
    for i, (here, there) in enumerate(zip(*found)):
        assert here.failure == there.failure != "" if i in (3, 5) else same(here[1], there[1]), i
