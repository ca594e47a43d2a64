"""A FITS table of a survey such as APOGEE: columns found by name in any case, missing values."""

import numpy as np

from starlabels.base.errors import UserError

MISSING_BELOW = -999.0  # values up to this one (-999, -9999, -9999.99) mean missing
ERROR_NAMES = ("{}_ERR", "{}_ERROR", "E_{}")  # columns of the standard errors of a column


class SurveyTable:
    """A FITS table whose columns are addressed by their names in capitals.

    data: structured array of n rows, as astropy reads it.
    """

    def __init__(self, data):
        self.data = data
        self.columns = {name.upper(): name for name in data.names}

    def __len__(self):
        return len(self.data)

    def has_any(self, *names):
        """True if any of the columns exists."""
        return any(name.upper() in self.columns for name in names)

    def has_numbers(self, name):
        """True if a column exists and holds one number per row."""
        if not self.has_any(name):
            return False
        values = self.get_values(name)
        return values.ndim == 1 and values.dtype.kind in "fiub"

    def get_values(self, name):
        """Values (n, ...) of a column, unchanged."""
        return np.asarray(self.data[self.columns[name.upper()]])

    def get_texts(self, *names):
        """Stripped texts (n,) of the first of these columns that exists, "" if none does."""
        name = next((name for name in names if self.has_any(name)), None)
        if name is None:
            return [""] * len(self)
        return [str(value).strip() for value in self.get_values(name).astype(str)]

    def get_numbers(self, name):
        """Numbers (n,) float64 of a column, NaN where missing."""
        values = self.get_values(name)
        if values.ndim != 1 or values.dtype.kind not in "fiub":
            shape = f"{values.dtype} {values.shape}"
            raise UserError(
                f"column {name.upper()} is {shape}, expected one number per row: leave it out"
            )
        values = values.astype("f8")
        return np.where(np.isfinite(values) & (values > MISSING_BELOW), values, np.nan)

    def get_errors(self, name):
        """(Standard errors (n,) of a column, NaN where missing; their column), or (None, None)."""
        for pattern in ERROR_NAMES:
            column = pattern.format(name)
            if self.has_numbers(column):
                errors = self.get_numbers(column)
                return np.where(errors > 0, errors, np.nan), column
        return None, None
