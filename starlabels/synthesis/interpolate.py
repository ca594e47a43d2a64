"""Local cubic interpolation on a rectangular grid of labels, as weights on the nodes."""

import numpy as np
from scipy.sparse import csr_array


def compute_lagrange_weights(x, nodes, n_nodes=4):
    """Compute indices and weights (n, k) of the k = min(n_nodes, len(nodes)) nodes around x (n,).

    Lagrange's formula on ascending nodes (n_nodes,): exact for polynomials of degree k - 1. An
    axis with a single node has weight 1 on that node.
    """
    x = np.asarray(x, float)
    nodes = np.asarray(nodes, float)
    k = min(n_nodes, len(nodes))
    first = np.clip(np.searchsorted(nodes, x) - k // 2, 0, len(nodes) - k)
    index = first[:, None] + np.arange(k)  # (n, k)
    near = nodes[index]
    weight = np.ones((len(x), k))
    for a in range(k):
        for b in range(k):
            if a != b:
                weight[:, a] *= (x - near[:, b]) / (near[:, a] - near[:, b])
    return index, weight


def compute_tensor_weights(points, axes, n_nodes=4):
    """Flat node indices and weights (n, k1 k2 ...) of points on the grid spanned by `axes`.

    points: one array (n,) per axis. n_nodes: see `compute_lagrange_weights`.
    """
    flat = np.zeros((len(points[0]), 1), int)
    weight = np.ones((len(points[0]), 1))
    for x, nodes in zip(points, axes):
        index, axis_weight = compute_lagrange_weights(x, nodes, n_nodes)
        flat = flatten_pairs(flat[:, :, None] * len(nodes) + index[:, None, :])
        weight = flatten_pairs(weight[:, :, None] * axis_weight[:, None, :])
    return flat, weight


def interpolate_nodes(points, axes, values):
    """Interpolate values (n_nodes, k) float32 of the nodes at points: an array (n, k).

    points: one array (n,) per axis. The weights are a sparse matrix: to gather the values of all
    corners takes three times as long.
    """
    index, weight = compute_tensor_weights(points, axes)
    n, n_corners = index.shape
    ends = np.arange(0, n * n_corners + 1, n_corners)
    entries = (weight.astype("f4").ravel(), index.ravel(), ends)
    return csr_array(entries, shape=(n, len(values))) @ values


def find_cell_corners(points, axes):
    """Flat indices (n, 2^d) of the corners of the grid cell around each point.

    points: one array (n,) per axis. An axis with a single node has one corner.
    """
    flat = np.zeros((len(points[0]), 1), int)
    for x, nodes in zip(points, axes):
        low = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, max(len(nodes) - 2, 0))
        high = np.minimum(low + 1, len(nodes) - 1)
        # A point on a node needs only that node
        on_low = np.isclose(x, nodes[low])
        on_high = np.isclose(x, nodes[high])
        corners = np.stack([np.where(on_high, high, low), np.where(on_low, low, high)], axis=1)
        flat = flatten_pairs(flat[:, :, None] * len(nodes) + corners[:, None, :])
    return flat


def flatten_pairs(values):
    """Values (n, a, b) as (n, a * b), also of no points, where numpy cannot infer a size."""
    n, a, b = values.shape
    return values.reshape(n, a * b)
