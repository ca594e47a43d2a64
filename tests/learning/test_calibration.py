"""Error bars: their coverage, the factors that correct it, and what --strict objects to."""

import numpy as np
import pytest
from conftest import slow

from starlabels.base.labels import get_label
from starlabels.learning import calibration

NAMES = ["teff", "logg"]


def stars(n, wrong, seed=0, low=20, high=400):
    """(true, mean, err, snr) of n stars with 2 labels; errors are wrong(snr) times too small."""
    rng = np.random.default_rng(seed)
    snr = np.exp(rng.uniform(np.log(low), np.log(high), n))
    true, err = rng.uniform(0, 1, (n, 2)), rng.uniform(0.5, 2, (n, 2)) / snr[:, None]
    return true, true + rng.normal(size=(n, 2)) * err * wrong(snr), err, snr


def constant(snr):
    """Factors (n, 2): errors of the first label too small by 2, of the second too large by 1.5."""
    return np.broadcast_to([2.0, 1 / 1.5], (len(snr), 2))


def growing(snr):
    """Factors (n, 2): errors too large at low S/N and too small at high S/N, as if overfitted."""
    return np.sqrt(0.5 + (snr[:, None] / [200, 300]) ** 2)


def test_coverage_of_true_errors_is_the_level():
    true, mean, err, _ = stars(40_000, lambda snr: np.ones((len(snr), 2)))
    for level in (0.05, 0.5, 0.95, 0.99):
        assert calibration.compute_coverage(true, mean, err, level) == pytest.approx(
            np.full(2, level), abs=0.01
        )


def test_report_of_true_errors_is_that_of_the_normal_distribution():
    true, mean, err, _ = stars(40_000, lambda snr: np.ones((len(snr), 2)))
    scores = calibration.score_errors(true, mean, err)
    assert scores["coverage_68"] == pytest.approx(np.full(2, 0.6827), abs=0.01)
    assert scores["coverage_95"] == pytest.approx(np.full(2, 0.95), abs=0.005)
    assert scores["pull_mean"] == pytest.approx(np.zeros(2), abs=0.02)
    assert scores["pull_std"] == pytest.approx(np.ones(2), abs=0.02)


@pytest.mark.parametrize("wrong", [constant, growing])
def test_factors_fitted_on_some_stars_make_the_errors_of_others_true_in_every_range(wrong):
    table = calibration.fit_calibration(*stars(7000, wrong, seed=1))
    for low, high in ((20, 60), (60, 150), (150, 400)):
        true, mean, err, snr = stars(7000, wrong, seed=low, low=low, high=high)
        assert np.abs(calibration.compute_coverage(true, mean, err, 0.6827) - 0.6827).max() > 0.07
        corrected = calibration.apply_calibration(table, err, snr)
        assert calibration.compute_coverage(true, mean, corrected, 0.6827) == pytest.approx(
            np.full(2, 0.6827), abs=0.025
        )
        assert calibration.compute_coverage(true, mean, corrected, 0.95) == pytest.approx(
            np.full(2, 0.95), abs=0.015
        )


def test_factors_are_constant_beyond_the_end_knots():
    table = calibration.fit_calibration(*stars(7000, growing))
    ends = calibration.apply_calibration(table, np.ones((4, 2)), np.array([1e-3, 1.0, 1e4, np.inf]))
    np.testing.assert_allclose(ends, table["factor"][[0, 0, -1, -1]])


def test_fewer_stars_make_fewer_knots_and_a_few_hardly_move_the_errors():
    knots = [
        len(calibration.fit_calibration(*stars(n, constant))["log_snr"])
        for n in (8, 399, 1300, 100_000)
    ]
    assert knots == [1, 1, 6, calibration.MAX_KNOTS]
    small, large = (
        np.log(calibration.fit_calibration(*stars(n, constant))["factor"][0, 0])
        for n in (4, 20_000)
    )
    assert abs(small) < 0.7 * large and large == pytest.approx(np.log(2), abs=0.05)


@pytest.mark.parametrize("snr", [np.inf, 100.0])
def test_stars_of_one_signal_to_noise_have_one_knot(snr):
    true, mean, err, drawn = stars(5000, constant)
    table = calibration.fit_calibration(true, mean, err, np.full(len(drawn), snr))
    assert table["factor"].shape == (1, 2)
    assert calibration.apply_calibration(table, np.ones((1, 2)), np.array([50.0]))[
        0
    ] == pytest.approx([2, 1 / 1.5], rel=0.05)


