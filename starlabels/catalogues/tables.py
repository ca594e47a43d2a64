"""Tables of stars in text, FITS, VOTable or HDF5 files, read into a DataFrame.

A value is missing if it is empty or a word of `identifiers.MISSING` in text, masked or NaN in FITS
and VOTable, NaN in HDF5.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base import fits
from starlabels.base.errors import UserError
from starlabels.catalogues import astropy_tables, hdf5_tables, text_formats
from starlabels.catalogues.table_choice import Selection, read_source


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

    Of several tables in a file, it reads the one with the named columns, or the largest, and says
    which.

    Parameters
    ----------
    path : path of a text, FITS, VOTable or HDF5 file.
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
    names = None if names is None else tuple(names)
    selection = Selection(path, names, tuple(also), tuple(texts), tuple(required))
    start = fits.read_bytes(path, 16)
    lines = None
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        frame, units = hdf5_tables.read_hdf5_table(selection)
    elif start.startswith(b"SIMPLE  ="):
        sources = astropy_tables.list_fits_tables(path)
        frame, units = read_source(selection, sources, "FITS file with a table extension")
    else:
        data = fits.read_bytes(path)
        frame, units, lines = text_formats.read_text_table(path, data, selection)
    if not len(frame):
        raise UserError(f"{path}: no rows: add stars")
    return Table(str(path), frame, units, lines)
