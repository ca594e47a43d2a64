"""Flag for stars with labels that few training stars have: there, a network trained on a table has hardly seen a star.

The distance from a star's predicted labels to the NEIGHBOUR-th nearest training star, all labels scaled; the threshold is
what 99 % of the validation stars keep within.
"""

import numpy as np

NEIGHBOUR = 10
MOST = 20_000  # training stars that are kept: more would only slow the search
FALSE_ALARMS = 0.01  # of the validation stars


def fit(train, validation):
    """{labels (m, n_labels), threshold} of scaled labels of training stars (n, n_labels), in random order, and of validation.

    Those of validation are as predicted.
    """
    labels = train[:MOST].astype("f4")
    return {
        "labels": labels,
        "threshold": float(np.quantile(distance(labels, validation), 1 - FALSE_ALARMS)),
    }


def flags(table, labels):
    """Whether (n,) stars with those predicted labels (n, n_labels), scaled, lie where training is thin. What is NaN does."""
    return ~(distance(table["labels"], labels) <= table["threshold"])


def distance(train, labels):
    """Distance (n,) of labels (n, n_labels) to the NEIGHBOUR-th nearest of train (m, n_labels), the last of fewer; or NaN."""
    from sklearn.neighbors import NearestNeighbors

    far, known = np.full(len(labels), np.nan), np.isfinite(labels).all(axis=1)
    if known.any():
        nearest = NearestNeighbors(n_neighbors=min(NEIGHBOUR, len(train))).fit(train)
        far[known] = nearest.kneighbors(labels[known])[0][:, -1]
    return far
