"""Tables in FITS and HDF5 files: their columns as a DataFrame, and the units of the columns."""

import warnings
from textwrap import shorten

import numpy as np
import pandas as pd

from starlabels.base import fits, hdf5, hdf5_labels, integrity
from starlabels.base.errors import UserError


def read_fits_table(path, choose):
    """(DataFrame, {name: unit}) of the first table of a FITS file.

    choose: function(names of all columns) that returns the names of the columns to read.
    """
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns of headers that break the standard
        hdus = fits.read_fits(path)
        number = next((i for i, (_, data) in enumerate(hdus) if getattr(data, "names", None)), None)
        if number is None:
            raise UserError(f"{path} holds no table: name a FITS file with a table extension")
        try:
            table = Table.read(path, hdu=number, format="fits", character_as_bytes=False)
        except fits.DAMAGED as error:
            reason = shorten(str(error), 80)
            raise UserError(f"{path} is a damaged FITS table, {reason}: copy it anew") from None
    names = choose(table.colnames)
    units = {name: str(table[name].unit) for name in names if table[name].unit}
    return pd.DataFrame({name: fill_masked(table[name]) for name in names}), units


def fill_masked(column):
    """Values (n,) of a FITS column: NaN for a masked number, None for a masked or blank text.

    A column with an array per row becomes a series of arrays.
    """
    values = np.ma.getdata(column)
    mask = np.ma.getmaskarray(column)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim > 1:
        return pd.Series(list(values), dtype=object)
    if values.dtype.kind in "US":
        texts = pd.Series(np.asarray(values).astype(str), dtype=object).str.strip()
        return texts.where(~mask & (texts != ""), None)
    return np.where(mask, np.nan, values) if mask.any() else np.asarray(values)


def read_hdf5_table(path, choose):
    """(DataFrame, {name: unit}) of an HDF5 file: the labels of our schema, or columns.

    Columns are 1-D datasets, or the fields of a table, in the root or in its only group. Spectra
    are not read. choose: as in `read_fits_table`.
    """
    with hdf5.open_hdf5(path, "name a table in CSV, FITS or HDF5") as h5:
        columns, units = read_own_labels(h5) if "labels" in h5 else read_plain_columns(path, h5)
        columns = {name: columns[name][:] for name in choose(list(columns))}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        sizes = shorten(", ".join(f"{name} {n}" for name, n in lengths.items()), 100)
        raise UserError(
            f"{path} has columns of unequal length, {sizes}: name those that belong together"
        )
    for name, values in columns.items():
        if values.dtype.kind == "S":
            columns[name] = np.char.decode(values, "utf-8").astype(object)
    return pd.DataFrame(columns), units


def read_own_labels(h5):
    """({name: (n,)}, {name: unit}) of the labels of our schema, <name>_err, and star_id."""
    names = hdf5_labels.read_label_names(h5)
    columns = dict(zip(names, hdf5_labels.read_labels(h5, names).T))
    if "labels/error" in h5:
        for name, errors in zip(names, hdf5_labels.read_label_errors(h5, names).T):
            if not np.isnan(errors).all():
                columns[f"{name}_err"] = errors
    if "star_id" in h5:
        columns["star_id"] = hdf5.read_text(hdf5.get_dataset(h5, "star_id"))
    return columns, hdf5_labels.read_label_units(h5)


def read_plain_columns(path, h5):
    """({name: (n,)}, {name: unit}) of the columns in the root of a file or in its only group."""
    groups = [item for item in h5.values() if hasattr(item, "items")]
    for group in (h5, *(groups if len(groups) == 1 else [])):
        datasets = {
            name: item
            for name, item in group.items()
            if getattr(item, "shape", None) and item.ndim == 1
        }
        if len(datasets) == 1:
            table = integrity.read_whole(next(iter(datasets.values())))
            if table.dtype.names:
                return split_fields(table), {}
        if datasets:
            return read_datasets(datasets)
    contents = ", ".join(h5) or "nothing"
    raise UserError(
        f"{path} holds {contents}; expected columns, 1-D datasets, or labels of our schema"
    )


def split_fields(table):
    """{name: (n,)} of the fields of a structured array; texts as objects."""
    fields = {name: table[name] for name in table.dtype.names}
    return {
        name: values.astype("U").astype(object) if values.dtype.kind in "OS" else values
        for name, values in fields.items()
    }


def read_datasets(datasets):
    """({name: (n,)}, {name: unit}) of 1-D datasets {name: dataset}."""
    columns, units = {}, {}
    for name, data in datasets.items():
        is_text = data.dtype.kind in "OS"
        columns[name] = hdf5.read_text(data) if is_text else integrity.read_whole(data)
        unit = integrity.read_attribute(data, "units") or integrity.read_attribute(data, "unit")
        units[name] = str(unit or "")
    return columns, units
