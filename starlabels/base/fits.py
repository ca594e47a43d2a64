"""FITS files opened safely: compressed or not, damaged or not."""

import contextlib
import gzip
import warnings
import zlib
from textwrap import shorten

import numpy as np
from astropy.io import fits

from starlabels.base.errors import UserError

DAMAGED = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    AssertionError,
    zlib.error,
    fits.VerifyError,
)  # astropy's


def is_gzipped(path):
    """True if a file is packed by gzip."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_bytes(path, n=-1):
    """The first n bytes of a file, or all, unpacked if it is packed by gzip; UserError if the packing is damaged."""
    try:
        with gzip.open(path) if is_gzipped(path) else path.open("rb") as file:
            return file.read(n)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UserError(f"{path} is a damaged gzip file: copy it anew") from None


def decode_text(data):
    """The text of some bytes, in UTF-8 or else Latin 1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_fits(path):
    """[({keyword: value}, data)] of a FITS file; UserError if it is damaged or shorter than its headers say."""
    size = np.inf if is_gzipped(path) else path.stat().st_size
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            fits.open(path) as hdus,
        ):  # astropy's, on headers that bend the standard
            for i, hdu in enumerate(hdus):
                end = hdu.fileinfo()["datLoc"] + hdu.size
                if end > size and not isinstance(hdu, fits.CompImageHDU):
                    raise UserError(
                        f"{path} is truncated, {size} bytes where extension {i} needs {end}: copy it anew"
                    )
            return [(read_keywords(hdu.header), hdu.data) for hdu in hdus]
    except (*DAMAGED, AttributeError) as error:  # astropy's _CorruptedHDU has no data
        why = shorten(str(error), 80)
        raise UserError(f"{path} is a damaged FITS file, {why}: copy it anew") from None


def read_keywords(header):
    """{keyword: value} of a FITS header, comments joined, without the cards that break the standard."""
    values = {}
    for card in header.cards:
        with contextlib.suppress(fits.VerifyError):
            known = values.get(card.keyword)
            values[card.keyword] = (
                f"{known} {card.value}" if known and card.keyword == "COMMENT" else card.value
            )
    return values
