"""generate: spectra at given labels from a trained generator, in the kind of file that the name of --out asks for."""

import csv
import io
from pathlib import Path
from textwrap import shorten

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import LABELS
from starlabels.learning import generator
from starlabels.stages.generate_files import MAX_SPECTRA, WRITERS, GeneratedSpectra

DEFAULT_MODEL = Path("models/rvs_generator_best")
LABEL_OPTIONS = {
    name: one for name, one in LABELS.items() if not one.positive
}  # what a spectrum depends on


def add_arguments(parser):
    """Command-line arguments."""
    for name, one in LABEL_OPTIONS.items():
        text = f"{name} of one star ({one.plain_unit or 'lambda / FWHM'})"
        parser.add_argument(format_option(name), type=float, metavar="X", help=text)
    parser.add_argument(
        "--table",
        type=Path,
        help="CSV file of many stars: a column per label, and star_id if you like",
    )
    most = ", ".join(f"{n} spectra at most in {suffix}" for suffix, n in MAX_SPECTRA.items())
    parser.add_argument(
        "--out", type=Path, required=True, help=f"file to write: {', '.join(WRITERS)}; {most}"
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        help=f"folder of the trained generator (default: {DEFAULT_MODEL})",
    )


def format_option(name):
    """The command-line option of a label."""
    return f"--{name.replace('_', '-')}"


def find_model_config(args):
    """The configuration that a generator was trained with; UserError if there is none."""
    path = args.model / "config.yaml"
    if not path.is_file():
        missing, name = (path if args.model.exists() else args.model), args.model.resolve().name
        raise UserError(
            f"{missing} not found: train it by python 3_train.py --config recipes/{name}.yaml"
        )
    return path


def generate_spectra(run, args):
    """Write spectra at the labels of args to args.out, and print a line; UserError before that if one cannot be made."""
    cfg = run.cfg
    given = {name: getattr(args, name) for name in LABEL_OPTIONS if getattr(args, name) is not None}
    check_arguments(args, given, cfg.labels)
    table = read_table(args.table, cfg.labels, args.out) if args.table else pd.DataFrame()
    made = generator.open_folder(args.model)
    values = extract_labels(made, table, args.table) if args.table else made.checked(given)
    ids = list(table["star_id"]) if "star_id" in table else None
    WRITERS[args.out.suffix.lower()](GeneratedSpectra(made, values, ids, cfg, args.model), args.out)
    what = f"{format_count(len(values))} spectr{'um' if len(values) == 1 else 'a'} of {len(made.wave)} pixels from {args.model}"
    unused = [name or "(no name)" for name in table if name not in (*cfg.labels, "star_id")]
    print(f"{args.out}: {what}" + (f"; columns not used: {', '.join(unused)}" if unused else ""))


def check_arguments(args, given, names):
    """UserError unless --out is of a known kind, and there are labels {name: value} or a table of them."""
    if args.out.suffix.lower() not in WRITERS:
        raise UserError(
            f"--out {args.out}: unknown kind of file: end its name in {', '.join(WRITERS)}"
        )
    options = " ".join(format_option(name) for name in given or names)
    if not given and not args.table:
        raise UserError(
            f"no labels: give those of a star, {options}, or a CSV file of many stars, --table FILE"
        )
    if given and args.table:
        raise UserError(
            f"--table {args.table} together with {options}: put all labels into the table, or leave it out"
        )


def read_table(path, names, out):
    """The DataFrame of a CSV file, numbers in the columns `names`, the lines as index; UserError if `out` cannot hold it."""
    (_, columns), *rows = read_csv_rows(path, names)
    missing = [name for name in names if name not in columns]
    twice = [name for name in (*names, "star_id") if columns.count(name) > 1]
    if missing or twice:
        what = f"no {', '.join(missing)}: add it" if missing else f"{twice[0]} twice: leave one out"
        raise UserError(f"{path} has columns {shorten(', '.join(columns), 80)}, but {what}")
    for line, row in rows:
        if len(row) != len(columns):
            raise UserError(
                f"{path}: line {line} has {len(row)} entries for {len(columns)} columns: mend it"
            )
    table = pd.DataFrame([row for _, row in rows], [line for line, _ in rows], columns)
    for name in names:
        texts, table[name] = table[name], pd.to_numeric(table[name], errors="coerce")
        bad = ~np.isfinite(table[name])
        if bad.any():
            found = f"line {bad.idxmax()}: {name} is {shorten(texts[bad.idxmax()], 40) or 'empty'}"
            raise UserError(f"{path}: {found}, expected a number: mend it or leave the row out")
    check_capacity(path, table, out)
    return table


def read_csv_rows(path, names):
    """[(line, entries)] of a CSV file, names of columns first; UserError if it is none or has no rows."""
    wanted = f"give a CSV table with columns {', '.join(names)}"
    if not path.is_file():
        raise UserError(f"{path} not found: {wanted}")
    text = path.read_bytes().decode("utf-8-sig", "replace")
    if "\0" in text or "\N{REPLACEMENT CHARACTER}" in text:
        raise UserError(f"{path} is not text in UTF-8: {wanted}")
    reader = csv.reader(io.StringIO(text, newline=None), strict=True)
    try:
        entries = ([entry.strip() for entry in row] for row in reader)
        rows = [(reader.line_num, row) for row in entries if any(row)]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: {error}: mend it") from None
    if len(rows) < 2:
        raise UserError(f"{path} {'has no rows' if rows else 'is empty'}: {wanted}")
    return rows


def check_capacity(path, table, out):
    """UserError if that kind of file takes fewer spectra, or if a star_id cannot name a star or, in a CSV file, a column."""
    suffix, n = out.suffix.lower(), len(table)
    if n > MAX_SPECTRA.get(suffix, n):
        raise UserError(
            f"{path} has {format_count(n)} stars, a {suffix} file takes {MAX_SPECTRA[suffix]}: end --out in .fits or .h5"
        )
    ids = table.get("star_id", pd.Series(dtype=str))
    bad = (ids == "") | ((ids.duplicated() | (ids == "wave")) & (suffix == ".csv" and n > 1))
    if bad.any():
        star = ids[bad.idxmax()]
        what = f"{star} names another column already: change it" if star else "is empty: fill it"
        raise UserError(f"{path}: line {bad.idxmax()}: star_id {what}, or leave star_id out")


def extract_labels(made, table, path):
    """Labels (n, n_labels) of a table; UserError with file and line of the first row outside the range of training."""
    values = table[made.names].to_numpy(float)
    outside = ((values < made.low) | (values > made.high)).any(axis=1)
    for row in np.flatnonzero(outside):
        try:
            made.checked(dict(zip(made.names, values[row])))
        except UserError as error:
            raise UserError(f"{path}: line {table.index[row]}: {error}") from None
    return values
