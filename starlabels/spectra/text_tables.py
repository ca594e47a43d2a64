"""Spectra in text tables: CSV and other separators, with or without column names, and ECSV."""

import re
from textwrap import shorten

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.column_names import find_text_medium, recognise_content, split_unit
from starlabels.spectra.table_columns import NAME_COLUMNS, build_from_columns, list_named_columns
from starlabels.spectra.wave_units import UNITS

MOST_COLUMNS = 1000
MOST_LINES, MOST_CHARACTERS = 5_000_000, 500_000_000
MOST_HEADS = 1000  # lines before the numbers
MARKS = "#!%"  # of comments
PROSE = "a an and are at by for from in is no not of on or the this to was with without".split()


def read_text_table(path, text, options):
    """Read the spectra of a text table.

    Columns are separated by commas, semicolons, tabs or blanks; their names may be missing.

    Parameters
    ----------
    path : Path
        File to name in a message.
    text : str
        Content of the file.
    options : ReadOptions
        Columns may be named by their numbers, from 1.

    Returns
    -------
    list of RawSpectrum

    Raises
    ------
    UserError
        If the file holds no table, or its columns are not known.
    """
    if text.startswith("# %ECSV"):
        columns, units, comments = read_ecsv(path, text)
    else:
        columns, units, comments = parse_text_table(path, text)
    medium = find_commented_medium(comments)
    if text.startswith("***") and len(columns) > 1:  # LibreEsprit of ESPaDOnS and Narval
        columns, medium = name_libre_esprit(columns), medium or "air"
        units = {"wave": "nm"}
    options = number_columns(columns, options)
    by_unit = {
        name: "wave"
        for name in columns
        if not recognise_content(name).quantity and (split_unit(name)[1] or "").lower() in UNITS
    }
    spectra = build_from_columns(path, columns, options, {"MEDIUM": medium}, units, None, by_unit)
    if not spectra:
        found = shorten(", ".join(columns), 60)
        if named := list_named_columns(options):
            found += f", not {', '.join(named)}"
        raise UserError(f"{path} has columns {found}: {NAME_COLUMNS}")
    source = "survey format" if text.startswith("***") else "comment"
    stated = [raw.medium_source == "header" for raw in spectra]
    return [raw._replace(medium_source=source) if s else raw for raw, s in zip(spectra, stated)]


def number_columns(columns, options):
    """Options that name columns by their names; unnamed ones are wavelength, flux and error."""
    names = list(columns)
    chosen = {}
    for key in ("wave_column", "flux_column", "error_column"):
        wanted = getattr(options, key)
        if wanted and wanted not in columns and re.fullmatch(r"\d{1,4}", wanted):
            place = int(wanted) - 1
            if 0 <= place < len(names):
                wanted = names[place]
        chosen[key] = wanted
    if "1" in columns:
        usual = {"wave_column": "1", "flux_column": "2", "error_column": "3"}
        given = any(chosen.values())
        for key, column in usual.items():
            if column in columns and not (given and key == "error_column"):
                chosen[key] = chosen[key] or column
    return options._replace(**chosen)


def name_libre_esprit(columns):
    """Columns of LibreEsprit by their names: wavelength, flux, (polarisation,) error."""
    values = list(columns.values())
    named = {"wave": values[0], "flux": values[1]}
    return named | ({"error": values[-1]} if len(values) > 2 else {})


def read_ecsv(path, text):
    """({name: values (n,)}, {name: unit}, remarks) of the numeric columns in astropy's ECSV."""
    from astropy.table import Table

    try:
        table = Table.read(text, format="ascii.ecsv")
    except Exception as error:  # astropy's and YAML's, of many classes
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"{path} is not a valid ECSV table, {reason}: write it again") from None
    columns = {}
    for name in table.colnames:
        values = table[name]
        if values.dtype.kind in "iub" and not np.ma.is_masked(values):
            columns[name] = np.asarray(values)
        elif values.dtype.kind in "fiu":
            columns[name] = np.ma.filled(np.ma.asarray(values).astype("f8"), np.nan)
    remarks = [f"{key} {value}" for key, value in table.meta.items() if isinstance(value, str)]
    remarks += [str(table[name].description or "") for name in columns]
    units = {name: str(table[name].unit) for name in columns if table[name].unit}
    return {name: values for name, values in columns.items() if values.ndim == 1}, units, remarks


def find_commented_medium(comments):
    """ "air" or "vacuum" if the comments state one of them, else ""."""
    lines = [re.sub(r"air[\s_-]?mass", " ", line, flags=re.IGNORECASE) for line in comments]
    media = {find_text_medium(line) for line in lines} - {None}
    return media.pop() if len(media) == 1 else ""


def parse_text_table(path, text):
    """({name: values (n,)}, {name: unit}, comments); columns without names are "1", "2", ..."""
    n_lines = text.count("\n") + text.count("\r")
    if len(text) > MOST_CHARACTERS or n_lines > MOST_LINES:
        found = f"{n_lines} lines of {len(text) / 1e6:.0f} MB"
        raise UserError(f"{path} has {found}, more than any spectrum: cut it to your window")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = [line.lstrip(f"{MARKS} ") for line in lines if line[0] in MARKS]
    body = [line for line in lines if line[0] not in MARKS]
    separator = find_separator(path, body)
    if has_decimal_commas(body, separator):
        body = [line.replace(",", ".") for line in body]
    n_heads = count_heads(body, separator)
    heads, body = body[:n_heads], body[n_heads:]
    if not body:
        expected = "lines of wavelength, flux and, if known, error"
        if heads:
            raise UserError(f"{path} is no table of numbers: expected {expected}")
        raise UserError(f"{path} has no rows: expected {expected}")
    table = parse_numbers(path, body, separator)  # (n, n_columns)
    names, units = find_names(path, heads, comments, separator, table)
    if not names:
        return dict(zip(map(str, range(1, table.shape[1] + 1)), table.T)), {}, comments
    columns, stated = {}, {}
    for k, (name, values) in enumerate(zip(names, table.T)):
        if name or np.isfinite(values).any():
            name = name or f"column {k + 1}"
            columns[name] = values
            if units and units[k]:
                stated[name] = units[k]
    return columns, stated, comments


