"""A training says how it went: best epoch, early stop, lower rates, and a useless network."""

import numpy as np
import pytest
from conftest import change_sections, fit_run
from test_resume import LOSSES, pretend

from starlabels.learning import training_report


@pytest.fixture
def train(make_config):
    """train(...): the section `train` with these changes."""
    return lambda **changes: (
        make_config({f"train.{k}": v for k, v in ({"schedule": "cosine"} | changes).items()}).train
    )


def history(losses, rates=None):
    rates = [1e-3] * len(losses) if rates is None else rates
    return {"loss": losses, "val_loss": losses, "learning_rate": rates, "seconds": rates}


def test_a_training_to_its_end_names_the_best_epoch_alone(train):
    lines = training_report.describe_training(history([0.3, -0.5, -0.4]), train(max_epochs=3), 0.5)
    assert lines == ["best epoch 2 of 3: validation loss -0.5; its weights are kept"]


def test_an_early_stop_names_the_epoch_the_cause_and_the_rate(train):
    found = history([0.3, 0.1, 0.2])
    line = training_report.describe_training(found, train(max_epochs=9), 1.0)[1]
    assert line.startswith("training stopped early, after epoch 3 of 9: no improvement in ")
    assert line.endswith("epochs (train.early_stopping); the rate was still 1.0e-03")
    line = training_report.describe_training(found, train(max_epochs=9, schedule="plateau"), 1.0)[1]
    assert line.endswith("(train.early_stopping)")


def test_lower_rates_are_named_where_they_are_no_plan(train):
    found = history([0.3, 0.1, 0.2, 0.2], [1e-3, 1e-3, 5e-4, 2.5e-4])
    lines = training_report.describe_training(found, train(max_epochs=4, schedule="plateau"), 1.0)
    expected = "learning rate lowered after epoch 2, 3, from 1.0e-03 to 2.5e-04: the validation"
    assert len(lines) == 2 and lines[1].startswith(expected)
    assert len(training_report.describe_training(found, train(max_epochs=4), 1.0)) == 1


@pytest.mark.parametrize(
    ("loss", "best", "is_useless"),
    [("mse", 1.2, True), ("mse", 0.995, True), ("mse", 0.9, False)]
    + [("gaussian_nll", 0.999, True), ("gaussian_nll", 0.9, False), ("mse", np.nan, True)],
)
def test_a_network_no_better_than_the_mean_is_named(train, loss, best, is_useless):
    found = history([1.4, 1.4 if np.isnan(best) else best, best])
    lines = training_report.describe_training(found, train(max_epochs=3, loss=loss), 1.0)
    assert (len(lines) == 2) == is_useless
    assert not is_useless or "no better than predicting the mean: validation loss" in lines[-1]


def make_batches(target, spectra=None, **options):
    from starlabels.learning.batches import SpectrumBatches
    from starlabels.learning.noisy_spectra import PixelSpectra

    spectra = np.ones((len(target), 6), "f4") if spectra is None else spectra
    return SpectrumBatches(PixelSpectra(spectra), target, 32, **options)


def test_the_loss_of_the_mean_is_that_of_the_best_constant():
    rng = np.random.default_rng(0)
    target = (3 + rng.normal(size=(500, 2)) * [1, 2]).astype("f4")
    batches, variance = make_batches(target), target.var(axis=0)
    assert training_report.compute_constant_loss("mse", batches, 2) == pytest.approx(
        variance.mean(), rel=1e-4
    )
    expected = pytest.approx(0.5 * (1 + np.log(variance)).mean(), rel=1e-4)
    assert training_report.compute_constant_loss("gaussian_nll", batches, 4) == expected
    errors = np.full_like(target, np.nan)
    missing = np.concatenate([target, errors], axis=1)
    assert (
        training_report.compute_constant_loss("gaussian_nll", make_batches(missing), 4) == expected
    )
    missing[::2, 0] = np.nan
    assert np.isfinite(
        training_report.compute_constant_loss("gaussian_nll", make_batches(missing), 4)
    )
    parallax = np.stack([target[:, 0], 0 * target[:, 0], 0 * target[:, 0]], axis=1)
    found = training_report.compute_constant_loss("parallax_nll", make_batches(parallax), 3)
    assert found == pytest.approx(0.5 * (1 + np.log(variance[0])), rel=1e-4)


def test_the_loss_of_the_mean_spectrum_is_its_variance():
    from starlabels.learning.batches import labels_to_spectra

    flux = np.random.default_rng(0).normal(5, 2, size=(100, 6)).astype("f4")
    batches = make_batches(np.zeros((100, 1)), flux, pair=labels_to_spectra)
    found = training_report.compute_constant_loss("mse", batches, 6)
    assert found == pytest.approx(flux.var(axis=0).mean(), rel=1e-4)


def test_a_training_prints_these_lines(run, monkeypatch, capsys):
    pretend(monkeypatch, [value + 2 for value in LOSSES])
    stop = run.train.early_stopping.model_copy(update={"patience": 2})
    fit_run(change_sections(run, train={"early_stopping": stop, "max_epochs": 8}))
    said = capsys.readouterr().out
    assert "best epoch 3 of 5: validation loss 3; its weights are kept" in said
    assert "training stopped early, after epoch 5 of 8: no improvement in 2 epochs" in said
    assert "no better than predicting the mean: validation loss 3, that of the mean is" in said
