"""Flag for stars whose labels few training stars have, where a network of a table has seen little.

The measure is the distance from a star's predicted labels to its NEIGHBOUR-th nearest training
star, with scaled labels. 99 % of the validation stars lie within the threshold.
"""

import numpy as np

NEIGHBOUR = 10
MAX_STARS = 20_000  # training stars kept: more would only slow the search
FALSE_ALARMS = 0.01  # fraction of the validation stars


def fit_sparse_threshold(train, validation):
    """Fit the threshold distance of the flag.

    Parameters
    ----------
    train : array (n, n_labels)
        Scaled labels of training stars, in random order.
    validation : array (m, n_labels)
        Scaled labels that the network predicts for validation stars.

    Returns
    -------
    dict
        `labels` (k, n_labels) of at most MAX_STARS training stars, and `threshold`, a distance.
    """
    labels = train[:MAX_STARS].astype("f4")
    threshold = np.quantile(compute_distance(labels, validation), 1 - FALSE_ALARMS)
    return {"labels": labels, "threshold": float(threshold)}


def flag_sparse(table, labels):
    """Flag stars in sparse parts of the training set.

    Parameters
    ----------
    table : dict
        Output of `fit_sparse_threshold`.
    labels : array (n, n_labels)
        Predicted, scaled labels.

    Returns
    -------
    array (n,) of bool
        True where the labels lie in a sparse part of the training set, or are NaN.
    """
    return ~(compute_distance(table["labels"], labels) <= table["threshold"])


def compute_distance(train, labels):
    """Distance (n,) of labels (n, n_labels) to the NEIGHBOUR-th nearest of train (m, n_labels).

    It is the distance to the last one if there are fewer, and NaN for labels that are NaN.
    """
    from sklearn.neighbors import NearestNeighbors

    distance = np.full(len(labels), np.nan)
    known = np.isfinite(labels).all(axis=1)
    if known.any():
        neighbours = NearestNeighbors(n_neighbors=min(NEIGHBOUR, len(train))).fit(train)
        distance[known] = neighbours.kneighbors(labels[known])[0][:, -1]
    return distance
