"""Stack databases of spectra into one indexed file, each row still known by its file and row number."""

import contextlib
import tokenize
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from starlabels import distances, h5io
from starlabels.cli import UserError, count, progress
from starlabels.config import database_digest, digest, is_own_grid, paths

PUBLISHED = {"TEMP": "teff", "LOGG": "logg", "VROT": "vsini", "META": "mh"}  # the layout of stellar-parameters-NN
QUERY_ERRORS = (
    SyntaxError,
    NameError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    tokenize.TokenError,
)


@dataclass
class Database:
    """One file to join: its labels (n, k) whole in memory, its flux (n, n_pix) still on disk."""

    path: str
    flux: object
    labels: pd.DataFrame
    star_id: np.ndarray
    units: dict
    errors: pd.DataFrame | None = None  # of the labels (n, k), NaN where not known
    wave: np.ndarray | None = None  # None: the file has none, or its pixels are those of the configuration
    medium: str = "air"
    resolving_power: float | None = None
    rows: np.ndarray = None  # those that `where` asks
    dropped: Counter = field(default_factory=Counter)


def run(cfg, args=None):
    """Join the databases of cfg.join; UserError before anything is written if one of them does not fit."""
    target, own = paths(cfg).joined, paths(cfg).grid
    if any(Path(entry.path).resolve() == target.resolve() for entry in cfg.join.databases):
        raise UserError(f"{target} is what 0_join.py writes: take it out of join.databases in {cfg.path}")
    if own.exists() and not any(is_own_grid(cfg, entry.path) for entry in cfg.join.databases):
        print(f"note: {own}, the grid of {cfg.path}, is not among join.databases")
    with contextlib.ExitStack() as stack:
        databases = [stack.enter_context(open_database(cfg, entry.path)) for entry in cfg.join.databases]
        for database, entry in zip(databases, cfg.join.databases):
            if "fakemag" in cfg.labels and "fakemag" not in database.labels:
                distances.add_fakemag(database.labels, database.errors, database.path)
                database.units["fakemag"] = "mas"
            check_labels(database, cfg.labels)
            hide(database, entry.missing or {})
            check_wave(database, cfg.wave, cfg.join.resample)
            database.rows = select(database, entry.where)
        check_medium(databases)
        inputs = {d.path: digest(cfg, "grid") if is_own_grid(cfg, d.path) else database_digest(cfg, d.path) for d in databases}
        with h5io.create(target, "0_join", digest(cfg, "0_join"), cfg, inputs) as h5:
            kept = write_spectra(h5, databases, cfg)
            write_index(h5, databases, kept)
            for database, rows in zip(databases, kept):
                print(summary(database, len(rows)))
            n = sum(map(len, kept))
            if not n:
                raise UserError(f"no spectrum is left to join: loosen `where` in {cfg.path}, join.databases")
    print(f"{target}: {count(n)} spectra of {cfg.wave.n_pix} pixels")


@contextlib.contextmanager
def open_database(cfg, path):
    """A Database, ours or in the published layout, open for reading; UserError if it is missing, damaged or neither."""
    own = is_own_grid(cfg, path)
    opened = (
        h5io.open_stage(path, "grid", digest(cfg, "grid"))
        if own
        else h5io.open_hdf5(path, "mend join.databases or copy it anew")
    )
    with opened as h5:
        if "X" in h5:
            database = read_published(h5, path)
        elif "spectra" in h5 and "labels" in h5:
            database = read_ours(h5, path)
        else:
            there = ", ".join(h5) or "nothing"
            raise UserError(f"{path} holds {there}; expected ours (spectra, labels) or X, {', '.join(PUBLISHED)}")
        if database.flux.ndim != 2 or database.flux.dtype.kind not in "fiu":
            found = f"{database.flux.dtype} {database.flux.shape}"
            raise UserError(f"{path}: {database.flux.name} is {found}, expected numbers (n_stars, n_pix)")
        n_flux, n_labels = len(database.flux), len(database.labels)
        if n_flux != n_labels or n_flux != len(database.star_id):
            raise UserError(f"{path} has {count(n_flux)} spectra but {count(n_labels)} rows of labels")
        yield database


