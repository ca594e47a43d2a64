"""Registry of labels that are derived from catalogue columns, such as fakemag.

The stages ask it how to make a label, how its predictions become distances, and how to score them.
A new derived label is an entry of DERIVED_LABELS.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from starlabels.catalogues import distances, sdss_flags


class ResultColumn(NamedTuple):
    """Unit of a column of predict.py's tables, and its value for a star without a result."""

    unit: str
    blank: object  # an int, a bool or nan


class DerivedLabel(NamedTuple):
    """A label that is made of other columns.

    Attributes
    ----------
    name, unit : name of the label, and its unit.
    columns : columns of a database that it is made of.
    add_values : function(labels, errors, path) that adds it to DataFrames of values and errors.
    compute_slope : function(part of 2_prepared.h5) -> its change (n,) per mas of parallax.
    photometry : columns of the table that predict.py needs in addition to the spectra.
    result_columns : {column: ResultColumn} that predict.py derives from its predictions.
    derive_results : function(mean (n,), err (n,), photometry (n, k)) -> {column: (n,)} of these.
    derive_part : function(predictions, part of 2_prepared.h5, offset in mas) -> {name: (n,)}.
    score_results : function({name: (n,)} of derive_part) -> {score: value}.
    print_scores : function(metrics) that prints them.
    """

    name: str
    unit: str
    columns: tuple
    add_values: Callable
    compute_slope: Callable
    photometry: tuple
    result_columns: dict
    derive_results: Callable
    derive_part: Callable
    score_results: Callable
    print_scores: Callable

    def add_to(self, table, path):
        """Add the label to the values, errors and units of a table unless it is there already.

        table: a Database or a StarStack; path: of the file, for error messages.
        """
        values = table.labels if hasattr(table, "labels") else table.values
        if self.name not in values:
            self.add_values(values, table.errors, path)
            table.units[self.name] = self.unit

    def score_ranges(self, predictions, offset):
        """Scores {distance: {S/N range: scores}, parallax_offset}; {} without true distances.

        predictions: {S/N range: {name: (n,)}}; offset: zero point of the parallaxes in mas.
        """
        if not all("distance_true" in arrays for arrays in predictions.values()):
            return {}
        scores = {key: self.score_results(arrays) for key, arrays in predictions.items()}
        return {"distance": scores, "parallax_offset": offset}


DISTANCE_COLUMNS = {
    "distance": ResultColumn("pc", np.nan),
    "distance_err": ResultColumn("pc", np.nan),
    "parallax": ResultColumn("mas", np.nan),
    "parallax_err": ResultColumn("mas", np.nan),
    "distance_flags": ResultColumn("", sdss_flags.NO_RESULT),
    "distance_warn": ResultColumn("", bool(sdss_flags.find_warned_distances(sdss_flags.NO_RESULT))),
    "distance_bad": ResultColumn("", bool(sdss_flags.find_bad_distances(sdss_flags.NO_RESULT))),
}


def derive_distances(mean, err, photometry):
    """{column: (n,)} of DISTANCE_COLUMNS from fakemag (mas); photometry (n, 2) of K_s and A_K."""
    results = distances.compute_distances(mean, err, *photometry.T)
    flags = results["distance_flags"]
    results["distance_warn"] = sdss_flags.find_warned_distances(flags)
    results["distance_bad"] = sdss_flags.find_bad_distances(flags)
    return results


DERIVED_LABELS = {
    "fakemag": DerivedLabel(
        name="fakemag",
        unit="mas",
        columns=distances.FAKEMAG_COLUMNS,
        add_values=distances.add_fakemag,
        compute_slope=distances.compute_fakemag_per_mas,
        photometry=distances.MAGNITUDES,
        result_columns=DISTANCE_COLUMNS,
        derive_results=derive_distances,
        derive_part=distances.compute_part_distances,
        score_results=distances.score_distances,
        print_scores=distances.print_distance_scores,
    ),
}


def find_derived(names):
    """The DerivedLabel among labels, or None; a network predicts one at most."""
    return next((DERIVED_LABELS[name] for name in names if name in DERIVED_LABELS), None)