def find_separator(path, body):
    """Separator of columns, None for blanks; UserError if there are too many columns."""
    last = body[-1] if body else ""
    separator = next((mark for mark in ";,\t" if mark in last), None)
    if separator == "," and all(
        re.fullmatch(r"[-+\d]+,\d+([eE][-+]?\d+)?", w) for w in last.split()
    ):
        separator = "," if len(last.split()) < 2 else None  # decimal commas
    n_columns = last.count(separator) + 1 if separator else len(last.split())
    if n_columns > MOST_COLUMNS:
        found = f"has {n_columns} columns"
        raise UserError(f"{path} {found}: write a line for each pixel: wavelength, flux, error")
    return separator


def has_decimal_commas(body, separator):
    """True if the numbers of a table have commas for points."""
    if separator == ",":
        return False
    text = "".join(body[-100:])
    return "," in text and "." not in text


def count_heads(body, separator):
    """Number of lines before the first line of numbers with as many columns as the last one."""
    if not body:
        return 0
    n_columns = len(split_line(body[-1], separator))
    for i, line in enumerate(body[:MOST_HEADS]):
        entries = split_line(line, separator)
        numbers = [parse_number(entry, None) for entry in entries]
        n_numbers = sum(number is not None for number in numbers)
        if len(entries) == n_columns and n_numbers >= min(2, n_columns):
            return i
        if i == 0 and n_numbers == len(entries) > 1 and len(body) < 3:
            return i
    return min(len(body), MOST_HEADS)


def find_names(path, heads, comments, separator, table):
    """(names [n_columns] or [], units [n_columns] or []) of a table (n, n_columns).

    The names stand in a line before the numbers or in a comment; `wave (nm)` is one name.
    """
    n_columns = table.shape[1]
    lines = [split_names(line, separator) for line in heads]
    if len(lines) > 1 and len(lines[-2]) == len(lines[-1]) == n_columns:
        return lines[-2], [re.sub(r"^\W+$", "", unit.strip("[]()")) for unit in lines[-1]]
    if lines and not heads[0].startswith("***"):
        known = any(recognise_content(name).quantity for name in lines[-1])
        if len(lines) == 1 or known or len(lines[-1]) == n_columns:
            return fit_names(path, lines[-1], table), []
    for line in reversed(comments):
        names = split_names(line, separator)
        found = {recognise_content(name).quantity for name in names}
        if {"wave", "flux"} <= found and not are_prose(names):
            return fit_names(path, names, table), []
    names = split_names(comments[-1], separator) if comments else []
    return (names, []) if len(names) == n_columns and not are_prose(names) else ([], [])


def are_prose(names):
    """True if the words of a comment are no names of columns."""
    words = [name.lower().strip(",.:") for name in names]
    numbers = any(parse_number(word, None) is not None for word in words)
    return numbers or any(word in PROSE or re.search(r"[:=,.]$", word) for word in words)


def fit_names(path, names, table):
    """Names of all columns; UserError if there are more or fewer.

    An empty last column and the row names of R have no name.
    """
    n_columns = table.shape[1]
    if len(names) == n_columns - 1:
        if not np.isfinite(table[:, -1]).any():
            return [*names, ""]
        first = table[:, 0]
        if not np.isfinite(first).any() or (np.diff(first) == 1).all():
            return ["", *names]
    if len(names) != n_columns:
        found = f"names {len(names)} columns but its lines have {n_columns}"
        raise UserError(f"{path} {found}: fix the line of names")
    return names


def split_names(line, separator):
    """Entries of a line of names; blanks before a bracket do not split."""
    return split_line(re.sub(r"\s+([\(\[])", r"\1", line), separator)


def parse_numbers(path, lines, separator):
    """Numbers (n, n_columns) of a table's lines, NaN for other entries; UserError if no table."""
    try:
        table = np.loadtxt(lines, delimiter=separator, ndmin=2)
    except ValueError:  # not numbers alone
        table = parse_entries(path, lines, separator)
    if np.isfinite(table).any(axis=0).sum() < 2:
        expected = "columns of wavelength, flux and, if known, error"
        raise UserError(f"{path} is no table of numbers: expected {expected}")
    return table


def parse_entries(path, lines, separator):
    """Numbers (n, n_columns) of lines, NaN for words; UserError if lines differ in length."""
    rows = [split_line(line.split("#")[0], separator) for line in lines]
    if len({len(row) for row in rows}) > 1:
        found = "its lines differ in their number of columns"
        raise UserError(f"{path} is no table, {found}: expected wavelength, flux, error")
    return np.array([[parse_number(entry) for entry in row] for row in rows])


def parse_number(entry, default=np.nan):
    """The number in a text, also of Fortran (1.5D+03), else the default."""
    try:
        return float(entry)
    except ValueError:
        pass
    if re.fullmatch(r"[-+.\d]+[dD][-+]?\d+", entry):
        return float(re.sub("[dD]", "e", entry))
    return {"true": 1.0, "false": 0.0}.get(entry.lower(), default)


def split_line(line, separator):
    """Entries of a line, without the blanks and quotes around them."""
    return [entry.strip(" \t\"'") for entry in line.split(separator)]
