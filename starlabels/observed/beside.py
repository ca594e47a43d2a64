"""What a model reads beside a spectrum: columns of a table of stars, or those of the HDF5 file that the spectrum is in."""

import numpy as np

from starlabels import features, tabular
from starlabels.cli import UserError


def read(path, cfg):
    """{star_id: {column: value}} of the table that --table names; UserError if it is of no use to the model."""
    if not cfg.features:
        raise UserError(f"--table {path}: the model reads nothing beside the spectrum: leave it out")
    ids, columns = tabular.columns(path, cfg)
    known = {}
    for star, row in zip(ids, zip(*columns.values())):
        if star in known:
            raise UserError(f"{path}: {star} is there twice: leave one row a star")
        known[star] = dict(zip(columns, row))
    return known


def with_row(observed, known):
    """The Observed with the row of its star, if `known` {name: {column: value}} has its name, with ending or without, or id."""
    names = (observed.name, observed.star, observed.name.rpartition(".")[0])
    row = next((known[name] for name in names if name in known), {})
    return observed._replace(table=observed.table | row)


def inputs(flux, stars, ready, asked, may_lack):
    """What a model reads (n, n_inputs) of n Observed and Prepared, flux (n, n_pix), and why (n,) a star has too little, or "".

    asked: the recipe's section `features`, None if it reads flux alone. A column `snr` that a star's table does not have is
    that of the spectrum. may_lack: see `features.lacking`.
    """
    if not asked:
        return flux, [""] * len(flux)
    rows = [{"snr": one.snr} | star.table for star, one in zip(stars, ready)]
    columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in features.columns_of(asked)}
    made = features.make(asked, columns)
    return np.concatenate([flux, made.values], axis=1), features.lacking(made, columns, may_lack)
