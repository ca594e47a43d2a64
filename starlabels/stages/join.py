"""0_join: join databases of spectra or stars into one indexed file; catalogues add columns."""

import contextlib
from pathlib import Path

import numpy as np

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.sentinels import blank_magnitudes
from starlabels.catalogues import crossmatch, cuts, star_stack
from starlabels.catalogues.databases import (
    check_labels,
    check_medium,
    check_medium_of_recipe,
    check_wave,
    mask_bad_labels,
    open_database,
    read_table_database,
)
from starlabels.catalogues.derived_labels import find_derived
from starlabels.catalogues.features import list_units
from starlabels.config.digests import database_digest, is_own_grid
from starlabels.spectra.spectrum import ABSURD
from starlabels.stages import locks


@locks.require_lock("lock")
def join_databases(run, args=None):
    """Join the databases of the recipe into 0_joined.h5; each row keeps its file and row number.

    Raises
    ------
    UserError
        Before anything is written, if a database does not fit.
    """
    cfg, path = run.cfg, run.paths.joined
    check_files(run)
    # computed before the files are opened: they may be replaced meanwhile
    digest, inputs = run.digest("0_join"), find_inputs(run)
    kind = "spectra" if cfg.wave else "stars"
    with contextlib.ExitStack() as stack:
        databases = [open_entry(cfg, entry, stack) for entry in cfg.join.databases]
        check_medium(databases)
        stars = stack_stars(cfg, databases)
        with run.create("0_join", digest, inputs) as h5:
            if cfg.wave:
                kept = write_spectra(h5, databases, cfg)
            else:
                kept = [database.rows for database in databases]
            for database, rows in zip(databases, kept):
                print(format_summary(database, len(rows), kind))
            n = sum(map(len, kept))
            if not n:
                what = f"no {'spectrum' if cfg.wave else 'star'} is left to join"
                hint = "loosen `where`" + (" and `cuts`" if cfg.join.cuts else "")
                files = ", ".join(database.path for database in databases)
                raise UserError(f"{files}: {what}: {hint} in {cfg.path}, join.databases")
            write_index(h5, stars, databases, kept)
    columns = len(list(stars.values))
    size = f"spectra of {cfg.wave.n_pix} pixels" if cfg.wave else f"stars, {columns} columns"
    print(f"{path}: {format_count(n)} {size}")


def list_entries(cfg):
    """The databases and catalogues of the recipe."""
    return [*cfg.join.databases, *(cfg.join.catalogues or [])]


def find_inputs(run):
    """{file: digest} of the databases and catalogues of the recipe."""
    inputs = {}
    for entry in list_entries(run.cfg):
        own = is_own_grid(run.cfg, entry.path)
        inputs[entry.path] = run.digest("grid") if own else database_digest(run.cfg, entry.path)
    return inputs


def check_files(run):
    """UserError if the output is among the databases; a note if the run's own grid is not."""
    cfg, target, grid = run.cfg, run.paths.joined, run.paths.grid
    if any(Path(entry.path).resolve() == target.resolve() for entry in list_entries(cfg)):
        hint = f"take it out of join.databases in {cfg.path}"
        raise UserError(f"{target} is what 0_join.py writes: {hint}")
    joined = any(is_own_grid(cfg, entry.path) for entry in cfg.join.databases)
    if grid and grid.exists() and not joined:
        print(f"note: {grid}, the grid of {cfg.path}, is not among join.databases")


def open_entry(cfg, entry, stack):
    """The Database of an entry of join.databases, with selected rows; the ExitStack closes it."""
    catalogues = cfg.join.catalogues or []
    if cfg.wave:
        database = stack.enter_context(open_database(cfg, entry.path))
    else:
        units = list_units(cfg.features) if cfg.features else {}
        database = read_table_database(entry, crossmatch.list_match_columns(catalogues), units)
    derived = find_derived(cfg.labels)
    # with catalogues the columns of a derived label may come later
    if derived and (not catalogues or set(derived.columns) <= set(database.labels)):
        derived.add_to(database, database.path)
    if not catalogues:
        check_labels(database, cfg.labels)
    mask_bad_labels(database, entry.missing or {})
    if cfg.wave:
        check_wave(database, cfg.wave, cfg.join.resample)
        check_medium_of_recipe(database, cfg.wave.medium)
    database.rows = cuts.select_rows(database, entry.where)
    return database


