"""What a model reads beside a spectrum: columns of a table of stars, or those of the HDF5 file that the spectrum is in."""

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.catalogues import features
from starlabels.stages import predict_tables


class StarTable:
    """Rows {name: {column: value}} of stars, `known` or of the table that --table names, and how many spectra had one."""

    def __init__(self, path, cfg, known):
        self.path, self.known, self.used = path, known | (read_star_table(path, cfg) if path else {}), 0

    def onto(self, observed):
        """The Observed with the row of its star: under its name, with ending or without, or its id."""
        names = (observed.name, observed.star, observed.name.rpartition(".")[0])
        row = next((self.known[name] for name in names if name in self.known), {})
        self.used += bool(row)
        return observed._replace(table=observed.table | row)

    def summary(self, n):
        """How many of n spectra the table has a row of; None if there is none."""
        return (
            f"{format_count(self.used)} of {format_count(n)} spectra have a row in {self.path}"
            if self.path
            else None
        )


def read_star_table(path, cfg):
    """{star_id: {column: value}} of the table that --table names; UserError if it is of no use to the model."""
    if not cfg.features:
        raise UserError(
            f"--table {path}: the model reads nothing beside the spectrum: leave it out"
        )
    ids, columns = predict_tables.read_model_columns(path, cfg)
    if ids is None:
        raise UserError(
            f"{path} has no column star_id: add it, with the name of each spectrum's file, or its star in HDF5"
        )
    known = {}
    for star, row in zip(ids, zip(*columns.values())):
        if star in known:
            raise UserError(f"{path}: {star} is there twice: leave one row a star")
        known[star] = dict(zip(columns, row))
    return known


def build_inputs(flux, stars, ready, asked, may_lack):
    """What a model reads (n, n_inputs) of n Observed and Prepared, flux (n, n_pix), and why (n,) a star has too little, or "".

    asked: the recipe's section `features`, None if it reads flux alone. A column `snr` that a star's table does not have is
    that of the spectrum. may_lack: see `features.lacking`.
    """
    if not asked:
        return flux, [""] * len(flux)
    rows = [{"snr": one.snr} | star.table for star, one in zip(stars, ready)]
    columns = {
        name: np.array([row.get(name, np.nan) for row in rows])
        for name in features.list_feature_columns(asked)
    }
    made = features.compute_features(asked, columns)
    return np.concatenate([flux, made.values], axis=1), features.explain_missing(
        made, columns, may_lack
    )
