"""Checks on published atmospheres and observed stars in ../shared, absent elsewhere; run with -s to see the numbers."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from published import MODELS, SHARED, structure

from starlabels.synthesis import broaden, lines, nodes, sme
from starlabels.synthesis.library import FOLDER, PACKAGED
from starlabels.synthesis.sampler import Sampler

pytestmark = [pytest.mark.real, pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here")]
ROOT = Path(__file__).parents[1]
BLUE = "blue_4450_4990.h5"
R_CHECK = 11_500
N_POINTS = 30


def in_workers(function, tasks, workers=2):
    """[function(task)] in fresh processes: SMElib keeps state in globals and may end its process."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=sme.enter_sandbox) as pool:
        return list(pool.map(function, tasks))


def published_and_built_in(name):
    """Spectra (2, n_pix) of a published structure and of the built-in one at its labels, 4450-4990 A in 0.025 A."""
    from starlabels.synthesis.rebuild.opacity import BOLTZMANN, saha_electrons

    _, teff, logg, mh, _ = MODELS[name]
    column, temperature, pressure = structure(name)
    wave, line_list, engine = np.arange(4450, 4990, 0.025), lines.load(4450.0, 4990.0), sme.Engine()
    total, electrons = pressure / (BOLTZMANN * temperature), saha_electrons(temperature, pressure, mh)
    published = sme.structure(column, temperature, electrons, total - electrons, total * 2.1e-24)
    engine.load(line_list, published, mh, 2.0, teff, logg, adopt_eos=True)
    first = engine.spectrum(wave)
    engine.load(line_list, sme.atmosphere("builtin", teff, logg, mh), mh, 2.0, teff, logg)
    return first, engine.spectrum(wave)


def test_built_in_atmospheres_agree_with_published_ones():
    for name, (first, second) in zip(MODELS, in_workers(published_and_built_in, MODELS)):
        error = np.abs(second - first)
        print(f"{name:<20} mean |dF| {error.mean():.4f}  max {error.max():.3f}  (at most {MODELS[name][-1]})")
        assert error.mean() <= MODELS[name][-1], name


def node_directly(point):
    """The spectrum of one off-node point, synthesised."""
    grid = PACKAGED[BLUE]
    return nodes.node_spectrum(sme.Engine(), lines.load(grid.wave_min, grid.wave_max), grid, *point)


def degrade(flux, wave, fwhm):
    """Flux on a velocity grid convolved with a Gaussian of FWHM km/s."""
    frequency = np.fft.rfftfreq(2 * len(wave), nodes.STEP)
    depth = np.fft.rfft(1 - flux, 2 * len(wave)) * broaden.gaussian_transfer(frequency, fwhm)
    return 1 - np.fft.irfft(depth)[: len(wave)]


def test_sampled_spectra_agree_with_synthesised_ones_between_nodes():
    rng, grid = np.random.default_rng(11), PACKAGED[BLUE]
    low, high = np.array([[5000, 2.0, -1.5, 2.0], [10000, 5.0, 1.5, 2.0]])
    points = rng.uniform(low, high, (N_POINTS, 4))
    labels = dict(zip(nodes.AXES, points.T))
    wave, window = grid.wave(), np.arange(4450, 4990, 0.05)
    sampled = Sampler(FOLDER / BLUE).spectra(labels, window, R_CHECK)
    fwhm = broaden.instrument_fwhm(R_CHECK, nodes.NODE_FWHM)
    direct = np.array([np.interp(window, wave, degrade(flux, wave, fwhm)) for flux in in_workers(node_directly, points)])
    error = np.abs(sampled - direct)
    print(f"sampled against synthesised, R = {R_CHECK}, {N_POINTS} points: mean {error.mean():.1e}, max {error.max():.4f}")
    worst = points[error.max(axis=1).argmax()]
    print("worst at teff {:.0f} logg {:.2f} mh {:+.2f}".format(*worst))
    assert error.mean() <= 5e-4 and error.max() <= 0.015


def continuum_matched(observed, model, wave, width=20.0):
    """Observed flux (n_pix,) over the curve through its median ratio to the model, where lines are weak, every `width` A."""
    index = ((wave - wave[0]) / width).astype(int)
    sure = model > np.percentile(model, 60)
    inside = [(index == i) & sure for i in range(index[-1] + 1)]
    centres, ratios = zip(*((wave[i].mean(), np.median(observed[i] / model[i])) for i in inside if i.sum() > 20))
    return observed / np.interp(wave, centres, ratios)


def test_the_observed_sun_agrees_with_ours():
    from astropy.io import fits

    from starlabels.plots import observed as plots

    with fits.open(SHARED / "real/sun_harps.fits") as found:
        header, flux = found[0].header, np.array(found[0].data, float)
    fine = header["CRVAL1"] + header["CDELT1"] * np.arange(len(flux))
    keep = (fine > 4440) & (fine < 5000)
    grid, wave = PACKAGED[BLUE].wave(), np.arange(4450, 4990, 0.05)
    observed = np.interp(grid, fine[keep], flux[keep] / np.median(flux[keep]))
    seen = np.interp(wave, grid, degrade(observed, grid, broaden.LIGHT / R_CHECK))
    [ours] = in_workers(node_directly, [(5772.0, 4.44, 0.0, 1.0)])  # the nodes have vmic 2, the Sun about 1 km/s
    ours = np.interp(wave, grid, degrade(ours, grid, broaden.instrument_fwhm(R_CHECK, nodes.NODE_FWHM)))
    seen = continuum_matched(seen, ours, wave)
    error = np.abs(seen - ours).mean()
    print(f"observed Sun (HARPS) against ours, R = {R_CHECK}: mean |dF| {error:.4f}")
    name = f"the Sun (HARPS) over ours at 5772 K, 4.44, [M/H] 0, vmic 1 km/s; R = {R_CHECK}, mean |dF| {error:.3f}"
    plots.comparison(wave, seen, ours, name, ROOT / "figures/real/sun.png")
    assert error <= 0.022
