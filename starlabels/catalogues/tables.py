"""Tables of stars in CSV, FITS or HDF5 files, read into a DataFrame.

A value is missing if it is empty, NaN, nan, NULL or -- in CSV, masked or NaN in FITS, NaN in HDF5.
"""

import difflib
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base import fits
from starlabels.base.errors import UserError
from starlabels.catalogues import csv_tables, table_formats


class Table(NamedTuple):
    """Columns of a file as a DataFrame (n, k) of numbers and texts, None where a text is missing.

    units: {name: unit}; lines: line number (n,) of each row of a CSV file, else None.
    """

    path: str
    frame: pd.DataFrame
    units: dict
    lines: np.ndarray | None = None

    def place(self, row):
        """`line 7` of a CSV file, `row 6` of another, both counted from 1."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def drop_blank_rows(self):
        """The Table without rows in which every value is missing, as spreadsheets append them."""
        keep = self.frame.notna().any(axis=1)
        lines = None if self.lines is None else self.lines[keep]
        return self._replace(frame=self.frame[keep].reset_index(drop=True), lines=lines)


def read_table(path, names=None, also=(), texts=(), required=()):
    """Read a table of stars; its format is recognised by the content of the file.

    Parameters
    ----------
    path : path of a CSV, FITS or HDF5 file.
    names : names of columns to read, which must exist; None reads all columns.
    also : names of columns to read together with `names`, if they exist.
    texts : names of columns to read as text, such as identifiers.
    required : names of columns that must exist.

    Returns
    -------
    Table

    Raises
    ------
    UserError
        If the file is missing or is not a table, or if a column or all rows are missing.
    """
    path = Path(path)
    if path.is_dir() or not path.is_file():
        problem = "is a directory" if path.is_dir() else "not found"
        raise UserError(f"{path} {problem}: name a table in CSV, FITS or HDF5")

    def choose(columns):
        for name in (*(names or ()), *required):
            if name not in columns:
                raise UserError(f"{path} has no column {name}{suggest_column(name, columns)}")
        return [name for name in columns if names is None or name in (*names, *required, *also)]

    start = fits.read_bytes(path, 16)
    lines = None
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        frame, units = table_formats.read_hdf5_table(path, choose)
    elif start.startswith(b"SIMPLE  ="):
        frame, units = table_formats.read_fits_table(path, choose)
    else:
        frame, lines = csv_tables.read_csv(path, fits.read_bytes(path), choose, texts)
        units = {}
    if not len(frame):
        raise UserError(f"{path}: no rows: add stars")
    return Table(str(path), frame, units, lines)


def suggest_column(name, columns):
    """End of an error message: the column closest to `name`, or the existing columns."""
    by_lower_case = {column.lower(): column for column in columns}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    if matches:
        return f", did you mean {by_lower_case[matches[0]]}?"
    return f"; there is {shorten(', '.join(columns), 100) or 'none'}"
