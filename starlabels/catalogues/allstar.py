"""The table of a survey, such as APOGEE's allStar: which of its columns are labels, errors, bitmasks and names of files."""

import re
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import numpy as np

from starlabels.base import fits
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label

LABELS = {  # our label: columns that hold it, in capitals; the first that is there counts
    "teff": ("TEFF",),
    "logg": ("LOGG",),
    "mh": ("M_H",),
    "feh": ("FE_H",),
    "alpha_m": ("ALPHA_M",),
    "vmic": ("VMICRO",),
    "vsini": ("VSINI",),
    "parallax": (
        "GAIAEDR3_PARALLAX",
        "GAIADR3_PARALLAX",
        "GAIADR2_PARALLAX",
        "GAIA_PARALLAX",
        "PARALLAX",
    ),
    "k_mag": ("K", "K_MAG"),
    "a_k": ("AK_TARG", "A_K", "AK"),
    "snr": ("SNR",),
    "ruwe": ("RUWE", "GAIAEDR3_RUWE", "GAIADR3_RUWE"),
    "nvisits": ("NVISITS",),
    "vscatter": ("VSCATTER",),
}
UNITS = {
    "parallax": "mas",
    "k_mag": "mag",
    "a_k": "mag",
    "vscatter": "km/s",
}  # of what labels.py does not know
ERRORS = ("{}_ERR", "{}_ERROR", "E_{}")  # columns of the standard errors
OVER_IRON, OVER_HYDROGEN = (
    re.compile(r"([A-Z]{1,4})_FE"),
    re.compile(r"([A-Z]{1,4})_H"),
)  # MG_FE, and MG_H where it is given
BITMASK = re.compile(r".*FLAGS?|EXTRATARG")  # of whole numbers
WORD_BITS = (
    24  # bits that a column of float32 holds exactly: those above go into <name>_24 and <name>_48
)
WIDE_MASKS = (
    "ASPCAPFLAG",
    "STARFLAG",
    "ANDFLAG",
)  # they always have a second column, for bits above WORD mean something there
SYMBOLS = {
    "PARAMFLAG": "PARAM_SYMBOL",
    "ELEMFLAG": "ELEM_SYMBOL",
}  # what the entries of a row are, by APOGEE's last extension
MISSING_BELOW = -999.0  # at and below: -999, -9999, -9999.99 stand for what is missing
MAX_MAGNITUDE = 90.0  # mag: 99.99 is missing
MAX_VELOCITY = 1000.0  # km/s: 999999 is missing
ID_COLUMNS = ("APOGEE_ID", "SDSS4_APOGEE_ID")


class Catalogue(NamedTuple):
    """The stars of a table: of n rows, what finds their spectra, and k columns.

    ids, files: texts (n,), "" where the table has none; places: sets of folders (n,), of field and telescope; velocity (n,)
    in km/s as seen from the telescope, NaN where not known; value, error (n, k) float32, NaN where missing.
    """

    ids: list
    files: list
    places: list
    read_velocity: np.ndarray
    names: list
    value: np.ndarray
    error: np.ndarray
    sources: list  # (k,) the columns that each was made of, in words

    @property
    def units(self):
        """Units (k,) in plain text."""
        return [get_label(name, UNITS.get(name, "")).plain_unit for name in self.names]


class Column(NamedTuple):
    """Values (n,) of a label, their errors (n,) or None, and the columns of the table that they were made of, in words."""

    values: np.ndarray
    errors: np.ndarray | None
    source: str


