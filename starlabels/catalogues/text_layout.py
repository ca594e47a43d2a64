"""Layout of a text table: comments, the line of column names, the delimiter, a line of units."""

import csv
import io
import re
from collections import Counter
from textwrap import shorten
from typing import NamedTuple

import numpy as np

from starlabels.base.errors import UserError
from starlabels.catalogues.table_choice import MAX_COLUMNS

DELIMITERS = {b",": "commas", b"\t": "tabs", b";": "semicolons", b"|": "bars"}
MAX_COMMENTS = 100_000  # lines before the column names
DASHES = re.compile(rb"\s*-+\s*")
RDB_TYPE = re.compile(rb"\s*\d*[SNM]\s*")
SEPARATOR = re.compile(rb'"?sep=.?"?\s*', re.IGNORECASE)  # the first line of Excel's CSV files
DECIMAL_COMMA = re.compile(rb"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")


class Layout(NamedTuple):
    """A text table as bytes that begin with the line of column names.

    delimiter: byte between entries, b" " for blanks; decimal: "." or ",".
    header_line: number of the line of the names in the file; row_offset: what to add to a line
    number of `data`, counted from 1, for the number in the file. units: texts (n_columns,) or ().
    """

    data: bytes
    delimiter: bytes
    decimal: str
    header_line: int
    row_offset: int
    units: tuple


def find_layout(path, data):
    """Find the Layout of the bytes of a text table; UserError if it has too many columns.

    The names are in the first line that is no comment. If that line holds numbers or blanks, they
    are in the last comment of as many entries, as TOPCAT and numpy write it. Lines of units,
    dashes or types below the names, as VizieR and RDB write them, are no rows.
    """
    comments, start = split_comments(data)
    body = data[start:]
    first = read_line(body)
    delimiter = find_delimiter(body)
    header_line = len(comments) + 1
    check_width(path, first, delimiter, header_line)
    if has_numbers(first, delimiter) or b"" in split_line(first, delimiter):
        for i in reversed(range(len(comments))):
            names = comments[i].lstrip(b"# \t").rstrip()
            own = delimiter if delimiter.strip() or delimiter == b"\t" else b" "
            n = count_entries(first, own)
            if count_entries(names, own) == n and not has_numbers(names, own):
                data = names + b"\n" + body
                return Layout(data, own, find_decimal(body, own), i + 1, len(comments) - 1, ())
    units, n_bytes, n_lines = find_unit_lines(body, delimiter)
    head = len(first) + 1
    body = body[:head] + body[head + n_bytes :]
    offset = header_line - 1 + n_lines
    return Layout(body, delimiter, find_decimal(body, delimiter), header_line, offset, units)


def check_width(path, first, delimiter, line):
    """UserError if the line of column names has more entries than a table of stars."""
    n = first.count(delimiter) + 1
    if n > MAX_COLUMNS:
        problem = f"has {n} columns in line {line}, a table of stars at most {MAX_COLUMNS}"
        raise UserError(f"{path} {problem}: name a table of one row per star")


def split_comments(data):
    """(Lines before the first that is no comment and not blank, its position in the data)."""
    comments, start = [], 0
    while start < len(data) and len(comments) < MAX_COMMENTS:
        line = read_line(data, start)
        is_mark = start == 0 and SEPARATOR.fullmatch(line)
        if line.strip() and not line.lstrip().startswith(b"#") and not is_mark:
            break
        comments.append(line)
        start += len(line) + 1
    return comments, min(start, len(data))


def read_line(data, start=0):
    """The line of the data at a position, without its end."""
    end = data.find(b"\n", start)
    return data[start:] if end < 0 else data[start:end]


def find_delimiter(body):
    """Byte that separates the entries of the first line, b"," if none does.

    Blanks separate them if all of the first lines have as many words as the first.
    """
    first = read_line(body)
    counts = {delimiter: first.count(delimiter) for delimiter in DELIMITERS}
    best = max(counts, key=counts.get)
    if counts[best]:
        return best
    lines = [line for line in body[: 1 << 16].split(b"\n")[:50] if line.strip()]
    words = {len(line.split()) for line in (lines[:-1] if len(lines) == 50 else lines)}
    return b" " if words == {len(first.split())} and words != {1} else b","


