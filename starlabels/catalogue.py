"""A catalogue of stars in a CSV file: the labels to make their spectra by, and whatever else is known of them.

Columns that a spectrum depends on must be numbers in their range. All others may have holes: numbers are kept beside the
labels, `<name>_err` as the error of column `<name>`; text is not.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels import tables
from starlabels.cli import UserError, count
from starlabels.databases import star_ids
from starlabels.labels import ELEMENTS, abundance_name, offset_name
from starlabels.rules import BUILTIN_RANGES, GRID_RANGES
from starlabels.schema import Range


class Catalogue(NamedTuple):
    """n stars: {name: (n,)} of labels that a spectrum depends on, their ids (n,) and, of other columns and of errors, the same.

    Columns and errors are NaN where not known; remarks say what was left out.
    """

    labels: dict
    ids: np.ndarray
    columns: dict = {}
    errors: dict = {}
    remarks: tuple = ()

    def rows(self, keep):
        """The stars of a mask (n,)."""
        tables = ({name: values[keep] for name, values in one.items()} for one in (self.labels, self.columns, self.errors))
        labels, columns, errors = tables
        return Catalogue(labels, self.ids[keep], columns, errors, self.remarks)


def read(cfg, required, optional):
    """The Catalogue of grid.labels_csv, stars outside the built-in atmospheres left out; UserError naming file and line.

    A label of `required` that the file lacks must be one number in grid.labels, which may hold those of `optional` too.
    """
    path = Path(cfg.grid.labels_csv)
    if not path.is_file():
        raise UserError(f"{path} not found: name a CSV file in grid.labels_csv or set it to null")
    table = tables.read(path, texts=["star_id"])
    names = [name for name in (*required, *optional) if name in required or name in table.frame or name in cfg.grid.labels]
    labels = {name: label_column(table, name, cfg.grid.labels.get(name)) for name in names}
    made = [abundance_name(element) for element in ELEMENTS if offset_name(element) in labels]
    others = tables.columns(table, leave=("star_id", *names, *made), known=names)
    unused = [*others.unused, *(f"{name} (made here)" for name in made if name in table.frame)]
    columns, errors = ({name: one.astype("f4") for name, one in kind.items()} for kind in (others.values, others.errors))
    found = Catalogue(labels, ids_of(table, labels), columns, errors)
    remarks = [f"{path}: not used: {', '.join(unused)}"] if unused else []
    if cfg.grid.nodes.atmosphere == "builtin":
        spans = {name: span for name, span in BUILTIN_RANGES.items() if name in labels}
        inside = np.all([(labels[name] >= low) & (labels[name] <= high) for name, (low, high) in spans.items()], axis=0)
        if not inside.any():
            raise UserError(f"{path}: all {count(len(inside))} stars lie outside the built-in atmospheres, {spelt(spans)}")
        if not inside.all():
            left = count(int((~inside).sum()))
            remarks.append(f"{path}: left out {left} stars outside the built-in atmospheres, {spelt(spans)}")
        found = found.rows(inside)
    return found._replace(remarks=tuple(remarks))


def spelt(spans):
    """Ranges {name: (low, high)} in words."""
    return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in spans.items())


def label_column(table, name, fixed):
    """A label (n,) float32 that spectra depend on: of the Table, else the number `fixed`; UserError if it is neither."""
    path, frame = table.path, table.frame
    if name in frame:
        values = tables.parse(frame[name])[0]
    elif fixed is not None and not isinstance(fixed, Range):
        values = pd.Series(float(fixed), index=frame.index)
    else:
        raise UserError(f"{path} has columns {', '.join(frame)} but no {name}: add it, or one number in grid.labels")
    low, high = GRID_RANGES[name]
    bad = ~values.between(low, high)  # NaN is not between
    if bad.any():
        row = bad.idxmax()
        found = f"{table.place(row)}: {name} is {frame.get(name, values)[row]}"
        raise UserError(f"{path}: {found}, expected a number in [{low:g}, {high:g}]: mend it or leave the row out")
    return values.to_numpy("f4")


def ids_of(table, labels):
    """The ids (n,) of the stars: column star_id, else equal labels are one star."""
    if "star_id" not in table.frame:
        return star_ids(pd.DataFrame(labels))
    return tables.star_ids(table, "star_id")
