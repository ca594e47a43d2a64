"""Figures of invented observed spectra."""

import struct

import numpy as np
import pytest
from star_results import FAILED, FLAGGED, NAN

from starlabels.plots import observed_spectra, plt
from starlabels.spectra.results import FittedSpectrum

PAGE_WIDTH = 7.09 * 300  # pixels


def make_spectrum(n_pix=400, gaps=True, model=True, step=1.0):
    """FittedSpectrum with a line at its middle, noise, and runs and single pixels missing."""
    rng = np.random.default_rng(0)
    wave = 4450.0 + step * np.arange(n_pix)
    smooth = 1 - 0.6 * np.exp(-0.5 * ((wave - wave.mean()) / 3) ** 2)
    flux = smooth + rng.normal(0, 0.01, n_pix)
    if gaps:
        flux[:50] = NAN
        flux[[200, -1]] = NAN
    return FittedSpectrum(wave, flux, np.full(n_pix, 0.01), smooth if model else None)


def read_png_size(path):
    """Width and height of a PNG in pixels."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:])


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("model", [False, True])
def test_a_star_has_a_figure_with_and_without_model_and_gaps(tmp_path, model, gaps):
    result = FLAGGED._replace(name="$cheap$ \\$tar_^{" + "x" * 200)  # no mathematics
    lines = {"H beta": [4600.0], "Fe II": [4700.0, 4705.0]}
    spectrum = make_spectrum(gaps=gaps, model=model)
    path = observed_spectra.draw_star(spectrum, result, tmp_path / "star.png", lines)
    width, height = read_png_size(path)
    assert width == pytest.approx(PAGE_WIDTH, abs=2) and height > 1000


@pytest.mark.parametrize("medium", ["air", "vacuum"])
def test_a_figure_names_the_medium_of_its_wavelengths(medium):
    fig, _ = observed_spectra.draw_rows(make_spectrum()._replace(medium=medium), 2, "model")
    label = fig.axes[-1].get_xlabel()
    plt.close(fig)
    assert f"in {medium} (" in label


def test_figures_are_as_wide_for_a_failed_star_without_a_single_pixel(tmp_path):
    empty = make_spectrum()._replace(flux=np.full(400, NAN), flux_err=None, model=None)
    path = observed_spectra.draw_star(empty, FAILED, tmp_path / "empty.png")
    assert read_png_size(path)[0] == pytest.approx(PAGE_WIDTH, abs=2)


def test_each_run_of_missing_pixels_is_shaded_once():
    fig, ax = plt.subplots()
    observed_spectra.shade_missing(ax, np.arange(10.0), np.isin(np.arange(10), [0, 1, 5, 9]))
    spans = [path.get_extents().intervalx.tolist() for path in ax.collections[0].get_paths()]
    plt.close(fig)
    assert spans == [[-0.5, 1.5], [4.5, 5.5], [8.5, 9.5]]


def test_flux_limits_leave_out_dead_and_hot_pixels_but_no_line():
    spectrum = make_spectrum(4000, gaps=False, step=0.1)
    spectrum.flux[[100, 900]] = [-5, 50]
    low, high, top = observed_spectra.compute_flux_limits(spectrum, [])
    assert 0.3 < low < 0.4 and 1.0 < high < top < 1.2


def test_comparison_draws_an_observed_spectrum_over_the_model(tmp_path):
    spectrum = make_spectrum(gaps=False)
    arrays = (spectrum.wave, spectrum.flux, spectrum.model)
    path = observed_spectra.draw_model_comparison(*arrays, "the Sun", tmp_path / "sun.png")
    assert read_png_size(path)[1] == pytest.approx((0.2 + 3 * observed_spectra.ROW) * 300, abs=2)
