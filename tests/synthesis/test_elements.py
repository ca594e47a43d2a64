"""Abundances of single elements: changes in the nodes are recovered by the sampler."""

from dataclasses import replace

import numpy as np
import pytest
from toy_nodes import GRID, MOVED, toy_change, write_library

from starlabels.base.errors import UserError
from starlabels.stages import grid, recipe_nodes, recipe_stars
from starlabels.synthesis import nodes
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

WAVE = np.arange(5000.0, 5040.0, 0.05)


def star(**labels):
    values = {"teff": 6800.0, "logg": 3.8, "mh": -0.2, "vmic": 2.0, "vsini": 5.0, **labels}
    return {name: np.array([value]) for name, value in values.items()}


def test_a_library_remembers_its_elements(libraries):
    assert nodes.read_grid(libraries[1]) == MOVED and nodes.read_grid(libraries[0]) == GRID
    assert len(MOVED.points) == 5 * len(GRID.points)


def test_several_elements_moved_at_once_add_up(libraries):
    main, elements = libraries
    sampler = Sampler(main, elements_path=elements)
    scaled = sampler.sample_spectra(star(), WAVE, 30_000)[0]
    np.testing.assert_allclose(
        scaled, Sampler(main).sample_spectra(star(), WAVE, 30_000)[0], atol=2e-5
    )
    change = sampler.sample_spectra(star(mg_m=0.25, fe_m=-0.15), WAVE, 30_000)[0] - scaled
    expected = sum(
        sampler.sample_spectra(star(**{name: value}), WAVE, 30_000)[0] - scaled
        for name, value in (("mg_m", 0.25), ("fe_m", -0.15))
    )
    np.testing.assert_allclose(change, expected, atol=2e-5)
    width = -np.trapezoid(
        change[WAVE < 5014], WAVE[WAVE < 5014]
    )  # of the first line, conserved by broadening
    assert width == pytest.approx(np.trapezoid(toy_change(0.25, 0), GRID.wave()), rel=0.01)


def test_elements_of_a_narrower_window_change_the_same_lines(libraries, tmp_path):
    main, elements = libraries
    narrow = write_library(tmp_path / "narrow.h5", replace(MOVED, wave_min=5003.3, wave_max=5037.1))
    moved, inside = star(mg_m=0.25, fe_m=-0.15), (WAVE > 5004) & (WAVE < 5037)
    whole, part = (
        Sampler(main, elements_path=path).sample_spectra(moved, WAVE, 30_000)[0]
        for path in (elements, narrow)
    )
    np.testing.assert_allclose(part[inside], whole[inside], atol=5e-5)


FEW = {
    "labels": ["vsini"],
    "grid.labels.teff": 6000,
    "grid.labels.logg": 4.5,
    "grid.labels.mh": 0,
    "grid.resolving_power": 20_000,
}


@pytest.mark.parametrize("low, power", [(4500.0, 35_000), (8500.0, 25_000)])
def test_elements_are_synthesised_with_the_pixels_of_the_nodes_they_change(
    make_config, monkeypatch, low, power
):
    grids = []
    monkeypatch.setattr(
        recipe_nodes, "provide_library", lambda path, grid, *rest: grids.append(grid)
    )
    cfg = make_config({"wave.min": low, "wave.max": low + 20, "grid.labels.cr_m": 0.1, **FEW})
    with pytest.raises(UserError, match="_elements.h5 not found"):
        recipe_nodes.open_sampler(cfg)
    assert [(grid.resolving_power, grid.wave_min) for grid in grids] == [(power, low)]


@pytest.mark.parametrize(
    "changes, packaged",
    [
        ({}, True),
        ({"grid.labels.ni_m": 0.1, "grid.labels.teff": 7500}, True),
        ({"grid.labels.cr_m": 0.1}, False),  # an element that is not in it
        ({"grid.labels.teff": 7600}, False),
    ],
)
def test_elements_of_the_packaged_library_are_not_synthesised(make_config, changes, packaged):
    cfg = make_config(
        {"wave.min": 8410.0, "wave.max": 8790.0, "grid.labels.al_m": 0.1, **FEW, **changes}
    )
    home = NODE_FOLDER / "rvs.h5"
    if packaged:
        assert (
            recipe_nodes.find_element_library(cfg, recipe_stars.find_label_ranges(cfg), home, False)
            == NODE_FOLDER / "rvs_elements.h5"
        )
    else:
        with pytest.raises(UserError, match="_elements.h5 is missing"):
            recipe_nodes.find_element_library(cfg, recipe_stars.find_label_ranges(cfg), home, False)


