"""CSV files, read strictly: what is no table is one line that names file, line and column."""

import csv
import io
from textwrap import shorten

import numpy as np
import pandas as pd

from starlabels.base.errors import UserError

MISSING = (
    "",
    "NaN",
    "nan",
    "NULL",
    "--",
)  # what says that a value is missing, and nothing else does
CHUNK = 4 << 20  # bytes scanned at a time
QUOTE, COMMA, NEWLINE = b'",\n'


def read(path, data, wanted, texts):
    """(DataFrame, lines (n,)) of the bytes of a CSV file; lines are the number that each row has in the file.

    wanted: a function(names of all columns) -> those to read; texts: names of columns to read as they are written.
    UserError if the file is empty, binary, ragged, has another delimiter, a column twice, or no rows.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise UserError(f"{path} is empty: expected a CSV table, names of columns first")
    if b"\0" in data:
        raise UserError(
            f"{path} is not a CSV table: it is binary, begins with {data[:8]!r}: give CSV, FITS or HDF5"
        )
    names, lines = check_shape(path, data)
    options = {
        "keep_default_na": False,
        "na_values": list(MISSING),
        "low_memory": False,
        "skipinitialspace": True,
    }
    options |= {"names": names, "header": 0, "index_col": False, "usecols": wanted(names)}
    options["dtype"] = {name: str for name in texts if name in options["usecols"]}
    try:
        return parse(data, options)[options["usecols"]], lines
    except pd.errors.ParserError as error:
        raise UserError(f"{path} is not a CSV table: {' '.join(str(error).split())}") from None


def parse(data, options):
    """The DataFrame of the bytes of a CSV file, in UTF-8 or else Latin 1."""
    try:
        return pd.read_csv(io.BytesIO(data), engine="c", **options)
    except UnicodeDecodeError:
        return pd.read_csv(io.BytesIO(data), engine="c", encoding="latin-1", **options)


def check_shape(path, data):
    """Names of the columns, and the line (n,) of each row; UserError if a row has more or fewer entries than those."""
    ends, entries, lines, is_open = records(data)
    starts = np.r_[0, ends[:-1] + 1]
    blank = ends - starts < np.where(data[ends[0] - 1 : ends[0]] == b"\r", 2, 1)
    if entries.max() > 1:
        blank[
            [i for i in np.flatnonzero(entries == 1) if not data[starts[i] : ends[i]].strip()]
        ] = True
    entries, lines = entries[~blank], lines[~blank]
    names = header(path, data, lines[0])
    bad = np.flatnonzero(entries != len(names))
    if is_open:
        raise UserError(f"{path}: line {lines[-1]}: a quotation mark is not closed: mend it")
    if len(bad):
        n, line = entries[bad[0]], lines[bad[0]]
        where = f"ends after column {names[n - 1]}, " if n < len(names) else ""
        raise UserError(
            f"{path}: line {line} {where}has {n} entries for {len(names)} columns: mend it"
        )
    if len(lines) == 1:
        raise UserError(f"{path}: no rows: add stars")
    return names, lines[1:]


def records(data):
    """(Ends, numbers of entries, first lines) (n,) of the records of CSV text, and whether its last quotation mark is open.

    Commas and ends of lines between quotation marks are part of an entry.
    """
    ends, marks, breaks, quoted, commas, newlines = [], [], [], 0, 0, 0
    for start in range(0, len(data), CHUNK):
        block = np.frombuffer(data, "u1", min(CHUNK, len(data) - start), start)
        comma, newline = block == COMMA, block == NEWLINE
        every = newlines + np.cumsum(newline)
        if quoted or (block == QUOTE).any():
            inside = (np.cumsum(block == QUOTE) + quoted) % 2
            quoted, comma, newline = int(inside[-1]), comma & (inside == 0), newline & (inside == 0)
        seen, here = commas + np.cumsum(comma), np.flatnonzero(newline)
        ends, marks, breaks = [*ends, start + here], [*marks, seen[here]], [*breaks, every[here]]
        commas, newlines = int(seen[-1]), int(every[-1])
    if not data.endswith(b"\n") or quoted:
        ends, marks, breaks = [*ends, [len(data)]], [*marks, [commas]], [*breaks, [newlines + 1]]
    ends, marks, breaks = map(np.concatenate, (ends, marks, breaks))
    return ends, np.diff(marks, prepend=0) + 1, np.r_[0, breaks[:-1]] + 1, bool(quoted)


def header(path, data, line):
    """Names of the columns; one without a name is called (column 3). UserError if they are none, or one comes twice."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace", newline="")
    names = [
        name.strip()
        for name in next(row for row in csv.reader(text, skipinitialspace=True) if any(row))
    ]
    marks = {";": "semicolons", "\t": "tabs", "|": "bars"}
    if len(names) == 1 and (mark := next((mark for mark in marks if mark in names[0]), None)):
        raise UserError(
            f"{path}: line {line}: {marks[mark]} between the columns ({shorten(names[0], 40)!r}): expected commas"
        )
    if all(is_number(name) for name in names):
        raise UserError(
            f"{path}: line {line}: numbers ({shorten(', '.join(names), 40)}) where names of columns are expected"
        )
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice:
        raise UserError(f"{path}: line {line}: column {twice} comes twice: leave one out")
    return [name or f"(column {i})" for i, name in enumerate(names, start=1)]


def is_number(text):
    """Whether a text is a number."""
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False
