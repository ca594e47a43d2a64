"""Columns of a Table as checked numbers with errors, and as identifiers."""

from textwrap import shorten
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.identifiers import MISSING, check_identifiers, require_identifiers
from starlabels.base.labels import LABELS
from starlabels.base.sentinels import blank_sentinels
from starlabels.catalogues.units import convert_to_unit, get_target_unit

MAX_EXACT = 1 << 24  # float32 holds all whole numbers up to this one
NUMBER = r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?"
PLUS_MINUS = rf"\s*{NUMBER}\s*(?:±|\+/-|\+-|\(\d+\)).*"
GROUPED = r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?"  # 5,777.5
DECORATED = rf"\s*(?:{GROUPED}|{NUMBER}\s+(?:K|dex|mag|mas|pc|kpc|km/s))\s*"
BOOLEANS = {"True": "1", "true": "1", "False": "0", "false": "0"}


class Columns(NamedTuple):
    """Numbers of n stars: values {name: (n,)}, errors {name: (n,)} of some, units {name: unit}.

    unused: the columns that were not read, each with the reason in brackets.
    """

    values: dict
    errors: dict
    units: dict
    unused: list


def extract_columns(table, chosen=None, leave=(), known=(), targets=None):
    """Extract the columns of numbers of a Table.

    Parameters
    ----------
    table : Table.
    chosen : {our name: name in the table}; None takes all columns of numbers under their own names.
    leave : names of columns to leave out if `chosen` is None.
    targets : {our name: unit} to convert to, in addition to those of the labels.
    known : names for which a column <name>_err is an error even if the table has no column <name>.

    Returns
    -------
    Columns; a column <name>_err holds the errors of <name>.

    Raises
    ------
    UserError
        With file, line and column: a text among numbers, an infinite number, an error below 0, or
        a chosen column that does not hold numbers.
    """
    names = chosen or {name: name for name in table.frame if name not in leave}
    numbers, unused = {}, []
    for name, source in names.items():
        column = table.frame[source]
        check_plain(table, column)
        reason = explain_unfit(column, chosen is not None)
        if reason and chosen:
            problem = f"column {source} has {reason}, expected numbers"
            raise UserError(f"{table.path}: {problem}: take {name} out of `columns`")
        if reason:
            unused.append(f"{source} ({reason})")
        else:
            base = name.removesuffix("_err")
            target = (targets or {}).get(base) or get_target_unit(name)
            numbers[name] = read_quantity(table, source, target)
    errors = {}
    for name, values in numbers.items():
        target = name.removesuffix("_err")
        if is_error := target != name and (target in numbers or target in known):
            errors[target] = values
        check_values(table, name, values, is_error)
    units = {name: table.units.get(names[name], "") for name in numbers}
    for name, unit in units.items():
        if unit or name in LABELS:
            target = (targets or {}).get(name.removesuffix("_err")) or get_target_unit(name)
            units[name] = target or unit
    error_names = {f"{name}_err" for name in errors}
    values = {name: column for name, column in numbers.items() if name not in error_names}
    return Columns(values, errors, units, unused)


def check_plain(table, column):
    """UserError if numbers come with their errors, units or commas, such as 5777±50 or 5,777 K."""
    if column.dtype.kind != "O":
        return
    texts = column[column.map(lambda value: isinstance(value, str))].head(1000)
    hints = {
        PLUS_MINUS: f"values with errors: put the errors into a column {column.name}_err",
        DECORATED: "numbers with units or commas: leave the digits only",
    }
    for pattern, hint in hints.items():
        found = texts.str.fullmatch(pattern) if len(texts) else texts
        if len(texts) and found.mean() > 0.5:
            start = f"{table.path}: column {column.name}, such as {texts[found].iloc[0]}"
            raise UserError(f"{start}, holds {hint}")


