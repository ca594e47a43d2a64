"""predict, of a model that reads tables: labels of the stars of a catalogue, each with an error and what speaks against it."""

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.files import replace_file
from starlabels.catalogues import features, table_columns, tables
from starlabels.catalogues.databases import hash_rows
from starlabels.learning import outliers, trained_model

SPECTRUM_OPTIONS = (
    "table",
    "photometry",
    "medium",
    "resolving_power",
    "rv",
    "prepare",
    "workers",
    "scheduler",
)  # options of no use
SPECTRUM_RESULTS = ("results.fits", "index.html")  # that an earlier run left, of spectra


def predict_from_tables(run, args):
    """Write results.csv into the folder args.out, a row a star of the tables args.files; UserError if one does not fit."""
    cfg = run.cfg
    if given := [name.replace("_", "-") for name in SPECTRUM_OPTIONS if getattr(args, name, None)]:
        raise UserError(f"{args.model} reads tables, no spectra: leave out {', '.join(given)}")
    model, asked = trained_model.open_folder(args.model), cfg.features
    results = pd.concat(
        [predict_stars(model, asked, *read_stars(path, cfg)) for path in args.files], ignore_index=True
    )
    with replace_file(args.out / "results.csv") as tmp:
        results.to_csv(tmp, index=False, float_format="%.6g")
    for name in SPECTRUM_RESULTS:
        (args.out / name).unlink(missing_ok=True)
    flagged = int((results["flags"] > 0).sum())
    print(
        f"{format_count(len(results))} stars, {format_count(flagged)} flagged: {args.out}/results.csv"
    )


def read_stars(path, cfg):
    """Ids (n,) and columns {name: (n,)} of the table of stars in a file; those that it lacks are NaN, and named."""
    ids, found = read_model_columns(path, cfg)
    ids = hash_rows(pd.DataFrame(found)).astype(str) if ids is None else ids
    wanted = features.list_feature_columns(cfg.features)
    if missing := [name for name in wanted if name not in found]:
        print(f"{path}: no {', '.join(missing)}: taken as missing in every star")
    return ids, {name: found.get(name, np.full(len(ids), np.nan)) for name in wanted}


def read_model_columns(path, cfg):
    """Ids (n,), None if there are none, and those columns {name: (n,)} of the table in a file that the model reads.

    They are named as in the recipe's first database, or as in the recipe's `features`. UserError if it has none of them.
    """
    first, wanted = cfg.join.databases[0], features.list_feature_columns(cfg.features)
    names = [name for name in (first.id, "star_id") if name]
    table, theirs = tables.read_table(path, texts=names), first.columns or {}
    there = {
        name: [one for one in (name, theirs.get(name)) if one in table.frame] for name in wanted
    }
    if not any(there.values()):
        raise UserError(
            f"{path} has none of the columns that the model reads, {', '.join(wanted)}: rename some"
        )
    found = table_columns.extract_columns(
        table, {name: one[0] for name, one in there.items() if one}
    ).values
    own = next((name for name in names if name in table.frame), None)
    return table_columns.read_star_ids(table, own).astype(str) if own else None, {
        name: one.astype(float) for name, one in found.items()
    }


def predict_stars(model, asked, ids, columns):
    """A DataFrame with a row a star: star_id, labels, their errors, flags and the flags in words."""
    made = features.compute_features(asked, columns)
    found = model.predict(made.values, np.full(len(ids), np.inf))
    table = {"star_id": ids}
    for j, name in enumerate(model.names):
        table[name] = found["mean"][:, j]
        if "err" in found:
            table[f"{name}_err"] = found["err"][:, j]
    nothing = np.isnan(made.values).all(
        axis=1
    )  # the network would give the mean of its training stars
    why = np.where(nothing, "no data", features.explain_missing(made, columns, model.may_lack))
    frame = pd.DataFrame(table)
    frame.loc[why != "", frame.columns[1:]] = np.nan
    flags = [
        [name for name, bit in outliers.BITS.items() if bits & bit]
        for bits in found["flags"].astype(int)
    ]
    words = [reason or " ".join(names) for reason, names in zip(why, flags)]
    return frame.assign(flags=found["flags"].astype(int), reasons=words)
