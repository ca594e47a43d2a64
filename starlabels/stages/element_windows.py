"""The windows in which a censored network may read each element: those of the recipe, or where the nodes say its lines are."""

import numpy as np

from starlabels.base import statistics
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.hdf5 import read_wave
from starlabels.base.labels import OFFSET_OF, OFFSETS, select_elemental
from starlabels.learning.networks.censored import mask_windows
from starlabels.stages import recipe_nodes

N_STARS = 200  # training stars over which the lines are averaged
MIN_STRENGTH = 0.1  # of an element's strongest pixel


def find_element_windows(cfg, h5):
    """{element: windows (k, 2) in A} for the model of a recipe, from the open 2_prepared.h5; {} if it has no `windows`.

    UserError if they shall come from the nodes and cannot.
    """
    asked = cfg.model.arguments.get("windows")
    if asked is None:
        return {}
    wave = read_wave(h5)
    found = (
        find_windows_from_nodes(cfg, h5, wave)
        if asked == "auto"
        else {name: np.array(pairs) for name, pairs in asked.items()}
    )
    for name, pairs in found.items():
        n = format_count(int(mask_windows(wave, pairs).sum()))
        print(f"{name}: {n} of {format_count(len(wave))} pixels, in {len(pairs)} windows")
    return found


def find_windows_from_nodes(cfg, h5, wave):
    """{element: windows (k, 2) in A} where the flux of training stars changes with that element above all, by the nodes."""
    elements, table = select_elemental(cfg.labels), h5["train/grid_labels"]
    wanted = [OFFSET_OF[name] for name in elements]
    names = [
        *wanted,
        *(name for name in OFFSETS if name in table.attrs["names"] and name not in wanted),
    ]
    rows = np.flatnonzero(np.isfinite(table[:]).all(axis=1))[:N_STARS]
    try:
        if not len(rows):
            raise UserError("no training star has all labels")
        slopes = recipe_nodes.build_sensitivity(cfg, h5["train"], wave, names)
    except UserError as error:
        raise UserError(
            f"{cfg.path}: model.windows: auto needs the nodes, but {error}; give windows instead"
        ) from None
    masks = select_dominant_pixels(statistics.compute_rms(slopes(rows)))
    found = {
        name: merge_windows(wave, mask, cfg.grid.resolving_power) for name, mask in zip(elements, masks)
    }
    if hidden := [name for name, windows in found.items() if not len(windows)]:
        where = f"finds no line of {', '.join(hidden)} that is not blended"
        raise UserError(
            f"{cfg.path}: model.windows: auto {where}; give windows instead, or take it out of `labels`"
        )
    return found


def select_dominant_pixels(strength):
    """Masks (k, n_pix) of the pixels where an element is stronger than all others, and than FAINTEST of its own strongest.

    strength (k, n_pix): rms over stars of d flux / d abundance.
    """
    return (strength == strength.max(axis=0)) & (
        strength > MIN_STRENGTH * strength.max(axis=1, keepdims=True)
    )


def merge_windows(wave, mask, resolving_power):
    """Windows (k, 2) in A around the pixels of a mask (n_pix,), a resolution element wider, those that touch made one."""
    at = wave[mask]
    if not len(at):
        return np.empty((0, 2))
    half = 0.5 * at / resolving_power
    low, high = np.maximum(at - half, wave[0]), np.minimum(at + half, wave[-1])
    first = np.r_[0, np.flatnonzero(low[1:] > high[:-1]) + 1]
    return np.column_stack([low[first], high[np.r_[first[1:], len(at)] - 1]])