def explain_unfit(column, is_chosen):
    """Reason why a column (n,) is not used as numbers, or None.

    A column of at least half numbers counts as numbers: the rest is a mistake to report. Whole
    numbers that float32 cannot hold, such as a source_id, are not used; in CSV, a missing value
    makes them float64.
    """
    if str(column.name).startswith("(column "):
        return "no name"
    if column.dtype.kind == "O" and column.map(np.ndim).max() > 0:
        return "arrays"
    if column.dtype.kind == "c":
        return "complex numbers"
    numbers, missing = parse_numbers(column)
    n_known = int((~missing).sum())
    if n_known and numbers.notna().sum() < n_known / 2:
        return "text"
    largest = numbers.abs().max()
    is_whole = column.dtype.kind in "iu"
    if largest > MAX_EXACT and not is_whole and column.dtype != np.float32:
        limit = 2.0**53 if is_chosen else MAX_EXACT
        is_whole = limit < largest < 2.0**64 and (numbers.dropna() % 1 == 0).all()
    return "whole numbers too long for float32" if largest > MAX_EXACT and is_whole else None


def parse_numbers(column):
    """(Numbers (n,), NaN for other texts; mask (n,) of missing values) of a column of texts."""
    if column.dtype.kind in "fiub":
        return column.astype("f8"), column.isna()
    texts = column.map(str, na_action="ignore").astype(object).str.strip()
    missing = texts.isna() | texts.isin(MISSING)
    return pd.to_numeric(texts.where(~missing).replace(BOOLEANS), errors="coerce"), missing


def read_numbers(table, column):
    """Numbers (n,) of a column: float32 if the file has float32, else float64.

    UserError naming the first text among them.
    """
    subject = f"{table.path}: {column.name}"
    if column.dtype.kind in "fiub":
        values = column.to_numpy("f4" if column.dtype == np.float32 else "f8")
        return blank_sentinels(values, subject)
    numbers, missing = parse_numbers(column)
    bad = np.flatnonzero(numbers.isna() & ~missing)
    if len(bad):
        others = f", as in {format_count(len(bad) - 1)} more rows" if len(bad) > 1 else ""
        text = f"{column.name} is {shorten(str(column.iloc[bad[0]]), 40)}"
        expected = f"expected a number, or nothing{others}"
        raise UserError(f"{table.path}: {table.place(bad[0])}: {text}, {expected}")
    return blank_sentinels(numbers.to_numpy("f8"), subject)


def read_quantity(table, name, target):
    """Numbers (n,) of a column, brought to the unit `target` if the file says another."""
    subject = f"{table.path}: {name}"
    values = read_numbers(table, table.frame[name])
    unit = table.units.get(name, "")
    return convert_to_unit(values, unit, target, subject, name.lower().endswith("_err"))


def check_values(table, name, values, is_error):
    """UserError naming the first of the values (n,) that is infinite as float32, as it is stored.

    Also of an error below 0.
    """
    bad = (np.abs(values) > np.finfo("f4").max) | (is_error & (values < 0))
    if bad.any():
        row = int(bad.argmax())
        expected = "0 to 3e38, or nothing" if is_error else "a finite number to 3e38, or nothing"
        problem = f"{name} is {values[row]:g}, expected {expected}"
        raise UserError(f"{table.path}: {table.place(row)}: {problem}")


def read_identifiers(table, name):
    """Identifiers (n,) of a column as texts, None where missing; UserError if digits were lost."""
    return check_identifiers(table.frame[name], table.path, name, table.place)


def read_star_ids(table, name):
    """Identifiers (n,) of the stars as bytes; UserError naming the first row without one."""
    return require_identifiers(table.frame[name], table.path, name, table.place)


def read_match_keys(table, names, is_id):
    """{our name: (n,)} of the existing columns to match by: texts, or numbers for positions.

    names: {our name: name in the table}; is_id: {our name: True for an identifier}.
    """
    keys = {}
    for name, source in names.items():
        if source in table.frame and is_id[name]:
            keys[name] = read_identifiers(table, source)
        elif source in table.frame:
            keys[name] = read_numbers(table, table.frame[source])
    return keys
