"""Features that a network reads from a catalogue: magnitudes, absolute magnitudes and colours.

A missing value is NaN; the network replaces it by 0 and adds a flag.
"""

from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, hdf5_labels
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.photometry import compute_relative_extinction

CHUNK_ROWS = 65_536  # processed at a time


class FeatureTable(NamedTuple):
    """Features (n, k) of n stars, NaN where missing, and their names.

    uses (k, n_columns): True if a feature is made of a column.
    """

    values: np.ndarray
    names: list
    uses: np.ndarray


def list_feature_columns(section):
    """Columns of the joined table that the features of the recipe's section are made of."""
    single = [name for name in (section.a_v, section.parallax, section.distance) if name]
    return list(dict.fromkeys([*section.magnitudes, *single, *section.columns]))


def list_units(section):
    """{column: unit} of the magnitudes and the distances that the recipe's features are made of."""
    names = [*section.magnitudes, *([section.a_v] if section.a_v else [])]
    units = dict.fromkeys(names, "mag")
    if section.parallax:
        units[section.parallax] = "mas"
    if section.distance:
        units[section.distance] = "pc"
    return units


def compute_modulus(section, table):
    """(Distance modulus (n,) in mag, name of the column that it is made of).

    A parallax (mas) below section.least_parallax counts as that value, as in Guiglion et al.
    (2020), A&A 644, A168: the logarithm of a noisy parallax near 0 carries no information.
    """
    if section.distance:
        distance = table[section.distance]
        modulus = 5 * np.log10(np.where(distance > 0, distance, np.nan)) - 5
        return modulus, section.distance
    parallax = np.maximum(table[section.parallax], section.least_parallax)
    return 10 - 5 * np.log10(parallax), section.parallax


def compute_features(section, table):
    """Compute the features of a recipe.

    Parameters
    ----------
    section : the recipe's section `features`.
    table : columns {name: (n,)}: magnitudes (mag), parallax (mas), distance (pc).

    Returns
    -------
    FeatureTable
    """
    features = {}  # name: (values, columns it is made of)
    observed = {name: (np.asarray(table[name], float), {name}) for name in section.magnitudes}
    corrected = {}
    if section.a_v:
        a_v = np.asarray(table[section.a_v], float)
        corrected = correct_extinction(section, observed, a_v)
        features[section.a_v] = (a_v, {section.a_v})
    if section.parallax or section.distance:
        modulus, source = compute_modulus(section, table)
        features["modulus"] = (modulus, {source})
    for entry in section.give:
        kind = entry.removesuffix("_0")
        suffix = "_0" * entry.endswith("_0")
        magnitudes = corrected if suffix else observed
        if kind == "apparent":
            features |= {name + suffix: feature for name, feature in magnitudes.items()}
        elif kind == "absolute":
            for name, (values, used) in magnitudes.items():
                features[f"abs_{name}{suffix}"] = (values - modulus, used | {source})
        else:
            pairs = zip(magnitudes.items(), list(magnitudes.items())[1:])
            for (blue, (x, x_used)), (red, (y, y_used)) in pairs:
                features[f"{blue}-{red}{suffix}"] = (x - y, x_used | y_used)
    features |= {name: (np.asarray(table[name], float), {name}) for name in section.columns}
    values = np.column_stack([values for values, _ in features.values()]).astype("f4")
    columns = list_feature_columns(section)
    uses = np.array([[column in used for column in columns] for _, used in features.values()])
    return FeatureTable(np.where(np.isfinite(values), values, np.nan), list(features), uses)


def correct_extinction(section, magnitudes, a_v):
    """{name: (magnitudes (n,) without extinction, columns)}, as `magnitudes`; a_v (n,) in mag."""
    corrected = {}
    for name, (values, used) in magnitudes.items():
        ratio = compute_relative_extinction(section.magnitudes[name])
        corrected[name] = (values - ratio * a_v, used | {section.a_v})
    return corrected


def write_features(h5, joined, parts, section):
    """Write the features of each part of 2_prepared.h5, and their moments in the training part.

    Parameters
    ----------
    h5 : 2_prepared.h5, open for writing.
    joined : 0_joined.h5, open for reading.
    parts : {part: rows (n,) of the joined file}.
    section : the recipe's section `features`.

    Raises
    ------
    UserError
        If a column is not in the joined file, or a feature is missing for all training stars.
    """
    columns = list_feature_columns(section)
    existing = hdf5_labels.read_label_names(joined)
    if missing := [name for name in columns if name not in existing]:
        problem = f"has columns {', '.join(existing)}, no {', '.join(missing)}"
        raise UserError(f"{joined.filename} {problem}: fix `features`")
    table = hdf5_labels.read_labels(joined, columns)
    for part, rows in parts.items():
        chunks = [rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS)]
        made = [compute_features(section, dict(zip(columns, table[chunk].T))) for chunk in chunks]
        hdf5.write_dataset(
            h5[part], "features", np.concatenate([features.values for features in made])
        )
    train = h5["train/features"][:]
    names = made[0].names
    if empty := [name for name, column in zip(names, train.T) if np.isnan(column).all()]:
        problem = f"features {', '.join(empty)} are missing in all training stars"
        raise UserError(f"{joined.filename}: {problem}: take them out")
    missing = np.isnan(train).mean(axis=0)
    group = h5.create_group("features")
    group["mean"] = np.nanmean(train, axis=0, dtype="f8")
    group["std"] = np.nanstd(train, axis=0, dtype="f8")
    group["uses"] = made[0].uses
    group.attrs["names"] = names
    group.attrs["columns"] = columns
    group["may_lack"] = (missing > 0) | (section.hidden > 0)
    worst = ""
    if missing.any():
        worst = f"; most often missing: {names[missing.argmax()]}, in {missing.max():.1%}"
    n_train = format_count(len(train))
    print(f"{len(names)} features of {len(columns)} columns, for {n_train} training stars{worst}")


def explain_missing(features, columns, may_lack):
    """Reasons (n,) why stars cannot have labels, "" if they can.

    A star cannot lack a feature that no training star lacked: the network has no way to treat it.

    Parameters
    ----------
    features : FeatureTable of n stars.
    columns : {name: (n,)} that the features are made of.
    may_lack : mask (k,) of features that training stars lacked; None if unknown.
    """
    required = np.zeros(len(features.names), bool) if may_lack is None else ~may_lack
    bad = np.isnan(features.values) & required  # (n, k)
    unknown = np.column_stack([~np.isfinite(values) for values in columns.values()])
    column_names = np.array(list(columns))
    reasons = np.full(len(bad), "", object)
    for i in np.flatnonzero(bad.any(axis=1)):
        lacking = column_names[unknown[i] & features.uses[bad[i]].any(axis=0)]
        if not len(lacking):  # the columns are known, but the feature is not a number
            lacking = np.array(features.names)[bad[i]]
        reasons[i] = f"lacks {', '.join(lacking)}, as no training star did"
    return reasons
