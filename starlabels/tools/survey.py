"""Make a database for 0_join.py of a survey's table and its apStar or apVisit files.

Reads  TABLE, a FITS table with one row per star, such as APOGEE's allStar; the FITS files in FOLDER
       and below it
Writes the HDF5 file of --out: spectra at rest, in vacuum, with continuum 1, and labels with errors,
       flags and S/N

python -m starlabels.tools.survey allStar.fits spectra --out data/apogee.h5
"""

import hashlib
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from astropy.io import fits

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.files import check_not_input
from starlabels.catalogues import allstar
from starlabels.config import digests
from starlabels.config.data_sections import MOST_PIXELS
from starlabels.spectra import readers
from starlabels.spectra import spectrum as io
from starlabels.spectra.apogee import CHIPS, normalise_on_grid, select_chip_pixels
from starlabels.spectra.apogee_files import APOGEE_POWER
from starlabels.stages import command_line

BLOCK_SPECTRA = 64  # spectra in memory at a time
MAX_LINES = 20  # rejected spectra with a line of their own; further ones are only counted
SPECTRUM_NAME = re.compile(r"(.+)\.fits?(\.gz)?", re.IGNORECASE)


class RejectedSpectrum(Exception):
    """Why a spectrum is left out: a cause, which is counted, and a message about this spectrum."""


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    table = "FITS table of the stars, such as allStar.fits: labels, errors, flags"
    parser.add_argument("table", type=Path, help=table)
    folder = "folder of apStar or apVisit files; its subfolders are searched too"
    parser.add_argument("folder", type=Path, help=folder)
    out = "the HDF5 file to write, for join.databases"
    parser.add_argument("--out", type=Path, required=True, help=out)
    parser.add_argument(
        "--wave",
        type=float,
        nargs=3,
        default=(15150.0, 16950.0, 0.2),
        metavar=("MIN", "MAX", "STEP"),
        help="pixels in Angstrom, vacuum, without MAX, as `wave` of the recipe "
        "(default: 15150 16950 0.2)",
    )
    missing = "leave out spectra that miss a larger fraction of the detectors' pixels"
    parser.add_argument(
        "--most-missing", type=float, default=0.3, metavar="SHARE", help=f"{missing} (default: 0.3)"
    )
    order = "of the polynomial through the continuum of each detector (default: 2)"
    parser.add_argument("--order", type=int, default=2, help=order)
    keep = "further columns of the table to keep, for `where` in join.databases"
    parser.add_argument("--keep", nargs="+", default=[], metavar="COLUMN", help=keep)


def write_survey(run, args):
    """Write the database; print the sources of its columns, and what was left out and why."""
    grid = make_wave(args)
    check_not_input(args.out, [args.table])
    stars = allstar.read_allstar(args.table, args.keep)
    print(f"{args.table}: {format_count(len(stars.ids))} rows, with these columns:")
    print(*allstar.summarize_columns(stars), sep="\n")
    pairs, causes = match_files(stars, args.folder)
    inputs = {
        args.table: hdf5.compute_file_digest(args.table),
        args.folder: hash_files(path for _, path in pairs),
    }
    options = [list(args.wave), args.most_missing, args.order, args.keep]
    digest = digests.short_hash([options, *map(str, inputs.values())])
    with hdf5.create_file(args.out, "survey", digest, "", inputs) as h5:
        rows, missing = write_spectra(h5, stars, pairs, grid, args, causes)
        reasons = ", ".join(f"{format_count(n)} {cause}" for cause, n in causes.items())
        total = format_count(len(pairs) + causes["without a file"])
        if not rows:
            problem = f"no spectrum is left for {args.out}, of {total}: {reasons}"
            raise UserError(f"{problem}: fix the table or the folder")
        write_labels(h5, stars, rows, missing)
    kept = f"kept {format_count(len(rows))} of {total} spectra"
    print(f"{args.out}: {kept}" + (f": {reasons}" if reasons else ""))


def make_wave(args):
    """Wavelengths (n_pix,) of --wave; UserError if it or another option is out of range."""
    low, high, step = args.wave
    n_pix = (high - low) / step if step > 0 else 0
    if not (2 <= n_pix <= MOST_PIXELS and abs(n_pix - round(n_pix)) <= 1e-3):
        expected = "expected MIN, MAX and a STEP > 0 that divides MAX - MIN"
        raise UserError(f"--wave {low:g} {high:g} {step:g}: {expected}")
    if not 0 <= args.most_missing <= 1:
        raise UserError(f"--most-missing {args.most_missing:g}: expected a share in [0, 1]")
    if not 0 <= args.order <= 10:
        raise UserError(f"--order {args.order}: expected 0 to 10")
    grid = low + step * np.arange(round(n_pix))
    if not select_chip_pixels(grid).any():
        covered = ", ".join(f"{first:.0f}-{last:.0f}" for first, last in CHIPS)
        raise UserError(f"--wave {low:g} {high:g}: APOGEE sees {covered} Angstrom: fix it")
    return grid


