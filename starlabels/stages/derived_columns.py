"""Columns of predict.py's tables that only some models give.

Astra's flags, distances, the two parts of the errors, and the correlations of the errors.
"""

from itertools import combinations

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.base.sentinels import blank_magnitudes
from starlabels.catalogues import sdss_flags, table_columns, tables
from starlabels.catalogues.derived_labels import ResultColumn, find_derived
from starlabels.learning.losses import gives_errors
from starlabels.learning.networks import get_capabilities
from starlabels.spectra.nuisances import VARIED

PHOTOMETRY_COLUMNS = ("k_mag", "a_k")  # columns of --photometry in addition to name
NAME_SPELLINGS = ("name", "Name", "NAME")
ERROR_PARTS = ("err_model", "err_predictive")
FLAG_COLUMNS = {
    "astra_flags": ResultColumn("", sdss_flags.NO_RESULT),
    "flag_warn": ResultColumn("", bool(sdss_flags.find_warned_labels(sdss_flags.NO_RESULT))),
    "flag_bad": ResultColumn("", bool(sdss_flags.find_bad_labels(sdss_flags.NO_RESULT))),
}


def list_derived_columns(cfg):
    """{column: ResultColumn} that a model of this recipe adds to the tables."""
    if not gives_errors(cfg.train.loss):
        return {}
    columns = {}
    for name in cfg.labels if get_capabilities(cfg.model.builder).passes else []:
        for part in ERROR_PARTS:
            columns[f"{name}_{part}"] = ResultColumn(get_label(name).plain_unit, np.nan)
    if cfg.preprocess.observed and cfg.preprocess.observed.discrepancy:
        columns |= dict.fromkeys(name_correlations(cfg.labels), ResultColumn("", np.nan))
    if find_metallicity(cfg.labels):
        columns |= FLAG_COLUMNS
    if derived := find_derived(cfg.labels):
        columns |= derived.result_columns
    return columns


def name_correlations(names):
    """{column: (label, label)} of the correlations between the errors of labels."""
    pairs = combinations([name for name in names if name in VARIED], 2)
    return {f"{first}_{second}_corr": (first, second) for first, second in pairs}


def find_metallicity(names):
    """Label that Astra's flags take for [Fe/H]; None unless teff, logg and a metallicity exist."""
    metal = "feh" if "feh" in names else "mh"
    return metal if {"teff", "logg", metal} <= set(names) else None


def compute_derived_values(columns, names, prediction, photometry):
    """Compute the derived columns of n stars.

    Parameters
    ----------
    columns : {column: ResultColumn} to compute.
    names : labels (n_labels,) of the model.
    prediction : {mean, err, ... (n, n_labels)} of the model, and perhaps `covariance`.
    photometry : magnitudes K_s and extinctions A_K (n, 2), NaN where unknown.

    Returns
    -------
    [{column: value}], one per star
    """
    values = {}
    for part in ERROR_PARTS:
        if part in prediction:
            values |= {f"{name}_{part}": err for name, err in zip(names, prediction[part].T)}
    if "covariance" in prediction:
        for column, pair in name_correlations(names).items():
            i, j = map(names.index, pair)
            covariance = prediction["covariance"][:, i, j]
            values[column] = covariance / (prediction["err"][:, i] * prediction["err"][:, j])
    mean = dict(zip(names, prediction["mean"].T.astype(float)))
    err = dict(zip(names, prediction["err"].T.astype(float)))
    if "astra_flags" in columns:
        flagged = ("teff", "logg", find_metallicity(names))
        arguments = [part[name] for part in (mean, err) for name in flagged]
        flags = sdss_flags.flag_labels(*arguments)
        values["astra_flags"] = flags
        values["flag_warn"] = sdss_flags.find_warned_labels(flags)
        values["flag_bad"] = sdss_flags.find_bad_labels(flags)
    derived = find_derived(names)
    if derived and derived.result_columns.keys() <= columns.keys():
        values |= derived.derive_results(mean[derived.name], err[derived.name], photometry)
    return [
        {name: type(column.blank)(values[name][i]) for name, column in columns.items()}
        for i in range(len(prediction["mean"]))
    ]


def read_photometry(path, columns):
    """Read the table of --photometry.

    Parameters
    ----------
    path : path of a table with the columns name, k_mag and a_k, in any case.
    columns : {column: ResultColumn} that the model derives.

    Returns
    -------
    {name: {k_mag, a_k}}, NaN where missing

    Raises
    ------
    UserError
        If the model derives no distances, or if the file is not such a table.
    """
    if "distance" not in columns:
        problem = "the model predicts no distances"
        raise UserError(f"--photometry {path}: {problem}: leave it out, or use a model that does")
    table = tables.read_table(path, texts=NAME_SPELLINGS)
    sources = {column.strip().lower(): column for column in table.frame}
    if missing := [name for name in ("name", *PHOTOMETRY_COLUMNS) if name not in sources]:
        existing = f"{path} has columns {', '.join(table.frame)}"
        missing = f"{', '.join(missing)} is missing"
        raise UserError(f"{existing}; expected name, k_mag, a_k: {missing}")
    names = table_columns.read_identifiers(table, sources["name"])
    magnitudes = {}
    for name in PHOTOMETRY_COLUMNS:
        values = table_columns.read_quantity(table, sources[name], "mag").astype("f8")
        magnitudes[name] = blank_magnitudes(values, f"{path}: {sources[name]}")
    photometry = {}
    for row, name in enumerate(names):
        if name is None:
            raise UserError(f"{path}: {table.place(row)}: no name: name the file of the star")
        if name in photometry:
            raise UserError(f"{path}: {table.place(row)}: {name} comes twice: leave one out")
        photometry[name] = {key: values[row] for key, values in magnitudes.items()}
    return photometry


def summarise_distances(answers):
    """`412 of 500 stars have a distance: 80 without K_s magnitude`, or None if none was derived.

    answers: the StarResults.
    """
    results = [answer.extras for answer in answers if "distance" in answer.extras]
    if not results:
        return None
    flags = np.array([columns["distance_flags"] for columns in results])
    reasons = {
        "without K_s magnitude": sdss_flags.MISSING_PHOTOMETRY,
        "of unknown extinction, taken as none": sdss_flags.MISSING_EXTINCTION,
    }
    counts = {words: int(((flags & bit) > 0).sum()) for words, bit in reasons.items()}
    parts = ", ".join(f"{format_count(n)} {words}" for words, n in counts.items() if n)
    n_distances = int(sum(np.isfinite(columns["distance"]) for columns in results))
    share = f"{format_count(n_distances)} of {format_count(len(results))}"
    return f"{share} stars have a distance" + (f": {parts}" if parts else "")
