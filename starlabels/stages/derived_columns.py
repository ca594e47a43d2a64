"""Columns of predict.py's tables that only some models have: Astra's flags, distances, and the parts of the errors."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.catalogues import distances, sdss_flags

PHOTOMETRY_COLUMNS = ("k_mag", "a_k")  # columns of --photometry, beside name


class DerivedColumn(NamedTuple):
    """Unit of a column in plain text, and what a star without a result has there: an int, a bool or nan."""

    unit: str
    blank: object


FLAG_COLUMNS = {
    "astra_flags": DerivedColumn("", sdss_flags.NO_RESULT),
    "flag_warn": DerivedColumn("", bool(sdss_flags.warn_labels(sdss_flags.NO_RESULT))),
    "flag_bad": DerivedColumn("", bool(sdss_flags.reject_labels(sdss_flags.NO_RESULT))),
}
DISTANCE_COLUMNS = {
    "distance": DerivedColumn("pc", np.nan),
    "distance_err": DerivedColumn("pc", np.nan),
    "parallax": DerivedColumn("mas", np.nan),
    "parallax_err": DerivedColumn("mas", np.nan),
    "distance_flags": DerivedColumn("", sdss_flags.NO_RESULT),
    "distance_warn": DerivedColumn("", bool(sdss_flags.warn_distances(sdss_flags.NO_RESULT))),
    "distance_bad": DerivedColumn("", bool(sdss_flags.reject_distances(sdss_flags.NO_RESULT))),
}


def list_derived_columns(cfg):
    """{column: Extra} that a model of this recipe adds to the tables."""
    if cfg.train.loss == "mse":  # labels without errors
        return {}
    found = {}
    for name in cfg.labels if "passes" in cfg.model.arguments else []:
        found |= {
            f"{name}_{part}": DerivedColumn(get_label(name).plain_unit, np.nan)
            for part in ("err_model", "err_predictive")
        }
    if find_metallicity(cfg.labels):
        found |= FLAG_COLUMNS
    return found | (DISTANCE_COLUMNS if "fakemag" in cfg.labels else {})


def find_metallicity(names):
    """The label that Astra's flags take for [Fe/H], where there are those of all three of them; else None."""
    metal = "feh" if "feh" in names else "mh"
    return metal if {"teff", "logg", metal} <= set(names) else None


def compute_derived_values(extras, names, found, photometry):
    """[{column: value}] of n stars, in `extras` {column: Extra}, from what a model found: {mean, err, ... (n, n_labels)}.

    names: (n_labels,); photometry: magnitudes K_s and extinctions A_K (n, 2), NaN where not known.
    """
    table = {}
    for part in ("err_model", "err_predictive"):
        table |= (
            {f"{name}_{part}": column for name, column in zip(names, found[part].T)}
            if part in found
            else {}
        )
    mean, err = (dict(zip(names, found[key].T.astype(float))) for key in ("mean", "err"))
    if "astra_flags" in extras:
        three = ("teff", "logg", find_metallicity(names))
        flags = sdss_flags.flag_labels(
            *(mean[name] for name in three), *(err[name] for name in three)
        )
        table |= {
            "astra_flags": flags,
            "flag_warn": sdss_flags.warn_labels(flags),
            "flag_bad": sdss_flags.reject_labels(flags),
        }
    if "distance" in extras:
        table |= distances.compute_distances(
            {"mean": mean["fakemag"][:, None], "err": err["fakemag"][:, None]}, *photometry.T
        )
        flags = table["distance_flags"]
        table |= {
            "distance_warn": sdss_flags.warn_distances(flags),
            "distance_bad": sdss_flags.reject_distances(flags),
        }
    return [
        {name: type(extra.blank)(table[name][i]) for name, extra in extras.items()}
        for i in range(len(found["mean"]))
    ]


def read_photometry(path, extras):
    """{name: {k_mag, a_k}} of a CSV file, NaN where a cell is empty; UserError if it is none, or of no use to the model."""
    if "distance" not in extras:
        raise UserError(
            f"--photometry {path}: the model gives no fakemag, so no distance: leave it out, or take one that does"
        )
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except FileNotFoundError:
        raise UserError(f"{path} not found: mend --photometry") from None
    except (ValueError, UnicodeDecodeError) as error:  # pandas' own are ValueErrors
        raise UserError(
            f"{path} is no CSV table, {str(error).splitlines()[0][:80]}: mend it"
        ) from None
    table.columns = [str(name).strip().lower() for name in table.columns]
    if missing := [name for name in ("name", *PHOTOMETRY_COLUMNS) if name not in table]:
        raise UserError(
            f"{path} has columns {', '.join(table)}; expected name, k_mag, a_k: {', '.join(missing)} is missing"
        )
    for name in PHOTOMETRY_COLUMNS:
        numbers = pd.to_numeric(table[name], errors="coerce")
        if (strange := numbers.isna() & table[name].notna()).any():
            row = int(strange.idxmax())
            raise UserError(
                f"{path}:{row + 2}: {name} is {table[name][row]!r}, expected magnitudes: mend it"
            )
        table[name] = numbers.where(numbers.between(-50, 50))  # 99.99 and -9999 are missing
    if (twice := table["name"].duplicated()).any():
        raise UserError(
            f"{path}: {table['name'][twice].iloc[0]} is there twice: leave one line a star"
        )
    return table.set_index("name")[list(PHOTOMETRY_COLUMNS)].to_dict("index")


def summarise_distances(answers):
    """`412 of 500 stars have a distance: 80 without K_s magnitude, ...` of Answers; None if the model gives none."""
    given = [one for one in answers if "distance" in one.extras]
    if not given:
        return None
    flags = np.array([one.extras["distance_flags"] for one in given])
    reasons = {
        "without K_s magnitude": sdss_flags.MISSING_PHOTOMETRY,
        "of unknown extinction, taken as none": sdss_flags.MISSING_EXTINCTION,
    }
    parts = [
        f"{format_count(int(n))} {words}"
        for words, bit in reasons.items()
        if (n := ((flags & bit) > 0).sum())
    ]
    n = sum(np.isfinite(one.extras["distance"]) for one in given)
    return f"{format_count(int(n))} of {format_count(len(given))} stars have a distance" + (
        ": " + ", ".join(parts) if parts else ""
    )
