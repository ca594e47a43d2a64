"""Conditions on the columns of stars, as pandas queries: which rows they keep."""

import re
import tokenize

import numpy as np
import pandas as pd

from starlabels.base import untrusted
from starlabels.base.console import format_count
from starlabels.base.errors import UserError

QUERY_ERRORS = (
    SyntaxError,
    NameError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    NotImplementedError,
    tokenize.TokenError,
    RecursionError,
)


def build_query_frame(values, errors):
    """The columns that a query may name: values (n, k), and the errors (n, l) of some of them as <name>_err."""
    frame = values if errors is None else values.join(errors.add_suffix("_err"))
    single = list(frame.select_dtypes("f4"))
    return (
        frame.assign(**frame[single].astype("f8").round(4)) if single else frame
    )  # so that "mh == 0.3" is true of a float32


def evaluate_query(frame, query, where):
    """Mask (n,) of the rows that a pandas query on the columns (n, k) keeps; UserError, saying where it is, if it is none."""
    try:
        untrusted.check_query(query)
        found = frame.eval(query)
    except QUERY_ERRORS as error:
        why = str(error).splitlines()[0]
    else:
        why = f"it gives {type(found).__name__}, not true or false for each row"
        if isinstance(found, pd.Series) and found.dtype == bool:
            return found.to_numpy()
    raise UserError(f"{where}: {query!r}: {why}; a condition on {', '.join(frame)} is expected")


def select_rows(database, where):
    """Row numbers of a Database that the pandas query keeps; UserError if it is none."""
    if where is None:
        return np.arange(len(database.labels))
    found = evaluate_query(build_query_frame(database.labels, database.errors), where, f"{database.path}: where")
    database.dropped["excluded by where"] = int((~found).sum())
    return np.flatnonzero(found)


def apply_cuts(stars, queries, path):
    """Mask (n,) of the rows of a Stack that all queries keep, one after the other; prints how many each removes, and why.

    path: of the configuration, for a UserError.
    """
    frame, kept = build_query_frame(stars.values, stars.errors), np.ones(len(stars), bool)
    for query in queries:
        removed = kept & ~evaluate_query(frame, query, f"{path}: join.cuts")
        words = set(re.findall(r"`[^`]*`|[^\W\d]\w*", query))
        used = [name for name in frame if name in words or f"`{name}`" in words]
        missing = int((removed & frame[used].isna().any(axis=1).to_numpy()).sum())
        why = f", {format_count(missing)} of them for a missing value" if missing else ""
        print(f"cut {query}: removed {format_count(int(removed.sum()))} of {format_count(int(kept.sum()))}{why}")
        kept &= ~removed
    return kept
