"""How finely nodes are synthesised, and the digest that says when they would change."""

import pytest

from starlabels.synthesis import nodes
from starlabels.synthesis.library import PACKAGED, PLANNED

BLUE, RVS, WIDE = PACKAGED["blue.h5"], PACKAGED["rvs.h5"], PLANNED["wide.h5"]


@pytest.mark.parametrize(
    ("grid", "teff", "vmic", "most"),
    [
        (BLUE, 5000.0, 2.0, nodes.FINE_STEP),
        (BLUE, 9000.0, 2.0, nodes.FINE_STEP_HOT),
        (BLUE, 9000.0, 1.0, nodes.FINE_STEP),
        (BLUE, 9000.0, 0.0, nodes.FINE_STEP_NARROW),
        (RVS, 7500.0, 2.0, nodes.FINE_STEP),
        (RVS, 9000.0, 2.0, nodes.FINE_STEP_HOT_RED),
        (WIDE, 4250.0, 2.0, nodes.FINE_STEP * nodes.LOW_POWER_FACTOR),
        (WIDE, 5750.0, 2.0, nodes.FINE_STEP * nodes.LOW_POWER_FACTOR),
        (WIDE, 9000.0, 2.0, nodes.FINE_STEP_HOT * nodes.LOW_POWER_FACTOR),
    ],
)
def test_synthesised_pixels_are_close_enough_and_not_closer(grid, teff, vmic, most):
    n = grid.get_oversampling(teff, vmic)
    assert grid.step / n <= most and (n == 1 or grid.step / (n - 1) > most)


def test_the_digest_changes_with_the_pixels_of_its_own_nodes_alone(monkeypatch):
    blue, rvs = BLUE.digest, RVS.digest
    monkeypatch.setattr(nodes, "FINE_STEP_HOT_RED", 1.0)
    assert BLUE.digest == blue and RVS.digest != rvs
