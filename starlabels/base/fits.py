"""FITS files opened safely: compressed or not, damaged or not."""

import contextlib
import gzip
import warnings
import zlib
from textwrap import shorten

import numpy as np
from astropy.io import fits

from starlabels.base.errors import UserError

# Errors of astropy on damaged files
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
)


def is_gzipped(path):
    """True if a file is compressed by gzip."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_bytes(path, n=-1):
    """The first n bytes of a file (all by default), decompressed; UserError if gzip is damaged."""
    try:
        with gzip.open(path) if is_gzipped(path) else path.open("rb") as file:
            return file.read(n)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UserError(f"{path} is a damaged gzip file: copy it anew") from None


def decode_text(data):
    """Decode bytes as UTF-8, or as Latin 1 if that fails."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_fits(path):
    """Read all extensions of a FITS file.

    Returns
    -------
    list of ({keyword: value}, data)

    Raises
    ------
    UserError
        If the file is damaged or shorter than its headers require.
    """
    size = np.inf if is_gzipped(path) else path.stat().st_size
    try:
        # astropy warns of headers that violate the standard
        with warnings.catch_warnings(action="ignore"), fits.open(path) as hdus:
            for i, hdu in enumerate(hdus):
                end = hdu.fileinfo()["datLoc"] + hdu.size
                if end > size and not isinstance(hdu, fits.CompImageHDU):
                    raise UserError(
                        f"{path} is truncated, {size} bytes where extension {i} needs {end}: "
                        "copy it anew"
                    )
            return [(read_keywords(hdu.header), hdu.data) for hdu in hdus]
    except (*DAMAGED, AttributeError) as error:  # astropy's _CorruptedHDU has no data
        reason = shorten(str(error), 80)
        raise UserError(f"{path} is a damaged FITS file, {reason}: copy it anew") from None


def read_keywords(header):
    """{keyword: value} of a FITS header; comments are joined, invalid cards are left out."""
    values = {}
    for card in header.cards:
        with contextlib.suppress(fits.VerifyError):
            value = card.value
            if card.keyword == "COMMENT" and values.get(card.keyword):
                value = f"{values[card.keyword]} {value}"
            values[card.keyword] = value
    return values
