"""Sizes that the headers of a FITS file declare, compared with the file before it is read."""

import math
import re

from starlabels.base.errors import UserError

BLOCK, CARD = 2880, 80  # bytes
MOST_EXTENSIONS = 2000
MOST_BLOCKS = 1000  # of a header: 36 000 cards
MOST_AXES = 999
SIZE = re.compile(r"NAXIS\d*|PCOUNT|GCOUNT|TFIELDS")
TILED = ("ZNAXIS", "ZTILE")  # sizes of a compressed image and of its tiles


def check_sizes(path, file, size):
    """UserError if a FITS file has too many or too long headers, or tiles of absurd size.

    Parameters
    ----------
    path : Path
        File to name in a message.
    file : binary file
        Its content, unpacked.
    size : int
        Number of bytes in it.
    """
    start, number = 0, 0
    while start < size:
        if number > MOST_EXTENSIONS:
            found = f"has more than {MOST_EXTENSIONS} extensions"
            raise UserError(f"{path} {found}: copy the spectrum to a file of its own")
        cards, n_blocks = read_header(file, start)
        if n_blocks > MOST_BLOCKS:
            found = f"the header of extension {number} is longer than {MOST_BLOCKS * BLOCK} bytes"
            raise UserError(f"{path}: {found}: copy the spectrum to a file with a short header")
        if cards is None:
            return  # astropy says what is damaged
        check_shape(path, number, cards)
        check_tiles(path, number, cards)
        length = compute_length(cards)
        start += BLOCK * (n_blocks + math.ceil(length / BLOCK))
        number += 1


def read_header(file, start):
    """({keyword: text}, number of blocks) of a header; None for one without END or of no text."""
    file.seek(start)
    cards = {}
    for n_blocks in range(1, MOST_BLOCKS + 1):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            return None, n_blocks
        for i in range(0, BLOCK, CARD):
            card = block[i : i + CARD].decode("latin-1")
            if card.rstrip() == "END":
                return cards, n_blocks
            if card[8:9] == "=":
                cards.setdefault(card[:8].strip(), card[9:].split("/")[0].strip())
    return cards, MOST_BLOCKS + 1


def check_shape(path, number, cards):
    """UserError if a header declares too many axes, or sizes that are negative or no integers.

    astropy would run through all axes, or back to an earlier extension.
    """
    sizes = {key: text for key, text in cards.items() if SIZE.fullmatch(key)}
    for key, text in sizes.items():
        most = MOST_AXES if key == "NAXIS" else math.inf
        if not 0 <= read_integer(cards, key, -1) <= most:
            found = f"extension {number} has {key} {text[:20]!r}"
            raise UserError(f"{path} is a damaged FITS file, {found}: copy it anew")


def read_integer(cards, key, default):
    """Integer of a keyword; the default if it is absent or none."""
    try:
        return int(cards.get(key, default))
    except ValueError:
        return default


def compute_length(cards):
    """Bytes of the data after a header, 0 if its keywords are damaged."""
    n_axes = min(max(read_integer(cards, "NAXIS", 0), 0), MOST_AXES)
    shape = [read_integer(cards, f"NAXIS{k}", 0) for k in range(1, n_axes + 1)]
    n_values = math.prod(shape) if shape and min(shape) >= 0 else 0
    n_values += max(read_integer(cards, "PCOUNT", 0), 0)
    return abs(read_integer(cards, "BITPIX", 8)) // 8 * n_values


def check_tiles(path, number, cards):
    """UserError if the tiles of a compressed image are larger than it, or of no size."""
    n_axes = min(max(read_integer(cards, "ZNAXIS", 0), 0), MOST_AXES)
    for k in range(1, n_axes + 1):
        whole, tile = (read_integer(cards, f"{key}{k}", 1) for key in TILED)
        if whole < 0 or tile < 1 or tile > max(whole, 1) * 2:
            found = f"extension {number} has ZTILE{k} {tile} and ZNAXIS{k} {whole}"
            raise UserError(f"{path} is a damaged FITS file, {found}: copy it anew")
