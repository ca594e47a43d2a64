"""The Cramér-Rao bound: the smallest error that an unbiased estimate of the labels can have."""

import numpy as np

from starlabels.base.console import show_progress

CHUNK = 64  # stars at a time: n_labels derivatives each
# Smaller eigenvalues are rounding: two labels with one float32 derivative have 1e-15
SINGULAR = 1e-12


def compute_unit_bounds(sensitivity):
    """Standard errors (n, n_labels) in unit white noise; all labels are free at once.

    They are the roots of the diagonal of the inverse Fisher information, and scale with the
    noise: for noise of sigma per pixel multiply by sigma.

    Parameters
    ----------
    sensitivity : array (n, n_labels, n_pix)
        d flux / d label.

    Returns
    -------
    array (n, n_labels)
        Infinite for a label that the spectrum does not depend on, or that it cannot separate
        from another label; other labels keep finite bounds.

    References
    ----------
    Kay (1993), Fundamentals of Statistical Signal Processing: Estimation Theory, ch. 3.
    """
    scaled, unit = compute_information(sensitivity.astype(float))
    value, vector = np.linalg.eigh(scaled)
    is_measured = value > SINGULAR  # (n, n_labels): combinations of labels
    share = vector**2  # (n, n_labels, combination)
    variance = (share / np.where(is_measured, value, np.inf)[:, None, :]).sum(axis=2)
    is_hidden = (share * ~is_measured[:, None, :]).sum(axis=2) > 1e-9  # beyond rounding
    return np.where(is_hidden, np.inf, np.sqrt(variance) * unit)


def compute_information(sensitivity):
    """Fisher information (n, k, k) in unit noise, of labels in units of their own error (n, k).

    In these units it is well conditioned. sensitivity: (n, k, n_pix) float64.
    """
    information = sensitivity @ sensitivity.swapaxes(1, 2)
    size = np.sqrt(np.einsum("nkk->nk", information))
    unit = 1 / np.where(size > 0, size, 1)
    return information * unit[:, :, None] * unit[:, None, :], unit


def compute_bounds(sensitivity, n):
    """`compute_unit_bounds` (n, n_labels) of the first n stars, in chunks.

    sensitivity: function(rows) that returns the sensitivity of those stars.
    """
    chunks = [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    return np.concatenate(
        [
            compute_unit_bounds(sensitivity(rows))
            for rows in show_progress(chunks, "Cramér-Rao bounds")
        ]
    )
