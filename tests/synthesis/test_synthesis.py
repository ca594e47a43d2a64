"""Physics by known answers: interpolation, broadening, sampling and the packaged data."""

import numpy as np
import pytest
from toy_nodes import CENTRES, GRID, toy_node

from starlabels.base.errors import UserError
from starlabels.base.wavelengths import convert_air_to_vacuum
from starlabels.synthesis import atmosphere, broaden, lines, node_builder, nodes
from starlabels.synthesis.compression import compress_low_rank
from starlabels.synthesis.interpolate import (
    compute_lagrange_weights,
    compute_tensor_weights,
    find_cell_corners,
)
from starlabels.synthesis.sampler import Sampler


@pytest.fixture
def library(tmp_path):
    """A library of toy nodes, one of them failed."""
    names = ["_".join(f"{v:g}" for v in point) for point in GRID.points]
    for name, point in zip(names, GRID.points):
        if point[:3].tolist() == [8000.0, 3.0, 0.5]:
            (tmp_path / f"{name}.failed").write_text("SMElib ended its process")
        else:
            np.save(
                tmp_path / f"{name}.npy",
                np.round(toy_node(*point) / node_builder.FLUX_SCALE).astype("u2"),
            )
    node_builder.gather_nodes(GRID, tmp_path, names, tmp_path / "toy.h5")
    return tmp_path / "toy.h5"


def labels(teff, logg, mh, vsini=0.0):
    values = np.broadcast_arrays(teff, logg, mh, 2.0, vsini)
    return {
        name: np.atleast_1d(value).astype(float)
        for name, value in zip((*nodes.AXES, "vsini"), values)
    }


def test_interpolation_is_exact_for_cubics_on_uneven_nodes():
    axis = np.array([4750.0, 5000.0, 5250.0, 6000.0, 6500.0, 7000.0])
    x = np.linspace(4750, 7000, 41)
    cubic = lambda t: 1 + t / 1e3 - (t / 1e3) ** 2 + 0.1 * (t / 1e3) ** 3  # noqa: E731
    index, weight = compute_lagrange_weights(x, axis)
    assert np.allclose((weight * cubic(axis)[index]).sum(axis=1), cubic(x))


def test_a_point_on_a_node_needs_that_node_alone():
    corners = find_cell_corners([np.array([5000.0, 5100.0])], [np.array([4750.0, 5000.0, 5250.0])])
    assert corners.tolist() == [[1, 1], [1, 2]]


def test_no_points_have_no_corners():
    axes = [np.array([4750.0, 5000.0, 5250.0]), np.array([1.0, 2.0])]
    assert find_cell_corners([np.empty(0), np.empty(0)], axes).shape == (0, 4)
    index, weight = compute_tensor_weights([np.empty(0), np.empty(0)], axes)
    assert index.shape == weight.shape == (0, 6)


def test_no_rotation_is_the_identity():
    assert np.all(broaden.rotation_transfer(np.linspace(0, 0.16, 50), 0.0) == 1)


def test_rotation_transfer_is_the_transform_of_the_profile_of_gray():
    y = np.linspace(-1, 1, 200_001)
    profile = 2 * (1 - 0.6) * np.sqrt(1 - y**2) + 0.5 * np.pi * 0.6 * (1 - y**2)
    frequency = np.array([1e-3, 0.01, 0.05])
    numeric = [(profile * np.cos(2 * np.pi * f * 50 * y)).sum() / profile.sum() for f in frequency]
    assert np.allclose(broaden.rotation_transfer(frequency, 50.0)[0], numeric, atol=2e-5)


def test_negative_rotation_is_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        broaden.rotation_transfer(np.array([0.1]), -1.0)


def test_resolving_power_above_that_of_the_nodes_is_refused():
    with pytest.raises(ValueError, match="is above the 35000"):
        broaden.compute_remaining_fwhm(80_000, GRID.fwhm)


def test_sampling_at_a_node_returns_it(library):
    wave = np.arange(5000, 5040, 0.05)
    flux = Sampler(library).sample_spectra(labels(7000, 4.0, 0.0), wave, broaden.LIGHT / GRID.fwhm)[
        0
    ]
    expected = toy_node(7000, 4.0, 0.0, wave=wave)
    assert np.abs(flux - expected).max() < 2e-4


def test_sampling_between_nodes_is_exact_for_cubic_depths(library):
    wave = np.arange(5000, 5040, 0.05)
    flux = Sampler(library).sample_spectra(labels(6630, 3.8, -0.3), wave, 20_000)[0]
    depth = 1 - toy_node(6630, 3.8, -0.3)
    fwhm = np.hypot(GRID.fwhm, broaden.compute_remaining_fwhm(20_000, GRID.fwhm))
    scale = GRID.fwhm / fwhm  # a broader Gaussian of the same area
    centre = [np.argmin(np.abs(wave - c)) for c in CENTRES]
    peak = [depth[np.argmin(np.abs(GRID.wave() - c))] * scale for c in CENTRES]
    assert np.allclose(1 - flux[centre], peak, rtol=0.02)


