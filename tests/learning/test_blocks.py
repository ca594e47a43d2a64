"""Components in blocks: a part of the window may be missing, in the network and in its inputs."""

import keras
import numpy as np
import pytest

from starlabels.learning import components
from starlabels.learning.networks import layers
from starlabels.learning.networks.arguments import MISSING
from starlabels.learning.noisy_spectra import ComponentSpectra, PixelSpectra, draw_missing_blocks

N_PIX, BLOCKS = 240, 4


@pytest.fixture(scope="module")
def flux():
    rng = np.random.default_rng(0)
    wave = np.linspace(0, 1, N_PIX)
    centre, depth = rng.uniform(0, 1, (300, 6, 1)), rng.uniform(0, 0.2, (300, 6, 1))
    return (1 - np.sum(depth * np.exp(-0.5 * ((wave - centre) / 0.1) ** 2), axis=1)).astype("f4")


@pytest.fixture(scope="module")
def basis(flux):
    return components.fit_basis(flux, 24, BLOCKS, seed=0)


def layer_of(basis):
    layer, inputs = layers.Components(len(basis.components), BLOCKS), keras.Input((N_PIX,))
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([basis.mean, basis.components])
    return model


def test_each_component_lives_in_one_block_and_they_are_orthonormal(basis):
    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(24), atol=1e-5)
    for block, rows in enumerate(np.split(basis.components, BLOCKS)):
        outside = np.delete(rows, np.s_[block * 60 : (block + 1) * 60], axis=1)
        assert np.all(outside == 0)


def test_the_layer_gives_what_the_projection_gives_block_by_block(flux, basis):
    noisy = flux[:20] + np.random.default_rng(1).normal(0, 0.01, (20, N_PIX)).astype("f4")
    output = layer_of(basis).predict(noisy, verbose=0)
    expected = components.project_flux(noisy, basis)
    np.testing.assert_allclose(output[:, :24], expected["components"], atol=1e-5)
    np.testing.assert_allclose(
        np.exp(2 * output[:, 24:]) * basis.n_left, expected["outside"], rtol=1e-3
    )


def test_a_nan_makes_its_block_missing_and_leaves_the_others_alone(flux, basis):
    model = layer_of(basis)
    holed = flux[:5].copy()
    holed[:, 70] = np.nan  # in the second block
    whole = model.predict(flux[:5], verbose=0)
    output = model.predict(holed, verbose=0)
    assert np.all(output[:, 6:12] == 0) and np.all(output[:, 25] == np.float32(MISSING))
    keep = np.r_[0:6, 12:25, 26:28]
    np.testing.assert_allclose(output[:, keep], whole[:, keep], atol=1e-6)


def test_training_inputs_of_missing_blocks_are_those_of_the_layer(flux, basis):
    made = components.project_flux(flux, basis)
    data = ComponentSpectra(
        made["components"], made["outside"], made["level"], basis.n_left, missing=1.0
    )
    inputs = data.batch(np.arange(300), np.full(300, 100.0), np.random.default_rng(2))
    hidden = inputs[:, 24:] == np.float32(MISSING)
    assert 0.1 < hidden.mean() < 0.7
    assert not np.any(data.batch(np.arange(300), None, None)[:, 24:] == np.float32(MISSING))
    assert np.all(inputs[:, :24][np.repeat(hidden, 6, axis=1)] == 0)
    pixels = PixelSpectra(flux, BLOCKS, 1.0).batch(
        np.arange(300), np.full(300, 100.0), np.random.default_rng(3)
    )
    seen = layer_of(basis).predict(pixels, verbose=0)
    assert np.isfinite(seen).all() and 0.1 < np.mean(seen[:, 24:] == np.float32(MISSING)) < 0.7


def test_missing_blocks_are_one_run_in_the_share_of_spectra_that_is_asked():
    hidden = draw_missing_blocks(np.random.default_rng(4), 20_000, 27, 0.4)
    runs = (np.diff(hidden.astype(int), axis=1, prepend=0) == 1).sum(axis=1)
    assert runs.max() == 1 and 0.25 < np.mean(runs) <= 0.4 and not hidden.all(axis=1).any()


def test_small_holes_are_filled_to_the_accuracy_of_the_noise(flux, basis):
    rng, errors = np.random.default_rng(5), []
    for star in flux[:40]:
        holed = star + rng.normal(0, 0.005, N_PIX).astype("f4")
        gone = rng.uniform(size=N_PIX) < 0.1
        holed[gone] = np.nan
        errors.append((components.fill_missing_pixels(holed, basis, 0.005) - star)[gone])
    assert np.std(np.concatenate(errors)) < 0.006


def test_a_block_of_which_half_is_missing_stays_missing(flux, basis):
    holed = flux[0].copy()
    holed[60:95] = np.nan
    filled = components.fill_missing_pixels(holed, basis, 0.01)
    assert np.isnan(filled[60:120]).all()
    assert np.isfinite(np.delete(filled, np.s_[60:120])).all()
