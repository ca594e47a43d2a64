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
    """Ids (n,) and columns {name: (n,)} of the table of stars in a file; those that it lacks are NaN, and named.

    Its columns are named as in the recipe's first database, or as in the recipe's `features`.
    """
    first, wanted = cfg.join.databases[0], features.columns_of(cfg.features)
    found = open_table(Database(path=str(path), id=id_of(path, first.id)), {})
    named = {ours: theirs for ours, theirs in (first.columns or {}).items() if theirs in found.labels}
    columns = {name: found.labels.get(name, found.labels.get(named.get(name))) for name in wanted}
    missing = [name for name, values in columns.items() if values is None]
    if len(missing) == len(wanted):
        raise UserError(f"{path} has none of the columns that the model reads, {', '.join(wanted)}: rename some")
    if missing:
        print(f"{path}: no {', '.join(missing)}: taken as missing in every star")
    blank = np.full(len(found.labels), np.nan)
    return found.star_id.astype(str), {name: blank if v is None else v.to_numpy(float) for name, v in columns.items()}


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
    frame = pd.DataFrame(table)
    frame.loc[nothing, frame.columns[1:]] = np.nan
    flags = [[name for name, bit in guard.BITS.items() if bits & bit] for bits in found["flags"].astype(int)]
    words = ["no data" if none else " ".join(names) for none, names in zip(nothing, flags)]
    return frame.assign(flags=found["flags"].astype(int), reasons=words)
