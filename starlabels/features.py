"""What a network reads of a star's catalogue entry: magnitudes as they are, absolute and without extinction, and colours.

A value that is missing is NaN until the network itself, which reads 0 in its place and a flag beside it.
"""

from typing import NamedTuple

import numpy as np

from starlabels import h5io
from starlabels.cli import UserError, count

BANDS = {  # effective wavelength in micron, 10 000 K to 3000 K: SVO Filter Profile Service (Rodrigo & Solano 2020)
    "U": 0.360, "B": 0.437, "V": 0.549, "R": 0.639, "I": 0.783,
    "u": 0.361, "g": 0.467, "r": 0.614, "i": 0.746, "z": 0.892,
    "G": 0.622, "BP": 0.511, "RP": 0.777,
    "J": 1.235, "H": 1.662, "Ks": 2.159,
    "W1": 3.353, "W2": 4.603, "W3": 11.56,
}  # fmt: skip
R_V = 3.1
CHUNK = 65_536  # rows at a time


class Table(NamedTuple):
    """Features (n, k) of n stars, NaN where missing; their names; and uses (k, n_columns): of which columns each is made."""

    values: np.ndarray
    names: list
    uses: np.ndarray


def columns_of(asked):
    """The columns of the joined table that the features of the recipe's section `features` are made of."""
    single = [asked.a_v, asked.parallax, asked.distance]
    return list(dict.fromkeys([*asked.magnitudes, *(name for name in single if name), *asked.columns]))


def extinction(band):
    """A(band) / A(V) of an extinction law for R_V 3.1, at the effective wavelength. Gordon et al. (2023), ApJ 950, 86."""
    from astropy import units
    from dust_extinction.parameter_averages import G23

    return float(G23(Rv=R_V)(BANDS[band] * units.micron))


def modulus(asked, table):
    """Distance modulus (n,) in mag, and the column it is from; a parallax (mas) below the recipe's least counts as that.

    As Guiglion et al. (2020) have it, for the logarithm of what noise made small or negative says nothing.
    """
    if asked.distance:
        far = table[asked.distance]
        return 5 * np.log10(np.where(far > 0, far, np.nan)) - 5, asked.distance
    return 10 - 5 * np.log10(np.maximum(table[asked.parallax], asked.least_parallax)), asked.parallax


def make(asked, table):
    """The Table of the recipe's section `features` from columns {name: (n,)} of magnitudes, parallax (mas), distance (pc)."""
    columns = columns_of(asked)
    found = {}  # name: (values, the columns it is made of)
    plain = {name: (np.asarray(table[name], float), {name}) for name in asked.magnitudes}
    dust = {}
    if asked.a_v:
        a_v = np.asarray(table[asked.a_v], float)
        shares = {name: extinction(band) for name, band in asked.magnitudes.items()}
        dust = {name: (values - shares[name] * a_v, used | {asked.a_v}) for name, (values, used) in plain.items()}
        found[asked.a_v] = (a_v, {asked.a_v})
    if asked.parallax or asked.distance:
        shift, source = modulus(asked, table)
        found["modulus"] = (shift, {source})
    kinds = {"": plain, "_0": dust}
    for kind in asked.give:
        what, ending = kind.removesuffix("_0"), "_0" * kind.endswith("_0")
        magnitudes = kinds[ending]
        if what == "apparent":
            found |= {name + ending: one for name, one in magnitudes.items()}
        elif what == "absolute":
            found |= {f"abs_{name}{ending}": (m - shift, used | {source}) for name, (m, used) in magnitudes.items()}
        else:
            pairs = zip(magnitudes.items(), list(magnitudes.items())[1:])
            found |= {f"{a}-{b}{ending}": (x - y, p | q) for (a, (x, p)), (b, (y, q)) in pairs}
    found |= {name: (np.asarray(table[name], float), {name}) for name in asked.columns}
    values = np.column_stack([values for values, _ in found.values()]).astype("f4")  # (n, k)
    uses = np.array([[column in used for column in columns] for _, used in found.values()])
    return Table(np.where(np.isfinite(values), values, np.nan), list(found), uses)


def write(h5, joined, parts, asked):
    """Write the features of each part of an open 2_prepared.h5 {part: joined rows (n,)}, and their moments in training.

    UserError if a column is not in the joined file, or a feature is missing in all training stars.
    """
    columns, there = columns_of(asked), h5io.label_names(joined)
    if missing := [name for name in columns if name not in there]:
        raise UserError(f"{joined.filename} has columns {', '.join(there)}, no {', '.join(missing)}: mend `features`")
    table = h5io.read_labels(joined, columns)
    for part, rows in parts.items():
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        made = [make(asked, dict(zip(columns, table[chunk].T))) for chunk in chunks]
        h5io.write(h5[part], "features", np.concatenate([one.values for one in made]))
    train, names = h5["train/features"][:], made[0].names
    if empty := [name for name, column in zip(names, train.T) if np.isnan(column).all()]:
        raise UserError(f"{joined.filename}: features {', '.join(empty)} are missing in all training stars: take them out")
    group = h5.create_group("features")
    group["mean"], group["std"] = np.nanmean(train, axis=0, dtype="f8"), np.nanstd(train, axis=0, dtype="f8")
    holes = np.isnan(train).mean(axis=0)
    group["uses"], group.attrs["names"], group.attrs["columns"] = made[0].uses, names, columns
    group["may_lack"] = (holes > 0) | (asked.hidden > 0)
    worst = f"; most often missing: {names[holes.argmax()]}, in {holes.max():.1%}" if holes.any() else ""
    print(f"{len(names)} features of {len(columns)} columns, for {count(len(train))} training stars{worst}")


def lacking(made, columns, may_lack):
    """Why (n,) a star of a Table cannot have labels, "" if it can: it lacks what no training star lacked, may_lack (k,).

    What the network has never seen missing it can make nothing of. columns {name: (n,)}; may_lack None: it is not known.
    """
    bad = np.isnan(made.values) & ~(np.ones(len(made.names), bool) if may_lack is None else may_lack)  # (n, k)
    gone = np.column_stack([~np.isfinite(values) for values in columns.values()])
    names, why = np.array(list(columns)), np.full(len(bad), "", object)
    for i in np.flatnonzero(bad.any(axis=1)):
        lost = names[gone[i] & made.uses[bad[i]].any(axis=0)]
        what = lost if len(lost) else np.array(made.names)[bad[i]]  # a colour of what is there, but no number
        why[i] = f"lacks {', '.join(what)}, as no training star did"
    return why


class Beside:
    """Spectra as data.Pixels or Components, or None, and beside them features (n, k), NaN where missing, as inputs.

    In training a share `hidden` of the values of the columns that they are made of is hidden, as uses (k, n_columns) tells:
    for stars that lack what those of training have.
    """

    def __init__(self, spectra, values, uses=None, hidden=0.0):
        self.spectra, self.values, self.uses, self.hidden = spectra, values, uses, hidden
        self.run = spectra.run if spectra else 1
        self.n_inputs = values.shape[1] + (spectra.n_inputs if spectra else 0)

    def batch(self, rows, snr, rng):
        """Inputs (n, n_inputs) float32 of the rows (n,); rng None: nothing is hidden."""
        values = self.values[rows]
        if self.hidden and rng is not None:
            gone = rng.uniform(size=(len(rows), self.uses.shape[1])) < self.hidden  # (n, n_columns)
            values = np.where(gone @ self.uses.T, np.float32(np.nan), values)
        return np.concatenate([self.spectra.batch(rows, snr, rng), values], axis=1) if self.spectra else values
