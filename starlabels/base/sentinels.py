"""Numbers such as -9999 and 99.99 that stand for a missing value."""

import numpy as np

from starlabels.base.console import format_count, print_line

WHOLE = (99, 999, 9999, 99_999, 999_999)
PARTS = (0, 0.9, 0.99, 0.999, 0.9999)
NINES = [9.99, 9.999, 9.9999, *(whole + part for whole in WHOLE for part in PARTS)]
LIMITS = [-(2.0**15), -(2.0**31), -(2.0**63), 2.0**31 - 1, 2.0**63, -1e30, 1e20, 1e30]
LIMITS += [float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)]
SENTINELS = tuple(sorted({*NINES, *(-nine for nine in NINES), *LIMITS}))
UNMISTAKABLE = -999.0  # no value of a catalogue is by chance exactly -999, -9999 ...
MIN_COUNT = 2
# Least distance from the other values: as a fraction of their range, and of the sentinel
APART = (0.8, 0.4)
APART_UNMISTAKABLE = (0.05, 0.0)

MAGNITUDES = (-50.0, 50.0)  # no star is outside


def find_sentinels(values):
    """Numbers that mark missing values.

    A known sentinel counts if the column holds it exactly, at least twice, and well outside the
    range of its other values. A column that holds nothing but -999, -9999 ... is missing.

    Parameters
    ----------
    values : numbers (n,), NaN where missing.

    Returns
    -------
    {sentinel: mask (n,)}
    """
    values = np.asarray(values)
    if values.dtype.kind not in "fiu" or not len(values):
        return {}
    masks = {}
    for sentinel in SENTINELS:
        mask = match_sentinel(values, sentinel)
        if mask.any():
            masks[sentinel] = mask
    is_finite = np.isfinite(values)
    if not masks or (np.any([*masks.values(), ~is_finite], axis=0)).all():
        return {key: mask for key, mask in masks.items() if key <= UNMISTAKABLE}
    repeated = {key: mask for key, mask in masks.items() if mask.sum() >= MIN_COUNT}
    others = values[is_finite & ~np.any([~is_finite, *repeated.values()], axis=0)]
    return {key: mask for key, mask in repeated.items() if is_apart(key, others)}


def match_sentinel(values, sentinel):
    """Mask (n,) of the numbers that are a sentinel, in double or single precision."""
    return (values == sentinel) | (values == np.float32(sentinel))


def is_apart(sentinel, others):
    """True if a sentinel is well outside the range of the other values (m,)."""
    low, high = float(others.min()), float(others.max())
    gap = max(low - sentinel, sentinel - high)
    of_range, of_itself = APART_UNMISTAKABLE if sentinel <= UNMISTAKABLE else APART
    return gap > max(of_range * (high - low), of_itself * abs(sentinel))


def blank_sentinels(values, subject):
    """Numbers (n,) with NaN for sentinels; one line says which, and in how many rows.

    subject: file and column, such as `stars.csv: teff`. Without sentinels, `values` itself.
    """
    masks = find_sentinels(values)
    if not masks:
        warn_single(values, subject)
        return values
    counts = [f"{key:.8g} in {format_count(int(mask.sum()))}" for key, mask in masks.items()]
    print_line(
        f"{subject} is {', '.join(counts)} of {format_count(len(values))} rows: taken as missing"
    )
    kind = values.dtype if values.dtype.kind == "f" else "f8"
    return np.where(np.any(list(masks.values()), axis=0), np.nan, values).astype(kind)


def blank_magnitudes(values, subject):
    """Magnitudes (n,) with NaN, and a line, for those that no star has, such as a single 99.99."""
    low, high = MAGNITUDES
    bad = (values < low) | (values > high)
    if not bad.any():
        return values
    n = format_count(int(bad.sum()))
    first = f"such as {values[bad.argmax()]:.8g}"
    rows = f"in {n} of {format_count(len(values))} rows"
    print_line(f"{subject} is outside {low:g} to {high:g} mag {rows}, {first}: taken as missing")
    return np.where(bad, np.nan, values)


def warn_single(values, subject):
    """Say that a number such as -9999, which occurs once among others, is kept."""
    for sentinel in (-999.0, -9999.0, -9999.99):
        if match_sentinel(values, sentinel).sum() == 1:
            found = f"{subject} is {sentinel:.8g} in one row, which is kept"
            print_line(f"{found}: blank it if it is missing")
