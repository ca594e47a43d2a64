"""The stage generate: spectra at given labels from a trained generator, in the format of --out."""

from pathlib import Path

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.files import check_not_input
from starlabels.base.labels import LABELS
from starlabels.catalogues import table_columns, tables
from starlabels.learning import generator
from starlabels.stages.generate_files import MAX_SPECTRA, WRITERS, GeneratedSpectra

DEFAULT_MODEL = Path("models/rvs_generator_best")
# Labels that a spectrum depends on
LABEL_OPTIONS = {name: label for name, label in LABELS.items() if not label.positive}


def add_arguments(parser):
    """Add the arguments of generate.py to a parser."""
    for name, label in LABEL_OPTIONS.items():
        text = f"{name} of one star ({label.plain_unit or 'lambda / FWHM'})"
        parser.add_argument(format_option(name), type=float, metavar="X", help=text)
    text = "CSV, FITS or HDF5 table of many stars: one column per label, optional star_id"
    parser.add_argument("--table", type=Path, help=text)
    limits = ", ".join(f"{n} spectra at most in {suffix}" for suffix, n in MAX_SPECTRA.items())
    text = f"file to write: {', '.join(WRITERS)}; {limits}"
    parser.add_argument("--out", type=Path, required=True, help=text)
    text = f"folder of the trained generator (default: {DEFAULT_MODEL})"
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help=text)


def format_option(name):
    """Command-line option of a label."""
    return f"--{name.replace('_', '-')}"


def find_model_config(args):
    """Path of the configuration of the generator; UserError if there is none."""
    path = args.model / "config.yaml"
    if not path.is_file():
        missing = path if args.model.exists() else args.model
        command = f"python 3_train.py --config recipes/{args.model.resolve().name}.yaml"
        raise UserError(f"{missing} not found: train it by {command}")
    return path


def generate_spectra(run, args):
    """Write spectra at the labels of the command line or of a table to args.out.

    Parameters
    ----------
    run : Run
        Run of the generator's recipe.
    args : argparse.Namespace
        See `add_arguments`.

    Raises
    ------
    UserError
        Before anything is written, if a spectrum cannot be made.
    """
    names = run.cfg.labels
    labels = {name: getattr(args, name) for name in LABEL_OPTIONS}
    labels = {name: value for name, value in labels.items() if value is not None}
    check_arguments(args, labels, names)
    table = read_table(args.table, names, args.out) if args.table else pd.DataFrame()
    made = generator.open_folder(args.model)
    values = extract_labels(made, table, args.table) if args.table else made.checked(labels)
    ids = list(table["star_id"]) if "star_id" in table else None
    write_file = WRITERS[args.out.suffix.lower()]
    write_file(GeneratedSpectra(made, values, ids, run.cfg, args.model), args.out)
    n = len(values)
    summary = f"{format_count(n)} {'spectrum' if n == 1 else 'spectra'} of {len(made.wave)} pixels"
    unused = [name for name in table if name not in (*names, "star_id")]
    remark = f"; columns not used: {', '.join(unused)}" if unused else ""
    print(f"{args.out}: {summary} from {args.model}{remark}")


def check_arguments(args, labels, names):
    """Raise a UserError unless --out has a known format and either labels or a table are given.

    labels: {name: value} of the command line; names: labels of the generator.
    """
    if args.out.suffix.lower() not in WRITERS:
        problem = f"unknown kind of file: end its name in {', '.join(WRITERS)}"
        raise UserError(f"--out {args.out}: {problem}")
    check_not_input(args.out, [args.table, *args.model.glob("*")])
    options = " ".join(format_option(name) for name in labels or names)
    if not labels and not args.table:
        hint = f"give those of one star, {options}, or a table of many stars, --table FILE"
        raise UserError(f"no labels: {hint}")
    if labels and args.table:
        hint = "put all labels into the table, or leave it out"
        raise UserError(f"--table {args.table} together with {options}: {hint}")


def read_table(path, names, out):
    """Read the labels of many stars.

    Parameters
    ----------
    path : path of the table.
    names : labels that the generator takes.
    out : file to write.

    Returns
    -------
    DataFrame of n stars, numbers in the columns `names`; its index is the place of each star in the
    file, such as `line 3`.

    Raises
    ------
    UserError
        With the line, if a label is missing or not finite, or if `out` cannot hold the stars.
    """
    table = tables.read_table(path, texts=["star_id"], required=names).drop_blank_rows()
    frame = table.frame.set_axis([table.place(row) for row in range(len(table.frame))])
    for name in names:
        frame[name] = table_columns.read_numbers(table, table.frame[name])
        bad = ~np.isfinite(frame[name])
        if bad.any():
            value = frame[name].iloc[bad.argmax()]
            problem = f"{name} is {'missing' if np.isnan(value) else value}"
            place = f"{path}: {bad.idxmax()}: {problem}"
            raise UserError(f"{place}, expected a number: fix it or leave the row out")
    if "star_id" in frame:
        ids = pd.Series(table_columns.read_identifiers(table, "star_id"), index=frame.index)
        frame["star_id"] = ids.fillna("")
    check_capacity(path, frame, out)
    return frame


def check_capacity(path, table, out):
    """Raise a UserError if `out` cannot hold the stars of a table.

    Some formats hold few spectra; a star_id must name a star and, in a CSV file, a column.
    """
    suffix = out.suffix.lower()
    n = len(table)
    if n > MAX_SPECTRA.get(suffix, n):
        problem = f"has {format_count(n)} stars, a {suffix} file takes {MAX_SPECTRA[suffix]}"
        raise UserError(f"{path} {problem}: end --out in .fits or .h5")
    ids = table.get("star_id", pd.Series(dtype=str))
    bad = ids == ""
    if suffix == ".csv" and n > 1:
        bad |= ids.duplicated() | (ids == "wave")
    if bad.any():
        star = ids.iloc[bad.argmax()]
        problem = f"{star} names another column already: change it" if star else "is empty: fill it"
        raise UserError(f"{path}: {bad.idxmax()}: star_id {problem}, or leave star_id out")


def extract_labels(made, table, path):
    """Labels (n, n_labels) of a table in the order of a generator.

    UserError with file and line of the first row outside the range of training.
    """
    values = table[made.names].to_numpy(float)
    outside = ((values < made.low) | (values > made.high)).any(axis=1)
    for row in np.flatnonzero(outside):
        try:
            made.checked(dict(zip(made.names, values[row])))
        except UserError as error:
            raise UserError(f"{path}: {table.index[row]}: {error}") from None
    return values
