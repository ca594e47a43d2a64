"""Jacobians: exact for a linear model, finite differences for a network, and their moments."""

import keras
import numpy as np
import pytest
from conftest import build_without_dropout

from starlabels.base.errors import UserError
from starlabels.learning import jacobians
from starlabels.learning.networks import BUILDERS
from starlabels.stages import jacobian_labels


def test_jacobian_of_a_linear_model_is_its_weights():
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(3)])
    jac = jacobians.compute_jacobian(
        model, np.random.default_rng(0).random((7, 30), dtype="f4"), 3
    )  # (n, n_labels, n_pix)
    assert jac.shape == (7, 3, 30)
    for row in jac:
        np.testing.assert_allclose(row, model.get_weights()[0].T, rtol=1e-5)


@pytest.mark.parametrize("name", BUILDERS)
def test_jacobian_of_a_network_is_its_finite_difference(name):
    keras.utils.set_random_seed(1)
    model, step = (
        build_without_dropout(name, 160, 2, activation="tanh"),
        1e-3,
    )  # kinks of relu and pooling spoil differences
    flux = np.random.default_rng(1).random((3, 160), dtype="f4")
    jac = jacobians.compute_jacobian(model, flux, 2)
    for pixel in (0, 41, 159):
        shift = np.eye(160, dtype="f4")[pixel] * step
        slope = (
            model.predict(flux + shift, verbose=0) - model.predict(flux - shift, verbose=0)
        ) / (2 * step)
        np.testing.assert_allclose(jac[:, :, pixel], slope, atol=0.03 * np.abs(jac).max())


def test_jacobian_is_zero_where_the_network_does_not_look():
    inputs = keras.Input((40,))
    model = keras.Model(
        inputs,
        keras.layers.Dense(2)(
            keras.layers.Cropping1D((10, 10))(keras.layers.Reshape((40, 1))(inputs))[:, :, 0]
        ),
    )
    jac = jacobians.compute_jacobian(model, np.ones((2, 40), "f4"), 2)
    assert not jac[:, :, :10].any() and not jac[:, :, -10:].any() and jac[:, :, 10:-10].any()


def test_ideal_estimator_is_unbiased_and_reaches_the_cramer_rao_bound_in_little_noise():
    rng, std, sigma = np.random.default_rng(2), np.array([1000.0, 0.5]), np.full(4, 1e-5)
    sensitivity = rng.normal(size=(4, 2, 300)) / std[:, None]  # d flux / d label of four stars
    weights = jacobian_labels.compute_ideal_jacobian(sensitivity, std, sigma)  # d label / d flux
    for s, w in zip(sensitivity, weights):
        np.testing.assert_allclose((w @ s.T) * std / std[:, None], np.eye(2), atol=1e-9)
        np.testing.assert_allclose(np.diag(w @ w.T), np.diag(np.linalg.inv(s @ s.T)), rtol=1e-9)


def test_ideal_estimator_does_not_invent_what_the_spectrum_cannot_tell():
    blind = np.stack(
        [np.ones((1, 50)), np.zeros((1, 50))], axis=1
    )  # the flux of this star knows nothing of the second label
    weights = jacobian_labels.compute_ideal_jacobian(blind, np.ones(2), np.array([0.01]))
    assert weights[0, 0] == pytest.approx(1 / 50, rel=1e-3) and not weights[0, 1].any()


def test_moments_do_not_depend_on_the_batches():
    flux = np.random.default_rng(3).normal(5, 2, (30, 8)).astype("f4")
    for size in (30, 7):
        batches = ({"flux": flux[i : i + size]} for i in range(0, 30, size))
        masks = {"all": np.ones(30, bool), "some": np.arange(30) % 3 == 0}
        moments = jacobian_labels.compute_subset_moments(batches, masks)
        np.testing.assert_allclose(moments["some"]["flux"]["mean"], flux[::3].mean(0), rtol=1e-5)
        found = moments["all"]["flux"]
        np.testing.assert_allclose(found["mean"], flux.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found["std"], flux.std(axis=0), rtol=1e-4)
        np.testing.assert_allclose(found["mean_abs"], np.abs(flux).mean(axis=0), rtol=1e-5)


def test_strongest_windows_are_listed_with_their_lines():
    wave = 4450 + 0.5 * np.arange(200)
    strength = np.where(np.abs(wave - 4482) < 1, 5.0, 0) + np.where(np.abs(wave - 4501) < 1, 3.0, 0)
    assert list(jacobian_labels.find_windows(wave, strength)[:2]) == [4480, 4500]
    assert jacobian_labels.list_lines({"Mg II": [4481.2], "Fe II": [4485.0]}, 4480, 4485) == "Mg II"


def test_jacobian_leaves_out_the_outputs_that_are_not_labels():
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(4)])
    jac = jacobians.compute_jacobian(model, np.ones((2, 30), "f4"), 2)
    np.testing.assert_allclose(jac[0], model.get_weights()[0].T[:2], rtol=1e-5)


def test_subsets_have_enough_stars_and_conditions_on_their_labels(make_config):
    changes = {"jacobian.subsets": {"A stars": "teff > 7500", "B stars": "teff > 11000"}}
    columns = {"teff": np.linspace(6000, 10_000, 100)}
    masks = jacobian_labels.find_subsets(make_config(changes), columns, 100)
    assert masks.keys() == {"A stars"} and masks["A stars"].sum() == 62
    assert jacobian_labels.make_slug("A stars, fast") == "A_stars_fast"
    with pytest.raises(UserError, match="jacobian.subsets.A stars: 'teff > 7500': .*logg"):
        jacobian_labels.find_subsets(make_config(changes), {"logg": np.ones(100)}, 100)


def test_a_subset_that_is_no_condition_is_refused(make_config):
    with pytest.raises(UserError, match="jacobian.subsets.hot: 'teff >'"):
        make_config({"jacobian.subsets": {"hot": "teff >"}})
