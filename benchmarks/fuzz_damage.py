"""Damage to the bytes and to the contents of HDF5, FITS and text files, drawn by a numpy generator."""

import contextlib
import gzip
import io
import re
import tempfile
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits

VALUES = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e38, -1e38, 1e300, 1e-300, -9999.0, 1.0]
CELLS = "inf -inf nan 1e400 1e38 abc NULL -- TRUE 0x10 -9999 12345678901234567890 1e-400 + 1_000 =1+1 2001-01-01 1j -0".split()
CELLS += ["", " ", '"1,5"', "9" * 400, "\N{SNOWMAN}", "1 2", "\u0661", "x" * 200_000, '"a\nb"']
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
OF_TABLE = "gone name values values text rows twice cells int".split()
OF_ROWS = "cell cell cell column name name gone twice short long quote".split()
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


def pick(rng, items):
    """One of the items."""
    return items[rng.integers(len(items))]


def of_bytes(data, rng):
    """Bytes with one to three damages that know nothing of the format."""
    for _ in range(rng.integers(1, 4)):
        data = one_of_bytes(data, rng)
    return data


def one_of_bytes(data, rng):
    """Bytes with one damage."""
    n, what = len(data), pick(rng, OF_BYTES)
    at = int(rng.integers(n + 1))
    array = np.frombuffer(data, "u1").copy()
    if what in ("flip", "head") and n:
        places = rng.integers(min(n, 2048) if what == "head" else n, size=rng.integers(1, 20))
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
    return others[what] if what in others else gzip.compress(data)[: pick(rng, [-1, None, 20])]


def of_hdf5(data, rng):
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
                    object_of_hdf5(h5, pick(rng, names), rng)
        return path.read_bytes()


def object_of_hdf5(h5, name, rng):
    """Damage one object of an open HDF5 file."""
    what = pick(rng, OF_HDF5)
    item = h5.get(name)
    if what == "attrs" and item is not None and len(item.attrs):
        key = pick(rng, list(item.attrs))
        found = pick(rng, ATTRIBUTES)
        del item.attrs[key]
        if found is not None:
            item.attrs[key] = found
        return
    values = item[()] if isinstance(item, h5py.Dataset) and item.size < 1e6 else None
    about = dict(item.attrs) if item is not None else {}
    if what == "name":
        h5.move(name, name + "x")
        return
    del h5[name]
    if what == "group":
        h5.create_group(name)
    elif what == "link":
        links = [
            h5py.SoftLink("/nowhere"),
            h5py.SoftLink(f"/{name}"),
            h5py.SoftLink("/"),
            h5py.ExternalLink("none.h5", "/x"),
        ]
        h5[name] = pick(rng, [*links, h5py.ExternalLink("../inputs/toy.h5", "/spectra/flux")])
    elif what == "huge":
        shape = pick(rng, [(10**8,), (60, 10**9), (10**9, 200), (10**12,), (10**7, 10)])
        h5.create_dataset(name, shape, "f4", chunks=tuple(min(n, 64) for n in shape))
    elif what != "gone" and values is not None:
        made = {"type": retyped, "shape": reshaped, "values": revalued}.get(what, revalued)(
            np.asarray(values), rng
        )
        h5.create_dataset(name, data=made)
    if name in h5 and h5.get(name) is not None and what in ("type", "shape", "values", "huge"):
        h5[name].attrs.update(about)


def retyped(values, rng):
    """The values as another type."""
    kind = pick(rng, ["S", "O", "i1", "c16", "?", ">f8", "f2", "u8", "void", "enum"])
    if kind == "void":
        return np.zeros(values.shape, [("a", "f4"), ("b", "i4")])
    if kind == "enum":
        return np.zeros(values.shape, h5py.enum_dtype({"a": 0, "b": 1}, basetype="i1"))
    if kind in "SO":
        return values.astype("S").astype(kind if kind == "S" else h5py.string_dtype())
    with np.errstate(all="ignore"):
        return np.zeros(values.shape, kind) if values.dtype.kind in "SO" else values.astype(kind)


def reshaped(values, rng):
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
    return np.asarray(pick(rng, shapes)(values))


