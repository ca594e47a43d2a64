"""Strict reading of CSV files: a mistake is one line with the file, the line and the column."""

import csv
import io
from textwrap import shorten
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base.errors import UserError

MISSING = ("", "NaN", "nan", "NULL", "--")  # the only texts that mark a missing value
CHUNK_BYTES = 4 << 20  # scanned at a time
QUOTE, COMMA, NEWLINE = b'",\n'
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Records(NamedTuple):
    """Records (n,) of a CSV text: end positions, numbers of entries, first lines.

    is_open: True if the last quotation mark is not closed.
    """

    ends: np.ndarray
    n_entries: np.ndarray
    lines: np.ndarray
    is_open: bool


def read_csv(path, data, choose, texts):
    """Read a CSV file.

    Parameters
    ----------
    path : path of the file, for error messages.
    data : bytes of the file, in UTF-8 or else Latin 1.
    choose : function(names of all columns) that returns the names of the columns to read.
    texts : names of the columns to read as text, such as identifiers.

    Returns
    -------
    (DataFrame of n rows, line number (n,) of each row in the file)

    Raises
    ------
    UserError
        If the file is empty, binary or ragged, has another delimiter, a column twice, or no rows.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise UserError(
            f"{path} is empty: expected a CSV table with column names in its first line"
        )
    if b"\0" in data:
        start = f"it is binary and starts with {data[:8]!r}"
        raise UserError(f"{path} is not a CSV table: {start}: name a CSV, FITS or HDF5 file")
    names, lines = check_shape(path, data)
    columns = choose(names)
    options = {
        "engine": "c",
        "keep_default_na": False,
        "na_values": list(MISSING),
        "low_memory": False,
        "skipinitialspace": True,
        "names": names,
        "header": 0,
        "index_col": False,
        "usecols": columns,
        "dtype": {name: str for name in texts if name in columns},
    }
    try:
        return parse_csv(data, options)[columns], lines
    except pd.errors.ParserError as error:
        raise UserError(f"{path} is not a CSV table: {' '.join(str(error).split())}") from None


def parse_csv(data, options):
    """DataFrame of the bytes of a CSV file, decoded as UTF-8 or else Latin 1."""
    try:
        return pd.read_csv(io.BytesIO(data), **options)
    except UnicodeDecodeError:
        return pd.read_csv(io.BytesIO(data), encoding="latin-1", **options)


def check_shape(path, data):
    """Column names and line number (n,) of each row; UserError if a row is too long or short."""
    ends, n_entries, lines, is_open = scan_records(data)
    starts = np.r_[0, ends[:-1] + 1]
    blank = ends - starts < np.where(data[ends[0] - 1 : ends[0]] == b"\r", 2, 1)
    if n_entries.max() > 1:
        single = np.flatnonzero(n_entries == 1)
        blank[[i for i in single if not data[starts[i] : ends[i]].strip()]] = True
    n_entries = n_entries[~blank]
    lines = lines[~blank]
    names = read_header(path, data, lines[0])
    if is_open:
        raise UserError(f"{path}: line {lines[-1]}: a quotation mark is not closed: fix it")
    bad = np.flatnonzero(n_entries != len(names))
    if len(bad):
        n = n_entries[bad[0]]
        where = f"ends after column {names[n - 1]}, " if n < len(names) else ""
        counts = f"has {n} entries for {len(names)} columns"
        raise UserError(f"{path}: line {lines[bad[0]]} {where}{counts}: fix it")
    if len(lines) == 1:
        raise UserError(f"{path}: no rows: add stars")
    return names, lines[1:]


def scan_records(data):
    """Records of CSV bytes; commas and line ends inside quotation marks belong to an entry."""
    ends, commas_at, lines_at = [], [], []
    n_quotes = n_commas = n_lines = 0
    for start in range(0, len(data), CHUNK_BYTES):
        block = np.frombuffer(data, "u1", min(CHUNK_BYTES, len(data) - start), start)
        is_comma = block == COMMA
        is_end = block == NEWLINE
        line_count = n_lines + np.cumsum(is_end)
        if n_quotes or (block == QUOTE).any():
            inside = (np.cumsum(block == QUOTE) + n_quotes) % 2
            n_quotes = int(inside[-1])
            is_comma = is_comma & (inside == 0)
            is_end = is_end & (inside == 0)
        comma_count = n_commas + np.cumsum(is_comma)
        at = np.flatnonzero(is_end)
        ends.append(start + at)
        commas_at.append(comma_count[at])
        lines_at.append(line_count[at])
        n_commas = int(comma_count[-1])
        n_lines = int(line_count[-1])
    if not data.endswith(b"\n") or n_quotes:
        ends.append([len(data)])
        commas_at.append([n_commas])
        lines_at.append([n_lines + 1])
    n_entries = np.diff(np.concatenate(commas_at), prepend=0) + 1
    first_lines = np.r_[0, np.concatenate(lines_at)[:-1]] + 1
    return Records(np.concatenate(ends), n_entries, first_lines, bool(n_quotes))


def read_header(path, data, line):
    """Column names, `(column 3)` for a blank one; UserError if they are not names or not unique."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline="")
    entries = next(row for row in csv.reader(text, skipinitialspace=True) if any(row))
    names = [name.strip() for name in entries]
    if len(names) == 1:
        for delimiter, words in DELIMITERS.items():
            if delimiter in names[0]:
                start = repr(shorten(names[0], 40))
                between = f"{words} between the columns ({start})"
                raise UserError(f"{path}: line {line}: {between}: expected commas")
    if all(is_number(name) for name in names):
        start = shorten(", ".join(names), 40)
        raise UserError(f"{path}: line {line}: numbers ({start}) where column names are expected")
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice:
        raise UserError(f"{path}: line {line}: column {twice} comes twice: leave one out")
    return [name or f"(column {i})" for i, name in enumerate(names, start=1)]


def is_number(text):
    """True if a text is a finite number."""
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False
