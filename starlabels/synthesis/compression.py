"""Low-rank compression of node spectra: basis and coefficients."""

import numpy as np

from starlabels.synthesis.nodes import AXES

RESIDUAL = 5e-6  # rms flux error of the low-rank basis, below the quantisation of the nodes


def needed(axes, ranges):
    """The nodes that ranges need, with two beyond each end for the cubics, and their rows in the library."""
    cut = []
    for name, axis in zip(AXES, axes):
        low, high = ranges.get(name, (axis[0], axis[-1]))
        first = max(np.searchsorted(axis, low + 1e-9, side="right") - 2, 0)
        last = min(np.searchsorted(axis, high - 1e-9) + 1, len(axis) - 1)
        cut.append(np.arange(first, last + 1))
    rows = np.ravel_multi_index(
        np.meshgrid(*cut, indexing="ij"), [len(axis) for axis in axes]
    ).ravel()
    return [axis[i] for axis, i in zip(axes, cut)], rows


def fill(depth, failed, shape):
    """Continue failed nodes from the nearest sound ones along logg, then teff: padding for the cubics, never a cell corner."""
    if not failed.any():
        return
    cube, missing = depth.reshape(*shape, -1), failed.reshape(shape).copy()
    for axis in (1, 0):
        lines, holes = np.moveaxis(cube, axis, -2), np.moveaxis(missing, axis, -1)
        for place in np.ndindex(holes.shape[:-1]):
            hole, sound = np.flatnonzero(holes[place]), np.flatnonzero(~holes[place])
            if len(hole) and len(sound) > 1:
                nearest = sound[
                    np.argsort(np.abs(sound[None] - hole[:, None]), axis=1)[:, :2]
                ]  # (n_hole, 2)
                a, b = nearest[:, 0], nearest[:, 1]
                t = ((hole - a) / (b - a))[:, None]
                lines[place][hole] = (1 - t) * lines[place][a] + t * lines[place][b]
                holes[place][hole] = False


def low_rank(depth, residual=RESIDUAL):
    """Coefficients (n, rank) and orthonormal basis (rank, n_pix), float32, that return depth (n, n_pix) to rms `residual`.

    By the eigenvectors of the Gram matrix, which is quicker than a full decomposition: there are fewer nodes than pixels.
    """
    exact = depth.astype(float)  # the squares of float32 would drown the last components
    value, vector = np.linalg.eigh(exact @ exact.T)
    value, vector = np.maximum(value[::-1], 0), vector[:, ::-1]
    left = np.append(np.cumsum(value[::-1])[::-1], 0)  # energy beyond each rank
    rank = max(int(np.argmax(left <= depth.size * residual**2)), 1)
    scale = np.sqrt(np.maximum(value[:rank], 1e-30))
    basis = (vector[:, :rank] / scale).T.astype("f4") @ depth
    return (vector[:, :rank] * scale).astype("f4"), basis
