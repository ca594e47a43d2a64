"""Labels in the HDF5 files of this package, see docs/hdf5.md.

`group` is an open file with `labels/value`, or a part of 2_prepared.h5 with `labels`.
"""

import h5py
import numpy as np

from starlabels.base import integrity
from starlabels.base.errors import UserError
from starlabels.base.hdf5 import get_dataset, write_dataset


def write_labels(group, value, names, units, error=None):
    """Write labels and their errors.

    Parameters
    ----------
    group : h5py.Group
    value, error : array (n, n_labels)
        In physical units, NaN where missing.
    names, units : list of str
        One per label.
    """
    for name, values in (("labels/value", value), ("labels/error", error)):
        if values is not None:
            data = write_dataset(group, name, np.asarray(values, "f4"))
            data.attrs.update({"names": list(names), "units": list(units)})


def get_labels_dataset(group):
    """The dataset of labels (n, n_labels); UserError if absent."""
    if isinstance(group.get("labels"), h5py.Dataset):
        return group["labels"]
    return get_dataset(group, "labels/value")


def read_label_names(group):
    """Names of the labels; UserError unless the labels are numbers with one name per column."""
    data = get_labels_dataset(group)
    names = integrity.read_text_attribute(data, "names")
    is_table = data.ndim == 2 and data.dtype.kind in "fiu"
    if not is_table or len(names) != data.shape[1] or len(set(names)) < len(names):
        raise UserError(
            f"{data.file.filename}: {data.name} is {data.dtype} {data.shape} named "
            f"[{', '.join(names)}]; expected numbers (n, n_labels), one name per column"
        )
    return names


def read_label_units(group):
    """{name: unit} of the labels; "" if unknown."""
    names = read_label_names(group)
    units = integrity.read_text_attribute(get_labels_dataset(group), "units")
    return dict.fromkeys(names, "") | dict(zip(names, units))


def read_labels(group, names):
    """Labels (n, len(names)) float32 in physical units; UserError if some are absent."""
    columns = read_label_names(group)
    missing = [name for name in names if name not in columns]
    if missing:
        raise UserError(
            f"{group.file.filename} has labels [{', '.join(columns)}]; "
            f"config also asks for {', '.join(missing)}"
        )
    values = integrity.read_whole(get_labels_dataset(group))
    return values[:, [columns.index(name) for name in names]].astype("f4")


def read_label_errors(group, names):
    """Errors (n, len(names)) float32 of labels, NaN where unknown."""
    data = get_labels_dataset(group)
    columns = read_label_names(group)
    is_file = data.name.endswith("value") and "label_errors" not in group
    key = "labels/error" if is_file else "label_errors"
    if key not in group:
        return np.full((len(data), len(names)), np.nan, "f4")
    errors = get_dataset(group, key)
    if errors.shape != data.shape or errors.dtype.kind not in "fiu":
        raise UserError(
            f"{group.file.filename}: {errors.name} is {errors.dtype} {errors.shape}, "
            f"expected numbers {data.shape} as the labels"
        )
    values = integrity.read_whole(errors)
    return values[:, [columns.index(name) for name in names]].astype("f4")


def read_columns(group, names):
    """Columns [(n,)] of all labels of a part of 2_prepared.h5, trained or not; None if absent."""
    columns = list(group["grid_labels"].attrs["names"])
    values = group["grid_labels"][:]
    return [
        values[:, columns.index(name)].astype(float) if name in columns else None for name in names
    ]


def read_column_errors(group, names):
    """Errors [(n,)] of the columns of `read_columns`, NaN where unknown."""
    columns = list(group["grid_labels"].attrs["names"])
    unknown = np.full(len(group["grid_labels"]), np.nan)
    if "grid_label_errors" not in group:
        return [unknown.copy() for _ in names]
    values = group["grid_label_errors"][:].astype(float)
    return [values[:, columns.index(name)] if name in columns else unknown.copy() for name in names]
