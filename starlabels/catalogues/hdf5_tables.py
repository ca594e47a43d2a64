"""Tables in HDF5 files: columns of any group, compound tables, and those of astropy and vaex."""

from textwrap import shorten

import h5py
import numpy as np
import pandas as pd

from starlabels.base import hdf5, hdf5_labels, identifiers, integrity
from starlabels.base.errors import UserError
from starlabels.catalogues import astropy_tables, pandas_hdf5
from starlabels.catalogues.table_choice import MAX_COLUMNS, Source, read_source

META = ".__table_column_meta__"  # of astropy, next to a compound table
VAEX = {"data", "mask", "indices", "null_bitmap"}  # datasets of one column
MAX_GROUPS = 10_000
FILL_VALUES = ("_FillValue", "missing_value")  # attributes of netCDF


def read_hdf5_table(selection):
    """(DataFrame, {name: unit}) of an HDF5 file: the labels of our schema, or a table.

    Spectra are not read.
    """
    path = selection.path
    with hdf5.open_hdf5(path, "name a table in CSV, FITS or HDF5") as h5:
        if isinstance(h5.get("labels/value"), h5py.Dataset):
            return read_own_labels(h5, selection)
        groups = [h5]
        h5.visititems(lambda name, item: collect_group(groups, item))
        frames = tuple(f"{group.name}/" for group in groups if "pandas_type" in group.attrs)
        groups = [group for group in groups if not group.name.startswith(frames)]
        sources = [source for group in groups for source in list_sources(path, group)]
        if not sources:
            contents = shorten(", ".join(h5), 100) or "nothing"
            expected = "expected columns, 1-D datasets, or labels of our schema"
            raise UserError(f"{path} holds {contents}; {expected}")
        return read_source(selection, sources, "HDF5 file with columns")


def collect_group(groups, item):
    """Append a group to the list; true, which ends the visit, if it is full."""
    if isinstance(item, h5py.Group):
        groups.append(item)
    return len(groups) >= MAX_GROUPS or None


def read_own_labels(h5, selection):
    """(DataFrame, {name: unit}) of the labels of our schema, <name>_err, and star_id."""
    names = hdf5_labels.read_label_names(h5)
    columns = dict(zip(names, hdf5_labels.read_labels(h5, names).T))
    if "labels/error" in h5:
        for name, errors in zip(names, hdf5_labels.read_label_errors(h5, names).T):
            if not np.isnan(errors).all():
                columns[f"{name}_err"] = errors
    if "star_id" in h5:
        ids = identifiers.read_star_ids(h5)
        columns["star_id"] = np.char.decode(ids, "utf-8").astype(object)
    read = build_reader({name: (lambda x=x: x) for name, x in columns.items()}, {})
    n = len(h5["labels/value"])
    frame, _ = read_source(selection, [Source("labels", list(columns), n, read)], "table")
    return frame, hdf5_labels.read_label_units(h5)


def list_sources(path, group):
    """The Sources of a group: its compound tables, and its columns."""
    kind = integrity.read_attribute(group, "pandas_type")
    if isinstance(kind, str) and kind.startswith("frame"):
        return pandas_hdf5.list_frames(path, group, kind)
    if is_vaex_column(group):
        return []  # it belongs to the table of its parent
    if len(group) > MAX_COLUMNS:
        problem = f"holds {len(group)} items in {group.name}, a table of stars at most"
        raise UserError(f"{path} {problem} {MAX_COLUMNS}: name a table of one row per star")
    sources, columns = [], {}
    items = {name: group.get(name) for name in group}
    for name, item in items.items():
        if is_vaex_column(item):
            columns[name] = item["data"]
        if not isinstance(item, h5py.Dataset) or name.endswith(META):
            continue
        if item.dtype.names and item.ndim == 1:
            sources.append(build_compound(path, item, items.get(name + META)))
        elif item.ndim == 1 or (item.ndim == 2 and item.shape[1] == 1):
            columns[name] = item
    for length in {count_rows(data): None for data in columns.values()}:
        same = {name: data for name, data in columns.items() if count_rows(data) == length}
        sources.append(build_columns(group, same, length))
    return sources


