"""The packaged line lists, 3680-9200 A and the H band.

Atoms of Gaia-ESO (Heiter et al. 2021) and linemake (Placco et al. 2021), hydrogen and helium, and
molecules of linemake.
"""

from dataclasses import dataclass

import numpy as np

from starlabels.base import untrusted
from starlabels.base.checksums import verify_checksum
from starlabels.base.errors import UserError
from starlabels.base.install import DATA_FOLDER

LINE_FOLDER = DATA_FOLDER / "lines"
LINE_FILE = LINE_FOLDER / "gaia_eso_4200_9200.npz"
LINEMAKE_FILE = LINE_FOLDER / "linemake_atoms.npz"
MOLECULE_FILE = LINE_FOLDER / "molecules.npz"
SOLAR_FILE = LINE_FOLDER / "solar_log_gf.npz"
LINE_FILES = (LINE_FILE, LINEMAKE_FILE, MOLECULE_FILE, SOLAR_FILE)
COVERAGE = ((3680.0, 9200.0), (15_100.0, 17_000.0))  # A, in air
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
# Molecules by the atomic numbers in them, as in the tables of linemake
MOLECULES = {106: "CH", 107: "NH", 108: "OH", 112: "MgH", 114: "SiH", 126: "FeH", 606: "C2",
             607: "CN", 608: "CO", 822: "TiO", 10108: "H2O"}  # fmt: skip
HYDROGEN_REACH = 300.0  # A: Balmer wings reach this far into a window
# Ionisation energies (eV, NIST) of the neutral atoms whose high Rydberg lines are dropped
IONISATION = {6: 11.260, 7: 14.534, 8: 13.618, 12: 7.646, 14: 8.152, 16: 10.360, 20: 6.113,
              26: 7.902}  # fmt: skip
MOLECULE_TEFF = 7000.0  # K: in hotter stars molecules are left out
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
    """Names such as "Fe 1" or "TiO 1" of lines `atomic` (n, 8)."""
    names = dict(enumerate(SYMBOLS, start=1)) | MOLECULES
    return np.array([f"{names[int(z)]} {int(ion)}" for z, ion in atomic[:, :2]])


def read_lines(wave_min, wave_max, margin=6.0, hydrogen=HYDROGEN_REACH, molecules=True):
    """Read the lines that shape the spectrum between two wavelengths.

    Parameters
    ----------
    wave_min, wave_max : float
        Window (A, air).
    margin : float
        Lines within `margin` A of the window are included.
    hydrogen : float
        Hydrogen lines within `hydrogen` A of the window are included.
    molecules : bool
        Include the lines of molecules.

    Returns
    -------
    LineList
        Sorted by wavelength, without high Rydberg lines (upper level within 0.25 eV of the
        ionisation limit) of C, N, O, Mg, Si, S, Ca and Fe. Their levels are dissolved in real
        atmospheres; SMElib has no occupation probabilities and would synthesise false 5 % dips.

    Raises
    ------
    UserError
        If the window is outside the lists.
    """
    if not is_covered(wave_min, wave_max):
        raise UserError(
            f"wave: spectra from {wave_min:g} to {wave_max:g} A need lines outside the packaged "
            f"lists, {describe_coverage()}: choose a window inside them"
        )
    atomic = correct_log_gf(read_atomic_lists())
    return select_lines(atomic, wave_min, wave_max, margin, hydrogen, molecules)[0]


def select_lines(atomic, wave_min, wave_max, margin=6.0, hydrogen=HYDROGEN_REACH, molecules=True):
    """LineList that `read_lines` selects from atoms (m, 8), and rows (n,), -1 for molecules."""
    is_hydrogen = atomic[:, 0] == 1
    reach = np.where(is_hydrogen, hydrogen, margin)
    inside = (atomic[:, 2] > wave_min - reach) & (atomic[:, 2] < wave_max + reach)
    rows = np.flatnonzero(inside & (is_hydrogen | ~_is_rydberg(atomic)))
    atomic = atomic[rows]
    if molecules:
        more = read_molecules(wave_min - margin, wave_max + margin)
        atomic = np.vstack([atomic, more])
        rows = np.concatenate([rows, np.full(len(more), -1)])
    order = np.argsort(atomic[:, 2], kind="stable")
    return LineList(species_names(atomic[order]), atomic[order]), rows[order]


def read_atomic_lists():
    """All packaged lines (n, 8) of atoms, one list after the other, see LineList.atomic."""
    return np.vstack([read_atoms(LINE_FILE), read_atoms(LINEMAKE_FILE)])


def correct_log_gf(atomic):
    """The lines of `read_atomic_lists` with log gf that fit the Sun, and lines added for it.

    See starlabels/tools/rebuild/solar_lines.py.
    """
    packed = untrusted.read_arrays(verify_checksum(SOLAR_FILE))
    corrected = atomic.copy()
    corrected[:, 4] += packed["change"].astype(float)
    return np.vstack([corrected, packed["added"]])


def is_covered(wave_min, wave_max):
    """Whether the packaged lists cover a window (A, air)."""
    return any(low <= wave_min and wave_max <= high for low, high in COVERAGE)


def describe_coverage():
    """The windows of the lists in words."""
    return " and ".join(f"{low:g}-{high:g} A" for low, high in COVERAGE)


def read_atoms(path):
    """All lines (n, 8) of a packaged list of atoms, see LineList.atomic."""
    packed = untrusted.read_arrays(verify_checksum(path))
    return np.column_stack([packed[name] for name in COLUMNS]).astype(float)


def read_molecules(wave_min, wave_max):
    """Lines (n, 8) of molecules between two wavelengths (A, air), see LineList.atomic."""
    packed = untrusted.read_arrays(verify_checksum(MOLECULE_FILE))
    wave = packed["wave"] / 1000  # from mA
    inside = (wave > wave_min) & (wave < wave_max)
    atomic = np.zeros((int(inside.sum()), len(COLUMNS)))
    atomic[:, 0] = packed["number"][inside]
    atomic[:, 1] = 1
    atomic[:, 2] = wave[inside]
    atomic[:, 3] = packed["excitation"][inside] / 1000  # from meV
    atomic[:, 4] = packed["log_gf"][inside] / 1000
    return atomic


def _is_rydberg(atomic):
    """Boolean (n,): True for lines `atomic` (n, 8) from levels near the ionisation limit."""
    limit = np.array(
        [IONISATION.get(int(z), np.inf) if ion == 1 else np.inf for z, ion in atomic[:, :2]]
    )
    upper = atomic[:, 3] + 12398.42 / atomic[:, 2]  # eV
    return limit - upper < RYDBERG_GAP