RVS_LINES = {  # strongest in the window or near it (A, air; NIST), away from the calcium triplet
    "mg_m": 8736.0,
    "al_m": 8773.9,
    "si_m": 8752.0,
    "ti_m": 8435.0,
    "ni_m": 8770.7,
}


PACKAGED = {"teff": 5000.0, "logg": 3.5, "mh": -0.5, "vmic": 2.0}  # a node of the packaged elements
RVS = np.arange(8405.0, 8795.0, 0.1)


def packaged():
    """The Sampler of the packaged nodes and elements around one of their nodes."""
    ranges = {name: (value, value) for name, value in PACKAGED.items()}
    return Sampler(
        NODE_FOLDER / "rvs.h5",
        ranges,
        elements_path=NODE_FOLDER / "rvs_elements.h5",
    )


def test_each_element_of_the_packaged_library_deepens_its_own_lines():
    sampler = packaged()
    scaled = sampler.sample_spectra(star(**PACKAGED), RVS, 20_000)[0]
    for name in RVS_LINES:
        change = sampler.sample_spectra(star(**PACKAGED, **{name: 0.3}), RVS, 20_000)[0] - scaled
        depths = {key: change[np.abs(RVS - wave) < 0.5].min() for key, wave in RVS_LINES.items()}
        assert depths[name] < -0.01 and min(depths, key=depths.get) == name, depths


def test_a_node_of_the_packaged_library_comes_back_with_an_element_moved():
    sampler, path = packaged(), NODE_FOLDER / "rvs_elements.h5"
    grid = nodes.read_grid(path)
    first = np.flatnonzero((grid.points == [*PACKAGED.values(), 0]).all(axis=1))[0]
    mg = 1 + 2 * sampler.elements.names.index("mg_m")
    flux, _ = nodes.read_nodes(path, [first, first + mg])
    broadening = sampler.broadening
    labels = star(vsini=0.0, resolving_power=20_000, rv=0.0)
    transforms = [broadening.to_fourier(1 - row[None]) for row in flux]
    scaled, moved = (broadening.broaden(x, labels, RVS)[0] for x in transforms)
    spectra = [
        sampler.sample_spectra(star(**PACKAGED, vsini=0.0, mg_m=value), RVS, 20_000)[0]
        for value in (0.0, 0.3)
    ]
    np.testing.assert_allclose(spectra[1] - spectra[0], moved - scaled, atol=2e-4)
    assert np.abs(moved - scaled).max() > 0.02


def test_the_grid_writes_abundances_next_to_offsets():
    labels = {
        "mh": np.array([-0.5, 0.2]),
        "mg_m": np.array([0.3, 0.0]),
        "fe_m": np.array([0.1, -0.1]),
    }
    columns = grid.compute_abundances(labels)
    assert list(columns) == ["mg_h", "feh"]
    np.testing.assert_allclose(columns["mg_h"], [-0.2, 0.2])
    np.testing.assert_allclose(columns["feh"], [-0.4, 0.1])


def test_an_abundance_is_varied_with_the_others_held(libraries):
    sampler = Sampler(libraries[0], elements_path=libraries[1])
    stars = star(mg_m=0.1, fe_m=-0.1)
    stars |= grid.compute_abundances(stars)

    def slopes(*names):
        return dict(zip(names, sampler.compute_sensitivities(stars, names, WAVE, 30_000)[0]))

    alone, both, scaled = (
        slopes("mg_m", "fe_m", "mh"),
        slopes("mg_h", "feh"),
        slopes("mh", "mg_h", "teff"),
    )
    np.testing.assert_allclose(both["mg_h"], alone["mg_m"], atol=1e-5)
    np.testing.assert_allclose(both["feh"], alone["fe_m"], atol=1e-5)
    np.testing.assert_allclose(scaled["mg_h"], alone["mg_m"], atol=1e-5)
    np.testing.assert_allclose(
        scaled["mh"], alone["mh"] - alone["mg_m"], atol=1e-3
    )  # of all elements but magnesium
    assert np.abs(alone["mg_m"]).max() > 0.05 and np.abs(scaled["mh"] - alone["mh"]).max() > 0.05


def test_offsets_beyond_what_was_measured_are_an_error(make_config):
    with pytest.raises(
        UserError, match=r"grid.labels.mg_m: found -0.3 to 0.9, expected within \[-0.5, 0.5\]"
    ):
        make_config({"grid.labels.mg_m": {"min": -0.3, "max": 0.9}})
