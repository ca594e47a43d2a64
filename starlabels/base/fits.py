"""FITS files opened safely: compressed or not, damaged or not."""

import contextlib
import errno
import gzip
import io
import warnings
import zlib
from textwrap import shorten

from astropy.io import fits

from starlabels.base import fits_sizes, memory
from starlabels.base.errors import UserError

# A gzip file may hold this many times its size, or this many bytes
MAX_RATIO, LEAST_LIMIT = 200, 100_000_000
MAX_FIELDS = 999  # columns of a table, by the standard


def is_gzipped(path):
    """True if a file is compressed by gzip."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_bytes(path, n=-1):
    """The first n bytes of a file (all by default), decompressed.

    UserError if gzip is damaged, or if the content is far larger than any data would be.
    """
    try:
        if not is_gzipped(path):
            with path.open("rb") as file:
                return file.read(n)
        limit = max(LEAST_LIMIT, MAX_RATIO * path.stat().st_size)
        limit = min(limit, memory.get_memory_limit() // 4)
        with gzip.open(path) as file:
            data = file.read(limit + 1 if n < 0 else n)
        if len(data) > limit:
            problem = f"holds more than {limit / 1e9:.2g} GB in {path.stat().st_size} bytes"
            raise UserError(f"{path} is refused: it {problem}: unpack and check it")
        return data
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
    if is_gzipped(path):
        content = io.BytesIO(read_bytes(path))
        size = content.getbuffer().nbytes
        fits_sizes.check_sizes(path, content, size)
        content.seek(0)
    else:
        content = path
        size = path.stat().st_size
        with path.open("rb") as file:
            fits_sizes.check_sizes(path, file, size)
    try:
        # astropy warns of headers that violate the standard
        with warnings.catch_warnings(action="ignore"), fits.open(content) as hdus:
            for i, hdu in enumerate(hdus):
                check_declared(path, i, hdu)
                end = hdu.fileinfo()["datLoc"] + hdu.size
                if end > size and not isinstance(hdu, fits.CompImageHDU):
                    raise UserError(
                        f"{path} is truncated, {size} bytes where extension {i} needs {end}: "
                        "copy it anew"
                    )
            return [(read_keywords(hdu.header), hdu.data) for hdu in hdus]
    except UserError:
        raise
    except Exception as error:  # astropy's, of many classes
        reason = describe_damage(error)
        raise UserError(f"{path} is a damaged FITS file, {reason}: copy it anew") from None


def check_declared(path, i, hdu):
    """UserError if an extension declares more columns, or bytes, than can be."""
    n_columns = hdu.header.get("TFIELDS", 0)
    if isinstance(n_columns, int) and n_columns > MAX_FIELDS:
        problem = f"extension {i} declares {n_columns} columns, FITS allows {MAX_FIELDS}"
        raise UserError(f"{path} is a damaged FITS file, {problem}: copy it anew")
    memory.check_memory(hdu.size, f"{path}: the data that extension {i} declares", "copy it anew")


def describe_damage(error):
    """Reason of an error of astropy, for a message."""
    too_large = isinstance(error, (MemoryError, OverflowError))
    if too_large or getattr(error, "errno", None) == errno.EINVAL:
        return "its header declares more data than it holds"
    return shorten(str(error), 80) or type(error).__name__


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
