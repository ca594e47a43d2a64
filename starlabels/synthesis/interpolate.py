"""Local cubic interpolation on a rectangular grid of labels, as weights on the nodes."""

import numpy as np


def lagrange(x, nodes, order=4):
    """Indices and weights (n, k) of the k = min(order, len(nodes)) ascending nodes around each x (n,).

    Lagrange's formula: exact for polynomials of degree k - 1. One node alone answers only for itself.
    """
    x, nodes = np.asarray(x, float), np.asarray(nodes, float)
    k = min(order, len(nodes))
    first = np.clip(np.searchsorted(nodes, x) - k // 2, 0, len(nodes) - k)
    index = first[:, None] + np.arange(k)  # (n, k)
    near = nodes[index]
    weight = np.ones((len(x), k))
    for a in range(k):
        for b in range(k):
            if a != b:
                weight[:, a] *= (x - near[:, b]) / (near[:, a] - near[:, b])
    return index, weight


def tensor(points, axes):
    """Flat node indices and weights (n, k1 k2 ...) for points, one (n,) array an axis, on the grid spanned by axes."""
    flat, weight = np.zeros((len(points[0]), 1), int), np.ones((len(points[0]), 1))
    for x, nodes in zip(points, axes):
        index, own = lagrange(x, nodes)
        flat = (flat[:, :, None] * len(nodes) + index[:, None, :]).reshape(len(x), -1)
        weight = (weight[:, :, None] * own[:, None, :]).reshape(len(x), -1)
    return flat, weight


def cells(points, axes):
    """Flat indices (n, 2^d) of the corners of the grid cell that holds each point; one corner on axes of one node."""
    flat = np.zeros((len(points[0]), 1), int)
    for x, nodes in zip(points, axes):
        low = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, max(len(nodes) - 2, 0))
        high = np.minimum(low + 1, len(nodes) - 1)
        on_low, on_high = (
            np.isclose(x, nodes[low]),
            np.isclose(x, nodes[high]),
        )  # a point on a node needs that node only
        corners = np.stack([np.where(on_high, high, low), np.where(on_low, low, high)], axis=1)
        flat = (flat[:, :, None] * len(nodes) + corners[:, None, :]).reshape(len(x), -1)
    return flat
