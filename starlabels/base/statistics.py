"""Statistics used in several wings."""

import numpy as np


def compute_rms(values):
    """Root mean square (n_labels,) of values (n, n_labels), ignoring NaN."""
    return np.sqrt(np.nanmean(np.square(values), axis=0))
