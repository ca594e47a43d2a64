"""Windows in which a censored network may read each element: of the recipe, or from the nodes."""

import numpy as np

from starlabels.base import statistics
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.hdf5_spectra import read_wave
from starlabels.base.labels import OFFSET_OF, OFFSETS, select_elemental
from starlabels.learning.networks.censored import mask_windows
from starlabels.stages import recipe_nodes

N_STARS = 200  # training stars over which the lines are averaged
MIN_STRENGTH = 0.1  # of an element's strongest pixel


def find_element_windows(cfg, h5):
    """Find the windows of a recipe's model, and print how many pixels they have.

    Parameters
    ----------
    cfg : Config
    h5 : h5py.File
        2_prepared.h5, open for reading.

    Returns
    -------
    dict
        {element: windows (k, 2) in A}; {} if the model has no `windows`.

    Raises
    ------
    UserError
        If the nodes cannot provide them.
    """
    section = cfg.model.arguments.get("windows")
    if section is None:
        return {}
    wave = read_wave(h5)
    if section == "auto":
        windows = find_windows_from_nodes(cfg, h5, wave)
    else:
        windows = {name: np.array(pairs) for name, pairs in section.items()}
    for name, pairs in windows.items():
        n = format_count(int(mask_windows(wave, pairs).sum()))
        print(f"{name}: {n} of {format_count(len(wave))} pixels, in {len(pairs)} windows")
    return windows


def find_windows_from_nodes(cfg, h5, wave):
    """{element: windows (k, 2) in A} where flux depends most on it, for training stars."""
    elements = select_elemental(cfg.labels)
    rms = compute_line_strengths(cfg, h5, wave, [OFFSET_OF[name] for name in elements])
    windows = {}
    for name, mask in zip(elements, select_dominant_pixels(rms)):
        windows[name] = merge_windows(wave, mask, cfg.grid.resolving_power)
    if hidden := [name for name, pairs in windows.items() if not len(pairs)]:
        problem = f"model.windows: auto finds no line of {', '.join(hidden)} that is not blended"
        hint = "give windows instead, or take it out of `labels`"
        raise UserError(f"{cfg.path}: {problem}; {hint}")
    return windows


def compute_line_strengths(cfg, h5, wave, offsets):
    """Rms (k, n_pix) over training stars of d flux / d offset, first of `offsets`, then of others.

    UserError if the nodes do not provide it.
    """
    table = h5["train/labels/value"]
    others = [name for name in OFFSETS if name in table.attrs["names"] and name not in offsets]
    rows = np.flatnonzero(np.isfinite(table[:]).all(axis=1))[:N_STARS]
    try:
        if not len(rows):
            raise UserError("no training star has all labels")
        names = [*offsets, *others]
        compute_sensitivity = recipe_nodes.build_sensitivity(cfg, h5["train"], wave, names)
    except UserError as error:
        problem = f"model.windows: auto needs the nodes, but {error}"
        raise UserError(f"{cfg.path}: {problem}; give windows instead") from None
    return statistics.compute_rms(compute_sensitivity(rows))


def select_dominant_pixels(strengths):
    """Masks (k, n_pix) of the pixels where an element is the strongest, and strong for itself.

    strengths (k, n_pix): rms over stars of d flux / d abundance.
    """
    threshold = MIN_STRENGTH * strengths.max(axis=1, keepdims=True)
    return (strengths == strengths.max(axis=0)) & (strengths > threshold)


def merge_windows(wave, mask, resolving_power):
    """Windows (k, 2) in A around the pixels of a mask (n_pix,).

    They are a resolution element wider than the pixels; windows that touch become one.
    """
    centres = wave[mask]
    if not len(centres):
        return np.empty((0, 2))
    half = 0.5 * centres / resolving_power
    low = np.maximum(centres - half, wave[0])
    high = np.minimum(centres + half, wave[-1])
    first = np.r_[0, np.flatnonzero(low[1:] > high[:-1]) + 1]
    last = np.r_[first[1:], len(centres)] - 1
    return np.column_stack([low[first], high[last]])