def read_ours(h5, path):
    """The Database in a file of our schema."""
    names = h5io.label_names(h5)
    labels = pd.DataFrame(h5io.read_labels(h5, names), columns=names)
    if labels.empty:
        raise UserError(f"{path} holds no spectra: leave it out of join.databases")
    star_id = h5io.read_text(h5["star_id"]) if "star_id" in h5 else star_ids(labels)
    errors = pd.DataFrame(h5io.read_label_errors(h5, names), columns=names) if "labels/error" in h5 else None
    about = h5["spectra"].attrs
    return Database(
        path,
        h5io.dataset(h5, "spectra/flux"),
        labels,
        star_id,
        h5io.label_units(h5),
        errors,
        h5io.read_wave(h5),
        str(about.get("medium", "air")),
        about.get("resolving_power"),
    )


def read_published(h5, path):
    """The Database in a file of the public stellar-parameters-NN code, which has no wavelengths."""
    columns = {name: h5io.dataset(h5, key)[:].ravel().astype("f4") for key, name in PUBLISHED.items() if key in h5}
    if len({len(values) for values in columns.values()}) > 1:
        raise UserError(f"{path} has labels of unequal length: {', '.join(f'{k} {len(v)}' for k, v in columns.items())}")
    labels = pd.DataFrame(columns)
    units = {"teff": "K", "logg": "dex", "vsini": "km/s", "mh": "dex"}
    return Database(path, h5io.dataset(h5, "X"), labels, star_ids(labels), units)


def star_ids(labels):
    """An id (n,) per row of labels (n, k): rows with identical labels are one star, in whatever database they lie."""
    labels = labels + 0.0  # -0.0 is 0.0
    columns = [labels[name].map("{:.9g}".format) for name in sorted(labels)]  # 9 digits tell any two float32 apart
    ids = columns[0].str.cat(columns[1:], sep="/") if columns else pd.Series([], dtype=str)
    return ids.to_numpy().astype("S")


def check_labels(database, names):
    """UserError if the database lacks a label that the network shall learn."""
    missing = [name for name in names if name not in database.labels]
    if missing:
        there = ", ".join(database.labels)
        raise UserError(f"{database.path} has labels [{there}]; config asks {', '.join(missing)} too: mend `labels`")


def hide(database, missing):
    """Take away the labels that a bitmask column says are bad: missing {label: {column: [bits]}}; UserError if it is none."""
    labels = database.labels
    for name, masks in missing.items():
        for column, bits in masks.items():
            if absent := [one for one in (name, column) if one not in labels]:
                there = ", ".join(labels)
                raise UserError(f"{database.path}: join.databases: missing: no column {absent[0]}; there is {there}")
            values = labels[column].to_numpy(float)
            if not (values == np.floor(values)).all() or values.min(initial=0) < 0:
                raise UserError(f"{database.path}: {column} is no bitmask: it must hold integers of 0 or more in every row")
            bad = (values.astype("i8") & sum(1 << bit for bit in bits)) > 0
            labels.loc[bad, name] = np.nan
            if bad.any():
                print(f"{database.path}: {name} is taken as missing in {count(int(bad.sum()))} spectra, by bits of {column}")


def check_wave(database, wave, resample):
    """UserError if the pixels of the database are not those of cfg.wave and cannot be brought to them."""
    n_pix, grid = database.flux.shape[1], wave.grid()
    asked = f"config asks {wave.n_pix} pixels, {wave.min:g}-{wave.max:g} Angstrom in steps of {wave.step:g}"
    if database.wave is None:
        if n_pix != wave.n_pix:
            raise UserError(f"{database.path} has {n_pix} pixels and no wavelengths; {asked}: mend `wave`")
        return
    own = database.wave
    if not (np.isfinite(own).all() and (np.diff(own) > 0).all()):
        raise UserError(f"{database.path}: spectra/wave must be finite and increasing: sort its pixels by wavelength")
    if n_pix != len(own):
        raise UserError(f"{database.path} is damaged: {n_pix} pixels of flux, {len(own)} wavelengths")
    if len(own) == len(grid) and np.allclose(own, grid, rtol=0, atol=0.01 * wave.step):
        database.wave = None
        return
    found = f"{database.path} has {n_pix} pixels, {own[0]:g}-{own[-1]:g} Angstrom in steps of {np.median(np.diff(own)):.4g}"
    if not resample:
        raise UserError(f"{found}; {asked}: mend `wave` or set join.resample: true")
    if own[0] > grid[0] + 0.01 * wave.step or own[-1] < grid[-1] - 0.01 * wave.step:
        raise UserError(f"{found}, which does not cover it; {asked}: narrow `wave`")


