"""Low-rank compression of node spectra: a basis and the coefficients of each node.

A library stores the product of its first decomposition. A sampler that needs few of its nodes
compresses them once more, which takes some seconds and makes sampling faster.
"""

import numpy as np

from starlabels.synthesis.nodes import AXES, read_low_rank, read_nodes

MOST_SHARE = 0.6  # of the nodes of a library: more are not compressed once more
RESIDUAL = 5e-6  # rms flux error of the low-rank basis, below the quantisation of the nodes


def select_nodes(axes, ranges):
    """Select the nodes that `ranges` {label: (low, high)} need, with two beyond each end.

    Returns the selected values of each axis and the rows of those nodes in the library. The
    cubic interpolation needs the two extra nodes.
    """
    kept = []
    for name, axis in zip(AXES, axes):
        low, high = ranges.get(name, (axis[0], axis[-1]))
        first = max(np.searchsorted(axis, low + 1e-9, side="right") - 2, 0)
        last = min(np.searchsorted(axis, high - 1e-9) + 1, len(axis) - 1)
        kept.append(np.arange(first, last + 1))
    shape = [len(axis) for axis in axes]
    rows = np.ravel_multi_index(np.meshgrid(*kept, indexing="ij"), shape).ravel()
    return [axis[i] for axis, i in zip(axes, kept)], rows


def load_compressed(path, rows, shape, n_nodes):
    """Load the line depths of nodes as a compact product.

    Parameters
    ----------
    path : path
        Library.
    rows : array (n,) of int
        Nodes, see `select_nodes`.
    shape : list of int
        Number of nodes of each label among these.
    n_nodes : int
        Number of nodes in the library.

    Returns
    -------
    coefficient : array (n, rank) float32
        Failed nodes are filled, see `fill_failed`.
    basis : array (rank, n_pix) float32
    failed : array (n,) of bool
    """
    coefficient, basis, failed = read_low_rank(path, rows)
    if basis is None:
        flux, _ = read_nodes(path, rows)
        depth = 1 - flux
        depth[failed] = 0
        fill_failed(depth, failed, shape)
        return *compress_low_rank(depth), failed
    fill_failed(coefficient, failed, shape)
    if len(rows) > MOST_SHARE * n_nodes:
        return coefficient, basis, failed
    return *recompress_low_rank(coefficient, basis), failed


def fill_failed(depth, failed, shape):
    """Extrapolate failed nodes in place from the nearest two, along logg and then teff.

    depth: (n, n_pix), or its coefficients (n, rank); failed: boolean (n,); shape: number of nodes
    of each label. The filled nodes only pad the cubics: a cell with a failed corner is never used.
    """
    if not failed.any():
        return
    cube = depth.reshape(*shape, -1)
    missing = failed.reshape(shape).copy()
    for axis in (1, 0):
        lines = np.moveaxis(cube, axis, -2)
        holes = np.moveaxis(missing, axis, -1)
        for place in np.ndindex(holes.shape[:-1]):
            hole = np.flatnonzero(holes[place])
            good = np.flatnonzero(~holes[place])
            if len(hole) and len(good) > 1:
                distance = np.abs(good[None] - hole[:, None])
                nearest = good[np.argsort(distance, axis=1)[:, :2]]  # (n_hole, 2)
                a, b = nearest[:, 0], nearest[:, 1]
                t = ((hole - a) / (b - a))[:, None]
                lines[place][hole] = (1 - t) * lines[place][a] + t * lines[place][b]
                holes[place][hole] = False


def compress_low_rank(depth, residual=RESIDUAL):
    """Coefficients (n, rank) and basis (rank, n_pix), float32, of depth (n, n_pix).

    Their product reproduces `depth` to rms `residual`; the basis is orthonormal. There are fewer
    nodes than pixels, so eigenvectors of the Gram matrix are faster than a full decomposition.
    """
    exact = depth.astype(float)  # squares in float32 would drown the last components
    value, vector = np.linalg.eigh(exact @ exact.T)
    value = np.maximum(value[::-1], 0)
    vector = vector[:, ::-1]
    left = np.append(np.cumsum(value[::-1])[::-1], 0)  # energy beyond each rank
    rank = max(int(np.argmax(left <= depth.size * residual**2)), 1)
    scale = np.sqrt(np.maximum(value[:rank], 1e-30))
    basis = (vector[:, :rank] / scale).T.astype("f4") @ depth
    return (vector[:, :rank] * scale).astype("f4"), basis


def recompress_low_rank(coefficient, basis, residual=RESIDUAL):
    """As `compress_low_rank`, of the product of coefficients (n, k) and any basis (k, n_pix)."""
    orthonormal, triangle = np.linalg.qr(basis.T.astype(float))  # (n_pix, k), (k, k)
    n_pix = basis.shape[1]
    # The rms over k coefficients, of which each stands for n_pix / k pixels
    scaled_residual = residual * np.sqrt(n_pix / len(triangle))
    left, right = compress_low_rank(coefficient @ triangle.T, scaled_residual)
    return left, (right @ orthonormal.T).astype("f4")


def quantise_basis(coefficient, basis, step):
    """Scale a product so that the basis can be stored as multiples of `step`.

    Returns coefficients (n, rank) of at most 1 and the basis (rank, n_pix) as integers: the last
    components are small and need few bits.
    """
    largest = np.maximum(np.abs(coefficient).max(axis=0), 1e-30)
    return coefficient / largest, np.round(basis * largest[:, None] / step).astype("i4")
