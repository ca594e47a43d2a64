"""Make a database for 0_join.py of a survey: a FITS table as APOGEE's allStar, and the apStar or apVisit files of its stars.

Reads  TABLE, a FITS table with a star a row; the FITS files in FOLDER and in the folders below it
Writes the HDF5 file of --out: spectra at rest, in vacuum, with continuum 1, and labels with errors, flags and S/N

python -m starlabels.tools.survey allStar.fits spectra --out data/apogee.h5
"""

import hashlib
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from astropy.io import fits

from starlabels.base import hdf5
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.catalogues import allstar
from starlabels.config import digests
from starlabels.config.schema import MOST_PIXELS
from starlabels.spectra import readers
from starlabels.spectra import spectrum as io
from starlabels.spectra.apogee import CHIPS, select_chip_pixels, normalise_on_grid
from starlabels.spectra.fits_images import APOGEE_POWER
from starlabels.stages import command_line

BLOCK_SPECTRA = 64  # spectra in memory at a time
MAX_LINES = 20  # spectra left out that have a line of their own; the others are counted only
SPECTRUM_NAME = re.compile(r"(.+)\.fits?(\.gz)?", re.IGNORECASE)


class LeftOut(Exception):
    """Why a spectrum is left out: a cause, which is counted, and what there is to say of this one."""


def add_arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "table",
        type=Path,
        help="FITS table of the stars, such as allStar.fits: labels, errors, flags",
    )
    parser.add_argument(
        "folder",
        type=Path,
        help="folder of apStar or apVisit files; folders in it are searched too",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the HDF5 file to write, for join.databases"
    )
    wave = "pixels in Angstrom, vacuum, without MAX: as `wave` of the recipe (default: 15150 16950 0.2)"
    pixels = {
        "type": float,
        "nargs": 3,
        "default": (15150.0, 16950.0, 0.2),
        "metavar": ("MIN", "MAX", "STEP"),
    }
    parser.add_argument("--wave", help=wave, **pixels)
    missing = "leave out spectra that miss more than this share of the pixels on the detectors (default: 0.3)"
    parser.add_argument("--most-missing", type=float, default=0.3, metavar="SHARE", help=missing)
    parser.add_argument(
        "--order",
        type=int,
        default=2,
        help="of the polynomial through each detector's continuum (default: 2)",
    )
    keep = "further columns of the table to keep, for `where` in join.databases"
    parser.add_argument("--keep", nargs="+", default=[], metavar="COLUMN", help=keep)


def write_survey(run, args):
    """Write the database and say what it was made of, and what was left out why."""
    grid = make_wave(args)
    stars = allstar.read_allstar(args.table, args.keep)
    print(
        "\n".join(
            [
                f"{args.table}: {format_count(len(stars.ids))} rows, of which are taken",
                *allstar.summarize_columns(stars),
            ]
        )
    )
    pairs, causes = match_files(stars, args.folder)
    inputs = {
        args.table: hdf5.file_digest(args.table),
        args.folder: hash_files(path for _, path in pairs),
    }
    options = [list(args.wave), args.most_missing, args.order, args.keep]
    digest = digests.short_hash([options, *map(str, inputs.values())])
    with hdf5.create(args.out, "survey", digest, "", inputs) as h5:
        rows, missing = write_spectra(h5, stars, pairs, grid, args, causes)
        reasons = ", ".join(f"{format_count(n)} {cause}" for cause, n in causes.items())
        total = len(pairs) + causes["without a file"]
        if not rows:
            raise UserError(
                f"no spectrum is left for {args.out}, of {format_count(total)}: {reasons}: mend the table or the folder"
            )
        write_labels(h5, stars, rows, missing)
    print(
        f"{args.out}: kept {format_count(len(rows))} of {format_count(total)} spectra"
        + (f": {reasons}" if reasons else "")
    )


def make_wave(args):
    """Wavelengths (n_pix,) of --wave; UserError if that, or another option, cannot be."""
    low, high, step = args.wave
    n = (high - low) / step if step > 0 else 0
    if not (2 <= n <= MOST_PIXELS and abs(n - round(n)) <= 1e-3):
        raise UserError(
            f"--wave {low:g} {high:g} {step:g}: expected MIN, MAX and a STEP > 0 that divides MAX - MIN"
        )
    if not 0 <= args.most_missing <= 1:
        raise UserError(f"--most-missing {args.most_missing:g}: expected a share in [0, 1]")
    if not 0 <= args.order <= 10:
        raise UserError(f"--order {args.order}: expected 0 to 10")
    grid = low + step * np.arange(round(n))
    if not select_chip_pixels(grid).any():
        covered = ", ".join(f"{first:.0f}-{last:.0f}" for first, last in CHIPS)
        raise UserError(f"--wave {low:g} {high:g}: APOGEE sees {covered} Angstrom: mend it")
    return grid


