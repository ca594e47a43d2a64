"""The stage predict for models that read tables: labels of the stars of a catalogue."""

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.files import replace_file
from starlabels.base.sentinels import blank_magnitudes
from starlabels.catalogues import features, table_columns, tables
from starlabels.catalogues.databases import hash_rows
from starlabels.learning import outliers, trained_model
from starlabels.spectra.results import NO_RESULT, clean_text, format_cell

# Options of the command line that concern spectra
SPECTRUM_OPTIONS = (
    "table",
    "photometry",
    "truth",
    "window",
    "save_spectra",
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
# That an earlier run for spectra left
SPECTRUM_RESULTS = ("results.fits", "results.vot", "index.html")


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
        printable = results.assign(star_id=results["star_id"].map(format_text))
        printable["reasons"] = results["reasons"].map(format_text)
        printable.to_csv(tmp, index=False, float_format="%.6g")
    for name in SPECTRUM_RESULTS:
        (args.out / name).unlink(missing_ok=True)
    counts = results["status"].value_counts()
    words = f"{format_count(len(results))} stars, {format_count(counts.get('flagged', 0))} flagged"
    if n_failed := counts.get("failed", 0):
        words += f", {format_count(n_failed)} without labels"
    print(f"{words}: {args.out}/results.csv")


def format_text(text):
    """A text as a cell of the CSV: in one line, printable, and no formula of a spreadsheet."""
    return format_cell(clean_text(text))


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
    candidates = {name: (name, (database.columns or {}).get(name)) for name in names}
    also = [source for pair in candidates.values() for source in pair if source]
    table = tables.read_table(path, also=also, texts=id_names)
    found = {name: find_source(pair, table.frame) for name, pair in candidates.items()}
    sources = {name: source for name, source in found.items() if source}
    if not sources:
        wanted = ", ".join(names)
        raise UserError(
            f"{path} has none of the columns that the model reads, {wanted}: rename some"
        )
    units = features.list_units(cfg.features)
    columns = table_columns.extract_columns(table, sources, targets=units).values
    for name in columns.keys() & cfg.features.magnitudes.keys():
        columns[name] = blank_magnitudes(columns[name], f"{path}: {sources[name]}")
    id_name = next((name for name in id_names if name in table.frame), None)
    ids = np.char.decode(table_columns.read_star_ids(table, id_name), "utf-8") if id_name else None
    return ids, {name: values.astype(float) for name, values in columns.items()}


def find_source(candidates, frame):
    """The first of the names that a DataFrame has, else the one that differs in case only."""
    for name in filter(None, candidates):
        if name in frame:
            return name
    for name in filter(None, candidates):
        matches = [column for column in frame if column.lower() == name.lower()]
        if len(matches) == 1:
            return matches[0]
    return None


def predict_stars(model, section, ids, columns):
    """DataFrame with one row per star: star_id, status, labels, errors, flags, flags in words.

    section: `features` of the recipe; ids (n,); columns {name: (n,)}.
    """
    table = features.compute_features(section, columns)
    prediction = model.predict(table.values, np.full(len(ids), np.inf))
    frame = pd.DataFrame({"star_id": ids, "status": "ok"})
    for j, name in enumerate(model.names):
        frame[name] = prediction["mean"][:, j]
        if "err" in prediction:
            frame[f"{name}_err"] = prediction["err"][:, j]
    # Without any data, the network would give the mean of its training stars
    is_empty = np.isnan(table.values).all(axis=1)
    missing = features.explain_missing(table, columns, model.may_lack)
    problems = np.where(is_empty, "no data", missing)
    no_number = ~np.isfinite(prediction["mean"]).all(axis=1)
    problems[no_number & (problems == "")] = "the network gave no number"
    failed = problems != ""
    frame.loc[failed, frame.columns[2:]] = np.nan
    flags = prediction["flags"].astype(int) | NO_RESULT * failed
    frame["status"] = np.select([failed, flags > 0], ["failed", "flagged"], "ok")
    reasons = []
    for problem, bits in zip(problems, flags):
        names = [name for name, bit in outliers.BITS.items() if bits & bit]
        reasons.append(problem or " ".join(names))
    return frame.assign(flags=flags, reasons=reasons)
