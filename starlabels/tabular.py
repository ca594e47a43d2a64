"""predict, of a model that reads tables: labels of the stars of a catalogue, each with an error and what speaks against it."""

import numpy as np
import pandas as pd

from starlabels import features, guard, tables, trained
from starlabels.cli import UserError, count
from starlabels.databases import open_table
from starlabels.schema import Database


def run(cfg, args):
    """Write results.csv into the folder args.out, a row a star of the tables args.files; UserError if one does not fit."""
    model, asked = trained.open_folder(args.model), cfg.features
    results = pd.concat([answers(model, asked, *read(path, cfg)) for path in args.files], ignore_index=True)
    args.out.mkdir(parents=True, exist_ok=True)
    results.to_csv(args.out / "results.csv", index=False, float_format="%.6g")
    flagged = int((results["flags"] > 0).sum())
    print(f"{count(len(results))} stars, {count(flagged)} flagged: {args.out}/results.csv")


def read(path, cfg):
    """Ids (n,) and columns {name: (n,)} of the table of stars in a file; those that it lacks are NaN, and named."""
    ids, found = columns(path, cfg)
    wanted = features.columns_of(cfg.features)
    if missing := [name for name in wanted if name not in found]:
        print(f"{path}: no {', '.join(missing)}: taken as missing in every star")
    return ids, {name: found.get(name, np.full(len(ids), np.nan)) for name in wanted}


def columns(path, cfg):
    """Ids (n,) and those columns {name: (n,)} of the table of stars in a file that the model reads; UserError if it has none.

    They are named as in the recipe's first database, or as in the recipe's `features`.
    """
    first, wanted = cfg.join.databases[0], features.columns_of(cfg.features)
    found = open_table(Database(path=str(path), id=id_of(path, first.id)), {})
    named = {ours: theirs for ours, theirs in (first.columns or {}).items() if theirs in found.labels}
    there = {name: found.labels.get(name, found.labels.get(named.get(name))) for name in wanted}
    there = {name: values.to_numpy(float) for name, values in there.items() if values is not None}
    if not there:
        raise UserError(f"{path} has none of the columns that the model reads, {', '.join(wanted)}: rename some")
    return found.star_id.astype(str), there


def id_of(path, name):
    """The column of identifiers of the recipe, if the table at `path` has it."""
    return name if name and name in tables.read(path).frame else None


def answers(model, asked, ids, columns):
    """A DataFrame with a row a star: star_id, labels, their errors, flags and the flags in words."""
    made = features.make(asked, columns)
    found = model.predict(made.values, np.full(len(ids), np.inf))
    table = {"star_id": ids}
    for j, name in enumerate(model.names):
        table[name] = found["mean"][:, j]
        if "err" in found:
            table[f"{name}_err"] = found["err"][:, j]
    nothing = np.isnan(made.values).all(axis=1)  # the network would give the mean of its training stars
    why = np.where(nothing, "no data", features.lacking(made, columns, model.may_lack))
    frame = pd.DataFrame(table)
    frame.loc[why != "", frame.columns[1:]] = np.nan
    flags = [[name for name, bit in guard.BITS.items() if bits & bit] for bits in found["flags"].astype(int)]
    words = [reason or " ".join(names) for reason, names in zip(why, flags)]
    return frame.assign(flags=found["flags"].astype(int), reasons=words)
