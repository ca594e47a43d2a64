"""The stars of all databases in one table, to which catalogues add columns."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from starlabels.base.errors import UserError
from starlabels.catalogues import tables


@dataclass
class Stack:
    """n stars: values (n, k) and the errors (n, l) of some of the columns, NaN where missing, and units {name: unit}.

    star_id (n,) are bytes; source (n,) the number of each one's database. keys {name: (n,)}: identifiers (texts) and positions
    to match by that are not among the columns.
    """

    values: pd.DataFrame
    errors: pd.DataFrame | None
    star_id: np.ndarray
    source: np.ndarray
    units: dict
    keys: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.star_id)

    def rows(self, keep):
        """The stars of a mask (n,), without keys."""
        if keep.all():
            return self
        errors = None if self.errors is None else self.errors[keep]
        return Stack(self.values[keep], errors, self.star_id[keep], self.source[keep], self.units)

    def identifiers(self, name, path):
        """Identifiers (n,) of the stars as texts, None where missing; UserError, of the file to match, if there are none."""
        if name == "star_id":
            return np.char.decode(self.star_id, "utf-8").astype(object)
        if name in self.keys:
            return self.keys[name]
        self.require(name, path)
        return tables.identifiers(tables.Table("the joined stars", self.values, {}), name)

    def numbers(self, name, path):
        """Numbers (n,) of a column, such as positions; UserError, of the file to match, if there is no such column."""
        if name in self.keys:  # of all databases, which may not all have the column
            return self.keys[name].astype("f8")
        self.require(name, path)
        return self.values[name].to_numpy("f8")

    def require(self, name, path):
        """UserError unless there is a column of that name."""
        if name not in self.values:
            there = tables.nearest(name, [*self.keys, *self.values])
            raise UserError(
                f"{path}: join.catalogues: match: the databases have no column {name}{there}"
            )

    def add(self, columns, keys, entry):
        """Add the Columns of a catalogue and keys {name: (m,)} to match later ones by; entry (n,) is each star's row, or -1."""
        known = entry >= 0

        def at(values):
            return np.where(known, values[entry], None if values.dtype == object else np.nan)

        values, errors = (
            {name: at(one) for name, one in kind.items()}
            for kind in (columns.values, columns.errors)
        )
        self.values = self.values.assign(**values)
        if errors:
            self.errors = (
                pd.DataFrame(index=self.values.index) if self.errors is None else self.errors
            ).assign(**errors)
        self.units |= columns.units
        self.keys |= {name: at(one) for name, one in keys.items()}


def of(databases):
    """The Stack of the rows of Databases that `where` keeps; columns are the union of all, NaN where a database has none."""
    values = pd.concat([d.labels.iloc[d.rows] for d in databases], ignore_index=True)
    errors = None
    if any(database.errors is not None for database in databases):
        blank = (
            pd.DataFrame(index=d.labels.index) if d.errors is None else d.errors for d in databases
        )
        errors = pd.concat(
            [one.iloc[d.rows] for d, one in zip(databases, blank)], ignore_index=True
        )
    keys = {
        name: pd.concat([column(d, name) for d in databases]).to_numpy()
        for d in databases
        for name in d.keys
    }
    star_id = np.concatenate([d.star_id[d.rows] for d in databases])
    source = np.repeat(np.arange(len(databases), dtype="u1"), [len(d.rows) for d in databases])
    units = {name: unit for database in databases for name, unit in database.units.items()}
    return Stack(values, errors, star_id, source, units, keys)


def column(database, name):
    """A key or a label of the rows of a Database that `where` keeps, as objects; missing where it has none."""
    values = database.keys.get(name, database.labels.get(name))
    values = np.full(len(database.labels), None, object) if values is None else values
    return pd.Series(np.asarray(values)[database.rows], dtype=object)
