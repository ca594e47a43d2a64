"""Selection of stars by conditions on their columns."""

import re

import numpy as np

from starlabels.base import queries
from starlabels.base.console import format_count
from starlabels.base.errors import UserError


def build_query_frame(values, errors):
    """DataFrame that a query sees: values (n, k), and errors (n, l) of some as <name>_err."""
    frame = values if errors is None else values.join(errors.add_suffix("_err"))
    single = list(frame.select_dtypes("f4"))
    if not single:
        return frame
    # rounded, so that "mh == 0.3" is true for a float32
    return frame.assign(**frame[single].astype("f8").round(4))


def evaluate_query(frame, query, where):
    """Evaluate a query on the columns of a DataFrame (n, k).

    Parameters
    ----------
    frame : DataFrame (n, k) of the columns that the query may name.
    query : text of the query, see `starlabels.base.queries`.
    where : place of the query in a file, for error messages.

    Returns
    -------
    Mask (n,) of the rows that the query keeps.

    Raises
    ------
    UserError
        If the query is wrong, or does not give true or false for each row.
    """
    try:
        return queries.evaluate_query(query, frame, len(frame))
    except ValueError as error:
        expected = f"a condition on {', '.join(frame)} is expected"
        raise UserError(f"{where}: {query!r}: {error}; {expected}") from None


def select_rows(database, where):
    """Numbers of the rows of a Database that the query `where` keeps; None keeps all."""
    if where is None:
        return np.arange(len(database.labels))
    frame = build_query_frame(database.labels, database.errors)
    keep = evaluate_query(frame, where, f"{database.path}: where")
    database.dropped["excluded by where"] = int((~keep).sum())
    return np.flatnonzero(keep)


def apply_cuts(stars, cuts, path):
    """Mask (n,) of the rows of a StarStack that pass all queries, applied in order.

    Prints how many rows each query removes, and how many of them because of a missing value.
    path: path of the configuration, for error messages.
    """
    frame = build_query_frame(stars.values, stars.errors)
    kept = np.ones(len(stars), bool)
    for query in cuts:
        removed = kept & ~evaluate_query(frame, query, f"{path}: join.cuts")
        words = set(re.findall(r"`[^`]*`|[^\W\d]\w*", query))
        used = [name for name in frame if name in words or f"`{name}`" in words]
        n_missing = int((removed & frame[used].isna().any(axis=1).to_numpy()).sum())
        counts = f"{format_count(int(removed.sum()))} of {format_count(int(kept.sum()))}"
        reason = f", {format_count(n_missing)} of them for a missing value" if n_missing else ""
        print(f"cut {query}: removed {counts}{reason}")
        kept &= ~removed
    return kept
