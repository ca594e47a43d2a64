"""Spectra in text tables: CSV and other separators, with or without column names, and ECSV."""

import re
from textwrap import shorten

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.table_columns import (
    WAVE_NAMES,
    build_from_columns,
    list_named_columns,
    split_unit,
)


def read_text_table(path, text, options):
    """RawSpectrum of a text table; UserError if it holds none.

    Columns are separated by commas, semicolons, tabs or blanks; their names may be missing.
    """
    units = {}
    comments = []
    if text.startswith("# %ECSV"):
        columns, units = read_ecsv(path, text)
    else:
        columns, comments = parse_text_table(path, text, options)
    if "1" in columns:  # without names: wavelength, flux, error
        usual = {"wave_column": "1", "flux_column": "2"}
        usual["error_column"] = "3" if "3" in columns else None
        chosen = {key: getattr(options, key) or column for key, column in usual.items()}
        options = options._replace(**chosen)
    header = {"MEDIUM": find_commented_medium(comments)}
    raw = build_from_columns(path, columns, options, header, units)
    if raw is None:
        found = shorten(", ".join(columns), 60)
        if named := list_named_columns(options):
            found += f", not {', '.join(named)}"
        hint = "name those of the spectrum with --wave-column and --flux-column"
        raise UserError(f"{path} has columns {found}: {hint}")
    return raw


def read_ecsv(path, text):
    """({name: values (n,)}, {name: unit}) of the numeric columns in astropy's ECSV."""
    from astropy.table import Table

    try:
        table = Table.read(text, format="ascii.ecsv")
    except (ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"{path} is not a valid ECSV table, {reason}: write it again") from None
    columns = {}
    for name in table.colnames:
        if table[name].dtype.kind in "fiu":
            columns[name] = np.ma.filled(np.ma.asarray(table[name]).astype("f8"), np.nan)
    return columns, {name: str(table[name].unit) for name in columns if table[name].unit}


def find_commented_medium(comments):
    """ "air" or "vacuum" if the comments hold one of these words, else ""."""
    words = []
    for word in ("air", "vacuum"):
        if any(re.search(rf"\b{word}\b", line, re.IGNORECASE) for line in comments):
            words.append(word)
    return words[0] if len(words) == 1 else ""


def parse_text_table(path, text, options):
    """({name: values (n,)}, comment lines); columns without names are "1", "2", ..."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = [line.lstrip("#!% ") for line in lines if line[0] in "#!%"]
    body = [line for line in lines if line[0] not in "#!%"]
    separator = next((mark for mark in ";,\t" if body and mark in body[-1]), None)
    if separator == ";" and "." not in "".join(body):
        body = [line.replace(",", ".") for line in body]  # decimal commas
    # The names stand in the first line or in the last comment; `wave (nm)` is one name.
    heads = [re.sub(r"\s+([\(\[])", r"\1", line) for line in (*body[:1], *comments[-1:])]
    names = split_line(heads[0], separator) if body else []
    if all(parse_number(name, None) is not None for name in names if name):
        names = split_line(heads[-1], separator) if comments else []
        known = {*WAVE_NAMES, (options.wave_column or "").lower()}
        if not known & {split_unit(name)[0] for name in names}:
            names = []
    else:
        body = body[1:]
    if not body:
        expected = "lines of wavelength, flux and, if known, error"
        raise UserError(f"{path} has no rows: expected {expected}")
    table = parse_numbers(path, body, separator)  # (n, n_columns)
    n_columns = table.shape[1]
    if names and len(names) != n_columns:
        found = f"names {len(names)} columns but its lines have {n_columns}"
        raise UserError(f"{path} {found}: fix the line of names")
    return dict(zip(names or map(str, range(1, n_columns + 1)), table.T)), comments


def parse_numbers(path, lines, separator):
    """Numbers (n, n_columns) of a table's lines, NaN for other entries; UserError if no table."""
    rows = [split_line(line.split("#")[0], separator) for line in lines]
    if len({len(row) for row in rows}) > 1:
        found = "its lines differ in their number of columns"
        raise UserError(f"{path} is no table, {found}: expected wavelength, flux, error")
    table = np.array([[parse_number(entry) for entry in row] for row in rows])
    if np.isfinite(table).any(axis=0).sum() < 2:
        expected = "columns of wavelength, flux and, if known, error"
        raise UserError(f"{path} is no table of numbers: expected {expected}")
    return table


def parse_number(entry, default=np.nan):
    """The number in a text, else the default."""
    try:
        return float(entry)
    except ValueError:
        return default


def split_line(line, separator):
    """Entries of a line, without the blanks and quotes around them."""
    return [entry.strip(" \t\"'") for entry in line.split(separator)]
