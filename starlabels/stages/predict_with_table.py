"""Features that a model reads in addition to the spectrum: of a table or of its own file."""

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.identifiers import clean_identifier
from starlabels.catalogues import features
from starlabels.stages import predict_tables


class StarTable:
    """Columns of stars by name, and how many spectra have a row.

    Parameters
    ----------
    path : Path or None
        Table of --table.
    cfg : Config
        Configuration of the model.
    rows : dict
        {name: {column: value}} that are known already.
    """

    def __init__(self, path, cfg, rows):
        self.path = path
        self.rows = rows | (read_star_table(path, cfg) if path else {})
        self.n_used = 0

    def add_row(self, observed):
        """ObservedSpectrum with the row of its star: of its name with or without suffix, or id."""
        names = (observed.name, observed.star, observed.name.rpartition(".")[0])
        names = [clean_identifier(name) for name in names]  # as those of the table
        row = next((self.rows[name] for name in names if name in self.rows), {})
        self.n_used += bool(row)
        return observed._replace(table=observed.table | row)

    def summarise(self, n):
        """How many of n spectra have a row in the table, as a text; None without a table."""
        if not self.path:
            return None
        return f"{format_count(self.n_used)} of {format_count(n)} spectra have a row in {self.path}"


def read_star_table(path, cfg):
    """Read the table of --table.

    Parameters
    ----------
    path : Path
    cfg : Config
        Configuration of the model.

    Returns
    -------
    dict
        {star_id: {column: value}} of the columns that the model reads.

    Raises
    ------
    UserError
        If the model reads no columns, or if the table has no or repeated identifiers.
    """
    if not cfg.features:
        problem = "the model reads nothing in addition to the spectrum"
        raise UserError(f"--table {path}: {problem}: leave it out")
    ids, columns = predict_tables.read_model_columns(path, cfg)
    if ids is None:
        hint = "add it, with the name of each spectrum's file, or its star in HDF5"
        raise UserError(f"{path} has no column star_id: {hint}")
    rows = {}
    for star, row in zip(ids, zip(*columns.values())):
        if star in rows:
            raise UserError(f"{path}: {star} comes twice: leave one row per star")
        rows[star] = dict(zip(columns, row))
    return rows


def build_inputs(flux, stars, prepared, section, may_lack):
    """Build the input of a model.

    Parameters
    ----------
    flux : array (n, n_pix)
    stars : sequence of ObservedSpectrum
    prepared : sequence of PreparedSpectrum
        Its S/N is the column `snr` of stars whose table has none.
    section : Features or None
        Section `features` of the recipe; None if the model reads flux only.
    may_lack : array (n_features,) of bool, or None
        See `features.explain_missing`.

    Returns
    -------
    inputs : array (n, n_inputs)
    problems : sequence of str (n,)
        Why a star has no labels, or "".
    """
    if not section:
        return flux, [""] * len(flux)
    rows = [{"snr": item.snr} | star.table for star, item in zip(stars, prepared)]
    columns = {}
    for name in features.list_feature_columns(section):
        columns[name] = np.array([row.get(name, np.nan) for row in rows])
    table = features.compute_features(section, columns)
    problems = features.explain_missing(table, columns, may_lack)
    return np.concatenate([flux, table.values], axis=1), problems
