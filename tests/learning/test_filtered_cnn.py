"""The default network: convolutions over wavelength on a Wiener-filtered spectrum."""

import numpy as np
import pytest

from starlabels.learning import components
from starlabels.learning.networks import cnn

N, N_PIX, BIN = 6, 96, 4
SMALL = {"bin_pixels": BIN, "patch": 5, "filters": (3, 4), "width": 8, "blocks": 1}


@pytest.fixture(scope="module")
def basis():
    """Basis of smooth spectra."""
    x = np.linspace(0, 1, N_PIX)
    rng = np.random.default_rng(0)
    curves = np.array([np.sin((k + 1) * np.pi * x) / (k + 1) for k in range(8)])
    return components.fit_basis(1 - rng.normal(size=(400, 8)) @ curves, N, 1, 0)


def build(n_inputs, basis=None, n_features=0, **changes):
    import keras

    keras.utils.set_random_seed(0)
    return cnn.filtered_cnn(n_inputs, 4, basis, n_features, **(SMALL | changes))


def test_it_reads_the_binned_spectrum_that_the_components_describe(basis):
    network = build(N + 1, basis, whitening=0)
    layer = network.get_layer("filtered_spectrum")
    score = np.random.default_rng(1).normal(size=(3, N)) * np.sqrt(basis.variance)
    spectrum = (score @ basis.components).reshape(3, -1, BIN).mean(axis=2)
    found = np.asarray(layer((score / np.sqrt(basis.variance)).astype("f4")))
    ratio = found / spectrum
    assert found.shape == spectrum.shape
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0]), rel=1e-3)
    assert not layer.trainable_weights


def test_whitening_makes_weak_components_as_strong_as_others(basis):
    sizes = [
        np.linalg.norm(cnn.bin_components(basis, 1, whitening), axis=1) for whitening in (0, 0.5, 1)
    ]
    spread = [size.max() / size.min() for size in sizes]
    assert spread[2] == pytest.approx(1, rel=1e-3)
    assert spread[0] == pytest.approx(spread[1] ** 2, rel=1e-3)


def test_noise_and_features_join_before_the_dense_blocks(basis):
    network = build(N + 3, basis)
    rows = np.zeros((2, N + 3), "f4")
    rows[1, -1] = 1
    assert np.ptp(np.asarray(network(rows)), axis=0).max() > 1e-4


def test_pixels_are_read_without_components_and_patches_are_filled_up():
    network = build(N_PIX + 2, n_features=2)
    rows = np.ones((2, N_PIX + 2), "f4")
    rows[1, -1] = 5
    output = np.asarray(network(rows))
    assert output.shape == (2, 4) and np.ptp(output, axis=0).max() > 1e-4
    assert network.get_layer("patches").input.shape == (None, 5, 5)  # 24 bins and one of zeros


def test_a_copy_loaded_from_its_file_predicts_the_same(basis, tmp_path):
    import keras

    network = build(N + 1, basis)
    rows = np.random.default_rng(2).normal(size=(4, N + 1)).astype("f4")
    network.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras", safe_mode=True)
    assert np.asarray(again(rows)) == pytest.approx(np.asarray(network(rows)), abs=1e-6)
