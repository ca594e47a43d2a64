"""Bitmasks of a survey's table as columns of float32 that keep every bit."""

import re

import numpy as np

from starlabels.catalogues.survey_table import SurveyTable

NAME_PATTERN = re.compile(r".*FLAGS?|EXTRATARG")
WORD_BITS = 24  # float32 holds this many bits: higher ones go into <name>_24 and <name>_48
# always with a second column, because bits above WORD_BITS have a meaning
WIDE_MASKS = ("ASPCAPFLAG", "STARFLAG", "ANDFLAG")
# columns of APOGEE's last extension that name the entries of an array of masks
SYMBOLS = {"PARAMFLAG": "PARAM_SYMBOL", "ELEMFLAG": "ELEM_SYMBOL"}


def extract_bitmasks(table, tables):
    """Extract the bitmasks of a table.

    Parameters
    ----------
    table : SurveyTable of n stars.
    tables : data of all tables of the file, one of which may name the entries of an array.

    Returns
    -------
    {column in lower case: (values (n,) float32, column of the table)}; an array of masks gives one
    column per entry, such as elemflag_mg.
    """
    masks = {}
    for name in filter(NAME_PATTERN.fullmatch, table.columns):
        values = table.get_values(name)
        if values.dtype.kind not in "iu" or values.ndim > 2:
            continue
        entries = {"": values}
        if values.ndim == 2:
            entries = dict(zip(name_entries(name, values.shape[1], tables), values.T))
        for entry, mask in entries.items():
            for bit, word in split_bitmask(mask, name in WIDE_MASKS).items():
                suffix = f"_{bit}" if bit else ""
                masks[f"{name.lower()}{entry}{suffix}"] = (word, name + entry.upper())
    return masks


def name_entries(name, n, tables):
    """Suffixes (n,) of the columns of an array of masks: _mg if a table has symbols, else _0."""
    for data in tables:
        table = SurveyTable(data)
        if name in SYMBOLS and table.has_any(SYMBOLS[name]):
            symbols = np.ravel(table.get_values(SYMBOLS[name]).astype(str))
            suffixes = ["_" + re.sub(r"\W+", "", str(text).strip()).lower() for text in symbols]
            if len(set(suffixes)) == n:
                return suffixes
    return [f"_{i}" for i in range(n)]


def split_bitmask(values, is_wide):
    """{first bit: numbers (n,) float32} of masks (n,), WORD_BITS bits in each.

    Words without any bit are left out, except the first. A negative number has its highest bit
    set, unless it is -9999 or above: then the mask is missing, and all bits are set, so that the
    star is rejected.
    """
    n_bits = 8 * values.dtype.itemsize
    missing = np.zeros(len(values), bool)
    if values.dtype.kind == "i":
        missing = (values < 0) & (values >= -9999)
    bits = values.astype("u8") & np.uint64(2**n_bits - 1)
    words = {}
    for first in range(0, n_bits, WORD_BITS):
        word = (bits >> np.uint64(first)) & np.uint64(2**WORD_BITS - 1)
        is_set = (word[~missing] > 0).any()
        if first == 0 or is_set or (is_wide and first == WORD_BITS):
            words[first] = np.where(missing, 2**WORD_BITS - 1, word).astype("f4")
    return words
