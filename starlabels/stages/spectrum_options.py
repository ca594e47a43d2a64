"""What files of spectra do not state: options of predict.py, for all files or for each of them."""

import math
from typing import NamedTuple

import pandas as pd

from starlabels.base.errors import UserError
from starlabels.catalogues import tables
from starlabels.spectra.instruments import INSTRUMENTS, get_instrument
from starlabels.spectra.spectrum import ReadOptions
from starlabels.spectra.velocity import REACH

RANGES = {  # option: lowest value, highest value, unit
    "resolving_power": (50, 1_000_000, ""),
    "rv": (-30_000, 30_000, " km/s"),  # the Doppler shift here is not relativistic
    "rv_range": (10, 3_000, " km/s"),
}
CHOICES = {"medium": ("air", "vacuum"), "error_kind": ("sigma", "variance", "ivar")}
SETTINGS = ("resolving_power", "rv", "medium", "error_kind", "instrument")  # columns of --settings
TEXTS = ("file", "medium", "error_kind", "instrument")


class FileOptions(NamedTuple):
    """Options of one file: for its reader, and the radial velocity (km/s), None to measure it."""

    read: ReadOptions
    rv: float | None


def add_file_arguments(parser):
    """Add the arguments that state what a file does not."""
    medium = parser.add_mutually_exclusive_group()
    for name in CHOICES["medium"]:
        text = f"wavelengths are in {name}"
        medium.add_argument(f"--{name}", dest="medium", action="store_const", const=name, help=text)
    text = "lambda / FWHM, if the file does not state it"
    parser.add_argument("--resolving-power", type=float, help=text)
    text = f"resolving power, medium and kind of error of {', '.join(INSTRUMENTS)}"
    parser.add_argument("--instrument", help=text)
    text = "radial velocity (km/s) to use instead of the measured one; 0: at rest"
    parser.add_argument("--rv", type=float, help=text)
    text = f"velocities to search on either side of 0, in km/s (default: {REACH:g})"
    parser.add_argument("--rv-range", type=float, default=REACH, help=text)
    text = "part of the model's wavelengths to use, in Angstrom at rest"
    parser.add_argument("--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help=text)
    text = f"CSV, FITS or HDF5 table with a column file and any of {', '.join(SETTINGS)}"
    parser.add_argument("--settings", help=text)
    for quantity in ("wave", "flux", "error"):
        text = f"column of the {quantity}, if its name does not show it"
        parser.add_argument(f"--{quantity}-column", help=text)
    text = "what the error column holds, if its name does not show it"
    parser.add_argument("--error-kind", choices=CHOICES["error_kind"], help=text)
    text = "Angstrom, nm or micron, if the file does not state it"
    parser.add_argument("--wave-unit", help=text)


class SpectrumOptions:
    """Options of each file: of its row in --settings, else of the command line.

    Parameters
    ----------
    args : argparse.Namespace
        See `add_file_arguments`.

    Raises
    ------
    UserError
        If a value is out of range, or the table of --settings cannot be used.

    Attributes
    ----------
    reach : float
        Greatest radial velocity (km/s) that a spectrum may have, to either side of 0.
    """

    def __init__(self, args):
        self.args = args
        given = {name: getattr(args, name) for name in SETTINGS}
        self.given = {name: value for name, value in given.items() if value is not None}
        check_values(self.given | {"rv_range": args.rv_range}, "--")
        self.rows = read_settings(args.settings) if args.settings else {}
        velocities = [abs(row["rv"]) for row in (self.given, *self.rows.values()) if "rv" in row]
        self.reach = max([args.rv_range, *velocities])

    def get_file_options(self, path):
        """FileOptions of a file, whose row may have its path or its name."""
        row = self.rows.get(str(path), self.rows.get(path.name, {}))
        values = self.given | row
        if "instrument" in values:
            usual = get_instrument(values["instrument"])._asdict()
            values = {name: usual[name] for name in SETTINGS if name in usual} | values
        read = ReadOptions(
            medium=values.get("medium"),
            resolving_power=values.get("resolving_power"),
            error_kind=values.get("error_kind"),
            wave_column=self.args.wave_column,
            flux_column=self.args.flux_column,
            error_column=self.args.error_column,
            wave_unit=self.args.wave_unit,
        )
        return FileOptions(read, values.get("rv"))


def check_values(values, where):
    """Raise a UserError if a value {name: value} is out of range or not among the choices.

    where: what precedes the name in a message, such as `--` for an option.
    """
    for name, value in values.items():
        shown = where + (name.replace("_", "-") if where == "--" else name)
        if name in RANGES:
            low, high, unit = RANGES[name]
            if not (math.isfinite(value) and low <= value <= high):
                raise UserError(f"{shown}: found {value:g}, expected {low:g} to {high:g}{unit}")
        elif name in CHOICES and value not in CHOICES[name]:
            expected = " or ".join(CHOICES[name])
            raise UserError(f"{shown}: found {value!r}, expected {expected}")
        elif name == "instrument":
            get_instrument(value, "" if where == "--" else where)


def read_settings(path):
    """Read the table of --settings.

    Parameters
    ----------
    path : str

    Returns
    -------
    dict
        {file: {name of SETTINGS: value}}, without what is missing.

    Raises
    ------
    UserError
        If the table has no column file, a file twice, an unknown column or a bad value.
    """
    table = tables.read_table(path, texts=TEXTS).frame
    unknown = [name for name in table if name not in ("file", *SETTINGS)]
    if "file" not in table or unknown:
        found = f"its columns are {', '.join(map(str, table))}"
        raise UserError(f"{path}: {found}: expected file and any of {', '.join(SETTINGS)}")
    rows = {}
    for record in table.to_dict("records"):
        file = str(record.pop("file")).strip()
        row = {key: value for key, value in record.items() if not (pd.isna(value) or value == "")}
        check_values(row, f"{path}: {file}: ")
        if file in rows:
            raise UserError(f"{path}: {file} is in two rows: leave one")
        rows[file] = row
    return rows
