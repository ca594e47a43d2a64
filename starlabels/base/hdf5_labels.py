"""Labels in the HDF5 files of this package, see docs/hdf5.md.

`group` is an open file or a part of 2_prepared.h5; it holds `labels/value`, and perhaps
`labels/error`.
"""

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


def read_label_names(group):
    """Names of the labels; UserError unless the labels are numbers with one name per column."""
    data = get_dataset(group, "labels/value")
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
    units = integrity.read_text_attribute(get_dataset(group, "labels/value"), "units")
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
    values = integrity.read_whole(group["labels/value"])
    return values[:, [columns.index(name) for name in names]].astype("f4")


def read_label_errors(group, names):
    """Errors (n, len(names)) float32 of labels, NaN where unknown."""
    data = get_dataset(group, "labels/value")
    columns = read_label_names(group)
    if "labels/error" not in group:
        return np.full((len(data), len(names)), np.nan, "f4")
    errors = get_dataset(group, "labels/error")
    if errors.shape != data.shape or errors.dtype.kind not in "fiu":
        raise UserError(
            f"{group.file.filename}: {errors.name} is {errors.dtype} {errors.shape}, "
            f"expected numbers {data.shape} as the labels"
        )
    values = integrity.read_whole(errors)
    return values[:, [columns.index(name) for name in names]].astype("f4")


def read_columns(group, names):
    """Columns [(n,)] of labels in double precision; None for one that is absent."""
    present = [name for name in names if name in read_label_names(group)]
    columns = dict(zip(present, read_labels(group, present).T.astype(float)))
    return [columns.get(name) for name in names]


def read_column_errors(group, names):
    """Errors [(n,)] of the columns of `read_columns`, NaN where unknown."""
    present = [name for name in names if name in read_label_names(group)]
    errors = dict(zip(present, read_label_errors(group, present).T.astype(float)))
    unknown = np.full(len(group["labels/value"]), np.nan)
    return [errors.get(name, unknown.copy()) for name in names]
