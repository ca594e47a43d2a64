"""The stage predict for models that read tables: labels of the stars of a catalogue."""

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.files import replace_file
from starlabels.catalogues import features, table_columns, tables
from starlabels.catalogues.databases import hash_rows
from starlabels.learning import outliers, trained_model

# Options of the command line that concern spectra
SPECTRUM_OPTIONS = (
    "table",
    "photometry",
    "medium",
    "resolving_power",
    "instrument",
    "error_kind",
    "settings",
    "rv",
    "prepare",
    "workers",
    "scheduler",
)
SPECTRUM_RESULTS = ("results.fits", "index.html")  # that an earlier run for spectra left


def predict_from_tables(run, args):
    """Write results.csv into args.out, one row per star of the tables args.files.

    Parameters
    ----------
    run : Run
        Run of the model's recipe.
    args : argparse.Namespace
        See `predict.add_arguments`.

    Raises
    ------
    UserError
        If a table does not fit the model, or if an option concerns spectra.
    """
    given = [name.replace("_", "-") for name in SPECTRUM_OPTIONS if getattr(args, name, None)]
    if given:
        raise UserError(f"{args.model} reads tables, no spectra: leave out {', '.join(given)}")
    model = trained_model.open_model(args.model)
    frames = []
    for path in args.files:
        ids, columns = read_stars(path, run.cfg)
        frames.append(predict_stars(model, run.cfg.features, ids, columns))
    results = pd.concat(frames, ignore_index=True)
    with replace_file(args.out / "results.csv") as tmp:
        results.to_csv(tmp, index=False, float_format="%.6g")
    for name in SPECTRUM_RESULTS:
        (args.out / name).unlink(missing_ok=True)
    n_flagged = format_count(int((results["flags"] > 0).sum()))
    print(f"{format_count(len(results))} stars, {n_flagged} flagged: {args.out}/results.csv")


def read_stars(path, cfg):
    """Identifiers (n,) and columns {name: (n,)} of a table of stars; missing columns are NaN.

    The names of missing columns are printed.
    """
    ids, columns = read_model_columns(path, cfg)
    if ids is None:
        ids = hash_rows(pd.DataFrame(columns)).astype(str)
    names = features.list_feature_columns(cfg.features)
    if missing := [name for name in names if name not in columns]:
        print(f"{path}: no {', '.join(missing)}: taken as missing for every star")
    return ids, {name: columns.get(name, np.full(len(ids), np.nan)) for name in names}


def read_model_columns(path, cfg):
    """Read those columns of a table that a model reads.

    They are named as in the recipe's `features`, or as in its first database.

    Parameters
    ----------
    path : path
        CSV, FITS or HDF5 file.
    cfg : Config
        Configuration of the model.

    Returns
    -------
    ids : array (n,) of str, or None
        Identifiers of the stars; None if the table has none.
    columns : dict
        {name: (n,)}

    Raises
    ------
    UserError
        If the table has none of the columns.
    """
    database = cfg.join.databases[0]
    names = features.list_feature_columns(cfg.features)
    id_names = [name for name in (database.id, "star_id") if name]
    table = tables.read_table(path, texts=id_names)
    sources = {}
    for name in names:
        for source in (name, (database.columns or {}).get(name)):
            if source in table.frame:
                sources.setdefault(name, source)
    if not sources:
        wanted = ", ".join(names)
        raise UserError(
            f"{path} has none of the columns that the model reads, {wanted}: rename some"
        )
    columns = table_columns.extract_columns(table, sources).values
    id_name = next((name for name in id_names if name in table.frame), None)
    ids = table_columns.read_star_ids(table, id_name).astype(str) if id_name else None
    return ids, {name: values.astype(float) for name, values in columns.items()}


def predict_stars(model, section, ids, columns):
    """DataFrame with one row per star: star_id, labels and errors, flags, and flags in words.

    section: `features` of the recipe; ids (n,); columns {name: (n,)}.
    """
    table = features.compute_features(section, columns)
    prediction = model.predict(table.values, np.full(len(ids), np.inf))
    frame = pd.DataFrame({"star_id": ids})
    for j, name in enumerate(model.names):
        frame[name] = prediction["mean"][:, j]
        if "err" in prediction:
            frame[f"{name}_err"] = prediction["err"][:, j]
    # Without any data, the network would give the mean of its training stars
    is_empty = np.isnan(table.values).all(axis=1)
    missing = features.explain_missing(table, columns, model.may_lack)
    problems = np.where(is_empty, "no data", missing)
    frame.loc[problems != "", frame.columns[1:]] = np.nan
    flags = prediction["flags"].astype(int)
    reasons = []
    for problem, bits in zip(problems, flags):
        names = [name for name, bit in outliers.BITS.items() if bits & bit]
        reasons.append(problem or " ".join(names))
    return frame.assign(flags=flags, reasons=reasons)
