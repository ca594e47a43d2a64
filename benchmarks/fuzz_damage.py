"""Damage to the bytes and the contents of HDF5, FITS and text files, drawn at random."""

import contextlib
import gzip
import tempfile
from pathlib import Path

import h5py
import numpy as np

VALUES = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e38, -1e38, 1e300, 1e-300, -9999.0, 1.0]
NAMES = [
    "",
    "teff",
    "wave",
    "id",
    "\N{SNOWMAN}",
    "a b",
    "teff > 1",
    "x" * 5000,
    "1",
    "`",
    "_err",
    "teff_err",
    "index",
    "a\tb",
]
OF_BYTES = "cut cut flip flip flip head head zero noise tail nul halves gzip text empty".split()
OF_HDF5 = "gone group type type shape shape values values values attrs attrs link huge name".split()
ATTRIBUTES = [
    None,
    7,
    "",
    "x",
    b"\xff",
    [],
    ["teff"],
    ["teff", "teff"],
    np.nan,
    [1.0, 2.0],
    np.zeros((2, 2)),
    np.bool_(True),
]


def pick_item(rng, items):
    """One of the items."""
    return items[rng.integers(len(items))]


def damage_bytes(data, rng):
    """Bytes with one to three damages that ignore the format."""
    for _ in range(rng.integers(1, 4)):
        data = damage_bytes_once(data, rng)
    return data


def damage_bytes_once(data, rng):
    """Bytes with one damage."""
    n, kind = len(data), pick_item(rng, OF_BYTES)
    at = int(rng.integers(n + 1))
    array = np.frombuffer(data, "u1").copy()
    if kind in ("flip", "head") and n:
        places = rng.integers(min(n, 2048) if kind == "head" else n, size=rng.integers(1, 20))
        array[places] ^= (1 << rng.integers(8, size=len(places))).astype("u1")
        return array.tobytes()
    noise = rng.bytes(64)
    others = {
        "zero": data[:at] + bytes(64) + data[at + 64 :],
        "noise": data[:at] + noise + data[at + 64 :],
        "tail": data + noise,
    }
    others |= {
        "nul": b"\0" + data,
        "halves": data[n // 2 :] + data[: n // 2],
        "text": b"hello, world\n",
        "empty": b"",
        "cut": data[:at],
    }
    return others[kind] if kind in others else gzip.compress(data)[: pick_item(rng, [-1, None, 20])]


def damage_hdf5(data, rng):
    """Bytes of an HDF5 file with one to three damaged objects."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        path.write_bytes(data)
        with h5py.File(path, "r+") as h5:
            for _ in range(rng.integers(1, 4)):
                names = []
                h5.visit(names.append)
                with contextlib.suppress(
                    OSError, ValueError, TypeError, KeyError, RuntimeError
                ):  # of what is damaged already
                    damage_hdf5_object(h5, pick_item(rng, names), rng)
        return path.read_bytes()


def damage_hdf5_object(h5, name, rng):
    """Damage one object of an open HDF5 file."""
    kind = pick_item(rng, OF_HDF5)
    item = h5.get(name)
    if kind == "attrs" and item is not None and len(item.attrs):
        key = pick_item(rng, list(item.attrs))
        matches = pick_item(rng, ATTRIBUTES)
        del item.attrs[key]
        if matches is not None:
            item.attrs[key] = matches
        return
    values = item[()] if isinstance(item, h5py.Dataset) and item.size < 1e6 else None
    about = dict(item.attrs) if item is not None else {}
    if kind == "name":
        h5.move(name, name + "x")
        return
    del h5[name]
    if kind == "group":
        h5.create_group(name)
    elif kind == "link":
        links = [
            h5py.SoftLink("/nowhere"),
            h5py.SoftLink(f"/{name}"),
            h5py.SoftLink("/"),
            h5py.ExternalLink("none.h5", "/x"),
        ]
        h5[name] = pick_item(rng, [*links, h5py.ExternalLink("../inputs/toy.h5", "/spectra/flux")])
    elif kind == "huge":
        shape = pick_item(rng, [(10**8,), (60, 10**9), (10**9, 200), (10**12,), (10**7, 10)])
        h5.create_dataset(name, shape, "f4", chunks=tuple(min(n, 64) for n in shape))
    elif kind != "gone" and values is not None:
        made = {"type": change_type, "shape": change_shape, "values": change_values}.get(
            kind, change_values
        )(np.asarray(values), rng)
        h5.create_dataset(name, data=made)
    if name in h5 and h5.get(name) is not None and kind in ("type", "shape", "values", "huge"):
        h5[name].attrs.update(about)


def change_type(values, rng):
    """The values as another type."""
    kind = pick_item(rng, ["S", "O", "i1", "c16", "?", ">f8", "f2", "u8", "void", "enum"])
    if kind == "void":
        return np.zeros(values.shape, [("a", "f4"), ("b", "i4")])
    if kind == "enum":
        return np.zeros(values.shape, h5py.enum_dtype({"a": 0, "b": 1}, basetype="i1"))
    if kind in "SO":
        return values.astype("S").astype(kind if kind == "S" else h5py.string_dtype())
    with np.errstate(all="ignore"):
        return np.zeros(values.shape, kind) if values.dtype.kind in "SO" else values.astype(kind)


def change_shape(values, rng):
    """The values in another shape."""
    if not values.ndim:
        return values[None]
    shapes = [
        np.ravel,
        lambda v: v.T,
        lambda v: v[:-1],
        lambda v: v[..., :-1],
        lambda v: v[:0],
        lambda v: v[:1],
    ]
    shapes += [
        lambda v: v[None],
        lambda v: v[..., None],
        lambda v: np.concatenate([v, v]),
        lambda v: v[..., :0],
        lambda v: v.flat[0],
    ]
    if not values.size:
        shapes = shapes[:-1]
    return np.asarray(pick_item(rng, shapes)(values))


def change_values(values, rng):
    """Numbers, some or all of them replaced, sorted anew or shuffled; texts all the same."""
    values = np.array(values)
    if values.dtype.kind not in "fiu" or not values.size:
        return (
            np.full(values.shape, pick_item(rng, [b"", b"\xff\xfe", b"x", b"nan"]))
            if values.ndim
            else values
        )
    kind = pick_item(rng, ["some", "all", "first", "shuffle", "reverse", "same", "twice", "column"])
    value = pick_item(rng, VALUES)
    with np.errstate(all="ignore"):
        value = np.asarray(value).astype(values.dtype)
    flat = values.reshape(-1)
    if kind == "some":
        flat[rng.integers(flat.size, size=max(1, flat.size // 20))] = value
    elif kind == "first":
        flat[0] = value
    elif kind == "shuffle":
        rng.shuffle(flat)
    elif kind == "reverse":
        values = values[::-1].copy()
    elif kind == "twice":
        flat[1::2] = flat[:-1:2]
    elif kind == "column" and values.ndim > 1:
        values[:, rng.integers(values.shape[1])] = value
    else:
        values[...] = value if kind == "all" else flat[0]
    return values