def count_rows(data):
    """Number of values of a column; vaex stores texts as one string and the ends of each."""
    is_text = is_vaex_column(data.parent) and "indices" in data.parent
    return len(data.parent["indices"]) - 1 if is_text else len(data)


def is_vaex_column(item):
    """True for a group that holds the values of one column, as vaex writes it."""
    if not isinstance(item, h5py.Group) or item.name == "/" or not set(item) <= VAEX:
        return False
    data = item.get("data")
    return isinstance(data, h5py.Dataset) and data.ndim == 1 and not data.dtype.names


def build_compound(path, data, meta):
    """The Source of a dataset of records; meta: astropy's description of its columns, or None."""
    place = f"dataset {data.name.lstrip('/')}"
    if meta is not None:
        from astropy.io.misc.hdf5 import read_table_hdf5

        for dataset in (data, meta):
            integrity.check_written(dataset)
            integrity.check_size(dataset)
        options = {"path": data.name, "character_as_bytes": False}
        table = astropy_tables.read_safely(path, "table", read_table_hdf5, data.file, **options)
        return astropy_tables.list_table(table, place)

    def read(names):
        records = integrity.read_whole(data)
        return pd.DataFrame({name: convert_values(records[name]) for name in names}), {}

    return Source(place, list(data.dtype.names), len(data), read)


def build_columns(group, columns, n):
    """The Source of datasets (n,) of one group."""
    readers = {name: (lambda data=data: read_column(data)) for name, data in columns.items()}
    units = {}
    for name, data in columns.items():
        unit = integrity.read_attribute(data, "units") or integrity.read_attribute(data, "unit")
        units[name] = str(unit or "")
    place = f"group {group.name.lstrip('/') or '/'} ({', '.join(columns)})"
    place = shorten(place, 60, placeholder=" ...)")
    return Source(place, list(columns), n, build_reader(readers, units))


def build_reader(readers, units):
    """Function of a Source: it calls the readers {name: function} of the named columns."""

    def read(names):
        columns = {name: readers[name]() for name in names}
        return pd.DataFrame(columns), {name: units[name] for name in names if name in units}

    return read


def read_column(data):
    """Values (n,) of a dataset: NaN where its attributes, or the mask of vaex, say missing."""
    if h5py.check_string_dtype(data.dtype) and data.dtype.kind == "O":
        integrity.check_written(data)
        integrity.check_size(data)
        return pd.Series(np.ravel(data.asstr(errors="replace")[:]), dtype=object)
    values = np.ravel(integrity.read_whole(data))
    vaex = data.parent if is_vaex_column(data.parent) else {}
    if "indices" in vaex:
        ends = integrity.read_whole(vaex["indices"])
        text = values.tobytes()
        texts = [text[i:j].decode("utf-8", "replace") for i, j in zip(ends[:-1], ends[1:])]
        return pd.Series(texts, dtype=object)
    mask = np.zeros(len(values), bool)
    if "mask" in vaex:
        mask |= integrity.read_whole(vaex["mask"]).astype(bool)
    for name in FILL_VALUES:
        fill = np.ravel(data.attrs.get(name, []))
        if fill.size == 1 and fill.dtype.kind in "fiu" and values.dtype.kind in "fiu":
            mask |= values == fill[0]
    return convert_values(np.ma.array(values, mask=mask))


def convert_values(values):
    """Values (n,) as `astropy_tables.convert_column` gives them; objects become texts or arrays."""
    if values.dtype.names:
        return pd.Series([values[i] for i in range(len(values))], dtype=object).map(np.atleast_1d)
    return astropy_tables.convert_column(values)
