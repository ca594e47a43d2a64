"""Strict reading of text tables: a mistake is one line with the file, the line and the column."""

import io
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base import memory
from starlabels.base.console import format_count, print_line
from starlabels.base.errors import UserError
from starlabels.base.identifiers import MISSING
from starlabels.catalogues.text_layout import read_header

CHUNK_BYTES = 4 << 20  # scanned at a time
QUOTE, NEWLINE, COMMENT = b'"\n#'


class Records(NamedTuple):
    """Records (n,) of a CSV text: end positions, numbers of entries, first lines.

    is_open: True if the last quotation mark is not closed.
    """

    ends: np.ndarray
    n_entries: np.ndarray
    lines: np.ndarray
    is_open: bool


def read_csv(path, layout, choose, texts):
    """Read a text table with a delimiter between its entries.

    Parameters
    ----------
    path : path of the file, for messages.
    layout : Layout of its bytes, in UTF-8 or else Latin 1.
    choose : function(names of all columns) that returns the names of the columns to read.
    texts : names of the columns to read as text, such as identifiers.

    Returns
    -------
    (DataFrame of n rows, {name: unit}, line number (n,) of each row in the file)

    Raises
    ------
    UserError
        If the file is ragged, has a column twice, or no rows.
    """
    data = layout.data
    memory.check_memory(8 * len(data), f"{path}, {len(data)} bytes of text, would", "split it")
    names = read_header(path, layout)
    data, lines = check_shape(path, layout, names)
    columns = choose(names)
    options = {
        "engine": "c",
        "keep_default_na": False,
        "na_values": list(MISSING),
        "low_memory": False,
        "skipinitialspace": True,
        "sep": layout.delimiter.decode(),
        "decimal": layout.decimal,
        "names": names,
        "header": 0,
        "index_col": False,
        "usecols": columns,
        "dtype": {name: str for name in texts if name in columns},
    }
    units = {name: unit for name, unit in zip(names, layout.units) if name in columns and unit}
    try:
        return parse_csv(data, options)[columns], units, lines
    except pd.errors.ParserError as error:
        raise UserError(f"{path} is not a CSV table: {' '.join(str(error).split())}") from None


def parse_csv(data, options):
    """DataFrame of the bytes of a CSV file, decoded as UTF-8 or else Latin 1."""
    try:
        return pd.read_csv(io.BytesIO(data), **options)
    except UnicodeDecodeError:
        return pd.read_csv(io.BytesIO(data), encoding="latin-1", **options)


def check_shape(path, layout, names):
    """(Data without comments, line number (n,) of each row); UserError for a ragged row."""
    data = layout.data
    ends, n_entries, lines, is_open = scan_records(data, layout.delimiter[0])
    lines = lines + layout.row_offset
    starts = np.r_[0, ends[:-1] + 1]
    blank = ends - starts < np.where(data[ends[0] - 1 : ends[0]] == b"\r", 2, 1)
    if n_entries.max() > 1:
        single = np.flatnonzero(n_entries == 1)
        blank[[i for i in single if not data[starts[i] : ends[i]].strip()]] = True
    if is_open:
        problem = "a quotation mark is not closed"
        raise UserError(f"{path}: line {lines[~blank][-1]}: {problem}: fix it")
    comments = find_comments(data, starts)
    if comments.any():
        data = b"".join(data[i : j + 1] for i, j in zip(starts[~comments], ends[~comments]))
        if n := int((comments & (n_entries == len(names))).sum()):
            print_line(f"{path}: left out {format_count(n)} rows that begin with #")
    keep = ~(blank | comments)
    keep[0] = False  # the column names
    n_entries, lines = n_entries[keep], lines[keep]
    bad = np.flatnonzero(n_entries != len(names))
    if len(bad):
        n = n_entries[bad[0]]
        where = f"ends after column {names[n - 1]}, " if n < len(names) else ""
        counts = f"has {n} entries for {len(names)} columns"
        raise UserError(f"{path}: line {lines[bad[0]]} {where}{counts}: fix it")
    if not len(lines):
        raise UserError(f"{path}: no rows: add stars")
    return data, lines


def find_comments(data, starts):
    """Mask (n,) of the records, but the first, that begin with #."""
    first = np.frombuffer(data, "u1")[np.minimum(starts, len(data) - 1)]
    mask = first == COMMENT
    mask[0] = False
    return mask


def scan_records(data, delimiter):
    """Records of CSV bytes; delimiters and line ends in quotation marks belong to an entry."""
    ends, commas_at, lines_at = [], [], []
    n_quotes = n_commas = n_lines = 0
    for start in range(0, len(data), CHUNK_BYTES):
        block = np.frombuffer(data, "u1", min(CHUNK_BYTES, len(data) - start), start)
        is_comma = block == delimiter
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
