"""generate: spectra at given labels from a trained generator, in the kind of file that the name of --out asks for."""

import contextlib
import csv
import io
import os
import re
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels import generator, h5io
from starlabels.cli import UserError, count, progress
from starlabels.config import is_own_grid, sha
from starlabels.join import star_ids
from starlabels.labels import LABELS, label
from starlabels.schema import Range

MODEL = Path("models/rvs_generator_best")
MOST = {".csv": 1000, ".png": 8}  # spectra: columns that programs open, panels that can be read


class Spectra(NamedTuple):
    """What to write: a Generator, labels (n, n_labels) in its order, star ids (n,) or None, the model's recipe and folder."""

    made: generator.Generator
    values: np.ndarray
    ids: list | None
    cfg: object
    model: Path

    def blocks(self):
        """Yield flux (m, n_pix), CHUNK spectra at a time."""
        for start in progress(range(0, len(self.values), generator.CHUNK), "generating spectra"):
            yield self.made.flux(self.values[start : start + generator.CHUNK])

    def flux(self):
        """Flux (n, n_pix) of all."""
        return np.concatenate(list(self.blocks()))

    def names(self):
        """Name of each star (n,): its id, else its number from 1."""
        return self.ids or [str(i + 1) for i in range(len(self.values))]

    def units(self):
        """Unit of each label (n_labels,)."""
        return [label(name).plain_unit for name in self.made.names]

    def column(self, name, otherwise):
        """Values (n,) of a label; (1,) the other value if the model has no such label."""
        return self.values[:, self.made.names.index(name)] if name in self.made.names else np.array([otherwise])

    def power(self):
        """Resolving power that all share; None if they differ, or nobody knows: databases from elsewhere do not say."""
        drawn = self.cfg.grid.labels.get("resolving_power", self.cfg.grid.resolving_power)
        own = all(is_own_grid(self.cfg, database.path) for database in self.cfg.join.databases)
        power = self.column("resolving_power", drawn if own and not isinstance(drawn, Range) else np.nan)
        return float(power[0]) if (power == power[0]).all() else None

    def at_rest(self):
        """Whether none is shifted by a radial velocity."""
        return not self.column("rv", 0.0).any()


def arguments(parser):
    """Command-line arguments."""
    for name, one in LABELS.items():
        text = f"{name} of one star ({one.plain_unit or 'lambda / FWHM'})"
        parser.add_argument(option(name), type=float, metavar="X", help=text)
    parser.add_argument("--table", type=Path, help="CSV file of many stars: a column per label, and star_id if you like")
    most = ", ".join(f"{n} spectra at most in {suffix}" for suffix, n in MOST.items())
    parser.add_argument("--out", type=Path, required=True, help=f"file to write: {', '.join(WRITERS)}; {most}")
    parser.add_argument("--model", type=Path, default=MODEL, help=f"folder of the trained generator (default: {MODEL})")


def option(name):
    """The command-line option of a label."""
    return f"--{name.replace('_', '-')}"


def recipe(args):
    """The configuration that a generator was trained with; UserError if there is none."""
    path = args.model / "config.yaml"
    if not path.is_file():
        missing, name = (path if args.model.exists() else args.model), args.model.resolve().name
        raise UserError(f"{missing} not found: train it by python 3_train.py --config recipes/{name}.yaml")
    return path


def run(cfg, args):
    """Write spectra at the labels of args to args.out, and print a line; UserError before that if one cannot be made."""
    given = {name: getattr(args, name) for name in LABELS if getattr(args, name) is not None}
    check(args, given, cfg.labels)
    table = read_table(args.table, cfg.labels, args.out) if args.table else pd.DataFrame()
    made = generator.open_folder(args.model)
    values = in_range(made, table, args.table) if args.table else made.checked(given)
    ids = list(table["star_id"]) if "star_id" in table else None
    WRITERS[args.out.suffix.lower()](Spectra(made, values, ids, cfg, args.model), args.out)
    what = f"{count(len(values))} spectr{'um' if len(values) == 1 else 'a'} of {len(made.wave)} pixels from {args.model}"
    unused = [name or "(no name)" for name in table if name not in (*cfg.labels, "star_id")]
    print(f"{args.out}: {what}" + (f"; columns not used: {', '.join(unused)}" if unused else ""))