def match_files(stars, folder):
    """Find the files of the stars.

    A file is found by the column FILE of the table, else by a name that ends in the star's id. Of
    several files, those are taken whose folders are named as the row's field and telescope.

    Returns
    -------
    ([(row, path)], Counter of the rows without a file)
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name the one that holds the spectra")
    ids = set(stars.ids) - {""}
    by_name, by_id = defaultdict(list), defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if match := SPECTRUM_NAME.fullmatch(path.name):
            by_name[match[1]].append(path)
            words = match[1].split("-")
            for star in {"-".join(words[i:]) for i in range(len(words))} & ids:
                by_id[star].append(path)
    pairs, causes = [], Counter()
    for row, (star, file, places) in enumerate(zip(stars.ids, stars.files, stars.places)):
        match = SPECTRUM_NAME.fullmatch(file)
        paths = by_name.get(match[1] if match else file) or by_id.get(star) or []
        n_shared = [len(places.intersection(path.parts)) for path in paths]
        pairs += [(row, path) for path, n in zip(paths, n_shared) if n == max(n_shared)]
        causes["without a file"] += not paths
    return pairs, +causes


def hash_files(paths):
    """16 hex digits of the names, sizes and times of files."""
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def write_spectra(h5, stars, pairs, grid, args, causes):
    """Write the spectra of (row, path) pairs, BLOCK_SPECTRA at a time.

    Missing pixels are 1, as in astroNN, with an error of NaN. Rejected spectra are counted in
    `causes`, and printed.

    Returns
    -------
    ([row], [fraction of missing pixels]) of the spectra that were written
    """
    hdf5_spectra.write_wave(h5, grid, "vacuum", APOGEE_POWER)
    datasets = [
        hdf5_spectra.create_spectra(h5, None, len(grid), f"spectra/{name}")
        for name in ("flux", "flux_err")
    ]
    rows, shares, block = [], [], []
    inside = select_chip_pixels(grid)
    for row, path in show_progress(pairs, "spectra"):
        try:
            flux, flux_err = read_spectrum(path, stars.velocity[row], grid, args.order)
            share = float(np.isnan(flux[inside]).mean())
            if share > args.most_missing:
                message = f"{path}: {share:.0%} of its pixels on the detectors are missing"
                raise RejectedSpectrum("with too many missing pixels", message)
        except RejectedSpectrum as error:
            cause, message = error.args
            if causes.total() - causes["without a file"] < MAX_LINES:
                print(f"left out: {message}")
            causes[cause] += 1
            continue
        rows.append(row)
        shares.append(share)
        missing = np.isnan(flux)
        block.append((np.where(missing, 1, flux), np.where(missing, np.nan, flux_err)))
        if len(block) == BLOCK_SPECTRA:
            append_block(datasets, block)
    append_block(datasets, block)
    return rows, shares


def append_block(datasets, block):
    """Add the (flux, error) of a block to their datasets, and empty it."""
    for dataset, values in zip(datasets, zip(*block)):
        hdf5.append_rows(dataset, np.array(values, "f4"))
    block.clear()


def read_spectrum(path, velocity, grid, order):
    """Read a spectrum, normalise it and resample it.

    Parameters
    ----------
    path : path of an apStar or apVisit file.
    velocity : km/s in the frame of the telescope, for a spectrum not at rest; NaN takes it from
        the header.
    grid : wavelengths (n_pix,) in Angstrom.
    order : order of the continuum.

    Returns
    -------
    (flux (n_pix,), error (n_pix,)), NaN where missing

    Raises
    ------
    RejectedSpectrum
        If the spectrum cannot be read, or is not in vacuum, or its velocity is unknown.
    """
    try:
        [observed] = readers.read_spectra(path, io.ReadOptions())
        if observed.rest:
            velocity = 0.0
        elif not np.isfinite(velocity):
            velocity = read_header_velocity(path)
    except (UserError, OSError) as error:
        raise RejectedSpectrum("that cannot be read", error) from None
    if observed.medium != "vacuum":
        message = f"{path}: its wavelengths are in air, expected APOGEE's files, in vacuum"
        raise RejectedSpectrum("not in vacuum", message)
    if not np.isfinite(velocity):
        needed = "VREL, or VHELIO and BC, in the table or the header"
        message = f"{path} is not at rest, and its velocity is unknown: it takes {needed}"
        raise RejectedSpectrum("of unknown velocity", message)
    return normalise_on_grid(observed, velocity, grid, order)


def read_header_velocity(path):
    """Velocity in km/s in the frame of the telescope from the header of an apVisit file.

    VREL, else VHELIO - BC, else VRAD; NaN if they are missing.
    """
    header = fits.getheader(path)
    values = [header.get(key) for key in ("VREL", "VHELIO", "BC", "VRAD")]
    vrel, vhelio, bc, vrad = (
        value if isinstance(value, (int, float)) else np.nan for value in values
    )
    for velocity in (vrel, vhelio - bc, vrad):
        if abs(velocity) < allstar.MAX_VELOCITY:
            return float(velocity)
    return np.nan


def write_labels(h5, stars, rows, missing):
    """Write the labels and ids of the stars, one row per spectrum.

    missing: fractions of missing pixels, which become the last label.
    """
    value = np.column_stack([stars.value[rows], missing])
    error = np.column_stack([stars.error[rows], np.full(len(rows), np.nan)])
    hdf5_labels.write_labels(h5, value, [*stars.names, "missing_pixels"], [*stars.units, ""], error)
    ids = [stars.ids[row] or stars.files[row] for row in rows]
    hdf5.write_text(h5, "star_id", [star.encode() for star in ids])


if __name__ == "__main__":
    command_line.run_command(write_survey, __doc__, add_arguments, recipe=lambda args: None)