def test_broadening_conserves_equivalent_width(library):
    wave = np.arange(5000, 5040, 0.02)
    sampler, stars = Sampler(library), labels(7000, 4.0, 0.0, vsini=[0.0, 20.0, 120.0])
    depth = 1 - sampler.sample_spectra(stars, wave, 20_000)
    inside = (wave > 5010) & (wave < 5030)
    width = depth[:, inside].sum(axis=1) * 0.02
    assert np.allclose(width, width[0], rtol=2e-3)


def test_labels_beside_a_failed_node_are_refused_and_others_are_not(library):
    sampler = Sampler(library)
    assert sampler.covers(
        labels([7900, 7000, 8500], [3.1, 3.1, 4.0], [0.4, 0.4, 0.0])
    ).tolist() == [
        False,
        True,
        False,
    ]
    with pytest.raises(ValueError, match="no valid nodes around teff 7900"):
        sampler.sample_spectra(labels(7900, 3.1, 0.4), np.arange(5000, 5040, 0.05), 20_000)


def test_a_sampler_of_a_range_gives_the_same_spectra_as_one_of_all(library):
    wave, star = np.arange(5000, 5040, 0.05), labels(6700, 3.8, -0.2, 30.0)
    part = Sampler(
        library, {"teff": (6600, 6900), "logg": (3.6, 3.9), "mh": (-0.4, 0.0), "vmic": (2.0, 2.0)}
    )
    assert (
        np.abs(
            part.sample_spectra(star, wave, 20_000)
            - Sampler(library).sample_spectra(star, wave, 20_000)
        ).max()
        < 1e-3
    )


def test_a_window_beyond_the_nodes_names_both(library):
    with pytest.raises(UserError, match="covers 5000 to 5040 A; requested 4990"):
        Sampler(library).sample_spectra(labels(7000, 4.0, 0.0), np.arange(4990, 5040, 0.05), 20_000)


def test_spectra_are_sampled_in_the_medium_that_is_asked_for(library):
    wave, star = np.arange(5002, 5035, 0.05), labels(6700, 3.8, -0.2)
    air = Sampler(library).sample_spectra(star, wave, 20_000)
    sampler = Sampler(library, medium="vacuum")
    vacuum = sampler.sample_spectra(star, convert_air_to_vacuum(wave), 20_000)
    assert np.abs(vacuum - air).max() < 1e-5
    assert np.abs(sampler.sample_spectra(star, wave, 20_000) - air).max() > 0.01


def test_sensitivity_is_the_slope_of_the_sampled_flux(library):
    sampler, wave = Sampler(library), np.arange(5000, 5040, 0.05)
    slope = sampler.compute_sensitivities(labels(7000, 4.0, 0.0), ["teff", "mh"], wave, 30_000)[0]
    pixel = np.argmin(np.abs(wave - CENTRES[2]))
    high, low = (
        sampler.sample_spectra(labels(7000, 4.0, mh), wave, 30_000)[0] for mh in (0.05, -0.05)
    )
    assert slope[1, pixel] == pytest.approx((high - low)[pixel] / 0.1, rel=0.02)
    assert abs(slope[0, pixel]) < 1e-6  # this line does not feel temperature


def test_low_rank_basis_returns_the_nodes():
    rng = np.random.default_rng(0)
    depth = (rng.random((30, 4)) @ rng.random((4, 200))).astype("f4")
    coefficient, basis = compress_low_rank(depth)
    assert len(basis) <= 6 and np.abs(coefficient @ basis - depth).max() < 1e-3


def test_lines_near_the_ionisation_limit_are_dropped():
    atomic = lines.read_lines(4700.0, 4760.0).atomic
    neutral_carbon = atomic[(atomic[:, 0] == 6) & (atomic[:, 1] == 1)]
    upper = neutral_carbon[:, 3] + 12398.42 / neutral_carbon[:, 2]
    assert len(neutral_carbon) and np.all(11.260 - upper >= lines.RYDBERG_GAP)


def test_a_window_outside_the_line_list_is_one_clear_error():
    with pytest.raises(UserError, match="3680-9200"):
        lines.read_lines(9500.0, 9600.0)


def test_balmer_lines_lie_at_their_wavelengths_in_air():
    hydrogen = lines.read_lines(4450.0, 4990.0).atomic
    hydrogen = hydrogen[hydrogen[:, 0] == 1, 2]
    assert np.abs(hydrogen - 4861.33).min() < 0.02 and np.abs(hydrogen - 4340.46).min() < 0.02


def test_built_in_atmospheres_grow_hotter_and_denser_inwards():
    rhox, temperature, n_electron, n_atom, density = atmosphere.interpolate_atmosphere(
        7250.0, 3.75, -0.25
    )
    assert (
        np.all(np.diff(rhox) > 0) and np.all(np.diff(temperature[5:]) > 0) and np.all(density > 0)
    )
    assert temperature[np.argmin(np.abs(rhox - 1.0))] == pytest.approx(7250, rel=0.25)


def test_an_atmosphere_outside_the_table_names_the_range():
    with pytest.raises(ValueError, match="teff = 3000: the table spans 4500 to 11000"):
        atmosphere.interpolate_atmosphere(3000.0, 4.0, 0.0)
