"""Spectra with individual abundances: what each element changes, quadratic in its [X/M], from nodes where it is moved.

Changes of several elements add up: their lines are few and seldom blended. The atmosphere stays that of scaled abundances.
"""

import numpy as np

from starlabels.base.checksums import checked
from starlabels.base.labels import offset_name
from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.compression import fill, low_rank, needed
from starlabels.synthesis.interpolate import tensor
from starlabels.synthesis.nodes import AXES, OFFSET, read_grid, read_nodes
from starlabels.synthesis.solar import factors


class Elements:
    """What elements change of the line depths of a library, inside `ranges` {label: (low, high)} of AXES.

    As a Sampler it has a `basis` in Fourier space and `coefficients`. home, broadening: that Sampler's grid, of the same pixels
    but perhaps a wider window, and Broadening; solar as there.
    """

    def __init__(self, path, ranges, home, broadening, solar):
        grid = read_grid(checked(path))
        self.names = [offset_name(element) for element in grid.elements]
        self.axes, rows = needed(grid.axes, ranges)
        n, k = len(grid.patterns), len(self.names)
        flux, failed = read_nodes(path, (rows[:, None] * n + np.arange(n)).ravel())
        flux, failed = flux.reshape(len(rows), n, -1), failed.reshape(len(rows), n).any(axis=1)
        scaled, up, down = flux[:, :1], flux[:, 1::2], flux[:, 2::2]
        slope, bend = (
            (down - up) / (2 * OFFSET),
            (2 * scaled - up - down) / (2 * OFFSET**2),
        )  # of the depth, (n_rows, k, n_pix)
        changes = np.concatenate([slope, bend], axis=1) * (
            factors(grid.wave()) if solar else np.float32(1)
        )
        changes[failed] = 0
        fill(
            changes, failed, [len(axis) for axis in self.axes]
        )  # all are neighbours where nodes are few
        coefficient, basis = low_rank(changes.reshape(len(rows) * 2 * k, -1))
        self.coefficient = coefficient.reshape(len(rows), 2 * k, -1)
        later = LIGHT * np.log(
            grid.wave()[0] / home.wave()[0]
        )  # km/s from the first pixel of that window to the first here
        phase = np.exp(-2j * np.pi * broadening.frequency * later).astype("c8")
        self.basis = broadening.transform(basis) * phase  # (rank, n_freq)

    def coefficients(self, labels):
        """Coefficients (n, rank) of the basis at labels {name: (n,)}; an element that is not there is scaled."""
        index, weight = tensor([labels[name] for name in AXES], self.axes)
        zero = np.zeros(len(index))
        moved = np.column_stack([np.asarray(labels.get(name, zero), float) for name in self.names])
        moved = np.concatenate([moved, moved**2], axis=1).astype("f4")  # (n, 2 k)
        out = np.zeros((len(index), self.coefficient.shape[2]), "f4")
        for corner, share in zip(
            index.T, weight.T.astype("f4")
        ):  # all at once would take a gigabyte
            out += np.einsum("ne,ner->nr", moved * share[:, None], self.coefficient[corner])
        return out
