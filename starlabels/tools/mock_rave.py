"""Synthetic spectra as RAVE's for real stars, with their real photometry and parallaxes: a training set for recipes/rave.yaml.

Reads  the CSV files of --labels and --photometry, the same stars in the same order, and data/nodes
Writes the HDF5 file of --out, for join.databases, and <out>.csv, the same stars for grid.labels_csv

python -m starlabels.tools.mock_rave --labels rave_labels.csv --photometry rave_photometry.csv --out data/rave_like.h5 --seed 1

The stars of Guiglion et al. (2020, A&A 644, A168) have labels of APOGEE DR16; RAVE's spectra of them are not ours to give. Of
the labels a spectrum has Teff, log g, [M/H], [X/M] of Mg, Al, Si and Ni, and [alpha/M] as [X/M] of Ca and Ti; iron and all
other elements follow [M/H]. The rest is drawn:

    vmic   2.478 - 0.325 log g km/s (Holtzman et al. 2015, AJ 150, 148), scatter 0.1
    vsini  giants (log g < 3.5) 2-5 km/s; dwarfs exponential, of mean 4 km/s, above 6250 K (Kraft 1967, ApJ 150, 551) 15
    rv     what the shift to rest leaves: scatter 1 km/s
    S/N    of a pixel: log-normal of median 42 and scatter 0.45 in ln, cut to 10-130, as most of the survey's are

The spectra have R = 7500 (Steinmetz et al. 2006, AJ 132, 1645) on 8410-8794.8 A, 0.4 A a pixel; noise of 1 / (S/N) whose
neighbouring pixels are correlated by 0.3, as a resampling leaves it; a continuum wrong by 0.5 % rms in waves of a quarter of
the window and more; and on average one run of bad pixels, set to 1 and counted in `missing_pixels`. Scatters without a source
are ours.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from starlabels.base import hdf5
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label, offset_name
from starlabels.config import digests
from starlabels.config.rules import GRID_RANGES
from starlabels.stages import command_line, recipe_stars
from starlabels.synthesis.library import ELEMENT_LIBRARIES, NODE_FOLDER
from starlabels.synthesis.nodes import AXES
from starlabels.synthesis.sampler import Sampler

NODE_FILE, VMIC_FILE, ELEMENT_FILE = (NODE_FOLDER / f"rvs_8400_8800{part}.h5" for part in ("", "_vmic", "_elements"))
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
ALPHA = ("Ca", "Ti")  # have [alpha/M]
VMIC_SCATTER = 0.1  # km/s
GIANT, HOT = 3.5, 6250.0  # log g, K
GIANT_VSINI, DWARF_VSINI, HOT_VSINI = (2.0, 5.0), 4.0, 15.0  # km/s
RV_SCATTER = 1.0  # km/s
SNR, SNR_SCATTER, SNR_RANGE = 42.0, 0.45, (10.0, 130.0)
CORRELATION = 0.3  # of the noise of neighbouring pixels; 0.5 at most
CONTINUUM_RMS, N_WAVES = 0.005, 4  # rms; most waves in the window
N_RUNS, RUN_LENGTH = 1.0, 3.0  # mean number of runs of bad pixels, mean length in pixels
BLOCK_SPECTRA = 512  # spectra in memory at a time


def add_arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "--labels", type=Path, required=True, help=f"CSV file of {ID_COLUMN}, {', '.join(LABELS)}"
    )
    parser.add_argument(
        "--photometry",
        type=Path,
        required=True,
        help=f"CSV file of the same stars: {', '.join(PHOTOMETRY)}",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("data/rave_like.h5"),
        help="HDF5 file (default: data/rave_like.h5)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (default: 1)")


def write_mock_rave(run, args):
    """Write the CSV file and the spectra, and print how many stars were left out and why."""
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: expected 0 or more")
    stars, left = select_covered(read_stars(args.labels, args.photometry))
    rng = np.random.default_rng(args.seed)
    stars = stars.assign(**draw_nuisances(rng, stars))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    stars.drop(columns="snr").to_csv(args.out.with_suffix(".csv"), index=False)
    inputs = {
        path: hdf5.file_digest(path)
        for path in (args.labels, args.photometry, NODE_FILE, VMIC_FILE, ELEMENT_FILE)
    }
    digest = digests.short_hash([args.seed, *map(str, inputs.values())])
    with hdf5.create(args.out, "ravelike", digest, "", inputs) as h5:
        missing = write_spectra(h5, stars, rng)
        columns = stars.drop(columns="star_id").assign(missing_pixels=missing)
        hdf5.write_labels(h5, columns.to_numpy("f4"), list(columns), list(map(get_unit, columns)))
        hdf5.write_text(h5, "star_id", [name.encode() for name in stars["star_id"]])
    total, reasons = (
        len(stars) + left.total(),
        ", ".join(f"{format_count(n)} {cause}" for cause, n in left.items()),
    )
    print(
        f"{args.out}: kept {format_count(len(stars))} of {format_count(total)} stars"
        + (f": {reasons}" if reasons else "")
    )
    print(f"{missing.mean():.2%} of the pixels are missing; median S/N {stars['snr'].median():.0f}")


def read_stars(labels, photometry):
    """The table of all stars, in our names; UserError unless both files have the columns, and as many rows."""
    tables = [read_columns(labels, {ID_COLUMN: "star_id"} | LABELS), read_columns(photometry, PHOTOMETRY)]
    n, m = map(len, tables)
    if n != m:
        raise UserError(
            f"{labels} has {format_count(n)} stars, {photometry} {format_count(m)}: they must be the same, in the same order"
        )
    return pd.concat(tables, axis=1)


def read_columns(path, names):
    """The columns {theirs: ours} of a CSV file, numbers but for star_id; UserError if there is no such file or column."""
    if not path.is_file():
        raise UserError(f"{path} not found: mend the name of the file")
    try:
        table = pd.read_csv(path, dtype={ID_COLUMN: str})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a CSV table: {error}") from None
    if absent := [name for name in names if name not in table]:
        raise UserError(
            f"{path} has columns {', '.join(table)} but no {', '.join(absent)}: name another file"
        )
    table = table[list(names)].rename(columns=names)
    for name in table.columns.drop("star_id", errors="ignore"):
        number = pd.to_numeric(table[name], errors="coerce")
        if (bad := number.isna() & table[name].notna()).any():
            line = int(bad.idxmax())
            raise UserError(
                f"{path}: line {line + 2}: {name} is {table[name][line]!r}, expected a number or nothing: mend it"
            )
        table[name] = number
    return table


def get_unit(name):
    """The unit of a column in plain text."""
    return "mag" if name.endswith("_mag") or name == "a_v" else get_label(name).plain_unit


def select_covered(table):
    """The stars that the nodes reach, with the [X/M] that their spectra need, and the Counter of the others by cause."""
    nodes = ELEMENT_LIBRARIES[ELEMENT_FILE.name]
    ratios, iron = {}, table["feh"] - table["mh"]
    for element in nodes.elements:
        ratios[offset_name(element)] = (
            table["alpha_m"] if element in ALPHA else table[f"{element.lower()}_fe"] + iron
        )
    table = table.assign(**ratios)
    keep = table[["star_id", *LABELS.values()]].notna().all(axis=1)
    left = Counter({"lack an id or a label": int((~keep).sum())})
    spans = {name: (axis[0], axis[-1]) for name, axis in zip(AXES[:3], nodes.axes)}
    for name, (low, high) in (spans | {name: GRID_RANGES[name] for name in ratios}).items():
        inside = table[name].between(low, high)
        left[f"have {name} outside {low:g} to {high:g}"] = int((keep & ~inside).sum())
        keep &= inside
    if not keep.any():
        causes = ", ".join(f"{format_count(n)} {cause}" for cause, n in left.items() if n)
        raise UserError(f"no star of {format_count(len(table))} is left: {causes}: name other tables")
    return table[keep].reset_index(drop=True), +left


def draw_nuisances(rng, stars):
    """{name: (n,)} of vmic, vsini and rv (km/s) and S/N of a table of stars."""
    from scipy.stats import norm

    n = len(stars)
    giant = rng.uniform(*GIANT_VSINI, n)
    dwarf = rng.exponential(np.where(stars["teff"] > HOT, HOT_VSINI, DWARF_VSINI))
    ends = norm.cdf(np.log(np.array(SNR_RANGE) / SNR) / SNR_SCATTER)
    return {
        "vmic": 2.478 - 0.325 * stars["logg"] + rng.normal(0, VMIC_SCATTER, n),
        "vsini": np.where(stars["logg"] < GIANT, giant, dwarf),
        "rv": rng.normal(0, RV_SCATTER, n),
        "snr": SNR * np.exp(SNR_SCATTER * norm.ppf(rng.uniform(*ends, n))),
    }


def write_spectra(h5, stars, rng):
    """Write spectra and errors (n, n_pix) of a table of stars; the share (n,) of their pixels that are missing.

    Missing pixels are 1, with an error of NaN.
    """
    labels = {
        name: stars[name].to_numpy(float)
        for name in (*recipe_stars.REQUIRED_LABELS, *recipe_stars.OPTIONAL_LABELS)
        if name in stars
    }
    sampler = Sampler(
        NODE_FILE,
        {name: (values.min(), values.max()) for name, values in labels.items()},
        VMIC_FILE,
        False,
        ELEMENT_FILE,
    )
    hdf5.write_wave(h5, WAVE, "air", RESOLVING_POWER)
    flux, error = (
        hdf5.create_spectra(h5, len(stars), len(WAVE), f"spectra/{name}")
        for name in ("flux", "flux_err")
    )
    shares = []
    for start in show_progress(range(0, len(stars), BLOCK_SPECTRA), "sampling spectra"):
        rows = slice(start, start + BLOCK_SPECTRA)
        clean = sampler.sample_spectra(
            {name: values[rows] for name, values in labels.items()}, WAVE, RESOLVING_POWER
        )
        sigma = 1 / stars["snr"].to_numpy()[rows, None]
        bad = draw_bad_pixels(rng, *clean.shape)
        observed = clean * (1 + draw_continuum_errors(rng, len(clean))) + sigma * draw_noise(rng, *clean.shape)
        flux[rows], error[rows] = np.where(bad, 1, observed), np.where(bad, np.nan, sigma)
        shares.append(bad.mean(axis=1))
    return np.concatenate(shares)


def draw_noise(rng, n, n_pix):
    """Noise (n, n_pix) of unit variance, each pixel a mixture of two: neighbours are correlated by CORRELATION, others not."""
    share = (1 - np.sqrt(1 - 4 * CORRELATION**2)) / (
        2 * CORRELATION
    )  # share / (1 + share^2) = CORRELATION
    white = rng.normal(size=(n, n_pix + 1))
    return (white[:, 1:] + share * white[:, :-1]) / np.sqrt(1 + share**2)


def draw_continuum_errors(rng, n):
    """Relative errors (n, n_pix) of a continuum: 1 to WAVES waves in the window, WIGGLE rms over all of n stars."""
    phase = 2 * np.pi * np.arange(1, N_WAVES + 1)[:, None] * np.linspace(0, 1, len(WAVE))
    waves = np.concatenate([np.sin(phase), np.cos(phase)])  # (2 WAVES, n_pix), each of rms 2^-1/2
    return rng.normal(0, CONTINUUM_RMS / np.sqrt(N_WAVES), (n, 2 * N_WAVES)) @ waves


def draw_bad_pixels(rng, n, n_pix):
    """Mask (n, n_pix) of bad pixels: runs of a random length anywhere."""
    bad = np.zeros((n, n_pix), bool)
    rows = np.repeat(np.arange(n), rng.poisson(N_RUNS, n))
    for row, first, length in zip(
        rows, rng.integers(0, n_pix, len(rows)), rng.geometric(1 / RUN_LENGTH, len(rows))
    ):
        bad[row, first : first + length] = True
    return bad


if __name__ == "__main__":
    command_line.run_command(write_mock_rave, __doc__, add_arguments, recipe=lambda args: None)
