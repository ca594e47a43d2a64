"""The packaged line list: Gaia-ESO metals (Heiter et al. 2021) with hydrogen and helium, 4200-9200 A."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from starlabels.base import untrusted
from starlabels.base.checksums import checked
from starlabels.base.errors import UserError

LINE_FILE = Path(__file__).parents[2] / "data/lines/gaia_eso_4200_9200.npz"
COVERAGE = (4200.0, 9200.0)  # A, in air
SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
).split()
HYDROGEN_REACH = 300.0  # A: Balmer wings reach this far into a window
# Ionisation energies (eV, NIST) of the neutral atoms whose high Rydberg lines we drop, see `load`
IONISATION = {
    6: 11.260,
    7: 14.534,
    8: 13.618,
    12: 7.646,
    14: 8.152,
    16: 10.360,
    20: 6.113,
    26: 7.902,
}
RYDBERG_GAP = 0.25  # eV below the ionisation limit


@dataclass(frozen=True)
class LineList:
    """Atomic lines as SMElib takes them.

    `species` (n,) text such as "Fe 1"; `atomic` (n, 8): atomic number, ionisation stage (1 = neutral), wavelength (A, air),
    lower excitation (eV), log gf, log gamma_rad, log gamma_4 per electron at 10^4 K (n_lower for H), and van der Waals: ABO
    sigma.alpha or log gamma_6 (n_upper for H); 0 means unknown.
    """

    species: np.ndarray
    atomic: np.ndarray

    def __len__(self):
        return len(self.species)

    def __getitem__(self, key):  # SMElib's wrapper asks for columns by name
        if isinstance(key, str):
            return {
                "species": self.species,
                "atomic": self.atomic,
                "ionization": self.atomic[:, 1],
            }[key]
        return LineList(self.species[key], self.atomic[key])


def species_names(atomic):
    """Names such as "Fe 1" of lines `atomic` (n, 8)."""
    return np.array([f"{SYMBOLS[int(z) - 1]} {int(ion)}" for z, ion in atomic[:, :2]])


def load(wave_min, wave_max, margin=6.0, hydrogen=HYDROGEN_REACH):
    """Lines that shape the spectrum between wave_min and wave_max (A, air): those within `margin`, of hydrogen that of its own.

    High Rydberg lines (upper level within 0.25 eV of the ionisation limit) of C, N, O, Mg, Si, S, Ca and Fe are dropped: their
    levels are dissolved in real atmospheres, and SMElib without occupation probabilities draws false 5 % dips for them.
    UserError when the window is outside the list.
    """
    if wave_min < COVERAGE[0] or wave_max > COVERAGE[1]:
        raise UserError(
            f"wave: spectra from {wave_min:g} to {wave_max:g} A need lines outside the packaged list, "
            f"{COVERAGE[0]:g}-{COVERAGE[1]:g} A: choose a window inside it"
        )
    packed = untrusted.arrays(checked(LINE_FILE))
    atomic = np.column_stack([packed[name] for name in COLUMNS]).astype(float)
    number, wave = atomic[:, 0], atomic[:, 2]
    is_h = number == 1
    reach = np.where(is_h, hydrogen, margin)
    inside = (wave > wave_min - reach) & (wave < wave_max + reach)
    atomic = atomic[inside & (is_h | ~_rydberg(atomic))]
    return LineList(species_names(atomic), atomic)


COLUMNS = (
    "number",
    "ionization",
    "wave",
    "excitation",
    "log_gf",
    "gamma_rad",
    "gamma_stark",
    "gamma_vdw",
)


def _rydberg(atomic):
    limit = np.array(
        [IONISATION.get(int(z), np.inf) if ion == 1 else np.inf for z, ion in atomic[:, :2]]
    )
    upper = atomic[:, 3] + 12398.42 / atomic[:, 2]  # eV
    return limit - upper < RYDBERG_GAP
