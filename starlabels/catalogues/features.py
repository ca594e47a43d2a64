"""What a network reads of a star's catalogue entry: magnitudes as they are, absolute and without extinction, and colours.

A value that is missing is NaN until the network itself, which reads 0 in its place and a flag beside it.
"""

from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.photometry import compute_relative_extinction

CHUNK = 65_536  # rows at a time


class FeatureTable(NamedTuple):
    """Features (n, k) of n stars, NaN where missing; their names; and uses (k, n_columns): of which columns each is made."""

    values: np.ndarray
    names: list
    uses: np.ndarray


def list_feature_columns(asked):
    """The columns of the joined table that the features of the recipe's section `features` are made of."""
    single = [asked.a_v, asked.parallax, asked.distance]
    return list(
        dict.fromkeys([*asked.magnitudes, *(name for name in single if name), *asked.columns])
    )


def compute_modulus(asked, table):
    """Distance modulus (n,) in mag, and the column it is from; a parallax (mas) below the recipe's least counts as that.

    As Guiglion et al. (2020) have it, for the logarithm of what noise made small or negative says nothing.
    """
    if asked.distance:
        far = table[asked.distance]
        return 5 * np.log10(np.where(far > 0, far, np.nan)) - 5, asked.distance
    return 10 - 5 * np.log10(
        np.maximum(table[asked.parallax], asked.least_parallax)
    ), asked.parallax


def compute_features(asked, table):
    """The Table of the recipe's section `features` from columns {name: (n,)} of magnitudes, parallax (mas), distance (pc)."""
    columns = list_feature_columns(asked)
    found = {}  # name: (values, the columns it is made of)
    plain = {name: (np.asarray(table[name], float), {name}) for name in asked.magnitudes}
    dust = {}
    if asked.a_v:
        a_v = np.asarray(table[asked.a_v], float)
        shares = {name: compute_relative_extinction(band) for name, band in asked.magnitudes.items()}
        dust = {
            name: (values - shares[name] * a_v, used | {asked.a_v})
            for name, (values, used) in plain.items()
        }
        found[asked.a_v] = (a_v, {asked.a_v})
    if asked.parallax or asked.distance:
        shift, source = compute_modulus(asked, table)
        found["modulus"] = (shift, {source})
    kinds = {"": plain, "_0": dust}
    for kind in asked.give:
        what, ending = kind.removesuffix("_0"), "_0" * kind.endswith("_0")
        magnitudes = kinds[ending]
        if what == "apparent":
            found |= {name + ending: one for name, one in magnitudes.items()}
        elif what == "absolute":
            found |= {
                f"abs_{name}{ending}": (m - shift, used | {source})
                for name, (m, used) in magnitudes.items()
            }
        else:
            pairs = zip(magnitudes.items(), list(magnitudes.items())[1:])
            found |= {f"{a}-{b}{ending}": (x - y, p | q) for (a, (x, p)), (b, (y, q)) in pairs}
    found |= {name: (np.asarray(table[name], float), {name}) for name in asked.columns}
    values = np.column_stack([values for values, _ in found.values()]).astype("f4")  # (n, k)
    uses = np.array([[column in used for column in columns] for _, used in found.values()])
    return FeatureTable(np.where(np.isfinite(values), values, np.nan), list(found), uses)


def write_features(h5, joined, parts, asked):
    """Write the features of each part of an open 2_prepared.h5 {part: joined rows (n,)}, and their moments in training.

    UserError if a column is not in the joined file, or a feature is missing in all training stars.
    """
    columns, there = list_feature_columns(asked), hdf5.label_names(joined)
    if missing := [name for name in columns if name not in there]:
        raise UserError(
            f"{joined.filename} has columns {', '.join(there)}, no {', '.join(missing)}: mend `features`"
        )
    table = hdf5.read_labels(joined, columns)
    for part, rows in parts.items():
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        made = [compute_features(asked, dict(zip(columns, table[chunk].T))) for chunk in chunks]
        hdf5.write(h5[part], "features", np.concatenate([one.values for one in made]))
    train, names = h5["train/features"][:], made[0].names
    if empty := [name for name, column in zip(names, train.T) if np.isnan(column).all()]:
        raise UserError(
            f"{joined.filename}: features {', '.join(empty)} are missing in all training stars: take them out"
        )
    group = h5.create_group("features")
    group["mean"], group["std"] = (
        np.nanmean(train, axis=0, dtype="f8"),
        np.nanstd(train, axis=0, dtype="f8"),
    )
    holes = np.isnan(train).mean(axis=0)
    group["uses"], group.attrs["names"], group.attrs["columns"] = made[0].uses, names, columns
    group["may_lack"] = (holes > 0) | (asked.hidden > 0)
    worst = (
        f"; most often missing: {names[holes.argmax()]}, in {holes.max():.1%}"
        if holes.any()
        else ""
    )
    print(
        f"{len(names)} features of {len(columns)} columns, for {format_count(len(train))} training stars{worst}"
    )


def explain_missing(made, columns, may_lack):
    """Why (n,) a star of a Table cannot have labels, "" if it can: it lacks what no training star lacked, may_lack (k,).

    What the network has never seen missing it can make nothing of. columns {name: (n,)}; may_lack None: it is not known.
    """
    bad = np.isnan(made.values) & ~(
        np.ones(len(made.names), bool) if may_lack is None else may_lack
    )  # (n, k)
    gone = np.column_stack([~np.isfinite(values) for values in columns.values()])
    names, why = np.array(list(columns)), np.full(len(bad), "", object)
    for i in np.flatnonzero(bad.any(axis=1)):
        lost = names[gone[i] & made.uses[bad[i]].any(axis=0)]
        what = (
            lost if len(lost) else np.array(made.names)[bad[i]]
        )  # a colour of what is there, but no number
        why[i] = f"lacks {', '.join(what)}, as no training star did"
    return why
