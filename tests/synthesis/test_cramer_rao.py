"""The Cramér-Rao bound: known answers, and labels that a spectrum does not constrain."""

from types import SimpleNamespace

import numpy as np
import pytest

from starlabels.stages import recipe_nodes
from starlabels.synthesis import cramer_rao
from starlabels.synthesis.sampler import Sampler


def test_bound_of_one_label_is_the_error_of_least_squares():
    slope = np.random.default_rng(0).normal(size=(3, 1, 400))
    np.testing.assert_allclose(
        cramer_rao.compute_unit_bounds(slope), 1 / np.sqrt((slope**2).sum(axis=2)), rtol=1e-9
    )


def test_bound_is_the_scatter_of_least_squares_with_all_labels_free():
    rng = np.random.default_rng(1)
    slope = rng.normal(size=(3, 50)) + [[1], [0.5], [-2]]  # the labels are not independent
    labels = np.linalg.lstsq(slope.T, rng.normal(size=(50, 200_000)), rcond=None)[0]
    np.testing.assert_allclose(
        cramer_rao.compute_unit_bounds(slope[None])[0], labels.std(axis=1), rtol=0.01
    )


def test_bound_does_not_depend_on_the_units_of_the_labels():
    slope, unit = np.random.default_rng(2).normal(size=(4, 3, 60)), np.array([1000.0, 1.0, 1e-3])
    np.testing.assert_allclose(
        cramer_rao.compute_unit_bounds(slope / unit[:, None]),
        cramer_rao.compute_unit_bounds(slope) * unit,
        rtol=1e-9,
    )


def test_a_label_without_effect_on_the_spectrum_has_an_infinite_bound_and_others_keep_theirs():
    slope = np.random.default_rng(3).normal(size=(2, 3, 80)).astype("f4")
    slope[0, 1] = 0
    bounds = cramer_rao.compute_unit_bounds(slope)
    assert np.isinf(bounds[0, 1]) and np.isfinite(bounds[1]).all()
    np.testing.assert_allclose(
        bounds[0, [0, 2]], cramer_rao.compute_unit_bounds(slope[:1, [0, 2]])[0], rtol=1e-6
    )


def test_two_labels_with_the_same_effect_have_infinite_bounds():
    slope = np.random.default_rng(4).normal(size=(1, 3, 80)).astype("f4")
    slope[0, 2] = np.float32(3.7) * slope[0, 0]
    bounds = cramer_rao.compute_unit_bounds(slope)[0]
    assert np.isinf(bounds[[0, 2]]).all()
    assert bounds[1] == pytest.approx(cramer_rao.compute_unit_bounds(slope[:, :2])[0, 1], rel=1e-5)


@pytest.mark.parametrize("n", [1, cramer_rao.CHUNK, cramer_rao.CHUNK + 3])
def test_bounds_of_the_first_n_stars_do_not_depend_on_chunks(n):
    slope = np.random.default_rng(5).normal(size=(200, 2, 30))
    np.testing.assert_allclose(
        cramer_rao.compute_bounds(lambda rows: slope[rows], n),
        cramer_rao.compute_unit_bounds(slope[:n]),
    )


def test_bound_from_the_nodes_grows_with_rotation(packaged_nodes):
    vsini = np.array([20.0, 100.0, 250.0])
    labels = {
        "teff": np.full(3, 8000.0),
        "logg": np.full(3, 4.0),
        "mh": np.zeros(3),
        "vmic": np.full(3, 2.0),
        "vsini": vsini,
    }
    wave = 4470 + 0.1 * np.arange(500)
    bounds = cramer_rao.compute_unit_bounds(
        packaged_nodes.compute_sensitivities(labels, ["teff", "logg", "vsini", "mh"], wave, 35000.0)
    )
    assert bounds.shape == (3, 4) and (np.diff(bounds, axis=0) > 0).all()


@pytest.fixture(scope="module")
def packaged_nodes():
    """A Sampler of a few packaged nodes around a metal-normal A star."""
    from starlabels.synthesis.library import NODE_FOLDER, PACKAGED

    ranges = {"teff": (8000, 8000), "logg": (4, 4), "mh": (0, 0), "vmic": (2, 2)}
    return Sampler(NODE_FOLDER / next(iter(PACKAGED)), ranges)


@pytest.mark.parametrize(
    "labels, why",
    [
        (["teff", "ni_h"], "the nodes do not vary ni_h"),
        (["mg_h", "mg_m"], "mg_h and mg_m are one abundance: keep one of them"),
    ],
)
def test_no_sensitivity_to_abundances_that_cannot_be_varied(
    make_config, monkeypatch, capsys, labels, why
):
    cfg = make_config({"labels": labels, "grid.labels.mg_m": {"min": -0.3, "max": 0.3}})
    sampler = SimpleNamespace(elements=SimpleNamespace(names=["mg_m"]))
    monkeypatch.setattr(recipe_nodes, "open_sampler", lambda cfg, build: sampler)
    assert recipe_nodes.build_sensitivity_or_none(cfg, None, cfg.wave.grid()) is None
    assert why in capsys.readouterr().out


def test_no_sensitivity_of_spectra_that_are_not_from_the_nodes(make_config, capsys):
    cfg = make_config({"join.databases": [{"path": "data/elsewhere.h5", "where": None}]})
    assert recipe_nodes.build_sensitivity_or_none(cfg, None, cfg.wave.grid()) is None
    assert "not all spectra are from grid.py" in capsys.readouterr().out