def check_medium(databases):
    """UserError if some wavelengths are in air and others in vacuum."""
    media = {database.medium: database.path for database in databases}
    if len(media) > 1:
        raise UserError("; ".join(f"{path} is in {medium}" for medium, path in media.items()) + ": join one medium only")


def select(database, where):
    """Row numbers that the pandas query on the labels keeps, or on their errors, <label>_err; UserError if it is none."""
    labels = database.labels
    if database.errors is not None:
        labels = labels.join(database.errors.add_suffix("_err"))
    if where is None:
        return np.arange(len(labels))
    try:
        keep = labels.astype("f8").round(4).eval(where)  # so that "mh == 0.3" is true of a float32
    except QUERY_ERRORS as error:
        why = str(error).splitlines()[0]
    else:
        why = f"it gives {type(keep).__name__}, not true or false for each row"
        if isinstance(keep, pd.Series) and keep.dtype == bool:
            database.dropped["excluded by where"] = int((~keep).sum())
            return np.flatnonzero(keep)
    raise UserError(f"{database.path}: where: {where!r}: {why}; a condition on {', '.join(labels)} is expected")


def write_spectra(h5, databases, cfg):
    """Stack the sound spectra of all databases in blocks of rows; the row numbers kept of each database."""
    powers = {database.resolving_power for database in databases}
    power = powers.pop() if len(powers) == 1 else None
    if powers and power is None:
        print("the databases differ in resolving power: the joined file states none")
    h5io.write_wave(h5, cfg.wave.grid(), databases[0].medium, power)
    flux = h5io.create_spectra(h5, None, cfg.wave.n_pix)
    kept = []
    for database in databases:
        rows_kept = [np.empty(0, "i8")]
        for rows, block in blocks(database, cfg.preprocess.chunk_rows):
            ok = sound(block, database.dropped)
            h5io.append(flux, resample(block[ok], database.wave, cfg.wave.grid()))
            rows_kept.append(rows[ok])
        kept.append(np.concatenate(rows_kept))
    return kept


def blocks(database, step):
    """(row numbers, flux) of the rows that `where` asks, one stretch of `step` rows of the file at a time."""
    for start in progress(range(0, len(database.labels), step), f"joining {database.path}"):
        rows = database.rows[slice(*np.searchsorted(database.rows, [start, start + step]))]
        if len(rows):
            block = database.flux[rows[0] : rows[-1] + 1]
            yield rows, block[rows - rows[0]].astype("f4", copy=False)


def sound(flux, dropped):
    """Mask (n,) of spectra (n, n_pix) that are finite with a positive continuum; the others are counted by cause."""
    finite = np.isfinite(flux).all(axis=1)
    some = flux[:, :: max(1, flux.shape[1] // 1000)]  # a percentile of all pixels would cost more than reading them
    continuum = np.percentile(np.where(finite[:, None], some, 1), 95, axis=1)
    positive = (continuum > 0) & ~(finite & (flux.min(axis=1) < -10 * continuum))  # noise dips below zero, not that far
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


def write_index(h5, databases, kept):
    """Write labels (the union of all columns, NaN where a database lacks one), star, file and row of each spectrum."""
    labels = pd.concat([d.labels.iloc[rows] for d, rows in zip(databases, kept)], ignore_index=True)
    units = {name: unit for database in databases for name, unit in database.units.items()}
    errors = None
    if any(database.errors is not None for database in databases):
        blank = (d.labels * np.nan if d.errors is None else d.errors for d in databases)
        errors = pd.concat([one.iloc[rows] for one, rows in zip(blank, kept)], ignore_index=True)[list(labels)].to_numpy("f4")
    h5io.write_labels(h5, labels.to_numpy("f4"), list(labels), [units.get(name, "") for name in labels], errors)
    h5io.write_text(h5, "star_id", np.concatenate([d.star_id[rows] for d, rows in zip(databases, kept)]))
    source = h5.create_dataset("source", data=np.repeat(np.arange(len(kept), dtype="u1"), [len(rows) for rows in kept]))
    source.attrs["names"] = [database.path for database in databases]
    h5.create_dataset("source_row", data=np.concatenate(kept).astype("i8"))


def summary(database, n_kept):
    """`file: kept 57 812 of 60 000 spectra: 2 100 excluded by where, 88 have NaN flux`."""
    causes = [f"{count(n)} {cause if n > 1 else cause.replace('have', 'has')}" for cause, n in database.dropped.items() if n]
    text = f"{database.path}: kept {count(n_kept)} of {count(len(database.labels))} spectra"
    return text + (": " + ", ".join(causes) if causes else "")
