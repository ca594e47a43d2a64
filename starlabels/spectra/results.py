"""Results of predict.py for observed stars, and their tables results.csv, .fits and .vot."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base.console import make_printable
from starlabels.spectra import result_files

CSV = "results.csv"
FORMULA = ("=", "+", "-", "@")  # first characters of a formula in a spreadsheet
FITS, VOTABLE = "results.fits", "results.vot"
NO_RESULT = 1 << 11  # the bit of flags of a star without labels, as in SDSS's flags
# Columns that are not numbers
TEXTS = ("name", "status", "reasons", "medium", "medium_source", "notes")


class StarResult(NamedTuple):
    """Result of predict.py for one spectrum.

    Attributes
    ----------
    name : str
        File name, followed by the row or star_id if the file holds several spectra.
    failure : str
        "" or the reason why there are no labels.
    labels, errors : dict
        {label name: value} and {label name: standard error} in physical units; empty on failure.
    rv, rv_err : float
        Radial velocity and its error (km/s) in the frame of the file; NaN if it is at rest.
    snr : float
        Median signal-to-noise ratio per pixel of the model's grid.
    chi2 : float
        Reduced chi-square of the spectrum regenerated from the nodes.
    flags : int
        Quality bits.
    reasons : list of str
        Each flag in words.
    coverage : float
        Fraction of the model's pixels that were observed.
    extras : dict
        {column: value} of columns that only some models have, see stages/derived_columns.py.
    snr_scatter : float
        S/N per pixel of the file by the scatter of neighbouring pixels; `snr` is by its errors.
    medium, medium_source : str
        "air" or "vacuum", and how it is known, such as `header`, `option` or `assumed`.
    notes : tuple of str
        What was assumed or combined when the file was read.
    trace : str
        Traceback of an error that was not foreseen, for the log.
    """

    name: str
    failure: str
    labels: dict
    errors: dict
    rv: float
    rv_err: float
    snr: float
    chi2: float
    flags: int
    reasons: list[str]
    coverage: float
    extras: dict = {}
    snr_scatter: float = math.nan
    medium: str = ""
    medium_source: str = ""
    notes: tuple[str, ...] = ()
    trace: str = ""

    @property
    def problem(self):
        """Why there are no labels, or ""; a label that is no number is as good as none."""
        unknown = [name for name, value in self.labels.items() if not math.isfinite(value)]
        if unknown and not self.failure:
            return f"the network gave no number for {', '.join(unknown)}"
        return self.failure

    @property
    def status(self):
        """`failed` (no labels), `flagged` or `ok`."""
        return "failed" if self.problem else "flagged" if self.flags else "ok"


class FittedSpectrum(NamedTuple):
    """Spectrum (n_pix,) as the network read it, for a figure, and the model at its labels.

    wave is in Angstrom at rest; flux has continuum 1 and NaN in missing pixels; flux_err and
    model are None if unknown; medium is "air" or "vacuum". scatter (n_pix,) is the usual difference
    of observed stars from the model, None if unknown.
    """

    wave: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray | None
    model: np.ndarray | None
    medium: str = "air"
    scatter: np.ndarray | None = None


class ResultTables:
    """results.csv, which grows with every `add`; results.fits and .vot follow when all are in.

    A run that breaks off leaves the rows of the CSV and no other table.

    Parameters
    ----------
    folder : Path
        Folder of both tables.
    names, units : sequences of str (n_labels,)
        Names and units of the labels.
    meta : dict
        {keyword of at most 8 letters: value} for the header of the FITS table.
    extras : dict, optional
        {column: ResultColumn} of the columns between the labels and the rest.
    """

    def __init__(self, folder, names, units, meta, extras=None):
        self.folder = Path(folder)
        self.names = list(names)
        self.meta = meta
        self.rows = []
        self.extras = extras or {}
        self.columns = {"name": "", "status": ""}  # {column: unit}
        for name, unit in zip(names, units):
            self.columns |= {name: unit, f"{name}_err": unit}
        self.columns |= {name: extra.unit for name, extra in self.extras.items()}
        self.columns |= {"rv": "km/s", "rv_err": "km/s"}
        self.columns |= dict.fromkeys(("snr", "snr_scatter", "coverage", "chi2", "flags"), "")
        self.columns |= dict.fromkeys(TEXTS[2:], "")

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in (FITS, VOTABLE):  # all tables must be of the same run
            (self.folder / name).unlink(missing_ok=True)
        self._write_rows([self.columns], "w")
        return self

    def add(self, results):
        """Append StarResults to the CSV; they are on disk when this returns."""
        rows = [build_row(result, self.names, self.extras) for result in results]
        self._write_rows([[format_cell(value) for value in values] for values in rows], "a")
        self.rows += rows

    def __exit__(self, kind, *_):
        if kind is None:
            kinds = dict.fromkeys(TEXTS, str) | {"flags": int}
            kinds |= {name: type(extra.blank) for name, extra in self.extras.items()}
            table = result_files.build_table(self.columns, self.rows, self.meta, kinds)
            result_files.write_fits(self.folder / FITS, table)
            result_files.write_votable(self.folder / VOTABLE, table)

    def _write_rows(self, rows, mode):
        """Write rows of the CSV in a file mode, "w" or "a"."""
        with open(self.folder / CSV, mode, newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def write_tables(results, folder, names, units, meta, extras=None):
    """Write the tables of all StarResults at once; parameters as in `ResultTables`."""
    with ResultTables(folder, names, units, meta, extras) as tables:
        tables.add(results)


def build_row(result, names, extras):
    """Values of a StarResult in the order of the columns; blank, or NO_RESULT, if it failed."""
    row = [clean_text(result.name), result.status]
    problem, flags = result.problem, int(result.flags)
    if problem:
        result = result._replace(labels={}, errors={}, extras={})
        flags |= NO_RESULT
    for name in names:
        row += [float(result.labels.get(name, np.nan)), float(result.errors.get(name, np.nan))]
    row += [result.extras.get(name, extra.blank) for name, extra in extras.items()]
    numbers = (result.rv, result.rv_err, result.snr, result.snr_scatter)
    row += [float(number) for number in (*numbers, result.coverage, result.chi2)]
    reasons = problem or "; ".join(result.reasons)
    texts = (reasons, result.medium, result.medium_source, "; ".join(result.notes))
    return [*row, flags, *map(clean_text, texts)]


def format_cell(value):
    """A value as text for the CSV: numbers to 8 digits, "" for NaN.

    Spreadsheets run texts that begin like a formula: these get an apostrophe.
    """
    if isinstance(value, str) and value.startswith(FORMULA) and not is_number(value):
        return f"'{value}"
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.8g}"


def is_number(text):
    """True if a text is a number, such as the identifier -12."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def clean_text(text):
    """The text in one line, with control characters and bytes that are not UTF-8 as codes."""
    return make_printable(" ".join(str(text).splitlines()))
