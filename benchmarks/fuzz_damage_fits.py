"""Damage to the headers, columns and images of FITS files, drawn at random."""

import io
import re

import numpy as np
from astropy.io import fits

from benchmarks.fuzz_damage import NAMES, change_shape, change_values, pick_item

OF_TABLE = "gone name values values text rows twice cells int".split()
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


def damage_fits(data, rng):
    """Bytes of a FITS file with one to three damages to its headers, columns and images."""
    with fits.open(io.BytesIO(data)) as hdus:
        hdus = fits.HDUList([hdu.copy() for hdu in hdus])
    for _ in range(rng.integers(1, 4)):
        i = int(rng.integers(len(hdus)))
        kind = pick_item(rng, ["gone", "card", "card", "card", "data", "data", "data"])
        if kind == "gone" and i:
            del hdus[i]
        elif kind == "data" and hdus[i].data is not None:
            hdus[i] = (
                damage_fits_table(hdus[i], rng)
                if hdus[i].data.dtype.names
                else damage_fits_image(hdus[i], rng)
            )
        else:
            key = pick_item(rng, list(CARDS))
            hdus[i].header[key] = pick_item(rng, CARDS[key])
    out = io.BytesIO()
    hdus.writeto(out, output_verify="silentfix+ignore", checksum=False)
    data = out.getvalue()
    return damage_fits_cards(data, rng) if rng.integers(4) == 0 else data


def damage_fits_cards(data, rng):
    """Bytes of a FITS file with the value of one card of structure replaced."""
    matches = list(
        re.finditer(
            rb"(NAXIS\d?|BITPIX|TFORM\d+|TFIELDS|PCOUNT|TTYPE\d+|TDIM\d+|SIMPLE|XTENSION) *= ", data
        )
    )
    at = pick_item(rng, matches).end()
    value = pick_item(
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


def damage_fits_image(hdu, rng):
    """An image HDU with other values, shape or type."""
    values = np.array(hdu.data).astype(hdu.data.dtype.newbyteorder("="))
    values = pick_item(rng, [change_values, change_shape])(values, rng)
    kind = type(hdu)
    return kind(np.atleast_1d(values), hdu.header)


def damage_fits_table(hdu, rng):
    """A table HDU with another column, or rows."""
    columns = [(c.name, np.array(hdu.data[c.name]), c.unit) for c in hdu.columns]
    i = int(rng.integers(len(columns)))
    name, values, unit = columns[i]
    values = values.astype(values.dtype.newbyteorder("="))
    kind = pick_item(rng, OF_TABLE)
    if kind == "gone" and len(columns) > 1:
        del columns[i]
    elif kind == "name":
        columns[i] = (
            pick_item(rng, [n for n in NAMES if n.isascii() and "\t" not in n])[:60],
            values,
            unit,
        )
    elif kind == "text":
        columns[i] = (name, values.astype("U"), unit)
    elif kind == "rows":
        columns = [(n, v[: pick_item(rng, [0, 1, 5])], u) for n, v, u in columns]
    elif kind == "twice":
        columns.append((name + "x", values, unit))
    elif kind == "cells" and values.dtype.kind == "f":
        columns[i] = (name, np.stack([values, values], axis=-1), unit)
    elif kind == "int" and values.dtype.kind == "f":
        columns[i] = (name, np.nan_to_num(values).astype("i4"), unit)
    else:
        columns[i] = (
            name,
            change_values(values, rng) if values.dtype.kind in "fiu" else values,
            unit,
        )
    cells = [fits.Column(n or "c", get_fits_format(v), u, array=v) for n, v, u in columns]
    return fits.BinTableHDU.from_columns(cells, header=None)


def get_fits_format(values):
    """TFORM of a column of these values."""
    count = int(np.prod(values.shape[1:], dtype=int))
    if values.dtype.kind in "US":
        return f"{max(1, values.dtype.itemsize // (4 if values.dtype.kind == 'U' else 1))}A"
    return f"{count}{'D' if values.dtype.kind == 'f' else 'K'}"
