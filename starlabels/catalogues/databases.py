"""The databases that 0_join reads: our layout, the layout of stellar-parameters-NN, and tables."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra, identifiers, integrity, sentinels
from starlabels.base.console import format_count, print_line
from starlabels.base.errors import UserError
from starlabels.catalogues import table_columns, tables
from starlabels.config.digests import is_own_grid, stage_digest

# the layout of stellar-parameters-NN
PUBLISHED_LABELS = {"TEMP": "teff", "LOGG": "logg", "VROT": "vsini", "META": "mh"}
PUBLISHED_UNITS = {"teff": "K", "logg": "dex", "vsini": "km/s", "mh": "dex"}


@dataclass
class Database:
    """One file to join.

    Attributes
    ----------
    path : path of the file.
    flux : dataset (n, n_pix), not loaded; None for a table without spectra.
    labels : DataFrame (n, k), NaN where missing.
    star_id : identifiers (n,) as bytes.
    units : {label: unit}.
    errors : DataFrame (n, l) of the errors of some labels, NaN where unknown, or None.
    wave : wavelengths (n_pix,) in Angstrom; None if the file has none, or if they are those of the
        configuration.
    medium, resolving_power, frame : as in `hdf5_spectra.SpectralAxis`.
    rows : numbers of the rows that `where` selects.
    dropped : {reason: number of rows}.
    keys : {name: (n,)} of identifiers (texts, None where missing) and positions that catalogues
        are matched by and that are not among the labels.
    """

    path: str
    flux: object
    labels: pd.DataFrame
    star_id: np.ndarray
    units: dict
    errors: pd.DataFrame | None = None
    wave: np.ndarray | None = None
    medium: str = "air"
    resolving_power: float | None = None
    frame: str = "rest"
    rows: np.ndarray = None
    dropped: Counter = field(default_factory=Counter)
    keys: dict = field(default_factory=dict)


@contextlib.contextmanager
def open_database(cfg, path):
    """Open a database of spectra, in our layout or in the published one, for reading.

    Yields
    ------
    Database

    Raises
    ------
    UserError
        If the file is missing, damaged, stale, or has neither layout.
    """
    if is_own_grid(cfg, path):
        opened = hdf5.open_stage(path, "grid", stage_digest(cfg, "grid"))
    else:
        opened = hdf5.open_hdf5(path, "fix join.databases or copy it again")
    with opened as h5:
        if "X" in h5:
            database = read_published_layout(h5, path)
        elif "spectra" in h5 and "labels" in h5:
            database = read_own_layout(h5, path)
        else:
            contents = ", ".join(h5) or "nothing"
            layouts = f"ours (spectra, labels) or X, {', '.join(PUBLISHED_LABELS)}"
            raise UserError(f"{path} holds {contents}; expected {layouts}")
        flux = database.flux
        if flux.ndim != 2 or flux.dtype.kind not in "fiu":
            shape = f"{flux.dtype} {flux.shape}"
            raise UserError(f"{path}: {flux.name} is {shape}, expected numbers (n_stars, n_pix)")
        n_rows = len(database.labels)
        if len(flux) != n_rows or len(flux) != len(database.star_id):
            counts = f"{format_count(len(flux))} spectra but {format_count(n_rows)}"
            raise UserError(f"{path} has {counts} rows of labels")
        yield database


def read_table_database(entry, is_id, units=None):
    """Read a table without spectra as a Database.

    Parameters
    ----------
    entry : an entry of join.databases.
    is_id : {name: True for an identifier, False for a position} of columns that catalogues are
        matched by, under our names or those of the file.
    units : {our name: unit} to convert columns to.

    Raises
    ------
    UserError
        With file, line and column, if the file is not such a table.
    """
    chosen = entry.columns or {}
    sources = {name: chosen.get(name, name) for name in is_id}
    texts = [entry.id or "star_id", *(sources[name] for name in is_id if is_id[name])]
    names = entry.columns and list(chosen.values())
    also = (*sources.values(), "star_id")
    table = tables.read_table(entry.path, names, also, texts, [entry.id] if entry.id else [])
    leave = (entry.id, "star_id")
    columns = table_columns.extract_columns(table, entry.columns, leave, targets=units)
    if columns.unused:
        print_line(f"{entry.path}: not kept: {', '.join(columns.unused)}")
    labels = pd.DataFrame(columns.values)
    errors = pd.DataFrame(columns.errors) if columns.errors else None
    id_column = entry.id or ("star_id" if "star_id" in table.frame else None)
    ids = table_columns.read_star_ids(table, id_column) if id_column else hash_rows(labels)
    database = Database(entry.path, None, labels, ids, columns.units, errors)
    names = {name: sources[name] for name in sources if name not in labels or is_id[name]}
    database.keys = table_columns.read_match_keys(table, names, is_id)
    return database


def hash_rows(labels):
    """Identifiers (n,) for a table (n, k) without any: rows with equal values are one star."""
    columns = labels[sorted(labels)] + 0.0  # turns -0.0 into 0.0
    hashes = pd.util.hash_pandas_object(columns, index=False).to_numpy()
    return np.char.mod("%016x", hashes).astype("S")


def format_star_ids(labels):
    """Identifiers (n,) made of the labels (n, k): equal labels are one star in any database."""
    labels = labels + 0.0  # turns -0.0 into 0.0
    # 9 digits distinguish any two float32
    columns = [labels[name].map("{:.9g}".format) for name in sorted(labels)]
    ids = columns[0].str.cat(columns[1:], sep="/") if columns else pd.Series([], dtype=str)
    return ids.to_numpy().astype("S")


def read_own_layout(h5, path):
    """The Database in a file of our schema."""
    names = hdf5_labels.read_label_names(h5)
    labels = pd.DataFrame(hdf5_labels.read_labels(h5, names), columns=names)
    if labels.empty:
        raise UserError(f"{path} holds no spectra: leave it out of join.databases")
    check_not_infinite(path, labels)
    blank_label_sentinels(path, labels)
    star_id = identifiers.read_star_ids(h5) if "star_id" in h5 else format_star_ids(labels)
    errors = None
    if "labels/error" in h5:
        errors = pd.DataFrame(hdf5_labels.read_label_errors(h5, names), columns=names)
    flux = hdf5.get_dataset(h5, "spectra/flux")
    units = hdf5_labels.read_label_units(h5)
    return Database(path, flux, labels, star_id, units, errors, *hdf5_spectra.read_axis(h5))


def read_published_layout(h5, path):
    """The Database in a file of the public stellar-parameters-NN code, without wavelengths."""
    datasets = {key: hdf5.get_dataset(h5, key) for key in PUBLISHED_LABELS if key in h5}
    bad = [
        f"{key} {data.dtype} {data.shape}"
        for key, data in datasets.items()
        if data.dtype.kind not in "fiu"
    ]
    if bad:
        raise UserError(f"{path} has {', '.join(bad)}, expected numbers (n_stars,)")
    columns = {
        PUBLISHED_LABELS[key]: np.ravel(integrity.read_whole(data)).astype("f4")
        for key, data in datasets.items()
    }
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
        raise UserError(f"{path} has labels of unequal length: {lengths}")
    labels = pd.DataFrame(columns)
    check_not_infinite(path, labels)
    blank_label_sentinels(path, labels)
    flux = hdf5.get_dataset(h5, "X")
    return Database(path, flux, labels, format_star_ids(labels), dict(PUBLISHED_UNITS))


def check_not_infinite(path, labels):
    """UserError naming the first of the labels (n, k) that is infinite as float32."""
    bad = np.isinf(labels.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        problem = f"{labels.columns[column]} is infinite, expected a number, or NaN"
        raise UserError(f"{path}: row {row + 1}: {problem}")


def blank_label_sentinels(path, labels):
    """Set labels (n, k) such as -9999 to NaN in place, and say so."""
    for name in labels:
        labels[name] = sentinels.blank_sentinels(labels[name].to_numpy(), f"{path}: {name}")


def check_labels(database, names):
    """UserError if the database lacks a label that the network is trained on."""
    missing = [name for name in names if name not in database.labels]
    if missing:
        existing = f"{database.path} has labels [{', '.join(database.labels)}]"
        by_lower_case = {column.lower(): column for column in database.labels}
        renamed = [f"{name}: {by_lower_case[name]}" for name in missing if name in by_lower_case]
        fix = "fix `labels`" + (
            f", or set `columns` to {{{', '.join(renamed)}}}" if renamed else ""
        )
        raise UserError(f"{existing}; config also asks for {', '.join(missing)}: {fix}")


def mask_bad_labels(database, missing):
    """Set labels to NaN where bits of a bitmask column are set.

    missing: {label: {column: [bits]}}. UserError if a column is missing or is not a bitmask.
    """
    labels = database.labels
    for name, masks in missing.items():
        for column, bits in masks.items():
            if absent := [key for key in (name, column) if key not in labels]:
                problem = f"no column {absent[0]}; there is {', '.join(labels)}"
                raise UserError(f"{database.path}: join.databases: missing: {problem}")
            values = labels[column].to_numpy(float)
            if not (values == np.floor(values)).all() or values.min(initial=0) < 0:
                expected = "it must hold integers of 0 or more in every row"
                raise UserError(f"{database.path}: {column} is no bitmask: {expected}")
            bad = (values.astype("i8") & sum(1 << bit for bit in bits)) > 0
            labels.loc[bad, name] = np.nan
            if bad.any():
                where = f"in {format_count(int(bad.sum()))} spectra, by bits of {column}"
                print_line(f"{database.path}: {name} is taken as missing {where}")


def check_wave(database, wave, resample):
    """Check that the pixels of a database are those of cfg.wave, or can be resampled to them.

    Parameters
    ----------
    database : Database; its wave becomes None if its pixels are those of cfg.wave.
    wave : the section cfg.wave.
    resample : join.resample.

    Raises
    ------
    UserError
        If the pixels are neither, or the wavelengths are not increasing numbers.
    """
    path, own = database.path, database.wave
    n_pix = database.flux.shape[1]
    grid = wave.grid()
    span = f"{wave.min:g}-{wave.max:g} Angstrom in steps of {wave.step:g}"
    asked = f"config asks {wave.n_pix} pixels, {span}"
    if own is None:
        if n_pix != wave.n_pix:
            raise UserError(f"{path} has {n_pix} pixels and no wavelengths; {asked}: fix `wave`")
        return
    if np.ndim(own) != 1 or own.dtype.kind not in "fiu":
        shape = f"{own.dtype} {np.shape(own)}"
        raise UserError(f"{path}: spectra/wave is {shape}, expected numbers (n_pix,)")
    if not (np.isfinite(own).all() and (np.diff(own) > 0).all()):
        problem = "spectra/wave must be finite and increasing"
        raise UserError(f"{path}: {problem}: sort its pixels by wavelength")
    if n_pix != len(own):
        raise UserError(f"{path} is damaged: {n_pix} pixels of flux, {len(own)} wavelengths")
    if len(own) == len(grid) and np.allclose(own, grid, rtol=0, atol=0.01 * wave.step):
        database.wave = None
        return
    step = np.median(np.diff(own))
    own_span = f"{n_pix} pixels, {own[0]:g}-{own[-1]:g} Angstrom in steps of {step:.4g}"
    if not resample:
        raise UserError(f"{path} has {own_span}; {asked}: fix `wave` or set join.resample: true")
    if own[0] > grid[0] + 0.01 * wave.step or own[-1] < grid[-1] - 0.01 * wave.step:
        raise UserError(f"{path} has {own_span}, which does not cover it; {asked}: narrow `wave`")


def check_medium(databases):
    """UserError if some wavelengths are in air and others in vacuum."""
    media = {database.medium: database.path for database in databases}
    if len(media) > 1:
        files = "; ".join(f"{path} is in {medium}" for medium, path in media.items())
        raise UserError(f"{files}: join one medium only")


def check_medium_of_recipe(database, medium):
    """UserError if the recipe states another medium, "air" or "vacuum", than a Database has."""
    if medium and database.medium != medium:
        problem = f"is in {database.medium}, wave.medium is {medium}"
        raise UserError(f"{database.path} {problem}: correct wave.medium, or join another file")