def split_line(line, delimiter):
    """Entries of a line; delimiters in quotation marks are not counted."""
    if delimiter == b" ":
        return line.split()
    if b'"' not in line:
        return [entry.strip() for entry in line.split(delimiter)]
    text = line.decode("latin-1").replace("\r", " ").strip()
    rows = csv.reader([text], delimiter=delimiter.decode(), skipinitialspace=True)
    try:
        return [entry.strip().encode("latin-1") for entry in next(rows, [])]
    except csv.Error:  # a damaged line; `read_header` and `check_shape` say how
        return line.split(delimiter)


def count_entries(line, delimiter):
    """Number of entries of a line."""
    return len(split_line(line, delimiter))


def has_numbers(line, delimiter):
    """True if an entry of a line is a number: then it is no line of column names."""
    return any(is_number(entry) for entry in split_line(line, delimiter))


def is_number(text):
    """True if a text, or bytes, is a finite number, such as 1.5 or 1,5."""
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    try:
        return bool(np.isfinite(float(text.replace(",", ".", 1))))
    except ValueError:
        return False


def find_unit_lines(body, delimiter):
    """(Units, bytes, number) of the lines between the column names and the rows."""
    start = len(read_line(body)) + 1
    second = read_line(body, start)
    third = read_line(body, start + len(second) + 1)
    n = count_entries(read_line(body), delimiter)
    if is_ruler(third, n, delimiter) and not has_numbers(second, delimiter):
        units = tuple(split_line(second.strip(b"\r\n"), delimiter))
        units = tuple(unit.decode("utf-8", "replace") for unit in units)
        return (units if len(units) == n else ()), len(second) + len(third) + 2, 2
    if is_ruler(second, n, delimiter):
        return (), len(second) + 1, 1
    return (), 0, 0


def is_ruler(line, n, delimiter):
    """True if each of the n entries of a line is dashes, or a type of RDB such as 10S."""
    entries = line.split(delimiter) if delimiter.strip() or delimiter == b"\t" else line.split()
    is_dashes = all(DASHES.fullmatch(entry) for entry in entries)
    is_types = delimiter == b"\t" and all(RDB_TYPE.fullmatch(entry) for entry in entries)
    return n > 1 and len(entries) == n and (is_dashes or is_types)


def find_decimal(body, delimiter):
    """ "," if the numbers between semicolons or tabs have a decimal comma, else "."."""
    if delimiter not in (b";", b"\t"):
        return "."
    lines = body[: 1 << 16].split(b"\n")[1:200]
    entries = [entry.strip(b' "\r') for line in lines for entry in line.split(delimiter)]
    commas = sum(bool(DECIMAL_COMMA.fullmatch(entry)) for entry in entries)
    points = sum(b"." in entry and is_number(entry) for entry in entries)
    return "," if commas and not points else "."


def read_header(path, layout):
    """Column names, `(column 3)` for a blank one; UserError if they are not names or not unique."""
    line = layout.header_line
    if layout.delimiter == b" ":
        names = read_line(layout.data).decode("utf-8", "replace").split()
        return check_names(path, names, line)
    text = io.TextIOWrapper(io.BytesIO(layout.data), "utf-8", errors="replace", newline="")
    try:
        rows = csv.reader(text, delimiter=layout.delimiter.decode(), skipinitialspace=True)
        entries = next((row for row in rows if any(row)), [])
    except csv.Error:
        problem = f"has an entry of more than {csv.field_size_limit()} bytes, no column name"
        raise UserError(f"{path}: line {line} {problem}: name a table in CSV") from None
    return check_names(path, [name.strip() for name in entries], line)


def check_names(path, names, line):
    """The column names, `(column 3)` for a blank one; UserError if they are none, or not unique."""
    if not any(names):
        raise UserError(f"{path}: line {line}: no column names: write them there")
    if all(is_number(name) for name in names):
        start = shorten(", ".join(names), 40)
        raise UserError(f"{path}: line {line}: numbers ({start}) where column names are expected")
    twice = next((name for name, n in Counter(names).items() if name and n > 1), None)
    if twice:
        problem = f"column {shorten(twice, 40)} comes twice"
        raise UserError(f"{path}: line {line}: {problem}: leave one out")
    return [name or f"(column {i})" for i, name in enumerate(names, start=1)]