def read_allstar(path, keep=()):
    """The Catalogue in a FITS table, with the columns named in `keep` as they are; UserError if there is no such table."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} not found: name the table of the survey, such as allStar.fits")
    hdus = fits.read_fits(path)
    tables = [data for _, data in hdus if getattr(data, "names", None)]
    table = next((FitsTable(data) for data in tables if FitsTable(data).has(*ID_COLUMNS, "FILE")), None)
    if table is None:
        there = shorten(
            ", ".join(name for data in tables for name in data.names) or "no table", 150
        )
        raise UserError(f"{path} holds {there}: expected a table with a column APOGEE_ID or FILE")
    if absent := [name for name in keep if not table.has(name)]:
        raise UserError(
            f"{path} has no column {', '.join(absent)}: mend --keep; there is {shorten(table.list(), 300)}"
        )
    columns = extract_labels(table) | extract_abundances(table) | extract_bitmasks(table, tables)
    columns |= {
        name.lower(): Column(table.number(name), None, name.upper())
        for name in keep
        if name.lower() not in columns
    }
    blank = np.full(len(table), np.nan, "f4")
    places = list(zip(table.text("FIELD"), table.text("TELESCOPE")))
    return Catalogue(
        table.text(*ID_COLUMNS),
        [Path(name).name for name in table.text("FILE")],
        [{word for word in pair if word} for pair in places],
        read_velocity(table),
        list(columns),
        np.column_stack(
            [column.values for column in columns.values()] or [np.empty((len(table), 0))]
        ).astype("f4"),
        np.column_stack(
            [blank if c.errors is None else c.errors for c in columns.values()]
            or [blank[:, None][:, :0]]
        ),
        [column.source for column in columns.values()],
    )


class FitsTable:
    """A FITS table whose columns are known by their names in capitals."""

    def __init__(self, data):
        self.data, self.columns = data, {name.upper(): name for name in data.names}

    def __len__(self):
        return len(self.data)

    def has(self, *names):
        """Whether any of the columns is there."""
        return any(name.upper() in self.columns for name in names)

    def list(self):
        """Names of all columns, in a line."""
        return ", ".join(self.columns)

    def raw(self, name):
        """The values (n, ...) of a column."""
        return np.asarray(self.data[self.columns[name.upper()]])

    def text(self, *names):
        """Texts (n,) of the first of these columns that is there, stripped; "" where none is."""
        name = next((name for name in names if self.has(name)), None)
        return (
            [""] * len(self)
            if name is None
            else [str(value).strip() for value in self.raw(name).astype(str)]
        )

    def number(self, name):
        """Numbers (n,) float64 of a column, NaN where missing."""
        values = self.raw(name)
        if values.ndim != 1 or values.dtype.kind not in "fiub":
            raise UserError(
                f"column {name.upper()} is {values.dtype} {values.shape}, expected a number a row: leave it out"
            )
        values = values.astype("f8")
        return np.where(np.isfinite(values) & (values > MISSING_BELOW), values, np.nan)

    def is_number(self, name):
        """Whether a column is there and holds a number a row."""
        return self.has(name) and self.raw(name).ndim == 1 and self.raw(name).dtype.kind in "fiub"

    def error(self, name):
        """(Standard errors (n,) of a column, NaN where missing, their column), or (None, None)."""
        column = next(
            (one.format(name) for one in ERRORS if self.is_number(one.format(name))), None
        )
        if column is None:
            return None, None
        values = self.number(column)
        return np.where(values > 0, values, np.nan), column


def extract_labels(table):
    """{label: Column} of LABELS."""
    found = {}
    for name, columns in LABELS.items():
        column = next((one for one in columns if table.is_number(one)), None)
        if column is None:
            continue
        values, (errors, error_column) = table.number(column), table.error(column)
        if name == "k_mag":
            values = np.where(values < MAX_MAGNITUDE, values, np.nan)
        if errors is not None:
            errors = np.where(
                np.isfinite(values) & ((errors < MAX_MAGNITUDE) | (name != "k_mag")), errors, np.nan
            )
        found[name] = Column(values, errors, describe_source(column, error_column))
    return found


def extract_abundances(table):
    """{label such as mg_h: Column}: [X/H] as it is given, else [X/Fe] + [Fe/H] with both errors in quadrature."""
    found = {}
    for name in table.columns:
        direct, relative = OVER_HYDROGEN.fullmatch(name), OVER_IRON.fullmatch(name)
        if direct and direct[1] not in ("FE", "M") and table.is_number(name):
            errors, error_column = table.error(name)
            found[name.lower()] = Column(table.number(name), errors, describe_source(name, error_column))
        elif (
            relative
            and table.is_number(name)
            and table.is_number("FE_H")
            and not table.is_number(f"{relative[1]}_H")
        ):
            both = [table.error(one) for one in (name, "FE_H")]
            known = all(errors is not None for errors, _ in both)
            errors = np.hypot(both[0][0], both[1][0]) if known else None
            values, source = (
                table.number(name) + table.number("FE_H"),
                describe_source(f"{name} + FE_H", known and "in quadrature"),
            )
            found[f"{relative[1].lower()}_h"] = Column(values, errors, source)
    return found


def describe_source(column, error_column):
    """`TEFF (errors: TEFF_ERR)`."""
    return f"{column} (errors: {error_column})" if error_column else column


def extract_bitmasks(table, tables):
    """{name in small letters: Column} of whole numbers whose bits are flags; of arrays a column an entry, elemflag_mg."""
    found = {}
    for name in filter(BITMASK.fullmatch, table.columns):
        values = table.raw(name)
        if values.dtype.kind not in "iu" or values.ndim > 2:
            continue
        entries = (
            {"": values}
            if values.ndim == 1
            else dict(zip(name_entries(name, values.shape[1], tables), values.T))
        )
        for entry, one in entries.items():
            for bit, part in split_bitmask(one, name in WIDE_MASKS).items():
                found[f"{name.lower()}{entry}{f'_{bit}' if bit else ''}"] = Column(
                    part, None, name + entry.upper()
                )
    return found


def name_entries(name, n, tables):
    """Endings (n,) of the columns that an array of flags becomes: _mg where a table names the elements, else _0, _1, ..."""
    for data in tables:
        symbols = FitsTable(data)
        if name in SYMBOLS and symbols.has(SYMBOLS[name]):
            texts = [str(text).strip() for text in np.ravel(symbols.raw(SYMBOLS[name]).astype(str))]
            endings = ["_" + re.sub(r"\W+", "", text).lower() for text in texts]
            if len(set(endings)) == n:
                return endings
    return [f"_{i}" for i in range(n)]


def split_bitmask(values, wide):
    """{first bit: numbers (n,)} of bitmasks (n,), WORD bits each; those without a bit are left out, but for the first.

    A negative number has its highest bit set, unless it is -9999 or more: that stands for a mask that is missing, whose bits
    are all taken as set, for nobody knows that the star is sound.
    """
    size = 8 * values.dtype.itemsize
    missing = (
        (values < 0) & (values >= -9999)
        if values.dtype.kind == "i"
        else np.zeros(len(values), bool)
    )
    bits = values.astype("u8") & np.uint64(2**size - 1)
    found = {}
    for first in range(0, size, WORD_BITS):
        part = (bits >> np.uint64(first)) & np.uint64(2**WORD_BITS - 1)
        if first == 0 or (part[~missing] > 0).any() or (wide and first == WORD_BITS):
            found[first] = np.where(missing, 2**WORD_BITS - 1, part).astype("f4")
    return found


def read_velocity(table):
    """Velocity (n,) of each star in km/s as seen from the telescope: VREL, which is VHELIO less the Earth's part BC."""
    found = np.full(len(table), np.nan)
    if table.is_number("VREL"):
        found = table.number("VREL")
    if table.is_number("VHELIO") and table.is_number("BC"):
        found = np.where(np.isfinite(found), found, table.number("VHELIO") - table.number("BC"))
    return np.where(np.abs(found) < MAX_VELOCITY, found, np.nan)


def summarize_columns(stars):
    """Lines that say what each column was made of and how many stars have it; entries of an array share one line."""
    n, lines, seen = format_count(len(stars.ids)), [], set()
    for i, (name, source) in enumerate(zip(stars.names, stars.sources)):
        array = (
            name.split("_")[0] + "_*"
            if source.startswith(tuple(SYMBOLS)) and "_" in source
            else None
        )
        if array and array in seen:
            continue
        seen.add(array)
        known = (
            "" if array else f", known of {format_count(int(np.isfinite(stars.value[:, i]).sum()))} of {n}"
        )
        lines.append(
            f"  {array or name}: {source.split('_')[0] + ', an entry each' if array else source}{known}"
        )
    return lines
