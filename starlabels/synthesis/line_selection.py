"""Selection of the lines that matter in similar stars, which shortens the synthesis of nodes.

Of the lines of a window, most matter only in the coolest or most metal-rich stars; but each line
in the list costs time at every wavelength, even where SMElib skips it.
"""

import numpy as np

from starlabels.synthesis import sme
from starlabels.synthesis.atmosphere_choice import choose_sources

# Of sme.LINE_ACCURACY: lines of models between those tried may be stronger by this much
SAFETY = 0.5
GROUP = 3  # neighbouring [M/H] of nodes that share a selection


def group_metallicities(mh):
    """Split the nodes of [M/H] (n,) into tuples of at most GROUP neighbours."""
    return [tuple(mh[start : start + GROUP]) for start in range(0, len(mh), GROUP)]


def select_lines_of_group(engine, line_list, grid, teff, mhs):
    """Select the lines that are strong enough in some model of a temperature.

    Parameters
    ----------
    engine : sme.Engine
    line_list : LineList
    grid : NodeGrid
        Models at the ends of its logg are tried, with its lowest vmic.
    teff : float
        Effective temperature (K).
    mhs : tuple of float
        [M/H]; models at both ends are tried.

    Returns
    -------
    array (n_lines,) of bool
        All True if there is no model atmosphere.
    """
    wave = grid.wave_in_air()
    vmic = min(grid.vmic)
    keep = np.zeros(len(line_list), bool)
    for logg, mh in list_extreme_models(grid, teff, mhs):
        for kind, _ in choose_sources(grid.atmosphere, teff, logg, mh):
            structure = sme.make_atmosphere(kind, teff, logg, mh)
            engine.load_model(line_list, structure, mh, vmic, teff, logg)
            engine.select_lines(wave[0], wave[-1], sme.LINE_ACCURACY)
            keep |= engine.line_strength >= SAFETY * sme.LINE_ACCURACY
    return keep if keep.any() else ~keep


def list_extreme_models(grid, teff, mhs):
    """(logg, [M/H]) of the models of a NodeGrid at teff (K) whose lines are tried."""
    models = []
    for mh in sorted({mhs[0], mhs[-1]}):
        loggs = [logg for logg in grid.logg if has_atmosphere(grid, teff, logg, mh)]
        models += [(logg, mh) for logg in sorted({*loggs[:1], *loggs[-1:]})]
    return models


def has_atmosphere(grid, teff, logg, mh):
    """Whether the NodeGrid's kind of atmospheres has a model of these labels."""
    try:
        for kind, _ in choose_sources(grid.atmosphere, teff, logg, mh):
            sme.make_atmosphere(kind, teff, logg, mh)
    except ValueError:
        return False
    return True
