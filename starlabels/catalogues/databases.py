"""The databases that 0_join reads: ours, the published layout of stellar-parameters-NN, and tables without spectra."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from starlabels.base import hdf5, integrity
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.catalogues import tables
from starlabels.config.digests import stage_digest, is_own_grid

PUBLISHED = {
    "TEMP": "teff",
    "LOGG": "logg",
    "VROT": "vsini",
    "META": "mh",
}  # the layout of stellar-parameters-NN


@dataclass
class Database:
    """One file to join: its labels (n, k) whole in memory, its flux (n, n_pix) still on disk; None is that of a table.

    keys: {name: (n,)} of identifiers (texts, None where missing) and positions that catalogues are matched by and that are not
    among the labels.
    """

    path: str
    flux: object
    labels: pd.DataFrame
    star_id: np.ndarray
    units: dict
    errors: pd.DataFrame | None = None  # of some of the labels (n, k), NaN where not known
    wave: np.ndarray | None = (
        None  # None: the file has none, or its pixels are those of the configuration
    )
    medium: str = "air"
    resolving_power: float | None = None
    frame: str = "rest"
    rows: np.ndarray = None  # those that `where` asks
    dropped: Counter = field(default_factory=Counter)
    keys: dict = field(default_factory=dict)


@contextlib.contextmanager
def open_database(cfg, path):
    """A Database, ours or in the published layout, open for reading; UserError if it is missing, damaged or neither."""
    own = is_own_grid(cfg, path)
    opened = (
        hdf5.open_stage(path, "grid", stage_digest(cfg, "grid"))
        if own
        else hdf5.open_hdf5(path, "mend join.databases or copy it anew")
    )
    with opened as h5:
        if "X" in h5:
            database = read_published_layout(h5, path)
        elif "spectra" in h5 and "labels" in h5:
            database = read_own_layout(h5, path)
        else:
            there = ", ".join(h5) or "nothing"
            raise UserError(
                f"{path} holds {there}; expected ours (spectra, labels) or X, {', '.join(PUBLISHED)}"
            )
        if database.flux.ndim != 2 or database.flux.dtype.kind not in "fiu":
            found = f"{database.flux.dtype} {database.flux.shape}"
            raise UserError(
                f"{path}: {database.flux.name} is {found}, expected numbers (n_stars, n_pix)"
            )
        n_flux, n_labels = len(database.flux), len(database.labels)
        if n_flux != n_labels or n_flux != len(database.star_id):
            raise UserError(
                f"{path} has {format_count(n_flux)} spectra but {format_count(n_labels)} rows of labels"
            )
        yield database


def open_table(entry, keys):
    """The Database of a table without spectra; UserError naming file, line and column if it is none.

    keys {name: whether it is an identifier}: columns that catalogues are matched by, under our names or those of the file.
    """
    chosen = entry.columns or {}
    theirs = {name: chosen.get(name, name) for name in keys}
    texts = [entry.id or "star_id", *(theirs[name] for name, is_id in keys.items() if is_id)]
    names, required = entry.columns and list(chosen.values()), [entry.id] if entry.id else []
    table = tables.read_table(entry.path, names, (*theirs.values(), "star_id"), texts, required)
    columns = tables.extract_columns(table, entry.columns, leave=(entry.id, "star_id"))
    if columns.unused:
        print(f"{entry.path}: not kept: {', '.join(columns.unused)}")
    labels = pd.DataFrame(columns.values)
    errors = pd.DataFrame(columns.errors) if columns.errors else None
    own = entry.id or ("star_id" if "star_id" in table.frame else None)
    ids = tables.read_star_ids(table, own) if own else hash_rows(labels)
    database = Database(entry.path, None, labels, ids, columns.units, errors)
    database.keys = tables.read_match_keys(
        table,
        {name: column for name, column in theirs.items() if name not in labels or keys[name]},
        keys,
    )
    return database


def hash_rows(labels):
    """An id (n,) per row of a table (n, k) that has none: rows with identical values are one star."""
    hashed = pd.util.hash_pandas_object(
        labels[sorted(labels)] + 0.0, index=False
    ).to_numpy()  # -0.0 is 0.0
    return np.char.mod("%016x", hashed).astype("S")


def read_own_layout(h5, path):
    """The Database in a file of our schema."""
    names = hdf5.label_names(h5)
    labels = pd.DataFrame(hdf5.read_labels(h5, names), columns=names)
    if labels.empty:
        raise UserError(f"{path} holds no spectra: leave it out of join.databases")
    check_finite(path, labels)
    star_id = hdf5.read_text(hdf5.dataset(h5, "star_id")) if "star_id" in h5 else format_star_ids(labels)
    errors = (
        pd.DataFrame(hdf5.read_label_errors(h5, names), columns=names)
        if "labels/error" in h5
        else None
    )
    flux = hdf5.dataset(h5, "spectra/flux")
    return Database(path, flux, labels, star_id, hdf5.label_units(h5), errors, *hdf5.read_axis(h5))


def read_published_layout(h5, path):
    """The Database in a file of the public stellar-parameters-NN code, which has no wavelengths."""
    found = {key: hdf5.dataset(h5, key) for key in PUBLISHED if key in h5}
    if strange := [
        f"{key} {data.dtype} {data.shape}"
        for key, data in found.items()
        if data.dtype.kind not in "fiu"
    ]:
        raise UserError(f"{path} has {', '.join(strange)}, expected numbers (n_stars,)")
    columns = {
        PUBLISHED[key]: np.ravel(integrity.read_whole(data)).astype("f4") for key, data in found.items()
    }
    if len({len(values) for values in columns.values()}) > 1:
        raise UserError(
            f"{path} has labels of unequal length: {', '.join(f'{k} {len(v)}' for k, v in columns.items())}"
        )
    labels = pd.DataFrame(columns)
    check_finite(path, labels)
    units = {"teff": "K", "logg": "dex", "vsini": "km/s", "mh": "dex"}
    return Database(path, hdf5.dataset(h5, "X"), labels, format_star_ids(labels), units)


def check_finite(path, labels):
    """UserError naming the first of the labels (n, k) that is infinite, as float32."""
    bad = np.isinf(labels.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise UserError(
            f"{path}: row {row + 1}: {labels.columns[column]} is infinite, expected a number, or NaN"
        )


def format_star_ids(labels):
    """An id (n,) per row of labels (n, k): rows with identical labels are one star, in whatever database they lie."""
    labels = labels + 0.0  # -0.0 is 0.0
    columns = [
        labels[name].map("{:.9g}".format) for name in sorted(labels)
    ]  # 9 digits tell any two float32 apart
    ids = columns[0].str.cat(columns[1:], sep="/") if columns else pd.Series([], dtype=str)
    return ids.to_numpy().astype("S")


def check_labels(database, names):
    """UserError if the database lacks a label that the network shall learn."""
    missing = [name for name in names if name not in database.labels]
    if missing:
        there = ", ".join(database.labels)
        raise UserError(
            f"{database.path} has labels [{there}]; config asks {', '.join(missing)} too: mend `labels`"
        )


def mask_bad_labels(database, missing):
    """Take away the labels that a bitmask column says are bad: missing {label: {column: [bits]}}; UserError if it is none."""
    labels = database.labels
    for name, masks in missing.items():
        for column, bits in masks.items():
            if absent := [one for one in (name, column) if one not in labels]:
                there = ", ".join(labels)
                raise UserError(
                    f"{database.path}: join.databases: missing: no column {absent[0]}; there is {there}"
                )
            values = labels[column].to_numpy(float)
            if not (values == np.floor(values)).all() or values.min(initial=0) < 0:
                raise UserError(
                    f"{database.path}: {column} is no bitmask: it must hold integers of 0 or more in every row"
                )
            bad = (values.astype("i8") & sum(1 << bit for bit in bits)) > 0
            labels.loc[bad, name] = np.nan
            if bad.any():
                print(
                    f"{database.path}: {name} is taken as missing in {format_count(int(bad.sum()))} spectra, by bits of {column}"
                )


def check_wave(database, wave, resample):
    """UserError if the pixels of the database are not those of cfg.wave and cannot be brought to them."""
    n_pix, grid = database.flux.shape[1], wave.grid()
    asked = f"config asks {wave.n_pix} pixels, {wave.min:g}-{wave.max:g} Angstrom in steps of {wave.step:g}"
    if database.wave is None:
        if n_pix != wave.n_pix:
            raise UserError(
                f"{database.path} has {n_pix} pixels and no wavelengths; {asked}: mend `wave`"
            )
        return
    own = database.wave
    if np.ndim(own) != 1 or own.dtype.kind not in "fiu":
        raise UserError(
            f"{database.path}: spectra/wave is {own.dtype} {np.shape(own)}, expected numbers (n_pix,)"
        )
    if not (np.isfinite(own).all() and (np.diff(own) > 0).all()):
        raise UserError(
            f"{database.path}: spectra/wave must be finite and increasing: sort its pixels by wavelength"
        )
    if n_pix != len(own):
        raise UserError(
            f"{database.path} is damaged: {n_pix} pixels of flux, {len(own)} wavelengths"
        )
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
        raise UserError(
            "; ".join(f"{path} is in {medium}" for medium, path in media.items())
            + ": join one medium only"
        )
