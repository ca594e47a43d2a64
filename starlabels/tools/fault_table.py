"""The effect of a fault on each label, and the table of all faults in words."""

import math
from typing import NamedTuple

import numpy as np

from starlabels.base.labels import get_label

MAD_TO_SIGMA = 1.4826


class FaultEffect(NamedTuple):
    """Effect of a fault on the labels, (n_labels,) in physical units.

    Attributes
    ----------
    kind, name : kind of the fault, and its name with its size.
    bias, scatter : median change, and its scatter (1.4826 MAD).
    typical : 68th percentile of the absolute change.
    err : median predicted error of the faulty spectra.
    flagged : fraction of the spectra that are flagged.
    """

    kind: str
    name: str
    bias: np.ndarray
    scatter: np.ndarray
    typical: np.ndarray
    err: np.ndarray
    flagged: float


def summarize_fault(kind, name, predictions, expected):
    """The FaultEffect of predictions compared with the expected labels (n, n_labels).

    predictions: [{mean, err, flags}], one, or one for each sign of the fault; with two, bias and
    scatter are root mean squares of both.
    """
    change = np.stack([one["mean"] - expected for one in predictions])  # (n_signs, n, n_labels)
    bias = np.median(change, axis=1)
    scatter = MAD_TO_SIGMA * np.median(np.abs(change - bias[:, None]), axis=1)
    if len(predictions) > 1:
        bias = np.sqrt(np.mean(bias**2, axis=0, keepdims=True))
        scatter = np.sqrt(np.mean(scatter**2, axis=0, keepdims=True))
    errors = [one.get("err", np.full_like(one["mean"], np.nan)) for one in predictions]
    return FaultEffect(
        kind=kind,
        name=name,
        bias=bias[0],
        scatter=scatter[0],
        typical=np.percentile(np.abs(change), 68, axis=(0, 1)),
        err=np.median(errors, axis=(0, 1)),
        flagged=float(np.mean([one["flags"] > 0 for one in predictions])),
    )


def format_table(effects, names):
    """Lines of the table: median change and scatter of each label, fraction of flagged spectra."""
    units = [f"{name} ({get_label(name).plain_unit})" for name in names]
    heads = ["median change ± scatter", *units, "flagged"]
    first = effects[0]
    # digits of a column: those that matter compared with its error
    size = np.where(np.isfinite(first.err), first.err, first.scatter)
    decimals = [count_decimals(value) for value in size]
    rows = [
        [
            effect.name.removeprefix("a "),
            *map(format_cell, effect.bias, effect.scatter, decimals),
            f"{effect.flagged:.0%}",
        ]
        for effect in effects
    ]
    rows.append(["predicted error, no fault", *map(format_two_digits, first.err), ""])
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    lines = []
    for row in (heads, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return lines


def describe_costs(effects, names):
    """Sentences: for each kind, its mildest fault that costs more than the predicted error.

    effects: FaultEffects, the one without fault first.
    """
    kinds = {}
    for effect in effects[1:]:
        kinds.setdefault(effect.kind, []).append(effect)
    sentences, harmless = [], []
    for same in kinds.values():
        effect = next((one for one in same if np.any(one.typical > one.err)), None)
        if effect is None:
            harmless.append(same[-1].name)
            continue
        ratio = effect.typical / effect.err
        worst = int(np.nanargmax(ratio))
        unit = get_label(names[worst]).plain_unit
        cost = f"{format_two_digits(effect.typical[worst])} {unit} in {names[worst]}"
        sentences.append(
            f"{effect.name} costs {cost}, {ratio[worst]:.1f} times the predicted error"
        )
    if harmless and np.isfinite(effects[0].err).any():
        sentences.append(f"within the predicted errors: {', '.join(harmless)}")
    return sentences


def count_decimals(value):
    """Decimals of a number >= 0 that is rounded to two digits."""
    if not 0 < value < math.inf:
        return 0
    return max(0, 1 - math.floor(math.log10(float(f"{value:.1e}"))))


def format_two_digits(value):
    """A number >= 0 with two digits, such as 1500, 40 or 0.12; "unknown" for nan."""
    if not math.isfinite(value):
        return "unknown"
    return f"{float(f'{value:.1e}'):.{count_decimals(value)}f}"


def format_cell(bias, scatter, decimals):
    """`-12 ± 31` with the given number of decimals, and without "-0"."""
    return f"{round(bias, decimals) + 0.0:.{decimals}f} ± {scatter:.{decimals}f}"
