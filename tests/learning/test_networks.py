"""The networks: the published structure, building, saving, and costs of importing."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from conftest import build_without_dropout

from starlabels.base import untrusted
from starlabels.learning.networks import BUILDERS, CAPABILITIES


def test_importing_the_builders_does_not_import_keras():
    imported = "'keras' in sys.modules or 'tensorflow' in sys.modules"
    code = f"import sys, starlabels.learning.networks; sys.exit({imported})"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_seed_network_has_the_published_parameter_count():
    conv = (8 * 1 + 1) * 4 + (8 * 4 + 1) * 16
    dense = (10800 // 4 * 16 + 1) * 256 + (256 + 1) * 128 + (128 + 1) * 4
    assert BUILDERS["seed_cnn"](10800, 4).count_params() == conv + dense


def test_capabilities_of_every_builder_fit_its_parameters():
    assert CAPABILITIES.keys() == BUILDERS.keys()
    for name, builder in BUILDERS.items():
        capabilities = CAPABILITIES[name]
        parameters = inspect.signature(builder).parameters
        assert capabilities.passes == ("passes" in parameters)
        assert capabilities.members == ("members" in parameters)
        assert capabilities.wave >= ("wave" in parameters)
        known = {"labels", "wave", "windows", "n_features", "basis"}
        assert set(capabilities.context) == known & parameters.keys()


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_survives_saving_and_safe_loading(name, tmp_path):
    import keras

    model = build_without_dropout(name, 500, 3)
    flux = np.random.default_rng(0).random((5, 500), dtype="f4")
    model.save(tmp_path / "model.keras")
    untrusted.check_keras(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.predict(flux, verbose=0).shape == (5, 3)
    np.testing.assert_allclose(
        again.predict(flux, verbose=0), model.predict(flux, verbose=0), rtol=1e-5
    )


def test_components_of_a_layer_are_those_of_the_projection_and_survive_saving(tmp_path):
    import keras

    from starlabels.learning import components
    from starlabels.learning.networks.layers import Components

    rng = np.random.default_rng(0)
    flux = (1 - rng.random((60, 3)) @ rng.random((3, 200)) - 0.01 * rng.random((60, 200))).astype(
        "f4"
    )
    basis = components.fit_basis(flux, 3, 1, seed=0)
    layer, inputs = Components(3), keras.Input((200,))
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([basis.mean, basis.components])
    model.save(tmp_path / "model.keras")
    output = keras.models.load_model(tmp_path / "model.keras", safe_mode=True).predict(
        flux, verbose=0
    )
    expected = components.project_flux(flux, basis)
    np.testing.assert_allclose(output[:, :3], expected["components"], atol=1e-5)
    np.testing.assert_allclose(
        np.exp(2 * output[:, 3]) * basis.n_left, expected["outside"][:, 0], rtol=1e-3
    )


def test_wiener_filter_fades_what_is_below_the_noise_and_keeps_what_is_above():
    from starlabels.learning.networks.layers import Wiener

    layer = Wiener(floor=0.01, reference=0.1)
    layer.build((None, 3))
    layer.set_weights([np.array([1.0, 1e-6], "f4")])
    strong, weak, ln_noise = np.asarray(layer(np.array([[2.0, 0.001, np.log(0.1)]], "f4")))[0]
    assert (
        strong == pytest.approx(2, rel=0.02)
        and abs(weak) < 1e-3
        and ln_noise == pytest.approx(0, abs=1e-6)
    )
    quiet, floor = (
        np.asarray(layer(np.array([[2.0, 0.001, np.log(noise)]], "f4"))) for noise in (1e-5, 0.01)
    )
    np.testing.assert_allclose(
        quiet, floor, rtol=1e-5
    )  # never trained on less noise than the floor


def test_likelihood_is_that_of_a_gaussian():
    from scipy.stats import norm

    from starlabels.learning.losses import gaussian_nll

    true, mean, sigma = np.random.default_rng(0).random((3, 5, 2)).astype("f4") + 0.5
    loss = np.asarray(gaussian_nll(true, np.concatenate([mean, 2 * np.log(sigma)], axis=1)))
    np.testing.assert_allclose(
        loss, -norm.logpdf(true, mean, sigma).mean(axis=1) - 0.5 * np.log(2 * np.pi), rtol=1e-4
    )
