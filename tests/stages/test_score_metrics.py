"""Scores on known residuals."""

import numpy as np
import pytest

from starlabels.base.errors import UserError
from starlabels.stages import score_metrics


def found_of(residual):
    """What a model finds that errs by residual (n, n_labels)."""
    return {"mean": residual, "true": np.zeros_like(residual)}


def test_scores_are_median_scaled_mad_and_rmse():
    residual = np.array([[-1.0, 10.0], [0.0, 10.0], [1.0, 10.0], [2.0, 10.0], [100.0, 10.0]])
    found = score_metrics.score_arrays(found_of(residual), ["teff", "logg"])
    assert found["bias"] == {"teff": 1.0, "logg": 10.0}
    assert found["sigma"] == {"teff": pytest.approx(1.4826), "logg": 0.0}
    assert found["rmse"] == {"teff": pytest.approx(np.sqrt(10006 / 5)), "logg": 10.0}


def test_sigma_of_gaussian_residuals_is_their_standard_deviation_whatever_the_outliers():
    residual = np.random.default_rng(0).normal(0, 3, (20_000, 1))
    residual[:100] = 1e4
    scores = score_metrics.score_arrays(found_of(residual), ["teff"])
    assert scores["sigma"]["teff"] == pytest.approx(3, rel=0.03)


def test_figures_say_bias_and_sigma_to_three_digits_and_never_minus_zero():
    from starlabels.plots.panels import format_residuals

    assert format_residuals(np.array([-1e-9, 0.02, -0.02, 0.01, -0.01])).startswith("bias 0.0000\n")
    text = format_residuals(np.random.default_rng(0).normal(-40, 20, 10_000))
    assert "bias \N{MINUS SIGN}40." in text and "$N$ 10000" in text


def test_subsets_are_scored_apart_and_an_empty_one_has_no_scores():
    true = np.array([[5000.0, 3.0], [7000.0, 4.0], [8000.0, 2.0]])
    arrays = {"mean": true + [[100.0, 0.0], [10.0, 0.0], [20.0, 0.0]], "true": true}
    conditions = {"hot": "teff >= 6000 and vsini > 3", "cold": "teff < 4000"}
    columns = {"teff": true[:, 0], "vsini": np.array([9.0, 9.0, 1.0])}
    found = score_metrics.score_subsets({"20_100": arrays}, conditions, columns, ["teff", "logg"])
    assert found["hot"]["n_test"] == 1
    assert found["hot"]["snr"]["20_100"]["rmse"] == {"teff": 10.0, "logg": 0.0}
    assert found["cold"] == {"n_test": 0, "snr": {}}
    with pytest.raises(UserError, match="test.subsets.odd: 'mh > 0': .*condition on teff, vsini"):
        score_metrics.score_subsets({"20_100": arrays}, {"odd": "mh > 0"}, columns, ["teff"])
