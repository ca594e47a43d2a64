"""Only the lines that matter in similar stars are synthesised."""

import numpy as np
import pytest

from starlabels.config.schema import Cluster
from starlabels.synthesis import line_selection, lines, node_synthesis, nodes

GRID = nodes.NodeGrid(
    4600.0, 4606.0, teff=(5000.0,), logg=(2.0, 4.5), mh=(-2.0, -1.0, 0.0, 0.5), vmic=(2.0,)
)


def test_models_at_the_ends_are_tried_where_there_are_atmospheres():
    models = line_selection.list_extreme_models(GRID, 5000.0, (-1.0, 0.0, 0.5))
    assert models == [(2.0, -1.0), (4.5, -1.0), (2.0, 0.5), (4.5, 0.5)]
    assert line_selection.list_extreme_models(GRID, 60_000.0, (0.0,)) == []


def test_neighbouring_metallicities_share_their_lines():
    groups = line_selection.group_metallicities((-2.0, -1.0, -0.5, 0.0, 0.5))
    assert groups == [(-2.0, -1.0, -0.5), (0.0, 0.5)]


@pytest.mark.slow
def test_spectra_of_the_selected_lines_are_those_of_all(monkeypatch):
    cluster, made, counts = Cluster(scheduler=None, workers=2), {}, []
    select = node_synthesis.select_lines
    monkeypatch.setattr(
        node_synthesis, "select_lines", lambda *a: counts.append(select(*a)) or counts[-1]
    )
    for least in (1, 1000):
        monkeypatch.setattr(node_synthesis, "MANY_NODES", least)
        nodes_made = node_synthesis.synthesise_nodes(GRID, GRID.points, cluster)
        made[least] = {i: flux for i, flux, _ in nodes_made}
    n_all = len(lines.read_lines(*GRID.wave_in_air()[[0, -1]]))
    poor, rich = (np.unpackbits(counts[0][5000.0, mh]).sum() for mh in (-2.0, 0.5))
    assert 0.02 * n_all < poor < 0.9 * rich < 0.9 * n_all and not counts[1]
    for i in range(len(GRID.points)):
        assert np.abs(made[1][i] - made[1000][i]).max() < 2e-4
