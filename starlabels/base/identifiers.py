"""Identifiers of stars as texts, by the same rules for every kind of file.

An identifier is missing if it is NaN, blank or a word such as NULL; blanks around it do not count.
Whole numbers keep all digits; numbers that a float has rounded are refused.
"""

import numpy as np
import pandas as pd

from starlabels.base import hdf5, integrity
from starlabels.base.errors import UserError

# Texts that mark a missing value, in identifiers and in numbers
MISSING = ("", "NaN", "nan", "NAN", "NULL", "null", "Null", "None", "masked", "<NA>", "--", "---")
MISSING_IDS = ("-9999", "-999", "-99", "-32768", "-2147483648", "-9223372036854775808")
MAX_EXACT = {2: 2**11, 4: 2**24, 8: 2**53}  # {bytes of a float: largest exact whole number}
# 5.9e18, and 5937083312263887872.0: such texts come from floats
ROUNDED = r"\d\.\d+[eE]\+?\d+|\d[eE]\+\d+|[1-9]\d{15,}\.0*"
MIN_LONG = 3  # identifiers that must agree before a spreadsheet is blamed


def normalise_identifiers(values):
    """Identifiers as texts.

    Parameters
    ----------
    values : numbers or texts (n,), of any type that a file gives.

    Returns
    -------
    texts : array (n,) of str, None where missing
    lost : mask (n,) of identifiers that have lost digits
    """
    column = pd.Series(values)
    if column.dtype.kind in "iu":
        texts = column.astype(str).astype(object)
        lost = np.zeros(len(column), bool)
    elif column.dtype.kind == "f":
        limit = MAX_EXACT.get(column.dtype.itemsize, 2**53)
        lost = (column.notna() & ~((column.abs() <= limit) & (column % 1 == 0))).to_numpy(bool)
        texts = column.map(lambda number: f"{number:.0f}", na_action="ignore").astype(object)
    else:
        texts = column.map(clean_identifier, na_action="ignore").astype(object)
        lost = texts.str.fullmatch(ROUNDED, na=False).to_numpy(bool)
        texts = texts.str.replace(r"^(\d+)\.0*$", r"\1", regex=True)
        lost |= find_spreadsheet_ids(texts)
    texts = texts.where(~texts.isin((*MISSING, *MISSING_IDS)), None)
    return texts.where(texts.notna(), None).to_numpy(object), lost


def clean_identifier(value):
    """A text without blanks or quotation marks around it, and with single blanks inside."""
    if isinstance(value, float) and value % 1 == 0 and abs(value) <= MAX_EXACT[8]:
        value = int(value)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = " ".join(text.replace("\0", " ").split())
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1].strip() if is_quoted else text


def find_spreadsheet_ids(texts):
    """Mask (n,) of numbers of which a spreadsheet kept 15 digits: all long ones end in zeros."""
    is_long = texts.str.fullmatch(r"\d{17,}", na=False).to_numpy(bool)
    is_round = texts.str.fullmatch(r"\d{15}00+", na=False).to_numpy(bool)
    if is_long.sum() < MIN_LONG or not is_round[is_long].all():
        return np.zeros(len(texts), bool)
    return is_long


def require_identifiers(values, path, name, place):
    """Identifiers (n,) as bytes; UserError naming the first that is missing or has lost digits.

    place: function(row) that gives `row 6`, counted from 1.
    """
    texts = check_identifiers(values, path, name, place)
    missing = pd.isna(texts)
    if missing.any():
        row = int(missing.argmax())
        where = f"{path}: {place(row)}: no {name}"
        raise UserError(f"{where}: fill it, or let another column name the stars")
    return np.char.encode(texts.astype(str), "utf-8")


def check_identifiers(values, path, name, place):
    """Identifiers (n,) as texts, None where missing; UserError for one that has lost digits."""
    if pd.Series(values).map(np.ndim).max() > 0:
        raise UserError(f"{path}: {name} holds arrays: let another column name the stars")
    texts, lost = normalise_identifiers(values)
    if lost.any():
        row = int(lost.argmax())
        problem = f"{name} is {pd.Series(values).iloc[row]}, an identifier that has lost digits"
        where = f"{path}: {place(row)}: {problem}"
        raise UserError(f"{where}: write it as a whole number or a text")
    return texts


def read_star_ids(h5):
    """Identifiers (n,) of the dataset star_id of an HDF5 file, as bytes; UserError as above."""
    data = hdf5.get_dataset(h5, "star_id")
    values = integrity.read_whole(data) if data.dtype.kind in "fiu" else hdf5.read_text(data)
    path = h5.file.filename
    if values.ndim != 1:
        raise UserError(f"{path}: star_id is {data.dtype} {data.shape}, expected texts (n,)")
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return require_identifiers(native, path, "star_id", lambda row: f"row {row + 1}")