def check(args, given, names):
    """UserError unless --out is of a known kind, and there are labels {name: value} or a table of them."""
    if args.out.suffix.lower() not in WRITERS:
        raise UserError(f"--out {args.out}: unknown kind of file: end its name in {', '.join(WRITERS)}")
    options = " ".join(option(name) for name in given or names)
    if not given and not args.table:
        raise UserError(f"no labels: give those of a star, {options}, or a CSV file of many stars, --table FILE")
    if given and args.table:
        raise UserError(f"--table {args.table} together with {options}: put all labels into the table, or leave it out")


def read_table(path, names, out):
    """The DataFrame of a CSV file, numbers in the columns `names`, the lines as index; UserError if `out` cannot hold it."""
    (_, columns), *rows = lines_of(path, names)
    missing = [name for name in names if name not in columns]
    twice = [name for name in (*names, "star_id") if columns.count(name) > 1]
    if missing or twice:
        what = f"no {', '.join(missing)}: add it" if missing else f"{twice[0]} twice: leave one out"
        raise UserError(f"{path} has columns {shorten(', '.join(columns), 80)}, but {what}")
    for line, row in rows:
        if len(row) != len(columns):
            raise UserError(f"{path}: line {line} has {len(row)} entries for {len(columns)} columns: mend it")
    table = pd.DataFrame([row for _, row in rows], [line for line, _ in rows], columns)
    for name in names:
        texts, table[name] = table[name], pd.to_numeric(table[name], errors="coerce")
        bad = ~np.isfinite(table[name])
        if bad.any():
            found = f"line {bad.idxmax()}: {name} is {shorten(texts[bad.idxmax()], 40) or 'empty'}"
            raise UserError(f"{path}: {found}, expected a number: mend it or leave the row out")
    check_room(path, table, out)
    return table


def lines_of(path, names):
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


def check_room(path, table, out):
    """UserError if that kind of file takes fewer spectra, or if a star_id cannot name a star or, in a CSV file, a column."""
    suffix, n = out.suffix.lower(), len(table)
    if n > MOST.get(suffix, n):
        raise UserError(f"{path} has {count(n)} stars, a {suffix} file takes {MOST[suffix]}: end --out in .fits or .h5")
    ids = table.get("star_id", pd.Series(dtype=str))
    bad = (ids == "") | ((ids.duplicated() | (ids == "wave")) & (suffix == ".csv" and n > 1))
    if bad.any():
        star = ids[bad.idxmax()]
        what = f"{star} names another column already: change it" if star else "is empty: fill it"
        raise UserError(f"{path}: line {bad.idxmax()}: star_id {what}, or leave star_id out")


def in_range(made, table, path):
    """Labels (n, n_labels) of a table; UserError with file and line of the first row outside the range of training."""
    values = table[made.names].to_numpy(float)
    outside = ((values < made.low) | (values > made.high)).any(axis=1)
    for row in np.flatnonzero(outside):
        try:
            made.checked(dict(zip(made.names, values[row])))
        except UserError as error:
            raise UserError(f"{path}: line {table.index[row]}: {error}") from None
    return values


