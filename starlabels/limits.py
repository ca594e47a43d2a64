"""The Cramér-Rao bound: the smallest error that any unbiased estimator of a star's labels can have."""

import numpy as np

from starlabels import config, h5io
from starlabels.cli import UserError, progress
from starlabels.labels import OFFSET_OF

CHUNK = 64  # stars at a time: n_labels derivatives each
SINGULAR = 1e-12  # eigenvalues below are rounding: that of two labels with one float32 derivative is 1e-15


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
    scaled = information * unit[:, :, None] * unit[:, None, :]  # labels in units of their own error: well conditioned
    value, vector = np.linalg.eigh(scaled)
    seen = value > SINGULAR  # (n, n_labels): the combinations of labels that the spectrum tells
    share = vector**2  # (n, n_labels, combination)
    variance = (share / np.where(seen, value, np.inf)[:, None, :]).sum(axis=2)
    hidden = (share * ~seen[:, None, :]).sum(axis=2) > 1e-9  # beyond rounding
    return np.where(hidden, np.inf, np.sqrt(variance) * unit)


def bounds(sensitivity, n):
    """`unit_bounds` (n, n_labels) of the first n stars of sensitivity, a function(rows) as `sensitivity_of` gives."""
    chunks = [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    return np.concatenate([unit_bounds(sensitivity(rows)) for rows in progress(chunks, "Cramér-Rao bounds")])


def rms(values):
    """Root mean square (n_labels,) of values (n, n_labels), NaN left out."""
    return np.sqrt(np.nanmean(np.square(values), axis=0))


def sensitivity_of(cfg, test, wave):
    """A function(rows) -> d flux / d label (n, n_labels, n_pix) of test stars from the nodes; None if not apt."""
    try:
        found = slopes(cfg, test, wave, cfg.labels)
        check_complete(test)
        return found
    except UserError as error:
        print(f"no derivatives of the atmosphere, so neither bound nor sensitivity: {error}")
        return None


def slopes(cfg, part, wave, names):
    """A function(rows) -> d flux / d label (n, len(names), n_pix) of stars of a part from the nodes; UserError if not apt.

    Labels that are not among the names stay: d / d [Mg/H] is at constant [M/H], or d / d [M/H] at constant [Mg/H].
    """
    sampler, table, power = sampler_of(cfg, names), part and part["grid_labels"], cfg.grid.resolving_power
    return lambda rows: sampler.sensitivities(dict(zip(table.attrs["names"], table[rows].T)), names, wave, power)


def sampler_of(cfg, names):
    """The Sampler that made all spectra of the recipe; UserError if they are not from there, or it does not vary the names."""
    from starlabels.grid import LABELS, NUISANCES, sampler_for

    if not all(config.is_own_grid(cfg, database.path) for database in cfg.join.databases):
        raise UserError("not all spectra are from grid.py")
    sampler = sampler_for(cfg, build=False)
    moved = sampler.elements.names if sampler.elements else []
    moved = moved + [name for name, offset in OFFSET_OF.items() if offset in moved]
    if strange := [name for name in names if name not in (*LABELS, *NUISANCES, *moved)]:
        raise UserError(f"the nodes do not vary {', '.join(strange)}")
    if twice := [f"{name} and {OFFSET_OF[name]}" for name in names if OFFSET_OF.get(name) in names]:
        raise UserError(f"{', '.join(twice)} are one abundance: keep one of them")
    return sampler


def check_complete(part):
    """UserError if a star of a part of 2_prepared.h5 lacks a label that its spectrum depends on."""
    from starlabels.grid import LABELS, OPTIONAL

    if any(np.isnan(column).any() for column in h5io.columns(part, LABELS + OPTIONAL) if column is not None):
        raise UserError("some stars lack labels")
