"""Pseudo-luminosities and distances: known stars and propagated errors."""

import numpy as np
import pytest

from starlabels import distances


def test_a_star_of_absolute_magnitude_zero_at_100_parsec():
    assert distances.fakemag(10.0, 5.0, 0.0) == pytest.approx(100.0)  # 10^(M_K / 5 + 2)
    assert distances.distance(100.0, 0.0, 5.0, 0.0)[0] == pytest.approx(100.0)
    assert distances.parallax(100.0, 5.0, 0.0) == pytest.approx(10.0)


def test_extinction_brings_a_star_nearer():
    near, _ = distances.distance(100.0, 0.0, 5.0, 0.3)
    assert near == pytest.approx(100 * 10**-0.06)
    assert distances.distance(100.0, 0.0, 5.0, np.nan)[0] == pytest.approx(100.0)


def test_two_stars_with_swapped_magnitudes_get_swapped_brightness():
    k = np.array([5.0, 9.0])
    one, _ = distances.distance([100.0, 100.0], 0.0, k, 0.0)
    other, _ = distances.distance([100.0, 100.0], 0.0, k[::-1], 0.0)
    np.testing.assert_allclose(one, other[::-1])


def test_errors_are_those_of_many_draws():
    rng, n = np.random.default_rng(0), 200_000
    drawn, _ = distances.distance(rng.normal(100, 5, n), 0.0, rng.normal(9, 0.02, n), rng.normal(0.2, 0.03, n))
    value, error = distances.distance(100.0, 5.0, 9.0, 0.2, 0.02, 0.03)
    assert np.median(drawn) == pytest.approx(value, rel=1e-3) and drawn.std() == pytest.approx(error, rel=0.02)


def test_what_is_missing_or_impossible_has_no_distance():
    found, error = distances.distance([100.0, -1.0, np.nan], 1.0, [np.nan, 9.0, 9.0], 0.0)
    assert np.isnan(found).all() and np.isnan(error).all()
