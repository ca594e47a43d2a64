"""Checks on published atmospheres and observed stars in ../shared; -s shows the numbers."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from published import MODELS, SHARED, structure

from starlabels.config.schema import Cluster
from starlabels.synthesis import broaden, lines, node_synthesis, sme
from starlabels.synthesis.library import PACKAGED
from starlabels.tools.rebuild.nodes import measure_errors

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here"),
]
ROOT = Path(__file__).parents[2]
BLUE = "blue.h5"
R_CHECK = 11_500
N_POINTS = 30


def in_workers(function, tasks, workers=2):
    """[function(task)] in fresh processes: SMElib keeps globals and may end its process."""
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=sme.enter_sandbox
    ) as pool:
        return list(pool.map(function, tasks))


def published_and_built_in(name):
    """Spectra (2, n_pix), 4450-4990 A, of a published structure and of the built-in one."""
    from starlabels.tools.rebuild.opacity import BOLTZMANN, solve_saha_electrons

    _, teff, logg, mh, _ = MODELS[name]
    column, temperature, pressure = structure(name)
    wave = np.arange(4450, 4990, 0.025)
    line_list, engine = lines.read_lines(4450.0, 4990.0), sme.Engine()
    total, electrons = (
        pressure / (BOLTZMANN * temperature),
        solve_saha_electrons(temperature, pressure, mh),
    )
    atoms, density = total - electrons, total * 2.1e-24
    published = sme.make_structure(column, temperature, electrons, atoms, density)
    engine.load_model(line_list, published, mh, 2.0, teff, logg, adopt_eos=True)
    first = engine.compute_spectrum(wave)
    builtin = sme.make_atmosphere("builtin", teff, logg, mh)
    engine.load_model(line_list, builtin, mh, 2.0, teff, logg)
    return first, engine.compute_spectrum(wave)


def test_built_in_atmospheres_agree_with_published_ones():
    for name, (first, second) in zip(MODELS, in_workers(published_and_built_in, MODELS)):
        error = np.abs(second - first)
        print(
            f"{name:<20} mean |dF| {error.mean():.4f}  max {error.max():.3f}  "
            f"(at most {MODELS[name][-1]})"
        )
        assert error.mean() <= MODELS[name][-1], name


def node_directly(name, point):
    """The spectrum of one off-node point of a library, synthesised."""
    grid = PACKAGED[name]
    line_list = node_synthesis.load_lines(grid, point[0] < lines.MOLECULE_TEFF)
    return node_synthesis.synthesise_node(sme.Engine(), line_list, grid, *point)


def degrade(flux, grid, fwhm):
    """Flux on the pixels of a NodeGrid convolved with a Gaussian of FWHM km/s."""
    frequency = np.fft.rfftfreq(2 * len(flux), grid.step)
    depth = np.fft.rfft(1 - flux, 2 * len(flux)) * broaden.gaussian_transfer(frequency, fwhm)
    return 1 - np.fft.irfft(depth)[: len(flux)]


@pytest.mark.parametrize(
    ("name", "mean", "most"), [("blue.h5", 1.2e-3, 0.06), ("rvs.h5", 5e-4, 0.04)]
)
def test_sampled_spectra_agree_with_synthesised_ones_between_nodes(name, mean, most):
    """At a few of the labels of `python -m starlabels.tools.rebuild.nodes --check`."""
    errors = measure_errors(name, N_POINTS, Cluster(scheduler=None, workers=2))
    assert len(errors) == N_POINTS and errors.mean() <= mean and errors.max() <= most


def continuum_matched(observed, model, wave, width=20.0):
    """Observed flux (n_pix,) over its smooth ratio to the model, from medians every `width` A."""
    index = ((wave - wave[0]) / width).astype(int)
    sure = model > np.percentile(model, 60)
    inside = [(index == i) & sure for i in range(index[-1] + 1)]
    centres, ratios = zip(
        *((wave[i].mean(), np.median(observed[i] / model[i])) for i in inside if i.sum() > 20)
    )
    return observed / np.interp(wave, centres, ratios)


def test_the_observed_sun_agrees_with_ours():
    from astropy.io import fits

    from starlabels.plots import observed_spectra as plots

    with fits.open(SHARED / "real/sun_harps.fits") as found:
        header, flux = found[0].header, np.array(found[0].data, float)
    fine = header["CRVAL1"] + header["CDELT1"] * np.arange(len(flux))
    keep = (fine > 4440) & (fine < 5000)
    grid, wave = PACKAGED[BLUE], np.arange(4450, 4990, 0.05)
    observed = np.interp(grid.wave(), fine[keep], flux[keep] / np.median(flux[keep]))
    seen = np.interp(wave, grid.wave(), degrade(observed, grid, broaden.LIGHT / R_CHECK))
    [ours] = in_workers(
        partial(node_directly, BLUE), [(5772.0, 4.44, 0.0, 1.0)]
    )  # the nodes have vmic 2, the Sun about 1 km/s
    ours = np.interp(
        wave, grid.wave(), degrade(ours, grid, broaden.compute_remaining_fwhm(R_CHECK, grid.fwhm))
    )
    seen = continuum_matched(seen, ours, wave)
    error = np.abs(seen - ours).mean()
    print(f"observed Sun (HARPS) against ours, R = {R_CHECK}: mean |dF| {error:.4f}")
    name = f"the Sun (HARPS) over ours at 5772 K, 4.44, [M/H] 0, vmic 1 km/s; R = {R_CHECK}, "
    name += f"mean |dF| {error:.3f}"
    plots.draw_model_comparison(wave, seen, ours, name, ROOT / "figures/real/sun.png")
    assert error <= 0.015
    # where lines of Fe I were missing
    part = (wave > 4640) & (wave < 4700)
    assert abs((seen - ours)[part].mean()) < 0.01
