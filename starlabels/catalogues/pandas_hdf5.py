"""Tables that pandas.DataFrame.to_hdf has written, read without PyTables and without pickle."""

import pickletools

import numpy as np
import pandas as pd

from starlabels.base import integrity
from starlabels.base.console import print_line
from starlabels.base.errors import UserError
from starlabels.catalogues.table_choice import Source


def list_frames(path, group, kind):
    """The Source of a group with a DataFrame; kind: its attribute pandas_type."""
    columns, left_out = {}, []
    if kind == "frame":
        add_fixed_blocks(group, columns, left_out)
    else:
        add_table_fields(path, group, columns)
    if not columns:
        return []

    def read(names):
        if left_out:
            print_line(f"{path}: not read: {', '.join(left_out)} (pickled by pandas)")
        return pd.DataFrame({name: columns[name] for name in names}), {}

    n = len(next(iter(columns.values())))
    return [Source(f"frame {group.name.lstrip('/')}", list(columns), n, read)]


def add_fixed_blocks(group, columns, left_out):
    """Add {name: (n,)} of a frame in the format `fixed`; names of pickled ones to left_out."""
    index = group["axis1"]
    if index.dtype.kind != "O":
        add_index(columns, integrity.read_whole(index), integrity.read_attribute(index, "name"))
    blocks = {}
    for i in range(int(integrity.read_attribute(group, "nblocks") or 0)):
        names = decode_texts(integrity.read_whole(group[f"block{i}_items"]))
        data = group[f"block{i}_values"]
        if data.dtype.kind in "fiub":
            blocks |= dict(zip(names, integrity.read_whole(data).reshape(-1, len(names)).T))
        else:
            left_out += names
    order = decode_texts(integrity.read_whole(group["axis0"]))
    columns |= {name: np.ascontiguousarray(blocks[name]) for name in order if name in blocks}


def add_table_fields(path, group, columns):
    """Add {name: (n,)} of a frame in the format `table`, one dataset of records."""
    data = group["table"]
    records = integrity.read_whole(data)
    for field in records.dtype.names:
        values = records[field]
        if field == "index":
            add_index(columns, values, None)
            continue
        names = read_pickled_names(data.attrs.get(f"{field}_kind", b""))
        block = values.reshape(len(values), -1)
        if len(names) != block.shape[1]:
            hint = "write it with data_columns=True, or as FITS"
            raise UserError(f"{path}: the names of the columns in {field} are not stored: {hint}")
        for name, column in zip(names, block.T):
            is_text = column.dtype.kind == "S"
            texts = pd.Series(decode_texts(column), dtype=object) if is_text else None
            columns[name] = texts.where(texts != "nan", None) if is_text else column.copy()


def add_index(columns, values, name):
    """Add the index of a frame, unless it just counts the rows."""
    if np.array_equal(values, np.arange(len(values))):
        return
    is_name = isinstance(name, str) and name.isidentifier()
    texts = decode_texts(values) if values.dtype.kind == "S" else None
    columns[name if is_name else "index"] = values if texts is None else pd.Series(texts)


def decode_texts(values):
    """Texts of an array of bytes."""
    return [value.decode("utf-8", "replace") for value in np.ravel(values).tolist()]


def read_pickled_names(pickled):
    """Texts in a pickle, which is not loaded: its instructions are only listed."""
    try:
        steps = list(pickletools.genops(bytes(pickled)))
    except ValueError:
        return []
    return [argument for step, argument, _ in steps if "UNICODE" in step.name]