def revalued(values, rng):
    """Numbers, some or all of them replaced, sorted anew or shuffled; texts all the same."""
    values = np.array(values)
    if values.dtype.kind not in "fiu" or not values.size:
        return (
            np.full(values.shape, pick(rng, [b"", b"\xff\xfe", b"x", b"nan"]))
            if values.ndim
            else values
        )
    what = pick(rng, ["some", "all", "first", "shuffle", "reverse", "same", "twice", "column"])
    value = pick(rng, VALUES)
    with np.errstate(all="ignore"):
        value = np.asarray(value).astype(values.dtype)
    flat = values.reshape(-1)
    if what == "some":
        flat[rng.integers(flat.size, size=max(1, flat.size // 20))] = value
    elif what == "first":
        flat[0] = value
    elif what == "shuffle":
        rng.shuffle(flat)
    elif what == "reverse":
        values = values[::-1].copy()
    elif what == "twice":
        flat[1::2] = flat[:-1:2]
    elif what == "column" and values.ndim > 1:
        values[:, rng.integers(values.shape[1])] = value
    else:
        values[...] = value if what == "all" else flat[0]
    return values


CARDS = {
    "CRVAL1": [0, -1e30, "abc", 1e300, 3.65, 447.0, True],
    "CDELT1": [0, -0.1, 1e30, "x", 1e-30, 0.1, 1e300],
    "CRPIX1": ["x", 1e9, -1e9, 0],
    "CUNIT1": ["furlong", "nm", "", 7, "Hz", "m"],
    "CTYPE1": ["WAVE-LOG", "VELO", "AWAV", "LOG-LINEAR", "MULTISPE", 3],
    "DC-FLAG": [1, "x"],
    "SPEC_RP": ["x", -1, 0, 1e9, 50.0],
    "BUNIT": ["WAVELENGTH", 3],
    "CD1_1": [0.1, "x", 0],
    "EXTNAME": ["WAVE", "IVAR", "", 5],
    "SPECSYS": ["SOURCE", 4],
    "CONTNORM": [True, "T"],
    "TUNIT1": ["m", "xyz", "", "log10(Angstrom)"],
    "TELESCOP": ["LAMOST", 5],
    "BSCALE": [0.0, 1e300],
    "VHELIO": ["x", 1e9],
}


def of_fits(data, rng):
    """Bytes of a FITS file with one to three damages to its headers, columns and images."""
    with fits.open(io.BytesIO(data)) as hdus:
        hdus = fits.HDUList([hdu.copy() for hdu in hdus])
    for _ in range(rng.integers(1, 4)):
        i = int(rng.integers(len(hdus)))
        what = pick(rng, ["gone", "card", "card", "card", "data", "data", "data"])
        if what == "gone" and i:
            del hdus[i]
        elif what == "data" and hdus[i].data is not None:
            hdus[i] = (
                table_of_fits(hdus[i], rng)
                if hdus[i].data.dtype.names
                else image_of_fits(hdus[i], rng)
            )
        else:
            key = pick(rng, list(CARDS))
            hdus[i].header[key] = pick(rng, CARDS[key])
    out = io.BytesIO()
    hdus.writeto(out, output_verify="silentfix+ignore", checksum=False)
    data = out.getvalue()
    return cards_of_fits(data, rng) if rng.integers(4) == 0 else data


def cards_of_fits(data, rng):
    """Bytes of a FITS file with the value of one card of structure replaced."""
    found = list(
        re.finditer(
            rb"(NAXIS\d?|BITPIX|TFORM\d+|TFIELDS|PCOUNT|TTYPE\d+|TDIM\d+|SIMPLE|XTENSION) *= ", data
        )
    )
    at = pick(rng, found).end()
    value = pick(
        rng,
        [
            b"0",
            b"-1",
            b"999999999999",
            b"'9Z'",
            b"T",
            b"1.5",
            b"",
            b"'1000000000D'",
            b"-32",
            b"'QE(9)'",
            b"64",
        ],
    )
    return data[:at] + value.ljust(20) + data[at + 20 :]


def image_of_fits(hdu, rng):
    """An image HDU with other values, shape or type."""
    values = np.array(hdu.data).astype(hdu.data.dtype.newbyteorder("="))
    values = pick(rng, [revalued, reshaped])(values, rng)
    kind = type(hdu)
    return kind(np.atleast_1d(values), hdu.header)


def table_of_fits(hdu, rng):
    """A table HDU with another column, or rows."""
    columns = [(c.name, np.array(hdu.data[c.name]), c.unit) for c in hdu.columns]
    i = int(rng.integers(len(columns)))
    name, values, unit = columns[i]
    values = values.astype(values.dtype.newbyteorder("="))
    what = pick(rng, OF_TABLE)
    if what == "gone" and len(columns) > 1:
        del columns[i]
    elif what == "name":
        columns[i] = (
            pick(rng, [n for n in NAMES if n.isascii() and "\t" not in n])[:60],
            values,
            unit,
        )
    elif what == "text":
        columns[i] = (name, values.astype("U"), unit)
    elif what == "rows":
        columns = [(n, v[: pick(rng, [0, 1, 5])], u) for n, v, u in columns]
    elif what == "twice":
        columns.append((name + "x", values, unit))
    elif what == "cells" and values.dtype.kind == "f":
        columns[i] = (name, np.stack([values, values], axis=-1), unit)
    elif what == "int" and values.dtype.kind == "f":
        columns[i] = (name, np.nan_to_num(values).astype("i4"), unit)
    else:
        columns[i] = (name, revalued(values, rng) if values.dtype.kind in "fiu" else values, unit)
    cells = [fits.Column(n or "c", format_of(v), u, array=v) for n, v, u in columns]
    return fits.BinTableHDU.from_columns(cells, header=None)


def format_of(values):
    """TFORM of a column of these values."""
    count = int(np.prod(values.shape[1:], dtype=int))
    if values.dtype.kind in "US":
        return f"{max(1, values.dtype.itemsize // (4 if values.dtype.kind == 'U' else 1))}A"
    return f"{count}{'D' if values.dtype.kind == 'f' else 'K'}"


def of_text(data, rng):
    """Bytes of a table in text with one to three damages to its names, rows and cells."""
    text = data.decode()
    mark = "," if "," in text else " "
    rows = [line.split(mark) for line in text.splitlines()]
    for _ in range(rng.integers(1, 4)):
        if rows:
            rows = rows_of_text(rows, rng)
    lines = [mark.join(row) for row in rows]
    data = pick(rng, ["\n", "\n", "\n", "\n", "\r\n", "\r"]).join(lines).encode()
    ends = {
        "bom": b"\xef\xbb\xbf" + data,
        "latin": data.replace(b"s", b"\xe9", 1),
        "nul": data[:100] + b"\0" + data[100:],
    }
    ends |= {
        "utf16": data.decode().encode("utf-16"),
        "marks": data.replace(mark.encode(), pick(rng, [b";", b"\t", b"|", b", "])),
    }
    return pick(rng, [data] * 6 + list(ends.values()))


def rows_of_text(rows, rng):
    """Rows of cells with one damage."""
    i, j = int(rng.integers(len(rows))), int(rng.integers(len(rows[0]))) if rows[0] else 0
    cell, what = (
        pick(rng, CELLS),
        pick(rng, OF_ROWS),
    )
    what = (
        pick(rng, ["head", "order", "blank", "note", "many", "same"])
        if rng.integers(4) == 0
        else what
    )
    others = {
        "cell": lambda: [r if k != i else [*r[:j], cell, *r[j + 1 :]] for k, r in enumerate(rows)],
        "column": lambda: [rows[0], *([*r[:j], cell, *r[j + 1 :]] for r in rows[1:])],
        "name": lambda: [[*rows[0][:j], pick(rng, NAMES), *rows[0][j + 1 :]], *rows[1:]],
        "gone": lambda: [[*r[:j], *r[j + 1 :]] for r in rows],
        "twice": lambda: [[*r[: j + 1], *r[j:]] for r in rows],
        "short": lambda: [r if k != i else r[:j] for k, r in enumerate(rows)],
        "long": lambda: [r if k != i else [*r, "1", "2"] for k, r in enumerate(rows)],
        "quote": lambda: [
            r if k != i else [*r[:j], '"' + (r[j] if j < len(r) else ""), *r[j + 1 :]]
            for k, r in enumerate(rows)
        ],
        "head": lambda: pick(rng, [rows[:1], rows[1:], rows[:2]]),
        "order": lambda: [rows[0], *(rows[1 + k] for k in rng.permutation(len(rows) - 1))],
        "blank": lambda: [*rows[:i], [""], ["", ""], *rows[i:]],
        "note": lambda: [*rows[:i], ["# a note"], *rows[i:]],
        "many": lambda: [
            [*r, *(f"c{k}" if r is rows[0] else "1" for k in range(5000))] for r in rows
        ],
        "same": lambda: [rows[0], *[rows[-1]] * (len(rows) - 1)],
    }
    return others[what]()
