"""Nodes that are interpolated instead of synthesised."""

from dataclasses import replace

import numpy as np
from toy_nodes import GRID, toy_node

from starlabels.synthesis import thinning

THIN = replace(GRID, thin=True, logg=(2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5), teff=(4500.0, 6000.0))


def test_every_second_logg_of_hot_stars_is_interpolated_but_the_ends_of_the_models():
    refused = np.zeros(THIN.shape, bool)
    refused[1, 0, 0, 0] = True  # at 6000 K and the lowest [M/H] models begin at 3.0
    refused[1, 1, 1, 0] = refused[1, 0, 1, 0] = True  # and at 3.5 for the next
    thinned = thinning.find_thinned(THIN, refused.ravel()).reshape(THIN.shape)
    logg = np.array(THIN.logg)
    assert not thinned[0].any()  # cool stars
    assert logg[thinned[1, :, 0, 0]].tolist() == [3.5, 4.5]
    assert logg[thinned[1, :, 1, 0]].tolist() == [4.5]
    assert logg[thinned[1, :, 2, 0]].tolist() == [3.5, 4.5]
    assert not thinning.find_thinned(replace(THIN, thin=False), refused.ravel()).any()


def fill(missing=()):
    """(depth, failed, thinned) of toy nodes, those of `missing` failed, after filling."""
    thinned = thinning.find_thinned(THIN, np.zeros(len(THIN.points), bool))
    depth = np.array([1 - toy_node(*point, wave=THIN.wave()) for point in THIN.points])
    failed = thinned.copy()
    failed[list(missing)] = True
    depth[failed] = 0
    thinning.fill_thinned(depth, failed, thinned, THIN)
    return depth, failed, thinned


def test_interpolated_nodes_are_exact_for_depths_cubic_in_logg():
    depth, failed, thinned = fill()
    exact = np.array([1 - toy_node(*point, wave=THIN.wave()) for point in THIN.points])
    assert thinned.any() and not failed.any()
    assert np.abs(depth - exact).max() < 1e-12


def test_a_node_without_neighbours_on_both_sides_fails():
    hot = [i for i, point in enumerate(THIN.points) if point[0] == 6000 and point[2] == 0]
    lowest = [i for i in hot if THIN.points[i][1] < 3.2]
    _, failed, thinned = fill(missing=lowest)
    lost = [THIN.points[i][1] for i in np.flatnonzero(failed & thinned)]
    assert lost == [3.5]  # below the lowest that is left


def test_the_digest_of_other_grids_is_not_changed_by_thinning():
    assert replace(THIN, thin=False).digest != THIN.digest
