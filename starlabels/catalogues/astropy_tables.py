"""Tables that astropy.table reads: FITS, VOTable, ECSV, CDS, machine-readable, IPAC ..."""

import re
import warnings
from io import BytesIO
from textwrap import shorten

import numpy as np
import pandas as pd

from starlabels.base import fits, memory
from starlabels.base.errors import UserError
from starlabels.base.identifiers import MISSING
from starlabels.catalogues.table_choice import Source

UNTYPED = ("ascii.basic", "ascii.rst")  # formats without types of columns
FILL = [(word, "0") for word in MISSING]  # masked by astropy
# Sizes that a VOTable declares, for which astropy allocates memory before it reads
ROWS = re.compile(rb"""\bnrows\s*=\s*["'](\d+)["']""")
SHAPE = re.compile(rb"""\barraysize\s*=\s*["']([\dx*]+)["']""")
REFERENCE = re.compile(rb"""<(?:\w+:)?STREAM\b[^>]*\bhref\s*=|<!ENTITY""", re.IGNORECASE)


def read_safely(path, kind, read, /, *args, **options):
    """Result of a reader of astropy; UserError in one line if it fails for any reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy warns of files that break the standard
            return read(*args, **options)
    except UserError:
        raise
    except Exception as error:  # damaged files raise nearly anything
        reason = shorten(fits.describe_damage(error), 120)
        raise UserError(f"{path} is a damaged {kind}, {reason}: copy it anew") from None


def list_fits_tables(path):
    """The Sources of a FITS file: its tables, each an extension."""
    from astropy.table import Table

    hdus = read_safely(path, "FITS file", fits.read_fits, path)
    sources = []
    for number, (header, data) in enumerate(hdus):
        if getattr(data, "names", None):

            def read(names, number=number, header=header):
                options = {"hdu": number, "format": "fits", "character_as_bytes": False}
                table = read_safely(path, "FITS table", Table.read, path, **options)
                return convert_table(mask_declared(table, header), names)

            place = f"extension {number}"
            if header.get("EXTNAME"):
                place += f" ({header['EXTNAME']})"
            sources.append(Source(place, list(data.names), len(data), read))
    return sources


def mask_declared(table, header):
    """The Table with numbers masked that TNULL declares missing; astropy does so for integers."""
    for i, name in enumerate(table.colnames, start=1):
        null = header.get(f"TNULL{i}")
        column = table[name]
        is_float = getattr(getattr(column, "dtype", None), "kind", "") == "f"
        if isinstance(null, (int, float)) and is_float and (column == null).any():
            table[name] = np.ma.masked_equal(np.ma.array(column), null)
    return table


def list_votables(path, data):
    """The Sources of the bytes of a VOTable; UserError if it refers to other files."""
    from astropy.io import votable

    if REFERENCE.search(data):
        raise UserError(f"{path} is refused: it reads other files: save the data inside the table")
    check_declared(path, data)
    file = read_safely(path, "VOTable", votable.parse, BytesIO(data), verify="ignore")
    sources = []
    for i, element in enumerate(file.iter_tables(), start=1):
        table = element.to_table(use_names_over_ids=True)
        place = f"table {i}" + (f" ({element.name})" if element.name else "")
        sources.append(list_table(table, place))
    return sources


def check_declared(path, data):
    """UserError if the bytes of a VOTable declare more rows, or values, than they can hold."""
    n_rows = max(map(int, ROWS.findall(data)), default=1)
    if n_rows > len(data):
        problem = f"it declares {n_rows} rows in {len(data)} bytes"
        raise UserError(f"{path} is a damaged VOTable, {problem}: copy it anew")
    shapes = [np.prod([float(n) for n in re.findall(rb"\d+", s)]) for s in SHAPE.findall(data)]
    needed = 8.0 * n_rows * sum(shapes)
    memory.check_memory(needed, f"{path}: the columns that it declares", "copy it anew")


def list_table(table, place):
    """The Source of an astropy Table that is in memory."""
    return Source(place, table.colnames, len(table), lambda names: convert_table(table, names))


def list_text_table(path, source, form, selection=None, **options):
    """The Sources of a text table in a format of astropy; source: its bytes, or its path.

    Columns that the selection names as texts keep all digits.
    """
    from astropy.table import Table

    if isinstance(source, bytes):
        memory.check_memory(20 * len(source), f"{path}, {len(source)} bytes of text,", "split it")
        source = fits.decode_text(source).splitlines()
    if form in UNTYPED and selection:
        options["converters"] = dict.fromkeys(selection.texts, str)
    words = f"table ({form.removeprefix('ascii.')})"
    table = read_safely(path, words, Table.read, source, format=form, **options)
    return [list_table(table, "the text")]


def convert_table(table, names):
    """(DataFrame, {name: unit}) of the columns of those names of an astropy Table.

    A single row that holds all columns as arrays becomes one row per star.
    """
    lengths = {getattr(column, "shape", (1,))[1:] for column in table.itercols()}
    if len(table) == 1 and len(lengths) == 1 and len(*lengths) == 1:
        units = {name: table[name].unit for name in table.colnames}
        table = type(table)([column[0] for column in table.itercols()], names=table.colnames)
        for name, unit in units.items():
            table[name].unit = unit
    units = {name: str(table[name].unit) for name in names if getattr(table[name], "unit", None)}
    return pd.DataFrame({name: convert_column(table[name]) for name in names}), units


def convert_column(column):
    """Values (n,) of a column of astropy: NaN for a masked number, None for a text.

    Whole numbers above 2^53 stay whole. A column with an array per row becomes a series of arrays,
    one of times or positions a series of texts.
    """
    if not hasattr(column, "dtype"):
        return pd.Series([str(value) for value in column], dtype=object)
    values = np.ma.getdata(column)
    mask = np.ma.getmaskarray(column)
    if values.dtype.kind in "fiub":
        values = np.asarray(values).astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim == 2 and values.shape[1] == 1:
        values, mask = values[:, 0], mask[:, 0]
    if values.ndim > 1:
        return pd.Series(list(np.asarray(values)), dtype=object)
    if values.dtype.kind in "USO":
        texts = pd.Series([to_text(value) for value in np.asarray(values)], dtype=object)
        blank = texts.map(lambda value: isinstance(value, str) and not value)
        return texts.where(~mask & ~blank & texts.notna(), None)
    return fill_masked(np.asarray(values), mask)


def to_text(value):
    """A value of a text column as a text without blanks at its ends; arrays and None unchanged."""
    if value is None or np.ndim(value):
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip()


def fill_masked(values, mask):
    """Numbers (n,) with NaN where masked; objects if a float could not hold the whole numbers."""
    if not mask.any():
        return values
    if values.dtype.kind in "iu" and np.abs(values[~mask].astype("f8")).max(initial=0) > 2**53:
        return pd.Series(values.tolist(), dtype=object).where(~mask, None)
    return np.where(mask, np.nan, values)
