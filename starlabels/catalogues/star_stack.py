"""The stars of all databases of a recipe in one table, to which catalogues add columns."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from starlabels.base.errors import UserError
from starlabels.catalogues import table_choice, table_columns, tables


@dataclass
class StarStack:
    """Stars of several databases, stacked.

    Attributes
    ----------
    values : DataFrame (n, k) of all columns, NaN where missing.
    errors : DataFrame (n, l) of the errors of some columns, or None.
    star_id : identifiers (n,) as bytes.
    source : number (n,) of the database of each star.
    units : {name: unit}.
    keys : {name: (n,)} of identifiers (texts) and positions to match by that are not columns.
    """

    values: pd.DataFrame
    errors: pd.DataFrame | None
    star_id: np.ndarray
    source: np.ndarray
    units: dict
    keys: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.star_id)

    def select_rows(self, keep):
        """The stars of a mask (n,); keys are dropped unless all stars are kept."""
        if keep.all():
            return self
        errors = None if self.errors is None else self.errors[keep]
        star_id = self.star_id[keep]
        return StarStack(self.values[keep], errors, star_id, self.source[keep], self.units)

    def get_identifiers(self, name, path):
        """Identifiers (n,) as texts, None where missing; UserError, naming the file to match."""
        if name == "star_id":
            return np.char.decode(self.star_id, "utf-8").astype(object)
        if name in self.keys:
            return self.keys[name]
        self.require_column(name, path)
        stacked = tables.Table("the joined stars", self.values, {})
        return table_columns.read_identifiers(stacked, name)

    def get_numbers(self, name, path):
        """Numbers (n,) of a column, such as a position; UserError, naming the file to match."""
        if name in self.keys:  # known for all databases, of which some may lack the column
            return self.keys[name].astype("f8")
        self.require_column(name, path)
        return self.values[name].to_numpy("f8")

    def require_column(self, name, path):
        """UserError unless there is a column of that name."""
        if name not in self.values:
            end = table_choice.suggest_column(name, [*self.keys, *self.values])
            problem = f"match: the databases have no column {name}{end}"
            raise UserError(f"{path}: join.catalogues: {problem}")

    def add_columns(self, columns, keys, entry):
        """Add the Columns of a catalogue, and keys {name: (m,)} to match later catalogues by.

        entry (n,): row in the catalogue of each star, or -1.
        """
        matched = entry >= 0

        def take(values):
            blank = None if values.dtype == object else np.nan
            return np.where(matched, values[entry], blank)

        values = {name: take(column) for name, column in columns.values.items()}
        errors = {name: take(column) for name, column in columns.errors.items()}
        self.values = self.values.assign(**values)
        if errors:
            if self.errors is None:
                self.errors = pd.DataFrame(index=self.values.index)
            self.errors = self.errors.assign(**errors)
        self.units |= columns.units
        self.keys |= {name: take(column) for name, column in keys.items()}


def stack_databases(databases):
    """Stack the selected rows of Databases.

    Returns a StarStack with the union of all columns, NaN where a database lacks one.
    """
    values = pd.concat([d.labels.iloc[d.rows] for d in databases], ignore_index=True)
    errors = None
    if any(d.errors is not None for d in databases):
        tables_of_errors = [
            pd.DataFrame(index=d.labels.index) if d.errors is None else d.errors for d in databases
        ]
        selected = [frame.iloc[d.rows] for d, frame in zip(databases, tables_of_errors)]
        errors = pd.concat(selected, ignore_index=True)
    keys = {
        name: pd.concat([take_column(d, name) for d in databases]).to_numpy()
        for name in dict.fromkeys(name for d in databases for name in d.keys)
    }
    star_id = np.concatenate([d.star_id[d.rows] for d in databases])
    source = np.repeat(np.arange(len(databases), dtype="u1"), [len(d.rows) for d in databases])
    units = {name: unit for d in databases for name, unit in d.units.items()}
    return StarStack(values, errors, star_id, source, units, keys)


def take_column(database, name):
    """A key or a label of the selected rows of a Database, as objects; None where it has none."""
    values = database.keys.get(name, database.labels.get(name))
    if values is None:
        values = np.full(len(database.labels), None, object)
    return pd.Series(np.asarray(values)[database.rows], dtype=object)
