"""Offsets of a source of labels are found where the reference has stars."""

import numpy as np
import pytest

from starlabels.spectra.source_offsets import estimate_offsets

RANK = 20
OFFSET = np.array([-70.0, 0.1, -0.08])
ERRORS = np.array([100.0, 0.15, 0.1])


def simulate(n_reference, n_others, rng):
    """Labels, sources, differences and derivatives of stars that share one mean difference."""
    n = n_reference + n_others
    true = np.column_stack(
        [rng.uniform(5000, 6500, n), rng.uniform(3, 5, n), rng.normal(0, 0.2, n)]
    )
    source = np.repeat([0, 1], [n_reference, n_others])
    error = np.where(source[:, None] == 1, ERRORS, 0.3 * ERRORS)
    labels = true + error * rng.standard_normal((n, 3)) + np.where(source[:, None] == 1, OFFSET, 0)
    slopes = np.random.default_rng(1).standard_normal((3, RANK)) / ERRORS[:, None]
    derivatives = np.tile(slopes, (n, 1, 1))
    remainder = 0.3 * rng.standard_normal((n, RANK))
    difference = 2.0 - (labels - true) @ slopes + remainder
    return labels, source, difference, derivatives, error


def test_the_offset_of_a_source_is_found():
    arrays = simulate(60, 150, np.random.default_rng(3))
    offsets = estimate_offsets(*arrays)
    assert np.all(offsets[:60] == 0)
    assert np.abs(np.median(offsets[60:], axis=0) - OFFSET) / ERRORS == pytest.approx(0, abs=0.35)


@pytest.mark.parametrize(("n_reference", "n_others"), [(5, 100), (50, 0)])
def test_without_a_reference_or_others_there_is_none(n_reference, n_others):
    arrays = simulate(n_reference, n_others, np.random.default_rng(4))
    assert np.all(estimate_offsets(*arrays) == 0)
