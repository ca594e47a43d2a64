"""The Cramér-Rao bound: the smallest error that any unbiased estimate of the labels can have."""

import numpy as np

from starlabels.base.console import progress

CHUNK = 64  # stars at a time: n_labels derivatives each
SINGULAR = (
    1e-12  # eigenvalues below are rounding: that of two labels with one float32 derivative is 1e-15
)


def unit_bounds(sensitivity):
    """Standard errors (n, n_labels) in unit white noise, from d flux / d label (n, n_labels, n_pix).

    All labels are free at once: the roots of the diagonal of the inverse Fisher information (e.g. Kay 1993, ch. 3). They
    scale with the noise: times sigma they hold for noise of sigma a pixel. A label that the spectrum does not feel, or does
    not tell from another one, has an infinite bound, and the others keep theirs.
    """
    sensitivity = sensitivity.astype(float)
    information = sensitivity @ sensitivity.swapaxes(1, 2)  # (n, n_labels, n_labels)
    size = np.sqrt(np.einsum("nkk->nk", information))
    unit = 1 / np.where(size > 0, size, 1)
    scaled = (
        information * unit[:, :, None] * unit[:, None, :]
    )  # labels in units of their own error: well conditioned
    value, vector = np.linalg.eigh(scaled)
    seen = value > SINGULAR  # (n, n_labels): the combinations of labels that the spectrum tells
    share = vector**2  # (n, n_labels, combination)
    variance = (share / np.where(seen, value, np.inf)[:, None, :]).sum(axis=2)
    hidden = (share * ~seen[:, None, :]).sum(axis=2) > 1e-9  # beyond rounding
    return np.where(hidden, np.inf, np.sqrt(variance) * unit)


def bounds(sensitivity, n):
    """`unit_bounds` (n, n_labels) of the first n stars of sensitivity, a function(rows) as `sensitivity_of` gives."""
    chunks = [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    return np.concatenate(
        [unit_bounds(sensitivity(rows)) for rows in progress(chunks, "Cramér-Rao bounds")]
    )
