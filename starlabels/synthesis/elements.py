"""Changes of line depths with the abundances of single elements, quadratic in [X/M].

They come from nodes where each element is moved up and down. Changes of several elements add up:
their lines are few and seldom blended. The atmosphere keeps scaled solar abundances.
"""

import numpy as np

from starlabels.base.checksums import verify_checksum
from starlabels.base.labels import offset_name
from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.compression import compress_low_rank, fill_failed, select_nodes
from starlabels.synthesis.interpolate import interpolate_nodes
from starlabels.synthesis.nodes import ABUNDANCE_STEP, AXES, read_grid, read_nodes


class ElementChanges:
    """Changes of line depths with [X/M], with a `basis` and `coefficients` as a Sampler has.

    Parameters
    ----------
    path : path
        Library whose nodes have moved elements.
    ranges : dict
        {label of AXES: (low, high)} to cover.
    main_grid : NodeGrid
        Grid of the Sampler: the same pixels, possibly a wider window.
    broadening : Broadening
        Broadening of the Sampler.
    """

    def __init__(self, path, ranges, main_grid, broadening):
        grid = read_grid(verify_checksum(path))
        self.names = [offset_name(element) for element in grid.elements]
        self.axes, rows = select_nodes(grid.axes, ranges)
        n = len(grid.patterns)
        k = len(self.names)
        flux, failed = read_nodes(path, (rows[:, None] * n + np.arange(n)).ravel())
        flux = flux.reshape(len(rows), n, -1)
        failed = failed.reshape(len(rows), n).any(axis=1)
        scaled, up, down = flux[:, :1], flux[:, 1::2], flux[:, 2::2]
        # First and second order of the depth, (n_rows, k, n_pix)
        slope = (down - up) / (2 * ABUNDANCE_STEP)
        curvature = (2 * scaled - up - down) / (2 * ABUNDANCE_STEP**2)
        changes = np.concatenate([slope, curvature], axis=1)
        changes[failed] = 0
        # The nodes are few: every cell has a failed node as a neighbour
        fill_failed(changes, failed, [len(axis) for axis in self.axes])
        coefficient, basis = compress_low_rank(changes.reshape(len(rows) * 2 * k, -1))
        self.coefficient = coefficient.reshape(len(rows), 2 * k, -1)
        # km/s from the first pixel of the main window to the first pixel of this one
        offset = LIGHT * np.log(grid.wave()[0] / main_grid.wave()[0])
        phase = np.exp(-2j * np.pi * broadening.frequency * offset).astype("c8")
        self.basis = broadening.to_fourier(basis) * phase  # (rank, n_freq)

    def coefficients(self, labels):
        """Coefficients (n, rank) of the basis at labels {name: (n,)}; absent [X/M] are 0."""
        points = [labels[name] for name in AXES]
        zero = np.zeros(len(points[0]))
        offsets = [np.asarray(labels.get(name, zero), float) for name in self.names]
        offsets = np.column_stack(offsets)
        powers = np.concatenate([offsets, offsets**2], axis=1).astype("f4")  # (n, 2 k)
        n_nodes, *shape = self.coefficient.shape
        values = interpolate_nodes(points, self.axes, self.coefficient.reshape(n_nodes, -1))
        return np.einsum("ne,ner->nr", powers, values.reshape(-1, *shape))
