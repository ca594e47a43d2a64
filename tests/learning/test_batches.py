"""Batches of training: noise of the right size, every row once, fixed validation noise."""

import h5py
import numpy as np
import pytest

from starlabels.learning.batches import SpectrumBatches
from starlabels.learning.noisy_spectra import (
    ComponentSpectra,
    PixelSpectra,
    add_noise,
    log_uniform_snr,
    uniform_snr,
)


def stamped(n, n_pix=4):
    """PixelSpectra in which each pixel is the row number, and targets (n, 1), the same."""
    return PixelSpectra(np.repeat(np.arange(n, dtype="f4")[:, None], n_pix, axis=1)), np.arange(
        n, dtype="f4"
    )[:, None]


def test_noise_has_sigma_mean_flux_over_snr():
    flux = add_noise(
        np.full((2, 400_000), 0.8, "f4"), np.array([20.0, 200.0]), np.random.default_rng(0)
    )
    np.testing.assert_allclose(flux.std(axis=1), 0.8 / np.array([20, 200]), rtol=5e-3)
    assert np.abs((flux.mean(axis=1) - 0.8) * [20, 200]).max() < 5e-3


def test_noise_is_gaussian_and_independent_from_pixel_to_pixel_and_star_to_star():
    first, second = (
        add_noise(np.ones((2, 1_000_000), "f4"), np.ones(2), np.random.default_rng(0)) - 1
    )
    for sigma, fraction in [(1, 0.682689), (2, 0.954500), (3, 0.997300)]:
        assert np.mean(np.abs(first) < sigma) == pytest.approx(fraction, abs=1e-3)
    assert np.corrcoef(first[1:], first[:-1])[0, 1] == pytest.approx(0, abs=5e-3)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=5e-3)


def test_signal_to_noise_follows_its_distribution():
    rng = np.random.default_rng(0)
    assert np.median(log_uniform_snr(20, 400)(rng, 100_000)) == pytest.approx(
        np.sqrt(20 * 400), rel=0.02
    )
    assert np.median(uniform_snr(100, 200)(rng, 100_000)) == pytest.approx(150, rel=0.02)


@pytest.mark.parametrize("n, batch_size", [(1000, 64), (1003, 64), (30, 64), (100, 7), (64, 32)])
def test_every_epoch_yields_each_row_once_with_its_own_target(n, batch_size):
    batches = SpectrumBatches(*stamped(n), batch_size, training=True)
    for _ in range(2):
        flux, target = map(np.concatenate, zip(*(batches[i] for i in range(len(batches)))))
        assert sorted(target[:, 0]) == list(range(n))
        np.testing.assert_array_equal(flux[:, 0], target[:, 0])
        batches.on_epoch_end()


@pytest.mark.parametrize("n, batch_size", [(1003, 64), (30, 64)])
def test_passes_show_each_row_as_often_in_one_epoch(n, batch_size):
    batches = SpectrumBatches(
        *stamped(n), batch_size, uniform_snr(1e8, 2e8), training=True, passes=3
    )
    flux, target = map(np.concatenate, zip(*(batches[i] for i in range(len(batches)))))
    assert sorted(target[:, 0]) == sorted(list(range(n)) * 3)
    np.testing.assert_allclose(flux[:, 0], target[:, 0], rtol=1e-6)


def test_an_epoch_does_not_depend_on_those_before_it():
    stepped, jumped = (
        SpectrumBatches(*stamped(100), 32, uniform_snr(1, 2), training=True) for _ in range(2)
    )
    stepped.on_epoch_end()
    jumped.go_to(epoch=1)
    np.testing.assert_array_equal(stepped[0][0], jumped[0][0])


def test_noise_in_components_is_noise_in_pixels_projected():
    from starlabels.learning.components import Basis, project_flux

    rng = np.random.default_rng(0)
    n, n_pix, k = 4000, 300, 5
    axes = np.linalg.qr(rng.normal(size=(n_pix, k)))[0].T.astype("f4")
    flux = np.repeat(1 - 0.02 - 0.1 * axes[:1], n, axis=0).astype("f4")
    basis = Basis(np.full(n_pix, 0.02, "f4"), axes, None, 1)
    snr = np.full(n, 50.0)
    clean = project_flux(flux, basis)
    noisy = project_flux(add_noise(flux.copy(), snr, rng), basis)
    stars = ComponentSpectra(clean["components"], clean["outside"], clean["level"], n_pix - k)
    batch = stars.batch(np.arange(n), snr, rng)
    ln_noise = 0.5 * np.log(noisy["outside"] / (n_pix - k))
    for column, expected in zip(batch.T, [*noisy["components"].T, ln_noise]):
        tolerance = 5 * expected.std() / np.sqrt(n)
        assert column.mean() == pytest.approx(expected.mean(), abs=tolerance)
        assert column.std() == pytest.approx(expected.std(), rel=0.06)


def test_training_epochs_differ_in_order_and_noise_and_follow_from_the_seed():
    first, same, other = (
        SpectrumBatches(*stamped(200), 32, uniform_snr(1, 2), (seed,), training=True)
        for seed in (1, 1, 2)
    )
    epochs = []
    for batches in (first, same, other, first):
        epochs.append(np.concatenate([batches[i][0] for i in range(len(batches))]))
        batches.on_epoch_end()
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert np.abs(epochs[0] - epochs[2]).max() > 1
    assert np.abs(epochs[0] - epochs[3]).max() > 1


def test_validation_noise_and_order_are_fixed_from_epoch_to_epoch():
    batches = SpectrumBatches(*stamped(100), 32, log_uniform_snr(20, 400))
    before = [batches[i] for i in range(len(batches))]
    batches.on_epoch_end()
    for (flux, target), (flux_again, target_again) in zip(
        before, (batches[i] for i in range(len(batches)))
    ):
        np.testing.assert_array_equal(flux, flux_again)
        np.testing.assert_array_equal(target, target_again)
    np.testing.assert_array_equal(
        np.concatenate([target for _, target in before])[:, 0], np.arange(100)
    )


def test_batches_stream_from_hdf5_as_from_memory_and_use_only_the_rows_asked_for(tmp_path):
    pixels, target = stamped(150)
    with h5py.File(tmp_path / "flux.h5", "w") as h5:
        h5.create_dataset("flux", data=pixels.flux, chunks=(16, 4))
        for part in (150, 70):
            disk, memory = (
                SpectrumBatches(
                    PixelSpectra(source), target[:part], 32, uniform_snr(1, 2), training=True
                )
                for source in (h5["flux"], pixels.flux)
            )
            for i in range(len(disk)):
                np.testing.assert_array_equal(disk[i][0], memory[i][0])
            assert sum(len(disk[i][1]) for i in range(len(disk))) == part


def test_keras_takes_each_epoch_from_one_plan_and_the_next_from_another():
    import keras

    class Noted(SpectrumBatches):
        seen = []

        def __getitem__(self, i):
            self.seen.append((self.epoch, i))
            return super().__getitem__(i)

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(
        Noted(*stamped(128), 32, uniform_snr(1, 2), training=True),
        epochs=3,
        shuffle=False,
        verbose=0,
    )
    plans = [
        plan for plan, _ in Noted.seen[-12:]
    ]  # before, Keras looks at some batches to learn their shape
    assert [i for _, i in Noted.seen[-12:]] == [0, 1, 2, 3] * 3
    assert plans == [plans[0]] * 4 + [plans[4]] * 4 + [plans[8]] * 4 and len(set(plans)) == 3
