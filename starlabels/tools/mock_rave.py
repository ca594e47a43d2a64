"""Synthesise RAVE-like spectra of real stars, with their real photometry and parallaxes.

Reads  the CSV files of --labels and --photometry, the same stars in the same order, and data/nodes
Writes the HDF5 file of --out, for join.databases, and <out>.csv, the same stars for grid.labels_csv

python -m starlabels.tools.mock_rave --labels rave_labels.csv --photometry rave_photometry.csv
--out data/rave_like.h5 --seed 1

The file is a training set for recipes/rave.yaml. The stars of Guiglion et al. (2020, A&A 644, A168)
have labels of APOGEE DR16; RAVE's spectra of them are not available here. A spectrum follows these
labels: Teff, log g, [M/H], [X/M] of Mg, Al, Si and Ni, and [alpha/M] as [X/M] of Ca and Ti. Iron
and all other elements follow [M/H]. The other properties are drawn:

    vmic   2.478 - 0.325 log g km/s (Holtzman et al. 2015, AJ 150, 148), scatter 0.1
    vsini  giants (log g < 3.5): 2-5 km/s; dwarfs: exponential with a mean of 4 km/s, above 6250 K
           (Kraft 1967, ApJ 150, 551) of 15 km/s
    rv     remainder of the shift to rest: scatter 1 km/s
    S/N    per pixel: log-normal, median 42, scatter 0.45 in ln, cut to 10-130, as for most of the
           survey

The spectra have R = 7500 (Steinmetz et al. 2006, AJ 132, 1645) on 8410-8794.8 A, with 0.4 A per
pixel. Noise of 1 / (S/N) is correlated by 0.3 in neighbouring pixels, as a resampling leaves it.
The continuum is wrong by 0.5 % rms in waves of at least a quarter of the window. On average one run
of bad pixels is set to 1 and counted in `missing_pixels`. Scatters without a source are ours.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.files import check_not_input
from starlabels.base.labels import get_label, offset_name
from starlabels.catalogues import table_columns, tables
from starlabels.config import digests
from starlabels.config.rules import GRID_RANGES
from starlabels.stages import command_line, recipe_stars
from starlabels.synthesis.library import ELEMENT_LIBRARIES, NODE_FOLDER
from starlabels.synthesis.nodes import AXES
from starlabels.synthesis.sampler import Sampler

NODE_FILE = NODE_FOLDER / "rvs.h5"
VMIC_FILE = NODE_FOLDER / "rvs_vmic.h5"
ELEMENT_FILE = NODE_FOLDER / "rvs_elements.h5"
WAVE = 8410 + 0.4 * np.arange(962)  # A, air
RESOLVING_POWER = 7500
ID_COLUMN = "RAVE_OBS_ID"
LABELS = {
    "Teff": "teff",
    "logg": "logg",
    "MH": "mh",
    "FeH": "feh",
    "alphaM": "alpha_m",
    "SiFe": "si_fe",
    "AlFe": "al_fe",
    "MgFe": "mg_fe",
    "NiFe": "ni_fe",
}
PHOTOMETRY = {
    "phot_g_mean_mag": "g_mag",
    "phot_bp_mean_mag": "bp_mag",
    "phot_rp_mean_mag": "rp_mag",
    "Jmag_2MASS": "j_mag",
    "Hmag_2MASS": "h_mag",
    "Kmag_2MASS": "k_mag",
    "wise1": "w1_mag",
    "wise2": "w2_mag",
    "av50": "a_v",
    "parallax": "parallax",
}
ALPHA = ("Ca", "Ti")  # their [X/M] is [alpha/M]
VMIC_SCATTER = 0.1  # km/s
GIANT_LOGG = 3.5
HOT_TEFF = 6250.0  # K
GIANT_VSINI = (2.0, 5.0)  # km/s
DWARF_VSINI, HOT_VSINI = 4.0, 15.0  # km/s
RV_SCATTER = 1.0  # km/s
SNR, SNR_SCATTER, SNR_RANGE = 42.0, 0.45, (10.0, 130.0)
CORRELATION = 0.3  # of the noise of neighbouring pixels; 0.5 at most
CONTINUUM_RMS = 0.005
N_WAVES = 4  # most waves of the continuum's error in the window
N_RUNS = 1.0  # mean number of runs of bad pixels
RUN_LENGTH = 3.0  # mean length in pixels
BLOCK_SPECTRA = 512  # spectra in memory at a time


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    labels = f"CSV file of {ID_COLUMN}, {', '.join(LABELS)}"
    parser.add_argument("--labels", type=Path, required=True, help=labels)
    photometry = f"CSV file of the same stars: {', '.join(PHOTOMETRY)}"
    parser.add_argument("--photometry", type=Path, required=True, help=photometry)
    out = Path("data/rave_like.h5")
    parser.add_argument("--out", type=Path, default=out, help=f"HDF5 file (default: {out})")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")


def write_mock_rave(run, args):
    """Write the CSV file and the spectra; print how many stars were left out, and why."""
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: expected 0 or more")
    for out in (args.out, args.out.with_suffix(".csv")):
        check_not_input(out, [args.labels, args.photometry])
    stars, left_out = select_covered(read_stars(args.labels, args.photometry))
    rng = np.random.default_rng(args.seed)
    stars = stars.assign(**draw_nuisances(rng, stars))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    stars.drop(columns="snr").to_csv(args.out.with_suffix(".csv"), index=False)
    files = (args.labels, args.photometry, NODE_FILE, VMIC_FILE, ELEMENT_FILE)
    inputs = {path: hdf5.compute_file_digest(path) for path in files}
    digest = digests.short_hash([args.seed, *map(str, inputs.values())])
    with hdf5.create_file(args.out, "ravelike", digest, "", inputs) as h5:
        missing = write_spectra(h5, stars, rng)
        columns = stars.drop(columns="star_id").assign(missing_pixels=missing)
        units = [get_unit(name) for name in columns]
        hdf5_labels.write_labels(h5, columns.to_numpy("f4"), list(columns), units)
        hdf5.write_text(h5, "star_id", [name.encode() for name in stars["star_id"]])
    n_total = format_count(len(stars) + left_out.total())
    causes = ", ".join(f"{format_count(n)} {cause}" for cause, n in left_out.items())
    kept = f"kept {format_count(len(stars))} of {n_total} stars"
    print(f"{args.out}: {kept}" + (f": {causes}" if causes else ""))
    share = f"{missing.mean():.2%} of the pixels are missing"
    print(f"{share}; median S/N {stars['snr'].median():.0f}")


def read_stars(labels, photometry):
    """DataFrame of all stars under our names, of two files with the same stars in the same order.

    UserError unless both files have the columns, and equally many rows.
    """
    frames = [read_columns(labels, {ID_COLUMN: "star_id"} | LABELS)]
    frames.append(read_columns(photometry, PHOTOMETRY))
    n_labels, n_photometry = map(len, frames)
    if n_labels != n_photometry:
        counts = f"{labels} has {format_count(n_labels)} stars"
        counts = f"{counts}, {photometry} {format_count(n_photometry)}"
        raise UserError(f"{counts}: they must be the same, in the same order")
    return pd.concat(frames, axis=1)


def read_columns(path, names):
    """DataFrame of the columns {theirs: ours} of a file: numbers, and star_id as text."""
    table = tables.read_table(path, list(names), texts=[ID_COLUMN])
    columns = {}
    for source, name in names.items():
        column = table.frame[source]
        is_text = name == "star_id"
        columns[name] = column if is_text else table_columns.read_numbers(table, column)
    return pd.DataFrame(columns)


def get_unit(name):
    """Unit of a column in plain text."""
    return "mag" if name.endswith("_mag") or name == "a_v" else get_label(name).plain_unit


def select_covered(table):
    """Select the stars that the nodes cover, and add the [X/M] that their spectra need.

    Returns (DataFrame of the stars, Counter {cause: number} of the others).
    """
    nodes = ELEMENT_LIBRARIES[ELEMENT_FILE.name]
    iron = table["feh"] - table["mh"]
    ratios = {}
    for element in nodes.elements:
        over_iron = f"{element.lower()}_fe"
        ratio = table["alpha_m"] if element in ALPHA else table[over_iron] + iron
        ratios[offset_name(element)] = ratio
    table = table.assign(**ratios)
    keep = table[["star_id", *LABELS.values()]].notna().all(axis=1)
    left_out = Counter({"lack an id or a label": int((~keep).sum())})
    spans = {name: (axis[0], axis[-1]) for name, axis in zip(AXES[:3], nodes.axes)}
    spans |= {name: GRID_RANGES[name] for name in ratios}
    for name, (low, high) in spans.items():
        inside = table[name].between(low, high)
        left_out[f"have {name} outside {low:g} to {high:g}"] = int((keep & ~inside).sum())
        keep &= inside
    if not keep.any():
        causes = ", ".join(f"{format_count(n)} {cause}" for cause, n in left_out.items() if n)
        total = format_count(len(table))
        raise UserError(f"no star of {total} is left: {causes}: name other tables")
    return table[keep].reset_index(drop=True), +left_out


def draw_nuisances(rng, stars):
    """{name: (n,)} of vmic, vsini and rv (km/s) and S/N of a DataFrame of stars."""
    from scipy.stats import norm

    n = len(stars)
    giant = rng.uniform(*GIANT_VSINI, n)
    dwarf = rng.exponential(np.where(stars["teff"] > HOT_TEFF, HOT_VSINI, DWARF_VSINI))
    ends = norm.cdf(np.log(np.array(SNR_RANGE) / SNR) / SNR_SCATTER)
    return {
        "vmic": 2.478 - 0.325 * stars["logg"] + rng.normal(0, VMIC_SCATTER, n),
        "vsini": np.where(stars["logg"] < GIANT_LOGG, giant, dwarf),
        "rv": rng.normal(0, RV_SCATTER, n),
        "snr": SNR * np.exp(SNR_SCATTER * norm.ppf(rng.uniform(*ends, n))),
    }


def write_spectra(h5, stars, rng):
    """Write spectra and errors (n, n_pix) of a DataFrame of stars.

    Missing pixels are 1, with an error of NaN. Returns their fraction (n,).
    """
    names = (*recipe_stars.REQUIRED_LABELS, *recipe_stars.OPTIONAL_LABELS)
    labels = {name: stars[name].to_numpy(float) for name in names if name in stars}
    ranges = {name: (values.min(), values.max()) for name, values in labels.items()}
    sampler = Sampler(NODE_FILE, ranges, VMIC_FILE, ELEMENT_FILE)
    hdf5_spectra.write_wave(h5, WAVE, "air", RESOLVING_POWER)
    shape = (len(stars), len(WAVE))
    flux = hdf5_spectra.create_spectra(h5, *shape, "spectra/flux")
    flux_err = hdf5_spectra.create_spectra(h5, *shape, "spectra/flux_err")
    shares = []
    for start in show_progress(range(0, len(stars), BLOCK_SPECTRA), "sampling spectra"):
        rows = slice(start, start + BLOCK_SPECTRA)
        part = {name: values[rows] for name, values in labels.items()}
        clean = sampler.sample_spectra(part, WAVE, RESOLVING_POWER)
        sigma = 1 / stars["snr"].to_numpy()[rows, None]
        bad = draw_bad_pixels(rng, *clean.shape)
        observed = clean * (1 + draw_continuum_errors(rng, len(clean)))
        observed = observed + sigma * draw_noise(rng, *clean.shape)
        flux[rows] = np.where(bad, 1, observed)
        flux_err[rows] = np.where(bad, np.nan, sigma)
        shares.append(bad.mean(axis=1))
    return np.concatenate(shares)


def draw_noise(rng, n, n_pix):
    """Noise (n, n_pix) of unit variance; only neighbouring pixels are correlated, by CORRELATION.

    Each pixel mixes two independent numbers; share / (1 + share^2) = CORRELATION.
    """
    share = (1 - np.sqrt(1 - 4 * CORRELATION**2)) / (2 * CORRELATION)
    white = rng.normal(size=(n, n_pix + 1))
    return (white[:, 1:] + share * white[:, :-1]) / np.sqrt(1 + share**2)


def draw_continuum_errors(rng, n):
    """Relative errors (n, n_pix) of a continuum: sums of 1 to N_WAVES waves of CONTINUUM_RMS."""
    phase = 2 * np.pi * np.arange(1, N_WAVES + 1)[:, None] * np.linspace(0, 1, len(WAVE))
    waves = np.concatenate([np.sin(phase), np.cos(phase)])  # (2 N_WAVES, n_pix), of rms 2^-1/2
    return rng.normal(0, CONTINUUM_RMS / np.sqrt(N_WAVES), (n, 2 * N_WAVES)) @ waves


def draw_bad_pixels(rng, n, n_pix):
    """Mask (n, n_pix) of bad pixels: runs of random lengths at random places."""
    bad = np.zeros((n, n_pix), bool)
    rows = np.repeat(np.arange(n), rng.poisson(N_RUNS, n))
    starts = rng.integers(0, n_pix, len(rows))
    lengths = rng.geometric(1 / RUN_LENGTH, len(rows))
    for row, start, length in zip(rows, starts, lengths):
        bad[row, start : start + length] = True
    return bad


if __name__ == "__main__":
    command_line.run_command(write_mock_rave, __doc__, add_arguments, recipe=lambda args: None)