def stack_stars(cfg, databases):
    """StarStack of the rows of Databases with the columns of the catalogues, after the cuts."""
    stars, catalogues = star_stack.stack_databases(databases), cfg.join.catalogues or []
    for i, catalogue in enumerate(catalogues, start=1):
        crossmatch.add_catalogue(stars, catalogue, catalogues[i:])
    for name in cfg.features.magnitudes if cfg.features else ():
        if name in stars.values:
            values = blank_magnitudes(stars.values[name].to_numpy(), f"joined stars: {name}")
            stars.values = stars.values.assign(**{name: values})
    if derived := find_derived(cfg.labels):
        derived.add_to(stars, "join.catalogues")
    if missing := [name for name in cfg.labels if name not in stars.values]:
        columns = f"the joined columns are [{', '.join(stars.values)}]"
        asked = f"config also asks for {', '.join(missing)}"
        raise UserError(f"{cfg.path}: {columns}; {asked}: correct `labels`")
    keep = cuts.apply_cuts(stars, cfg.join.cuts or [], cfg.path)
    for i, database in enumerate(databases):
        mask = keep[stars.source == i]
        database.dropped["excluded by cuts"] = int((~mask).sum())
        database.rows = database.rows[mask]
    return stars.select_rows(keep)


def write_spectra(h5, databases, cfg):
    """Write the valid spectra of all databases; the row numbers kept of each database."""
    powers = {database.resolving_power for database in databases}
    power = powers.pop() if len(powers) == 1 else None
    if powers and power is None:
        print("the databases differ in resolving power: the joined file states none")
    frame = "observer" if any(database.frame == "observer" for database in databases) else "rest"
    grid = cfg.wave.grid()
    hdf5_spectra.write_wave(h5, grid, databases[0].medium, power, frame)
    flux = hdf5_spectra.create_spectra(h5, None, cfg.wave.n_pix)
    kept = []
    for database in databases:
        kept_rows = [np.empty(0, "i8")]
        for rows, block in iterate_blocks(database, cfg.preprocess.chunk_rows):
            valid = mask_valid_spectra(block, database.dropped)
            hdf5.append_rows(flux, resample_flux(block[valid], database.wave, grid))
            kept_rows.append(rows[valid])
        kept.append(np.concatenate(kept_rows))
    return kept


def iterate_blocks(database, step):
    """Yield (row numbers, flux) of the selected rows, from `step` rows of the file at a time."""
    for start in show_progress(range(0, len(database.labels), step), f"joining {database.path}"):
        rows = database.rows[slice(*np.searchsorted(database.rows, [start, start + step]))]
        if len(rows):
            block = database.flux[rows[0] : rows[-1] + 1]
            yield rows, block[rows - rows[0]].astype("f4", copy=False)


def mask_valid_spectra(flux, dropped):
    """Mask (n,) of finite spectra (n, n_pix) with positive continuum; counts the others.

    Numbers beyond ABSURD are not finite: files fill missing pixels with them.
    """
    finite = (np.abs(flux) < ABSURD).all(axis=1)
    # about 1000 pixels: a percentile of all would cost more than reading them
    sparse = flux[:, :: max(1, flux.shape[1] // 1000)]
    continuum = np.percentile(np.where(finite[:, None], sparse, 1), 95, axis=1)
    # noise dips below zero, but not that far
    dips = finite & (flux.min(axis=1) < -10 * continuum)
    positive = (continuum > 0) & ~dips
    dropped["have NaN, infinite or absurd flux"] += int((~finite).sum())
    dropped["have negative continuum"] += int((finite & ~positive).sum())
    return finite & positive


def resample_flux(flux, wave, grid):
    """Flux (n, n_pix) at wave (n_pix,) on a grid, by cubic spline; wave None: unchanged."""
    if wave is None:
        return flux
    if not len(flux):
        return np.empty((0, len(grid)), "f4")
    from scipy.interpolate import CubicSpline

    return CubicSpline(wave, flux, axis=1)(grid).astype("f4")  # (n, len(grid))


def write_index(h5, stars, databases, kept):
    """Write labels, star, file and row number of each kept row of a StarStack.

    kept: row numbers of each database that were written.
    """
    is_kept = [
        np.isin(database.rows, rows, assume_unique=True) for database, rows in zip(databases, kept)
    ]
    mask = np.concatenate(is_kept)
    stars = stars.select_rows(mask)
    names = list(stars.values)
    units = [stars.units.get(name, "") for name in names]
    errors = None if stars.errors is None else stars.errors.reindex(columns=names).to_numpy("f4")
    hdf5_labels.write_labels(h5, stars.values.to_numpy("f4"), names, units, errors)
    hdf5.write_text(h5, "star_id", stars.star_id)
    source = hdf5.write_dataset(h5, "source", stars.source)
    source.attrs["names"] = [database.path for database in databases]
    hdf5.write_dataset(h5, "source_row", np.concatenate(kept).astype("i8"))


def format_summary(database, n_kept, kind):
    """`file: kept 57 812 of 60 000 spectra: 2 100 excluded by where, 88 have NaN flux`."""
    causes = []
    for cause, n in database.dropped.items():
        if n:
            causes.append(f"{format_count(n)} {cause if n > 1 else cause.replace('have', 'has')}")
    total = format_count(len(database.labels))
    text = f"{database.path}: kept {format_count(n_kept)} of {total} {kind}"
    return text + (": " + ", ".join(causes) if causes else "")
