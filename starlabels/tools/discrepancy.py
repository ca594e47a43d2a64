"""Learn from stars with known labels how observed spectra differ from synthetic ones.

Reads  STARS, a table with columns file, teff, logg, mh, resolving_power, and optionally
       <label>_err, vmic, vsini, rv and medium; the spectra; the recipe of --config
Writes the .npz file of --out, for preprocess.observed.discrepancy, and figures beside it

python -m starlabels.tools.discrepancy stars.csv --config recipes/observed_lowres.yaml \\
    --out data/discrepancy.npz
"""

import json
from pathlib import Path

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.files import check_not_input, compute_sha256
from starlabels.spectra.discrepancy import NAMES, save_discrepancy
from starlabels.spectra.discrepancy_fit import fit_discrepancy
from starlabels.stages import command_line
from starlabels.tools.known_stars import StarComparison, read_known_stars


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument("stars", type=Path, help="table of the stars")
    out = "the file to write, for preprocess.observed.discrepancy"
    parser.add_argument("--out", type=Path, required=True, help=out)


def learn_discrepancy(run, args):
    """Fit the discrepancy of the stars of a table, and write it."""
    check_not_input(args.out, [args.stars])
    comparison = StarComparison(run.cfg)
    stars = read_known_stars(args.stars)
    discrepancy, difference = fit_stars(comparison, stars)
    text = json.dumps({"stars": compute_sha256(args.stars), "recipe": run.text})
    save_discrepancy(args.out, discrepancy, text)
    print_summary(discrepancy, difference)
    print(args.out)


def fit_stars(comparison, stars):
    """Discrepancy of KnownStars, and their differences (n, n_pix)."""
    flux, rows = comparison.prepare(stars)
    stars = stars.select(rows)
    labels = comparison.list_prepared_labels(stars)
    difference = flux - comparison.sample_normalised(labels)
    derivatives = comparison.differentiate(labels)
    known = np.column_stack([labels[name] for name in NAMES])
    found = fit_discrepancy(
        comparison.wave, known, stars.errors, stars.source, difference, derivatives
    )
    return found, difference


def print_summary(discrepancy, difference):
    """Print the size of the differences, of their mean and of what remains."""
    mean, _ = discrepancy.predict_mean(discrepancy.labels)
    size = np.sqrt(np.nanmean(difference**2))
    left = np.sqrt(np.nanmean((difference - mean) ** 2))
    n = format_count(len(difference))
    print(f"{n} stars: rms difference {size:.4f}, {left:.4f} about the mean")


def main():
    """Run the command."""
    command_line.run_command(learn_discrepancy, __doc__, add_arguments)


if __name__ == "__main__":
    main()