def match_files(stars, folder):
    """([(row, path)] of the rows that have files, Counter of those without).

    A file is found by the table's FILE, else by a name that ends in the star's id; of several those whose folders are named
    as the row's field and telescope.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name the one that holds the spectra")
    ids, by_name, by_id = set(stars.ids) - {""}, defaultdict(list), defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if found := SPECTRUM_NAME.fullmatch(path.name):
            by_name[found[1]].append(path)
            words = found[1].split("-")
            for star in {"-".join(words[i:]) for i in range(len(words))} & ids:
                by_id[star].append(path)
    pairs, causes = [], Counter()
    for row, (star, file, places) in enumerate(zip(stars.ids, stars.files, stars.places)):
        name = SPECTRUM_NAME.fullmatch(file)
        paths = by_name.get(name[1] if name else file) or by_id.get(star) or []
        shared = [len(places.intersection(path.parts)) for path in paths]
        pairs += [(row, path) for path, n in zip(paths, shared) if n == max(shared)]
        causes["without a file"] += not paths
    return pairs, +causes


def hash_files(paths):
    """16 hex digits of the names, sizes and times of files."""
    found = hashlib.sha256()
    for path in paths:
        about = path.stat()
        found.update(f"{path} {about.st_size} {about.st_mtime_ns}\n".encode())
    return found.hexdigest()[:16]


def write_spectra(h5, stars, pairs, grid, args, causes):
    """Write the spectra of (row, path) pairs, BLOCK at a time; (their rows, their shares of missing pixels).

    Missing pixels are 1, as in astroNN, with an error of NaN. Causes of what is left out are counted, and printed.
    """
    hdf5.write_wave(h5, grid, "vacuum", APOGEE_POWER)
    data = [
        hdf5.create_spectra(h5, None, len(grid), f"spectra/{name}") for name in ("flux", "flux_err")
    ]
    rows, shares, block, inside = [], [], [], select_chip_pixels(grid)
    for row, path in show_progress(pairs, "spectra"):
        try:
            flux, error = read_spectrum(path, stars.velocity[row], grid, args.order)
            share = float(np.isnan(flux[inside]).mean())
            if share > args.most_missing:
                raise LeftOut(
                    "with too many missing pixels",
                    f"{path}: {share:.0%} of its pixels on the detectors are missing",
                )
        except LeftOut as why:
            cause, text = why.args
            if causes.total() - causes["without a file"] < MAX_LINES:
                print(f"left out: {text}")
            causes[cause] += 1
            continue
        rows.append(row)
        shares.append(share)
        block.append((np.where(np.isnan(flux), 1, flux), np.where(np.isnan(flux), np.nan, error)))
        if len(block) == BLOCK_SPECTRA:
            append_block(data, block)
    append_block(data, block)
    return rows, shares


def append_block(data, block):
    """Add the (flux, error) of a block to their datasets, and empty it."""
    for dataset, values in zip(data, zip(*block)):
        hdf5.append(dataset, np.array(values, "f4"))
    block.clear()


def read_spectrum(path, velocity, grid, order):
    """Normalised flux and error (n_pix,) on the grid of the spectrum in a file, NaN where missing; LeftOut if it cannot be.

    velocity: km/s as seen from the telescope, of those that are not at rest; NaN: the header says it.
    """
    try:
        [observed] = readers.read_spectra(path, io.ReadOptions())
        if observed.rest:
            velocity = 0.0
        elif not np.isfinite(velocity):
            velocity = read_header_velocity(path)
    except (UserError, OSError) as error:
        raise LeftOut("that cannot be read", error) from None
    if observed.medium != "vacuum":
        raise LeftOut(
            "not in vacuum",
            f"{path}: its wavelengths are in air, expected APOGEE's files, in vacuum",
        )
    if not np.isfinite(velocity):
        needed = "VREL, or VHELIO and BC, in the table or the header"
        raise LeftOut(
            "of unknown velocity",
            f"{path} is not at rest, and its velocity is not known: it takes {needed}",
        )
    return normalise_on_grid(observed, velocity, grid, order)


def read_header_velocity(path):
    """Velocity in km/s as seen from the telescope by the header of an apVisit file: VREL, VHELIO less BC, or VRAD; else NaN."""
    header = fits.getheader(path)
    stated = {key: header.get(key) for key in ("VREL", "VHELIO", "BC", "VRAD")}
    vrel, vhelio, bc, vrad = (
        value if isinstance(value, (int, float)) else np.nan for value in stated.values()
    )
    return next(
        (float(value) for value in (vrel, vhelio - bc, vrad) if abs(value) < allstar.MAX_VELOCITY),
        np.nan,
    )


def write_labels(h5, stars, rows, missing):
    """Write the labels of rows, one a spectrum, with the share of missing pixels as the last column, and the stars' ids."""
    value = np.column_stack([stars.value[rows], missing])
    error = np.column_stack([stars.error[rows], np.full(len(rows), np.nan)])
    hdf5.write_labels(h5, value, [*stars.names, "missing_pixels"], [*stars.units, ""], error)
    ids = [stars.ids[row] or stars.files[row] for row in rows]
    hdf5.write_text(h5, "star_id", [star.encode() for star in ids])


if __name__ == "__main__":
    command_line.run_command(write_survey, __doc__, add_arguments, recipe=lambda args: None)