def test_stars_to_which_no_noise_was_added_have_a_factor_of_their_own():
    noisy, plain = stars(5000, growing), stars(5000, constant, seed=1)
    both = [np.concatenate(pair) for pair in zip(noisy[:3], plain[:3])]
    table = calibration.fit_calibration(*both, np.append(noisy[3], np.full(5000, np.inf)))
    snr = np.array([1.0, 100.0, 399.0, 1e9, np.inf])
    ones = np.ones((5, 2))
    calibrated = calibration.apply_calibration(table, ones, snr)
    assert calibrated[-1] == pytest.approx([2, 1 / 1.5], rel=0.05)
    np.testing.assert_array_equal(
        calibrated[:-1],
        calibration.apply_calibration(calibration.fit_calibration(*noisy), ones, snr)[:-1],
    )


def test_strict_names_the_label_and_range_whose_coverage_is_off_and_leaves_noise_free_alone():
    good, bad = dict.fromkeys(NAMES, 0.68), {"teff": 0.68, "logg": 0.5812}
    metrics = {
        "snr": {
            "20_100": {"coverage_68": good},
            "100_200": {"coverage_68": bad},
            "inf": {"coverage_68": bad},
        }
    }
    (line,) = calibration.find_violations(metrics)
    assert line == "logg at S/N 100-200: 58.1% of the stars within one error, expected 63% to 73%"
    assert not calibration.find_violations({"snr": {"20_100": {"coverage_68": good}}})
    assert calibration.find_violations({"snr": {"20_100": {"coverage_68": {"teff": float("nan")}}}})


def test_strict_is_not_content_with_a_model_that_predicts_no_errors():
    assert calibration.find_violations(
        {"snr": {"inf": {"coverage_68": {"teff": 0.9}}}}
    )  # no range to check is no proof
    assert calibration.find_violations(
        {"snr": {"20_100": {"rmse": {"teff": 1.0}}, "inf": {"rmse": {"teff": 1.0}}}}
    )


@pytest.fixture
def results():
    results = {}
    for key, (low, high) in {"20_100": (20, 100), "100_200": (100, 200), "inf": (1e8, 1e9)}.items():
        true, mean, err, snr = stars(300, growing, low=low, high=high)
        results[key] = {"true": true, "mean": mean, "err": err, "snr": snr, "crlb": 0.5 * err}
    return results


@pytest.mark.parametrize("names", [["teff"], NAMES, slow(["logg", "teff", "vsini", "mh", "vmic"])])
def test_figures_are_drawn_for_any_number_of_labels(results, names, tmp_path):
    from starlabels.plots import bounds, predictions, uncertainty

    columns = [i % 2 for i in range(len(names))]
    results = {
        key: {k: v if k == "snr" else v[:, columns] for k, v in r.items()}
        for key, r in results.items()
    }
    labels, one = [get_label(name) for name in names], results["20_100"]
    drawn = [
        uncertainty.draw_pulls(results, labels, tmp_path / "pulls.png"),
        uncertainty.draw_reliability(results, labels, tmp_path / "reliability.png"),
        predictions.draw_error_vs_snr(results, labels, tmp_path / "snr.png"),
        bounds.draw_error_over_bound(
            one["true"],
            one["mean"] - one["true"],
            one["crlb"],
            labels,
            "20_100",
            tmp_path / "b.png",
        ),
    ]
    assert all(path.stat().st_size > 1000 for path in drawn[: 3 if len(names) == 1 else 4])
    assert (drawn[3] is None) == (len(names) == 1)


def test_planes_of_labels_are_kiel_first_whatever_the_order_and_leave_no_label_out():
    from starlabels.plots.bounds import choose_label_planes

    assert choose_label_planes([get_label(name) for name in ("teff", "logg", "vsini", "mh")]) == [
        (0, 1),
        (2, 3),
    ]
    assert choose_label_planes([get_label(name) for name in ("mh", "logg", "teff")]) == [
        (2, 1),
        (1, 0),
    ]
    assert choose_label_planes([get_label(name) for name in ("vsini", "mh")]) == [(0, 1)]
    assert choose_label_planes([get_label("teff")]) == []


def test_ratio_in_a_cell_is_rms_over_rms_and_empty_below_five_stars():
    from starlabels.plots.bounds import compute_cell_ratios

    cell, error = np.array([0] * 5 + [2] * 4), np.array([3.0, -3, 3, -3, 3, 9, 9, 9, 9])
    np.testing.assert_array_equal(
        compute_cell_ratios(cell, 3, error, np.full(9, 2.0)), [1.5, np.nan, np.nan]
    )


def test_without_ranges_of_noise_coverage_is_checked_on_the_stars_as_they_are():
    metrics = {"snr": {calibration.NOISE_FREE: {"coverage_68": {"teff": 0.5, "logg": 0.68}}}}
    [line] = calibration.find_violations(metrics)
    assert line.startswith("teff: 50.0% of the stars within one error")
    metrics["snr"]["100_200"] = {"coverage_68": {"teff": 0.68, "logg": 0.68}}
    assert calibration.find_violations(metrics) == []
