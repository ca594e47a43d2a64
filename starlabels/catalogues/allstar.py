"""The table of a survey, such as APOGEE's allStar: its labels, errors, bitmasks and file names."""

import re
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import numpy as np

from starlabels.base import fits
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.catalogues import bitmasks
from starlabels.catalogues.survey_table import SurveyTable

LABELS = {  # our label: its columns in capitals, of which the first that exists is taken
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
# of labels that base.labels may not know
UNITS = {"parallax": "mas", "k_mag": "mag", "a_k": "mag", "vscatter": "km/s"}
OVER_IRON = re.compile(r"([A-Z]{1,4})_FE")
OVER_HYDROGEN = re.compile(r"([A-Z]{1,4})_H")
ID_COLUMNS = ("APOGEE_ID", "SDSS4_APOGEE_ID")
MAX_MAGNITUDE = 90.0  # mag: 99.99 means missing
MAX_VELOCITY = 1000.0  # km/s: 999999 means missing


class Catalogue(NamedTuple):
    """Stars of a survey's table: n rows, what identifies their spectra, and k columns.

    Attributes
    ----------
    ids, files : texts (n,), "" if the table has none.
    places : sets (n,) of folder names, of the field and the telescope.
    velocity : (n,) in km/s in the frame of the telescope, NaN where unknown.
    names : names (k,) of the columns.
    value, error : (n, k) float32, NaN where missing.
    sources : columns (k,) of the table that each column is made of, in words.
    """

    ids: list
    files: list
    places: list
    velocity: np.ndarray
    names: list
    value: np.ndarray
    error: np.ndarray
    sources: list

    @property
    def units(self):
        """Units (k,) in plain text."""
        return [get_label(name, UNITS.get(name, "")).plain_unit for name in self.names]


class Column(NamedTuple):
    """Values (n,) of a label, their errors (n,) or None, and its columns of the table in words."""

    values: np.ndarray
    errors: np.ndarray | None
    source: str


def read_allstar(path, keep=()):
    """Read the table of a survey.

    Parameters
    ----------
    path : path of a FITS file.
    keep : names of further columns of numbers to read unchanged.

    Returns
    -------
    Catalogue

    Raises
    ------
    UserError
        If the file has no table with identifiers or file names, or lacks a column of `keep`.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} not found: name the table of the survey, such as allStar.fits")
    tables = [data for _, data in fits.read_fits(path) if getattr(data, "names", None)]
    table = find_star_table(path, tables)
    if absent := [name for name in keep if not table.has_any(name)]:
        existing = shorten(", ".join(table.columns), 300)
        problem = f"has no column {', '.join(absent)}"
        raise UserError(f"{path} {problem}: fix --keep; there is {existing}")
    columns = extract_labels(table) | extract_abundances(table)
    for name, (values, source) in bitmasks.extract_bitmasks(table, tables).items():
        columns[name] = Column(values, None, source)
    for name in keep:
        if name.lower() not in columns:
            columns[name.lower()] = Column(table.get_numbers(name), None, name.upper())
    value = np.full((len(table), len(columns)), np.nan, "f4")
    error = np.full((len(table), len(columns)), np.nan)
    for i, column in enumerate(columns.values()):
        value[:, i] = column.values
        if column.errors is not None:
            error[:, i] = column.errors
    places = zip(table.get_texts("FIELD"), table.get_texts("TELESCOPE"))
    return Catalogue(
        ids=table.get_texts(*ID_COLUMNS),
        files=[Path(name).name for name in table.get_texts("FILE")],
        places=[{word for word in pair if word} for pair in places],
        velocity=read_velocity(table),
        names=list(columns),
        value=value,
        error=error,
        sources=[column.source for column in columns.values()],
    )


def find_star_table(path, tables):
    """The first of the tables with a star per row, as a SurveyTable; UserError if there is none."""
    for data in tables:
        table = SurveyTable(data)
        if table.has_any(*ID_COLUMNS, "FILE"):
            return table
    names = ", ".join(name for data in tables for name in data.names) or "no table"
    contents = shorten(names, 150)
    raise UserError(f"{path} holds {contents}: expected a table with a column APOGEE_ID or FILE")


def extract_labels(table):
    """{label: Column} of the columns in LABELS."""
    labels = {}
    for name, candidates in LABELS.items():
        column = next((column for column in candidates if table.has_numbers(column)), None)
        if column is None:
            continue
        values = table.get_numbers(column)
        errors, error_column = table.get_errors(column)
        if name == "k_mag":
            values = np.where(values < MAX_MAGNITUDE, values, np.nan)
        if errors is not None:
            known = np.isfinite(values) & ((errors < MAX_MAGNITUDE) | (name != "k_mag"))
            errors = np.where(known, errors, np.nan)
        labels[name] = Column(values, errors, describe_source(column, error_column))
    return labels


def extract_abundances(table):
    """{label such as mg_h: Column} of [X/H], if given, else [X/Fe] + [Fe/H].

    The errors of a sum are added in quadrature.
    """
    abundances = {}
    for name in table.columns:
        over_hydrogen = OVER_HYDROGEN.fullmatch(name)
        over_iron = OVER_IRON.fullmatch(name)
        if over_hydrogen and over_hydrogen[1] not in ("FE", "M") and table.has_numbers(name):
            errors, error_column = table.get_errors(name)
            source = describe_source(name, error_column)
            abundances[name.lower()] = Column(table.get_numbers(name), errors, source)
        elif (
            over_iron
            and table.has_numbers(name)
            and table.has_numbers("FE_H")
            and not table.has_numbers(f"{over_iron[1]}_H")
        ):
            abundances[f"{over_iron[1].lower()}_h"] = add_iron(table, name)
    return abundances


def add_iron(table, name):
    """The Column of [X/H] = [X/Fe] + [Fe/H]; name: the column of [X/Fe]."""
    values = table.get_numbers(name) + table.get_numbers("FE_H")
    own_errors, _ = table.get_errors(name)
    iron_errors, _ = table.get_errors("FE_H")
    known = own_errors is not None and iron_errors is not None
    errors = np.hypot(own_errors, iron_errors) if known else None
    return Column(values, errors, describe_source(f"{name} + FE_H", known and "in quadrature"))


def describe_source(column, error_column):
    """`TEFF (errors: TEFF_ERR)`."""
    return f"{column} (errors: {error_column})" if error_column else column


def read_velocity(table):
    """Velocity (n,) in km/s in the frame of the telescope: VREL, or VHELIO - BC, else NaN."""
    velocity = np.full(len(table), np.nan)
    if table.has_numbers("VREL"):
        velocity = table.get_numbers("VREL")
    if table.has_numbers("VHELIO") and table.has_numbers("BC"):
        relative = table.get_numbers("VHELIO") - table.get_numbers("BC")
        velocity = np.where(np.isfinite(velocity), velocity, relative)
    return np.where(np.abs(velocity) < MAX_VELOCITY, velocity, np.nan)


def summarize_columns(stars):
    """Lines with the source of each column and the number of stars that have it.

    The entries of an array of masks share one line.
    """
    n_stars = format_count(len(stars.ids))
    lines = []
    arrays = set()
    for name, source, values in zip(stars.names, stars.sources, stars.value.T):
        if source.startswith(tuple(bitmasks.SYMBOLS)) and "_" in source:
            array = name.split("_")[0]
            if array not in arrays:
                arrays.add(array)
                lines.append(f"  {array}_*: {source.split('_')[0]}, one column per entry")
            continue
        n_known = format_count(int(np.isfinite(values).sum()))
        lines.append(f"  {name}: {source}, known for {n_known} of {n_stars}")
    return lines
