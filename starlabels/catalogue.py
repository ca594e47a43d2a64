"""A catalogue of stars in a CSV file: the labels to make their spectra by, and whatever else is known of them.

Columns that a spectrum depends on must be numbers in their range. All others may have holes: numbers are kept beside the
labels, `<name>_err` as the error of column `<name>`; text is not.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.cli import UserError, count
from starlabels.join import star_ids
from starlabels.labels import ELEMENTS, abundance_name, offset_name
from starlabels.rules import BUILTIN_RANGES, GRID_RANGES
from starlabels.schema import Range

EXACT = 1 << 24  # whole numbers above are not all of them float32


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
    table = read_table(path)
    names = [name for name in (*required, *optional) if name in required or name in table or name in cfg.grid.labels]
    labels = {name: label_column(path, table, name, cfg.grid.labels.get(name)) for name in names}
    made = [abundance_name(element) for element in ELEMENTS if offset_name(element) in labels]
    columns, errors, unused = other_columns(path, table.drop(columns=["star_id", *names], errors="ignore"), names, made)
    found = Catalogue(labels, ids_of(path, table, labels), columns, errors)
    remarks = [f"{path}: not used: {', '.join(unused)} (text, long whole numbers or made here)"] if unused else []
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


def read_table(path):
    """The DataFrame in a CSV file; UserError if there is none."""
    if not path.is_file():
        raise UserError(f"{path} not found: name a CSV file in grid.labels_csv or set it to null")
    try:
        table = pd.read_csv(path, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a CSV table: {error}") from None
    if not len(table):
        raise UserError(f"{path}: no rows: add stars")
    return table


def label_column(path, table, name, fixed):
    """A label (n,) float32 that spectra depend on: of the table, else the number `fixed`; UserError if it is neither."""
    if name in table:
        values = pd.to_numeric(table[name], errors="coerce")
    elif fixed is not None and not isinstance(fixed, Range):
        values = pd.Series(float(fixed), index=table.index)
    else:
        raise UserError(f"{path} has columns {', '.join(table)} but no {name}: add it, or one number in grid.labels")
    low, high = GRID_RANGES[name]
    bad = ~values.between(low, high)  # NaN is not between
    if bad.any():
        found = f"line {int(bad.idxmax()) + 2}: {name} is {table.get(name, values)[bad.idxmax()]}"
        raise UserError(f"{path}: {found}, expected a number in [{low:g}, {high:g}]: mend it or leave the row out")
    return values.to_numpy("f4")


def ids_of(path, table, labels):
    """The ids (n,) of the stars: column star_id, else equal labels are one star."""
    if "star_id" not in table:
        return star_ids(pd.DataFrame(labels))
    if table["star_id"].isna().any():
        raise UserError(f"{path}: line {int(table['star_id'].isna().idxmax()) + 2}: no star_id: fill it or drop the column")
    return np.char.encode(table["star_id"].astype(str).to_numpy(str), "utf-8")


def other_columns(path, table, labels, made):
    """Columns {name: (n,)}, errors {name: (n,)} and names not used of the columns that spectra do not depend on."""
    unused = [name for name in table if name in made or not exact(table[name])]
    values = {name: table[name].to_numpy("f4") for name in table if name not in unused}
    columns, errors = {}, {}
    for name, column in values.items():
        of = name.removesuffix("_err")
        is_error = of != name and (of in labels or of in values)
        bad = np.isinf(column) | (is_error & (column < 0))
        if bad.any():
            wanted = "0 or more, or nothing" if is_error else "a finite number, or nothing"
            raise UserError(f"{path}: line {int(bad.argmax()) + 2}: {name} is {column[bad.argmax()]:g}, expected {wanted}")
        (errors if is_error else columns)[of if is_error else name] = column
    return columns, errors, unused


def exact(column):
    """Whether float32 holds the values of a column: not text, nor whole numbers too long for it, such as a source_id."""
    whole = pd.api.types.is_integer_dtype(column) and column.abs().max() > EXACT
    return pd.api.types.is_numeric_dtype(column) and not whole