@contextlib.contextmanager
def replaced_file(path):
    """A path `<path>.tmp` to write to, that takes the place of `path` when the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f"{path.name}.tmp")
    tmp.write_bytes(b"")  # empties what a killed run left; an OSError here names the file
    try:
        yield tmp
        os.replace(tmp, path)
    finally:
        tmp.unlink(missing_ok=True)


def write_csv(spectra, path):
    """Columns wave and flux, or wave and the name of each star."""
    flux, names = spectra.flux(), spectra.names()
    with replaced_file(path) as tmp, tmp.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["wave", *(names if len(names) > 1 else ["flux"])])
        table.writerows([f"{place:.10g}", *(f"{x:.7g}" for x in row)] for place, row in zip(spectra.made.wave, flux.T))


def write_png(spectra, path):
    """A figure with a panel a star."""
    from starlabels.plots import generated as plots

    names = spectra.names() if len(spectra.values) > 1 else [""]
    titles = [plots.heading(name, dict(zip(spectra.made.names, row))) for name, row in zip(names, spectra.values)]
    plots.spectra(spectra.made.wave, spectra.flux(), titles, path, spectra.cfg.jacobian.lines)


def write_h5(spectra, path):
    """A database in our schema; without star ids, stars of equal labels have one."""
    made, values = spectra.made, spectra.values.astype("f4")
    ids = star_ids(pd.DataFrame(values, columns=made.names)) if spectra.ids is None else np.char.encode(spectra.ids, "utf-8")
    digest = sha([made.digest, values.tolist(), spectra.ids])
    with h5io.create(path, "generate", digest, spectra.cfg, {spectra.model / "scaling.h5": made.digest}) as h5:
        h5io.write_wave(h5, made.wave, resolving_power=spectra.power())
        h5["spectra/wave"].attrs["frame"] = "rest" if spectra.at_rest() else "observer"
        flux, start = h5io.create_spectra(h5, len(values), len(made.wave)), 0
        for block in spectra.blocks():
            flux[start : start + len(block)] = block
            start += len(block)
        h5io.write_labels(h5, values, made.names, spectra.units())
        h5io.write_text(h5, "star_id", ids)


def write_fits(spectra, path):
    """One spectrum as a table, several as an image with tables of wavelengths and labels; the first header tells of them."""
    with replaced_file(path) as tmp:
        (one_fits if len(spectra.values) == 1 else many_fits)(spectra, tmp)


def one_fits(spectra, path):
    """A table SPECTRUM with columns WAVE and FLUX."""
    from astropy.io import fits

    header = fits.Header(cards(spectra))
    columns = [fits.Column("WAVE", "D", "Angstrom", array=spectra.made.wave), fits.Column("FLUX", "E", array=spectra.flux()[0])]
    table = fits.BinTableHDU.from_columns(columns, header, name="SPECTRUM")
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(path, overwrite=True)


def many_fits(spectra, path):
    """An image (n, n_pix), a table WAVE of its wavelengths, and a table LABELS with a row a star."""
    from astropy.io import fits

    made, ids = spectra.made, [name.encode("ascii", "backslashreplace") for name in spectra.names()]
    shape = [("NAXIS", 2), ("NAXIS1", len(made.wave)), ("NAXIS2", len(ids))]
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), *shape, ("EXTEND", True), *linear(made.wave), *cards(spectra)])
    with contextlib.closing(fits.StreamingHDU(str(path), header)) as image:
        for block in spectra.blocks():
            image.write(block)
    wave = [fits.Column("WAVE", "D", "Angstrom", array=made.wave)]
    stars = [fits.Column("star_id", f"{max(map(len, ids))}A", array=np.array(ids))]
    stars += [fits.Column(name, "D", unit, array=x) for name, unit, x in zip(made.names, spectra.units(), spectra.values.T)]
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU.from_columns(wave, name="WAVE"))
        hdus.append(fits.BinTableHDU.from_columns(stars, name="LABELS"))


def linear(wave):
    """Cards of a FITS header for the wavelengths (n_pix,) of an image; none if their steps differ."""
    step = float(f"{(wave[-1] - wave[0]) / (len(wave) - 1):.9g}")  # 0.1, not 0.09999999999999927
    if not np.allclose(np.diff(wave), step, rtol=1e-4, atol=0):
        return []
    return [
        ("CTYPE1", "AWAV", "wavelength in air"),
        ("CUNIT1", "Angstrom"),
        ("CRPIX1", 1.0),
        ("CRVAL1", wave[0]),
        ("CDELT1", step),
    ]


def cards(spectra):
    """Cards of a FITS header: what the flux is, the labels of a single star with units, and how it was made."""
    found = [("AIRORVAC", "air", "wavelengths are in air"), ("CONTNORM", True, "normalised: the continuum is 1")]
    if spectra.at_rest():
        found.append(("SPECSYS", "SOURCE", "at rest in the frame of the star"))
    if power := spectra.power():
        found.append(("R", power, "resolving power, lambda / FWHM"))
    for name, unit, column in zip(spectra.made.names, spectra.units(), spectra.values.T):
        if len(column) == 1 and name != "resolving_power":
            key = name.upper() if re.fullmatch(r"\w{1,8}", name, re.ASCII) else f"HIERARCH {name}"
            found.append((key, column[0], f"[{unit}]" if unit else ""))
    found += [("MODEL", ascii(str(spectra.model))[1:-1]), ("DIGEST", spectra.made.digest, "of the model's settings")]
    return found + [("STARLAB", h5io.commit(), "version of starlabels"), ("DATE", h5io.now()[:19], "UTC")]


WRITERS = {".fits": write_fits, ".csv": write_csv, ".h5": write_h5, ".hdf5": write_h5, ".png": write_png}
