"""Choice among the tables of a file, and among the columns of a table."""

import difflib
from collections.abc import Callable
from textwrap import shorten
from typing import NamedTuple

from starlabels.base.console import format_count, print_line
from starlabels.base.errors import UserError

MAX_COLUMNS = 10_000  # of a table of stars
MAX_LISTED = 5  # tables that are not read


class Selection(NamedTuple):
    """Columns to read, see `tables.read_table`; names is None for all columns."""

    path: object
    names: tuple | None = None
    also: tuple = ()
    texts: tuple = ()
    required: tuple = ()

    @property
    def needed(self):
        """Names of the columns that must exist."""
        return (*(self.names or ()), *self.required)

    def choose(self, columns):
        """The names to read of those of a table; UserError if one that must exist is missing."""
        for name in self.needed:
            if name not in columns:
                raise UserError(f"{self.path} has no column {name}{suggest_column(name, columns)}")
        wanted = (*self.needed, *self.also)
        return [name for name in columns if self.names is None or name in wanted]


class Source(NamedTuple):
    """One table of a file, not read yet.

    place: such as `extension 2`; names: of its columns; n_rows: number of rows.
    read: function(names) that returns (DataFrame, {name: unit}).
    """

    place: str
    names: list
    n_rows: int
    read: Callable


def read_source(selection, sources, kind):
    """Read the table of a file that fits the selection best; a line says which, if it has several.

    Parameters
    ----------
    selection : Selection
    sources : the Sources of the file.
    kind : such as `FITS file with a table extension`, for the error if there is none.

    Returns
    -------
    (DataFrame, {name: unit})
    """
    path = selection.path
    if not sources:
        raise UserError(f"{path} holds no table: name a {kind}")
    filled = [source for source in sources if source.n_rows]
    if not filled:
        raise UserError(f"{path}: no rows: add stars")
    existing = {name for source in filled for name in source.names}
    fitting = [source for source in filled if set(selection.needed) <= set(source.names)]
    if not fitting and set(selection.needed) <= existing:
        named = ", ".join(selection.needed)
        raise UserError(f"{path} has {named} in different tables: name columns of one table")
    best = max(fitting or filled, key=lambda source: rank_source(source, selection))
    columns = selection.choose(best.names)
    if len(filled) > 1:
        others = [source.place for source in filled if source is not best]
        rest = ", ".join(others[:MAX_LISTED]) + (", ..." if len(others) > MAX_LISTED else "")
        rows = f"{format_count(best.n_rows)} rows"
        print_line(f"{path}: read the table of {best.place}, {rows}; not read: {rest}")
    return best.read(columns)


def rank_source(source, selection):
    """Key of a Source to sort by: it names the stars, and is large."""
    wanted = (*selection.also, *selection.texts)
    return sum(name in source.names for name in wanted), source.n_rows * len(source.names)


def suggest_column(name, columns):
    """End of an error message: the column closest to `name`, or the existing columns."""
    by_lower_case = {column.lower(): column for column in columns}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    if matches:
        return f", did you mean {by_lower_case[matches[0]]}?"
    return f"; there is {shorten(', '.join(columns), 100) or 'none'}"
