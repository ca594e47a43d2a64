"""Stack databases into one indexed file, each row still known by its file and row number; catalogues add columns."""

import contextlib
from pathlib import Path

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.catalogues import crossmatch, cuts, distances
from starlabels.catalogues import star_stack as stack
from starlabels.catalogues.databases import (
    check_labels,
    check_medium,
    check_wave,
    mask_bad_labels,
    open_database,
    open_table,
)
from starlabels.config.digests import database_digest, is_own_grid
from starlabels.stages import locks


@locks.require_lock("lock")
def join_databases(run, args=None):
    """Join the databases of cfg.join; UserError before anything is written if one of them does not fit."""
    cfg, target = run.cfg, run.paths.joined
    check_files(run)
    made, inputs = (
        run.digest("0_join"),
        inputs_of(run),
    )  # before the files are opened: they may be replaced meanwhile
    with contextlib.ExitStack() as opened:
        databases = [open_one(cfg, entry, opened) for entry in cfg.join.databases]
        check_medium(databases)
        stars = joined(cfg, databases)
        with run.create("0_join", made, inputs) as h5:
            kept = (
                write_spectra(h5, databases, cfg)
                if cfg.wave
                else [database.rows for database in databases]
            )
            what, n = "spectra" if cfg.wave else "stars", sum(map(len, kept))
            for database, rows in zip(databases, kept):
                print(summary(database, len(rows), what))
            if not n:
                mend = "loosen `where`" + (" and `cuts`" if cfg.join.cuts else "")
                raise UserError(
                    f"no {'spectrum' if cfg.wave else 'star'} is left to join: {mend} in {cfg.path}, join.databases"
                )
            write_index(h5, stars, databases, kept)
    print(
        f"{target}: {format_count(n)} "
        + (
            f"spectra of {cfg.wave.n_pix} pixels"
            if cfg.wave
            else f"stars, {len(list(stars.values))} columns"
        )
    )


def inputs_of(run):
    """{file: digest} of the databases and catalogues of the recipe."""
    cfg = run.cfg
    paths = [entry.path for entry in (*cfg.join.databases, *(cfg.join.catalogues or []))]
    return {
        path: run.digest("grid") if is_own_grid(cfg, path) else database_digest(cfg, path)
        for path in paths
    }


def check_files(run):
    """UserError if the output is among the databases; a note if the grid of the recipe is not."""
    cfg, target, own = run.cfg, run.paths.joined, run.paths.grid
    files = cfg.join.databases
    if any(
        Path(entry.path).resolve() == target.resolve()
        for entry in (*files, *(cfg.join.catalogues or []))
    ):
        raise UserError(
            f"{target} is what 0_join.py writes: take it out of join.databases in {cfg.path}"
        )
    if own and own.exists() and not any(is_own_grid(cfg, entry.path) for entry in files):
        print(f"note: {own}, the grid of {cfg.path}, is not among join.databases")


def open_one(cfg, entry, opened):
    """The Database of an entry of join.databases, its rows selected; files are closed with the ExitStack `opened`."""
    catalogues = cfg.join.catalogues or []
    if cfg.wave:
        database = opened.enter_context(open_database(cfg, entry.path))
    else:
        database = open_table(entry, crossmatch.list_match_columns(catalogues))
    wanted = "fakemag" in cfg.labels and "fakemag" not in database.labels
    if wanted and not (catalogues and not set(distances.FAKEMAG_COLUMNS) <= set(database.labels)):
        distances.add_fakemag(database.labels, database.errors, database.path)
        database.units["fakemag"] = "mas"
    if not catalogues:
        check_labels(database, cfg.labels)
    mask_bad_labels(database, entry.missing or {})
    if cfg.wave:
        check_wave(database, cfg.wave, cfg.join.resample)
    database.rows = cuts.select_rows(database, entry.where)
    return database


def joined(cfg, databases):
    """The Stack of the rows of Databases, with the columns of the catalogues; cuts take rows out of both."""
    stars, catalogues = stack.stack_databases(databases), cfg.join.catalogues or []
    for i, catalogue in enumerate(catalogues, start=1):
        crossmatch.add_catalogue(stars, catalogue, catalogues[i:])
    if "fakemag" in cfg.labels and "fakemag" not in stars.values:
        distances.add_fakemag(stars.values, stars.errors, "join.catalogues")
        stars.units["fakemag"] = "mas"
    if missing := [name for name in cfg.labels if name not in stars.values]:
        there = ", ".join(stars.values)
        raise UserError(
            f"{cfg.path}: the joined columns are [{there}]; config asks {', '.join(missing)} too: mend `labels`"
        )
    keep = cuts.apply_cuts(stars, cfg.join.cuts or [], cfg.path)
    for i, database in enumerate(databases):
        mask = keep[stars.source == i]
        database.dropped["excluded by cuts"] = int((~mask).sum())
        database.rows = database.rows[mask]
    return stars.rows(keep)


