"""Tables of stars, of CSV, FITS or HDF5: which columns there are, and their numbers.

Missing is what is empty, NaN, nan, NULL or -- in CSV, masked or NaN in FITS, NaN in HDF5; nothing else is.
"""

import difflib
import warnings
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base import fits, hdf5, integrity
from starlabels.base.console import count
from starlabels.base.errors import UserError
from starlabels.base.labels import label
from starlabels.catalogues import csv_tables

EXACT = 1 << 24  # whole numbers above are not all of them float32


class Table(NamedTuple):
    """The columns of a file as a DataFrame (n, k) of numbers and texts (None where missing), and their units {name: unit}.

    lines: of a CSV file, the line (n,) of each row, else None.
    """

    path: str
    frame: pd.DataFrame
    units: dict
    lines: np.ndarray | None = None

    def place(self, row):
        """`line 7` of a CSV file, `row 6` of another, both from 1."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"


class Columns(NamedTuple):
    """Numbers of n stars: values {name: (n,)}, errors {name: (n,)} of some of them, units {name: unit}.

    unused: the columns that are not among them, each with the reason in brackets.
    """

    values: dict
    errors: dict
    units: dict
    unused: list


def read(path, names=None, also=(), texts=(), required=()):
    """The Table in a file, known by its content: of all columns or, with `names`, of those and of `also`, if there.

    texts: columns that are read as they are written, such as identifiers; names and `required` must be there. UserError, one
    line, if it is no such table.
    """
    path = Path(path)
    if path.is_dir() or not path.is_file():
        raise UserError(
            f"{path} {'is a directory' if path.is_dir() else 'not found'}: name a table in CSV, FITS or HDF5"
        )

    def wanted(there):
        for name in (*(names or ()), *required):
            if name not in there:
                raise UserError(f"{path} has no column {name}{nearest(name, there)}")
        return [name for name in there if names is None or name in (*names, *required, *also)]

    hdf5.note(path)
    start = fits.content(path, 16)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        found = read_hdf5(path, wanted)
    elif start.startswith(b"SIMPLE  ="):
        found = read_fits(path, wanted)
    else:
        frame, lines = csv_tables.read(path, fits.content(path), wanted, texts)
        found = Table(str(path), frame, {}, lines)
    if not len(found.frame):
        raise UserError(f"{path}: no rows: add stars")
    return found


def nearest(name, there):
    """The end of a message that says which column was meant, or which there are."""
    known = {one.lower(): one for one in there}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return (
        f", did you mean {known[near[0]]}?"
        if near
        else f"; there is {shorten(', '.join(there), 100) or 'none'}"
    )


def read_fits(path, wanted):
    """The Table in the first table extension of a FITS file."""
    from astropy.table import Table as FitsTable

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, on headers that bend the standard
        hdus = fits.load(path)
        number = next((i for i, (_, data) in enumerate(hdus) if getattr(data, "names", None)), None)
        if number is None:
            raise UserError(f"{path} holds no table: name a FITS file with a table extension")
        try:
            table = FitsTable.read(path, hdu=number, format="fits", character_as_bytes=False)
        except fits.DAMAGED as error:
            raise UserError(
                f"{path} is a damaged FITS table, {shorten(str(error), 80)}: copy it anew"
            ) from None
    names = wanted(table.colnames)
    units = {name: str(table[name].unit) for name in names if table[name].unit}
    return Table(str(path), pd.DataFrame({name: filled(table[name]) for name in names}), units)


def filled(column):
    """The values (n,) of a FITS column: masked numbers are NaN, masked or blank texts None; of an array a row, the arrays."""
    values, mask = np.ma.getdata(column), np.ma.getmaskarray(column)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim > 1:
        return pd.Series(list(values), dtype=object)
    if values.dtype.kind in "US":
        values = pd.Series(np.asarray(values).astype(str), dtype=object).str.strip()
        return values.where(~mask & (values != ""), None)
    return np.where(mask, np.nan, values) if mask.any() else np.asarray(values)


def read_hdf5(path, wanted):
    """The Table in an HDF5 file: of our schema, whose spectra are left alone, or columns of the root or of its one group."""
    with hdf5.open_hdf5(path, "name a table in CSV, FITS or HDF5") as h5:
        columns, units = ours(h5) if "labels" in h5 else plain(path, h5)
        names = wanted(list(columns))
        frame = {name: columns[name][:] for name in names}
    lengths = {name: len(values) for name, values in frame.items()}
    if len(set(lengths.values())) > 1:
        found = shorten(", ".join(f"{name} {n}" for name, n in lengths.items()), 100)
        raise UserError(
            f"{path} has columns of unequal length, {found}: name those that belong together"
        )
    frame = {
        name: np.char.decode(v, "utf-8").astype(object) if v.dtype.kind == "S" else v
        for name, v in frame.items()
    }
    return Table(str(path), pd.DataFrame(frame), units)


def ours(h5):
    """({name: (n,)}, {name: unit}) of the labels of a file in our schema, with <name>_err for their errors, and its star_id."""
    names = hdf5.label_names(h5)
    found = dict(zip(names, hdf5.read_labels(h5, names).T))
    if "labels/error" in h5:
        errors = dict(zip(names, hdf5.read_label_errors(h5, names).T))
        found |= {
            f"{name}_err": error for name, error in errors.items() if not np.isnan(error).all()
        }
    return found | (
        {"star_id": hdf5.read_text(hdf5.dataset(h5, "star_id"))} if "star_id" in h5 else {}
    ), hdf5.label_units(h5)


def plain(path, h5):
    """({name: (n,)}, {name: unit}) of the 1-D datasets, or of the fields of a table, in the root or in its only group."""
    groups = [one for one in h5.values() if hasattr(one, "items")]
    for group in (h5, *(groups if len(groups) == 1 else [])):
        columns = {
            name: one
            for name, one in group.items()
            if getattr(one, "shape", None) and one.ndim == 1
        }
        if (
            len(columns) == 1
            and (fields := integrity.whole(next(iter(columns.values())))).dtype.names
        ):
            values = {name: fields[name] for name in fields.dtype.names}
            return {
                name: v.astype("U").astype(object) if v.dtype.kind in "OS" else v
                for name, v in values.items()
            }, {}
        if columns:
            units = {
                name: integrity.attribute(one, "units") or integrity.attribute(one, "unit")
                for name, one in columns.items()
            }
            read = {
                name: hdf5.read_text if one.dtype.kind in "OS" else integrity.whole
                for name, one in columns.items()
            }
            return {name: read[name](one) for name, one in columns.items()}, {
                n: str(unit or "") for n, unit in units.items()
            }
    raise UserError(
        f"{path} holds {', '.join(h5) or 'nothing'}; expected columns, 1-D datasets, or labels of our schema"
    )


def columns(table, chosen=None, leave=(), known=()):
    """The Columns of a Table: those `chosen` {our name: their name}, or all numbers under their own names but for `leave`.

    <name>_err are the errors of <name>, a column or among the names `known`. UserError naming file, line and column for a text
    among numbers, an infinite number, an error below 0; and for a chosen column that is no column of numbers.
    """
    values, unused = {}, []
    for name, theirs in (
        chosen or {name: name for name in table.frame if name not in leave}
    ).items():
        column = table.frame[theirs]
        why = unfit(column, chosen is not None)
        if why and chosen:
            raise UserError(
                f"{table.path}: column {theirs} has {why}, expected numbers: take {name} out of `columns`"
            )
        if why:
            unused.append(f"{theirs} ({why})")
        else:
            values[name] = numbers(table, column)
    errors = {name: name.removesuffix("_err") for name in values}
    errors = {
        name: of for name, of in errors.items() if of != name and (of in values or of in known)
    }
    for name, one in values.items():
        check(table, name, one, name in errors)
    units = {
        name: label(name, table.units.get((chosen or {}).get(name, name), "")).plain_unit
        for name in values
    }
    found = {name: one for name, one in values.items() if name not in errors}
    return Columns(found, {of: values[name] for name, of in errors.items()}, units, unused)


def unfit(column, chosen):
    """What a column (n,) has instead of numbers, None if it is of numbers; so is one of which half are, the rest is a mistake.

    Whole numbers that float32 does not hold, such as a source_id, are none; a hole makes them float64 in CSV.
    """
    if str(column.name).startswith("(column "):
        return "no name"
    if column.dtype.kind == "O" and column.map(np.ndim).max() > 0:
        return "arrays"
    parsed, missing = parse(column)
    n = int((~missing).sum())
    if n and parsed.notna().sum() < n / 2:
        return "text"
    longest, whole = parsed.abs().max(), column.dtype.kind in "iu"
    if longest > EXACT and not whole and column.dtype != np.float32:
        whole = (2.0**53 if chosen else EXACT) < longest < 2.0**64 and (
            parsed.dropna() % 1 == 0
        ).all()
    return "whole numbers too long for float32" if longest > EXACT and whole else None


def parse(column):
    """(Numbers (n,), NaN where there is none; mask (n,) of those missing) of a column of texts, true and false among them."""
    if column.dtype.kind in "fiub":
        return column.astype("f8"), column.isna()
    texts = column.map(str, na_action="ignore").astype(object).str.strip()
    missing = texts.isna() | texts.isin(csv_tables.MISSING)
    texts = texts.where(~missing).replace({"True": "1", "true": "1", "False": "0", "false": "0"})
    return pd.to_numeric(texts, errors="coerce"), missing


def numbers(table, column):
    """Numbers (n,) of a column, float32 if the file has them so, else float64; UserError naming the first text among them."""
    if column.dtype.kind in "fiub":
        return column.to_numpy("f4" if column.dtype == np.float32 else "f8")
    parsed, missing = parse(column)
    bad = np.flatnonzero(parsed.isna() & ~missing)
    if len(bad):
        more = f", as in {count(len(bad) - 1)} more rows" if len(bad) > 1 else ""
        found = f"{table.place(bad[0])}: {column.name} is {shorten(str(column.iloc[bad[0]]), 40)}"
        raise UserError(f"{table.path}: {found}, expected a number, or nothing{more}")
    return parsed.to_numpy("f8")


def check(table, name, values, is_error):
    """UserError naming the first of the values (n,) that is infinite or, of errors, below 0."""
    bad = np.isinf(values) | (is_error & (values < 0))
    if bad.any():
        row, wanted = (
            int(bad.argmax()),
            "0 or more, or nothing" if is_error else "a finite number, or nothing",
        )
        raise UserError(
            f"{table.path}: {table.place(row)}: {name} is {values[row]:g}, expected {wanted}"
        )


def identifiers(table, name):
    """Identifiers (n,) of a column as texts, None where missing; whole numbers exactly as they are.

    UserError if they are numbers that have lost digits.
    """
    column = table.frame[name]
    if column.dtype.kind in "iu":
        return column.astype(str).to_numpy(object)
    if column.dtype.kind == "f":
        bad = column.notna() & (
            (column.abs() > 2.0 ** (53 if column.dtype == np.float64 else 24)) | (column % 1 != 0)
        )
        texts = column.map("{:.0f}".format, na_action="ignore")
    else:
        texts = column.map(str, na_action="ignore").astype(object).str.strip()
        texts = texts.where(~texts.isin(csv_tables.MISSING), None).str.replace(
            r"^(\d+)\.0*$", r"\1", regex=True
        )
        bad = texts.str.fullmatch(r"\d\.\d+[eE]\+?\d+", na=False)
    if bad.any():
        row = int(bad.to_numpy().argmax())
        found = f"{table.path}: {table.place(row)}: {name} is {column.iloc[row]}"
        raise UserError(
            f"{found}, an identifier that has lost digits: write it as a whole number or a text"
        )
    return texts.where(texts.notna(), None).to_numpy(object)


def star_ids(table, name):
    """Identifiers (n,) of the stars as bytes; UserError naming the first row that has none."""
    texts = identifiers(table, name)
    missing = pd.isna(texts)
    if missing.any():
        place = table.place(int(missing.argmax()))
        raise UserError(
            f"{table.path}: {place}: no {name}: fill it, or let another column name the stars"
        )
    return np.char.encode(texts.astype(str), "utf-8")


def keys(table, names, is_id):
    """{our name: (n,)} of columns to match by, those of `names` {our name: their name} that are there: texts, or positions."""
    there = {name: theirs for name, theirs in names.items() if theirs in table.frame}
    return {
        n: identifiers(table, t) if is_id[n] else numbers(table, table.frame[t])
        for n, t in there.items()
    }
