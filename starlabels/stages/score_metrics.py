"""4_test: scores of predicted labels, with the Cramér-Rao bound."""

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.queries import evaluate_query
from starlabels.base.statistics import compute_rms
from starlabels.catalogues.derived_labels import find_derived
from starlabels.learning import calibration
from starlabels.learning.calibration import NOISE_FREE
from starlabels.synthesis import cramer_rao

KEYS = """sigma: 1.4826 MAD; bias: median; crlb: rms of the Cramér-Rao bounds; ratio: rmse / crlb;
coverage: share within 1 and 1.96 errors; pull: residual / error"""


def add_bounds(predictions, sensitivity):
    """Add the bound `crlb` (k, n_labels) to each noisy S/N range; NaN for undetermined labels.

    sensitivity: function(rows) that returns d flux / d label of test stars, or None.
    """
    noisy = [arrays for key, arrays in predictions.items() if key != NOISE_FREE]
    if not sensitivity or not noisy:
        return
    unit = cramer_rao.compute_bounds(sensitivity, len(noisy[0]["true"]))
    finite = np.isfinite(unit)
    for arrays in noisy:
        bound = np.where(finite, unit * arrays["sigma"][:, None], np.nan)
        arrays["crlb"] = bound.astype("f4")
    n_undetermined = np.count_nonzero(~finite.all(axis=1))
    if n_undetermined:
        print(
            f"{format_count(n_undetermined)} of {format_count(len(unit))} stars do not determine "
            "one of the labels: no bound for it"
        )


def score_arrays(arrays, names):
    """Scores of the predictions in one S/N range.

    Parameters
    ----------
    arrays : dict
        `mean` and `true` (k, n_labels); optional `err`, `true_err` and `crlb` of the same shape.
    names : list of str
        Names of the labels.

    Returns
    -------
    dict
        {score: {name: value}}: `rmse`; `bias`, the median residual; `sigma`, 1.4826 times the
        median absolute deviation from it; with a bound its rms `crlb` and `ratio`, the RMSE of the
        stars that have one over it; with errors the scores of `calibration.score_errors`.
    """
    residual = arrays["mean"] - arrays["true"]
    bias = np.nanmedian(residual, axis=0)
    sigma = 1.4826 * np.nanmedian(np.abs(residual - bias), axis=0)
    values = {"rmse": compute_rms(residual), "sigma": sigma, "bias": bias}
    if "crlb" in arrays:
        values["crlb"] = compute_rms(arrays["crlb"])
        bounded = np.where(np.isnan(arrays["crlb"]), np.nan, residual)
        values["ratio"] = compute_rms(bounded) / values["crlb"]
    if "err" in arrays:
        true_err = arrays.get("true_err", 0.0)
        values |= calibration.score_errors(arrays["true"], arrays["mean"], arrays["err"], true_err)
    return {score: dict(zip(names, map(float, value))) for score, value in values.items()}


def score_subsets(predictions, subsets, columns, names):
    """Scores of some of the stars in each S/N range.

    Parameters
    ----------
    predictions : dict
        {S/N range: arrays}, see `score_arrays`.
    subsets : dict
        {subset: condition on the columns}, see `starlabels.base.queries`.
    columns : dict
        {label: true values (k,)}, also of labels that are not predicted.
    names : list of str
        Names of the predicted labels.

    Returns
    -------
    dict
        {subset: {"n_test": number of stars, "snr": {S/N range: scores}}}. A subset without stars
        has no scores.

    Raises
    ------
    UserError
        If a condition cannot be evaluated on the columns.
    """
    scores = {}
    n_stars = len(next(iter(predictions.values()))["true"])
    for subset, chosen in choose_subsets("test.subsets", subsets, columns, n_stars).items():
        tables = {}
        for key, arrays in predictions.items() if chosen.any() else ():
            some = {name: values[chosen] for name, values in arrays.items()}
            tables[key] = score_arrays(some, names)
        scores[subset] = {"n_test": int(chosen.sum()), "snr": tables}
    return scores


def choose_subsets(key, subsets, columns, n):
    """Masks {subset: (n,) of bool} of n stars by conditions {subset: query} on columns (n,).

    UserError with the key of the recipe if a condition cannot be evaluated.
    """
    masks = {}
    for subset, condition in subsets.items():
        try:
            masks[subset] = evaluate_query(condition, columns, n)
        except ValueError as error:
            expected = f"a condition on {', '.join(columns)} is expected"
            raise UserError(f"{key}.{subset}: {condition!r}: {error}; {expected}") from None
    return masks


def count_flags(flags, bits):
    """{flag: fraction of the stars (k,) that carry it}."""
    return {name: float(np.mean((flags & bit) > 0)) for name, bit in bits.items()}


def print_scores(metrics, labels):
    """Print the scores per label and S/N range, on generated spectra and of the reference."""
    names = metrics["labels"]
    heads = [f"{name} {label.plain_unit}".strip() for name, label in zip(names, labels)]
    width = max(14, *(len(head) + 2 for head in heads))
    tables = dict(metrics["snr"])
    tables |= {key: metrics[key] for key in ("generated", "reference") if key in metrics}
    for subset, scores in metrics.get("subsets", {}).items():
        tables |= {f"{subset}: {key}": table for key, table in scores["snr"].items()}
    first_width = max(8, *map(len, tables)) + 2

    def print_row(first, second, cells):
        row = "".join(f"{cell:>{width}}" for cell in cells)
        print(f"{first:<{first_width}}{second:<12}{row}")

    print(f"{format_count(metrics['n_test'])} test stars")
    print(KEYS)
    print_row("S/N", "", heads)
    for key, table in tables.items():
        for i, (score, values) in enumerate(table.items()):
            cells = [f"{values[name]:.3g}" if name in values else "" for name in names]
            print_row("" if i else key.replace("_", "-"), score, cells)
        fractions = metrics["flagged"].get(key, {})
        if fractions:
            print_row("", "flagged", [f"{name} {part:.1%}" for name, part in fractions.items()])
    if "distance" in metrics:
        find_derived(names).print_scores(metrics)
