"""Spectra of two stars at different velocities are told from those of one star."""

import numpy as np
import pytest

from starlabels.spectra.preparation import PreparedSpectrum
from starlabels.spectra.velocity import Correlator, RadialVelocity
from starlabels.stages.predict_flags import BITS, build_result
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

SLOW = {"logg": 4.2, "mh": -0.1, "vmic": 2.0, "vsini": 8.0}


@pytest.fixture(scope="module")
def sampler():
    return Sampler(NODE_FOLDER / "blue.h5")


def make_correlator(sampler, power):
    """Correlator and its wavelengths (n_pix,) at a resolving power."""
    step = 1 / (6 * power)
    wave = 4470 * np.exp(np.arange(int(np.log(4970 / 4470) / step)) * step)
    return Correlator(sampler, wave, power), wave


def sample_stars(sampler, wave, power, **labels):
    """Spectra (n, n_pix) of slowly rotating dwarfs with other labels."""
    n = len(labels["teff"])
    stars = {name: np.full(n, value) for name, value in SLOW.items()}
    return sampler.sample_spectra(stars | labels, wave, power)


@pytest.mark.parametrize(("power", "shift"), [(20_000, 70.0), (20_000, 250.0), (1800, 450.0)])
def test_a_second_star_is_found_at_its_velocity(sampler, power, shift):
    correlator, wave = make_correlator(sampler, power)
    teff = np.array([6200.0, 6800.0, 7400.0])
    first = sample_stars(sampler, wave, power, teff=teff, rv=np.full(3, -30.0))
    second = sample_stars(sampler, wave, power, teff=teff - 600, rv=np.full(3, shift - 30.0))
    rng = np.random.default_rng(0)
    for pair in 0.62 * first + 0.38 * second:
        velocity = correlator.measure(pair + rng.normal(0, 0.01, len(wave)))
        assert velocity.rv == pytest.approx(-30, abs=0.15 * shift)
        assert velocity.companion == pytest.approx(shift - 30, abs=0.15 * shift)


@pytest.mark.parametrize("power", [20_000, 1800])
def test_single_stars_have_no_companion_whether_they_rotate_or_not(sampler, power):
    correlator, wave = make_correlator(sampler, power)
    vsini = np.array([0.0, 15.0, 60.0, 120.0, 200.0] * 4)
    teff = np.repeat([5200.0, 6300.0, 7700.0, 9500.0], 5)
    flux = sample_stars(sampler, wave, power, teff=teff, vsini=vsini)
    rng = np.random.default_rng(1)
    for snr in (20, 100):
        for spectrum in flux:
            velocity = correlator.measure(spectrum + rng.normal(0, 1 / snr, len(wave)))
            assert velocity.companion is None


@pytest.mark.parametrize(("snr", "flagged"), [(50.0, True), (10.0, False)])
def test_a_companion_is_flagged_where_noise_has_no_peaks(snr, flagged):
    flux = np.ones(10)
    velocity = RadialVelocity(3.0, 0.1, 0.9, 20.0, companion=93.2)
    prepared = PreparedSpectrum(flux, flux / snr, snr, 1.0, velocity)
    row = {"mean": np.array([6000.0]), "err": np.array([50.0]), "flags": 0}
    result = build_result("a", prepared, row, flux, ["teff"])
    assert bool(result.flags & BITS["binary"]) == flagged
    assert result.notes == (("second star at +93 km/s",) if flagged else ())