def write_spectra(h5, databases, cfg):
    """Stack the sound spectra of all databases in blocks of rows; the row numbers kept of each database."""
    powers = {database.resolving_power for database in databases}
    power = powers.pop() if len(powers) == 1 else None
    if powers and power is None:
        print("the databases differ in resolving power: the joined file states none")
    frame = "observer" if any(database.frame == "observer" for database in databases) else "rest"
    hdf5.write_wave(h5, cfg.wave.grid(), databases[0].medium, power, frame)
    flux = hdf5.create_spectra(h5, None, cfg.wave.n_pix)
    kept = []
    for database in databases:
        rows_kept = [np.empty(0, "i8")]
        for rows, block in blocks(database, cfg.preprocess.chunk_rows):
            ok = sound(block, database.dropped)
            hdf5.append(flux, resample(block[ok], database.wave, cfg.wave.grid()))
            rows_kept.append(rows[ok])
        kept.append(np.concatenate(rows_kept))
    return kept


def blocks(database, step):
    """(row numbers, flux) of the rows that `where` asks, one stretch of `step` rows of the file at a time."""
    for start in show_progress(range(0, len(database.labels), step), f"joining {database.path}"):
        rows = database.rows[slice(*np.searchsorted(database.rows, [start, start + step]))]
        if len(rows):
            block = database.flux[rows[0] : rows[-1] + 1]
            yield rows, block[rows - rows[0]].astype("f4", copy=False)


def sound(flux, dropped):
    """Mask (n,) of spectra (n, n_pix) that are finite with a positive continuum; the others are counted by cause."""
    finite = np.isfinite(flux).all(axis=1)
    some = flux[
        :, :: max(1, flux.shape[1] // 1000)
    ]  # a percentile of all pixels would cost more than reading them
    continuum = np.percentile(np.where(finite[:, None], some, 1), 95, axis=1)
    positive = (continuum > 0) & ~(
        finite & (flux.min(axis=1) < -10 * continuum)
    )  # noise dips below zero, not that far
    dropped["have NaN or infinite flux"] += int((~finite).sum())
    dropped["have negative continuum"] += int((finite & ~positive).sum())
    return finite & positive


def resample(flux, wave, grid):
    """Flux (n, n_pix) on wavelengths wave (n_pix,) brought to grid by a cubic spline; as it is if wave is None."""
    if wave is None:
        return flux
    if not len(flux):
        return np.empty((0, len(grid)), "f4")
    from scipy.interpolate import CubicSpline

    return CubicSpline(wave, flux, axis=1)(grid).astype("f4")  # (n, len(grid))


def write_index(h5, stars, databases, kept):
    """Write labels (the columns of a Stack), star, file and row of each star; kept: the rows to write of each database."""
    rows = np.concatenate(
        [np.isin(d.rows, rows, assume_unique=True) for d, rows in zip(databases, kept)]
    )
    stars = stars if rows.all() else stars.rows(rows)
    names = list(stars.values)
    errors = None if stars.errors is None else stars.errors.reindex(columns=names).to_numpy("f4")
    hdf5.write_labels(
        h5,
        stars.values.to_numpy("f4"),
        names,
        [stars.units.get(name, "") for name in names],
        errors,
    )
    hdf5.write_text(h5, "star_id", stars.star_id)
    source = hdf5.write(h5, "source", stars.source)
    source.attrs["names"] = [database.path for database in databases]
    hdf5.write(h5, "source_row", np.concatenate(kept).astype("i8"))


def summary(database, n_kept, what):
    """`file: kept 57 812 of 60 000 spectra: 2 100 excluded by where, 88 have NaN flux`."""
    causes = [
        f"{format_count(n)} {cause if n > 1 else cause.replace('have', 'has')}"
        for cause, n in database.dropped.items()
        if n
    ]
    text = f"{database.path}: kept {format_count(n_kept)} of {format_count(len(database.labels))} {what}"
    return text + (": " + ", ".join(causes) if causes else "")
