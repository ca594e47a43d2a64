"""Spectra in VOTables."""

import io
import re
from textwrap import shorten

import numpy as np
from astropy.io.votable import parse

from starlabels.base.errors import UserError
from starlabels.spectra.fits_tables import find_ucd_medium, find_ucd_quantity
from starlabels.spectra.table_columns import NAME_COLUMNS, build_from_columns

DEEPEST = 50  # elements within each other
MOST_FIELDS = 1000


def is_votable(start):
    """True if the first bytes of a file are those of a VOTable."""
    return b"<VOTABLE" in start or start.lstrip().startswith(b"<?xml") and b"VOTABLE" in start


def read_votable(path, data, options):
    """Read the spectrum in the first table of a VOTable that holds one.

    Parameters
    ----------
    path : Path
        File to name in a message.
    data : bytes
        Content of the file.
    options : ReadOptions

    Returns
    -------
    list of RawSpectrum

    Raises
    ------
    UserError
        If the file is damaged or holds no spectrum.
    """
    check_nesting(path, data)
    try:
        tables = list(parse(io.BytesIO(data), verify="ignore").iter_tables())
    except (RecursionError, MemoryError):
        raise UserError(
            f"{path} is a damaged VOTable, too deep or too large: copy it again"
        ) from None
    except Exception as error:  # astropy's and expat's, of many classes
        reason = shorten(str(error), 80)
        raise UserError(f"{path} is a damaged VOTable, {reason}: copy it again") from None
    for table in tables:
        if spectra := read_fields(path, table, options):
            return spectra
    names = ", ".join(field.name for table in tables for field in table.fields)
    found = f"is a VOTable with columns {shorten(names, 80) or 'none'}"
    raise UserError(f"{path} {found}: {NAME_COLUMNS}")


def check_nesting(path, data):
    """UserError if elements of a table lie too deep within each other, or there are too many."""
    for element in (b"RESOURCE", b"GROUP"):
        opened = len(re.findall(b"<" + element + rb"[\s>]", data))
        if opened > DEEPEST:
            found = f"has {opened} elements {element.decode()}"
            raise UserError(f"{path} {found}: write the spectrum as a plain table")
    n_fields = data.count(b"<FIELD")
    if n_fields > MOST_FIELDS:
        raise UserError(f"{path} has {n_fields} columns: write those of the spectrum alone")


def read_fields(path, table, options):
    """RawSpectra of the fields of a table of a VOTable."""
    columns, units, media, concepts = {}, {}, {}, {}
    for field in table.fields:
        values = table.array[field.ID] if field.ID in table.array.dtype.names else None
        if values is None or values.dtype.kind not in "fiubO":
            continue
        if values.dtype.kind == "O" or values.ndim > 1:
            if len(values) != 1:
                continue
            values = np.ma.asarray(values[0]).ravel()
            if values.dtype.kind not in "fiub":
                continue
        name = field.name
        integers = values.dtype.kind in "iub" and not np.ma.getmaskarray(values).any()
        columns[name] = (
            np.asarray(values) if integers else np.ma.filled(values.astype("f8"), np.nan)
        )
        units[name] = str(field.unit) if field.unit is not None else None
        medium = find_ucd_medium(field.ucd or "", eso=False)
        if medium:
            media[name] = medium
        if quantity := find_ucd_quantity(field.ucd or ""):
            concepts[name] = quantity
    return build_from_columns(path, columns, options, {}, units, media, concepts)
