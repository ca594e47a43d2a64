"""The packaged line list: Gaia-ESO metals (Heiter et al. 2021), hydrogen and helium.

It covers 4200-9200 A.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from starlabels.base import untrusted
from starlabels.base.checksums import verify_checksum
from starlabels.base.errors import UserError

LINE_FILE = Path(__file__).parents[2] / "data/lines/gaia_eso_4200_9200.npz"
COVERAGE = (4200.0, 9200.0)  # A, in air
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
SYMBOLS = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se
    Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb
    Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U
""".split()
HYDROGEN_REACH = 300.0  # A: Balmer wings reach this far into a window
# Ionisation energies (eV, NIST) of the neutral atoms whose high Rydberg lines are dropped
IONISATION = {6: 11.260, 7: 14.534, 8: 13.618, 12: 7.646, 14: 8.152, 16: 10.360, 20: 6.113,
              26: 7.902}  # fmt: skip
RYDBERG_GAP = 0.25  # eV below the ionisation limit


@dataclass(frozen=True)
class LineList:
    """Atomic lines in SMElib's format.

    Parameters
    ----------
    species : array (n,) of str
        Names such as "Fe 1".
    atomic : array (n, 8)
        Atomic number, ionisation stage (1 = neutral), wavelength (A, air), lower excitation (eV),
        log gf, log gamma_rad, log gamma_4 per electron at 10^4 K (n_lower for H), and van der
        Waals damping: ABO sigma.alpha or log gamma_6 (n_upper for H). 0 means unknown.
    """

    species: np.ndarray
    atomic: np.ndarray

    def __len__(self):
        return len(self.species)

    def __getitem__(self, key):
        if isinstance(key, str):  # SMElib's wrapper looks up columns by name
            return {
                "species": self.species,
                "atomic": self.atomic,
                "ionization": self.atomic[:, 1],
            }[key]
        return LineList(self.species[key], self.atomic[key])


def species_names(atomic):
    """Names such as "Fe 1" of lines `atomic` (n, 8)."""
    return np.array([f"{SYMBOLS[int(z) - 1]} {int(ion)}" for z, ion in atomic[:, :2]])


def read_lines(wave_min, wave_max, margin=6.0, hydrogen=HYDROGEN_REACH):
    """Read the lines that shape the spectrum between two wavelengths.

    Parameters
    ----------
    wave_min, wave_max : float
        Window (A, air).
    margin : float
        Lines within `margin` A of the window are included.
    hydrogen : float
        Hydrogen lines within `hydrogen` A of the window are included.

    Returns
    -------
    LineList
        Without high Rydberg lines (upper level within 0.25 eV of the ionisation limit) of C, N,
        O, Mg, Si, S, Ca and Fe. Their levels are dissolved in real atmospheres; SMElib has no
        occupation probabilities and would synthesise false 5 % dips.

    Raises
    ------
    UserError
        If the window is outside the list.
    """
    if wave_min < COVERAGE[0] or wave_max > COVERAGE[1]:
        raise UserError(
            f"wave: spectra from {wave_min:g} to {wave_max:g} A need lines outside the packaged "
            f"list, {COVERAGE[0]:g}-{COVERAGE[1]:g} A: choose a window inside it"
        )
    packed = untrusted.read_arrays(verify_checksum(LINE_FILE))
    atomic = np.column_stack([packed[name] for name in COLUMNS]).astype(float)
    number, wave = atomic[:, 0], atomic[:, 2]
    is_hydrogen = number == 1
    reach = np.where(is_hydrogen, hydrogen, margin)
    inside = (wave > wave_min - reach) & (wave < wave_max + reach)
    atomic = atomic[inside & (is_hydrogen | ~_is_rydberg(atomic))]
    return LineList(species_names(atomic), atomic)


def _is_rydberg(atomic):
    """Boolean (n,): True for lines `atomic` (n, 8) from levels near the ionisation limit."""
    limit = np.array(
        [IONISATION.get(int(z), np.inf) if ion == 1 else np.inf for z, ion in atomic[:, :2]]
    )
    upper = atomic[:, 3] + 12398.42 / atomic[:, 2]  # eV
    return limit - upper < RYDBERG_GAP
