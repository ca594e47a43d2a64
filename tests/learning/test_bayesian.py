"""Dropout that stays on: its passes scatter as real dropout and give the network's uncertainty."""

import numpy as np
import pytest
from conftest import SECTIONS, write_grid

from starlabels.config.run import Run
from starlabels.learning.networks import BUILDERS, build_predictor
from starlabels.stages import join, load_model, preprocess, train_labels


@pytest.fixture(scope="module")
def layer():
    """A DropoutDense on 2000 features, and features (3, 2000)."""
    import keras

    from starlabels.learning.networks.bayesian import DropoutDense

    keras.utils.set_random_seed(1)
    layer = DropoutDense(40, 0.3, "linear")
    x = np.random.default_rng(0).exponential(size=(3, 2000)).astype("f4")
    layer(x)
    return layer, x


@pytest.mark.slow
def test_passes_scatter_as_real_dropout_does(layer):
    layer, x = layer
    real = np.stack([np.asarray(layer(x)) for _ in range(1500)], axis=1)
    passes = np.asarray(layer(x, passes=1500))
    assert passes.shape == real.shape == (3, 1500, 40)
    tolerance = 5 * real.std(axis=1).max() * (2 / 1500) ** 0.5
    assert np.abs(passes.mean(axis=1) - real.mean(axis=1)).max() < tolerance
    # sums of units show their covariance
    direction = np.random.default_rng(1).normal(size=(40, 30))
    ratio = (passes @ direction).std(axis=1) / (real @ direction).std(axis=1)
    assert np.median(ratio) == pytest.approx(1, abs=0.03) and ratio.std() < 0.1


def test_features_are_dropped_out_of_training_too(layer):
    layer, x = layer
    first, second = (np.asarray(layer(x, training=False)) for _ in range(2))
    assert np.abs(first - second).max() > 0


def test_total_variance_is_that_of_the_passes_plus_their_mean():
    from starlabels.learning.networks.bayesian import Passes

    mean = np.array([[[1.0], [3.0]]])
    log_variance = np.log([[[2.0], [4.0]]])
    merged = np.asarray(Passes()(np.concatenate([mean, log_variance], axis=2)))
    assert merged[0] == pytest.approx([2.0, np.log(1 + 3), np.log(1)], abs=1e-6)


def test_two_predictions_differ_by_little_and_survive_saving(tmp_path):
    import keras

    model = build_predictor(BUILDERS["bayesian_cnn"](300, 4), "bayesian_cnn", {"passes": 50})
    flux = np.random.default_rng(2).uniform(0.5, 1, (6, 300)).astype("f4")
    first, second = (model.predict(flux, verbose=0) for _ in range(2))
    assert 0 < np.abs(first - second)[:, :2].max() < np.exp(0.5 * first[:, 4:]).max()
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras", safe_mode=True).predict(flux, verbose=0)
    assert (
        again.shape == (6, 6)
        and np.abs(first - again)[:, :2].max() < np.exp(0.5 * first[:, 4:]).max()
    )


@pytest.mark.slow
def test_predictions_carry_both_parts_of_the_error(make_config):
    values = SECTIONS["wave"]
    changes = {
        "wave": values,
        "model": {"builder": "bayesian_cnn", "passes": 20},
        "preprocess.components": None,
    }
    cfg = make_config(changes | {"train.max_epochs": 2, "train.passes": 1, "train.batch_size": 64})
    write_grid(cfg, 300)
    for stage in (
        join.join_databases,
        preprocess.prepare_spectra,
        train_labels.train_label_network,
    ):
        stage(Run(cfg))
    flux = np.ones((5, cfg.wave.n_pix), "f4")
    prediction = load_model.load_trained_model(Run(cfg)).predict(flux, np.full(5, 100.0))
    assert prediction["err"].shape == (5, 4) and (prediction["err_model"] > 0).all()
    np.testing.assert_allclose(
        prediction["err_model"] ** 2 + prediction["err_predictive"] ** 2,
        prediction["err"] ** 2,
        rtol=1e-4,
    )
