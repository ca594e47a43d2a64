"""The flag of stars whose labels few training stars have."""

import numpy as np
import pytest

from starlabels.learning import outliers, sparse
from starlabels.spectra.results import NO_RESULT
from starlabels.stages import predict_flags


@pytest.fixture(scope="module")
def table():
    """Threshold of 3000 training and 2000 validation stars with two labels N(0, 1)."""
    rng = np.random.default_rng(0)
    return sparse.fit_sparse_threshold(rng.normal(size=(3000, 2)), rng.normal(size=(2000, 2)))


def test_one_in_a_hundred_stars_as_those_of_training_is_flagged(table):
    assert sparse.flag_sparse(
        table, np.random.default_rng(1).normal(size=(20_000, 2))
    ).mean() == pytest.approx(0.01, abs=0.006)


def test_stars_beyond_training_in_a_gap_or_without_labels_are_flagged(table):
    assert sparse.flag_sparse(table, np.array([[6.0, 0.0], [0.0, -6.0], [np.nan, 0.0]])).all()
    assert not sparse.flag_sparse(table, np.zeros((1, 2))).any()
    rng = np.random.default_rng(2)
    two = np.where(rng.uniform(size=(3000, 1)) < 0.5, -3.0, 3.0) + 0.3 * rng.normal(
        size=(3000, 2)
    )  # clumps at (-3, -3), (3, 3)
    assert sparse.flag_sparse(
        sparse.fit_sparse_threshold(two, two[:500]), np.array([[0.0, 0.0], [-3.0, 3.0]])
    ).all()


def test_the_distance_is_that_of_the_tenth_nearest_star_or_the_last_of_fewer():
    line = np.arange(100.0)[:, None]
    assert sparse.compute_distance(line, np.array([[-1.0]])) == pytest.approx(sparse.NEIGHBOUR)
    assert sparse.compute_distance(line[:3], np.array([[-1.0]])) == pytest.approx(3)


def test_flags_have_one_bit_each_and_those_of_networks_fit_a_byte():
    bits = list(predict_flags.BITS.values())  # those of networks and of predict.py
    assert sum(bits) == np.bitwise_or.reduce(bits) < NO_RESULT
    assert sum(outliers.BITS.values()) < 256
