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
from starlabels.base.provenance import stamp_figure
from starlabels.spectra.discrepancy import NAMES
from starlabels.spectra.discrepancy_check import estimate_labels
from starlabels.spectra.discrepancy_files import save_discrepancy
from starlabels.spectra.discrepancy_fit import fit_discrepancy
from starlabels.spectra.nuisances import VARIED
from starlabels.stages import command_line
from starlabels.tools.known_stars import StarComparison, read_known_stars

KINDS = 5  # of stars in the figure
DRAWS = 400  # for the scatter of single stars


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument("stars", type=Path, help="table of the stars")
    out = "the file to write, for preprocess.observed.discrepancy"
    parser.add_argument("--out", type=Path, required=True, help=out)


def learn_discrepancy(run, args):
    """Fit the discrepancy of the stars of a table, write it, and say what it makes of them."""
    check_not_input(args.out, [args.stars])
    comparison = StarComparison(run.cfg)
    stars = read_known_stars(args.stars)
    flux, rows = comparison.prepare(stars)
    stars = stars.select(rows)
    labels = comparison.list_prepared_labels(stars)
    difference = flux - comparison.sample_normalised(labels)
    derivatives = comparison.differentiate(labels)
    known = np.column_stack([labels[name] for name in NAMES])
    discrepancy = fit_discrepancy(
        comparison.wave, known, stars.errors, stars.source, difference, derivatives
    )
    text = json.dumps({"stars": compute_sha256(args.stars), "recipe": run.text})
    save_discrepancy(args.out, discrepancy, comparison.continuum, text)
    power = labels["resolving_power"]
    change, error = estimate_labels(discrepancy, VARIED, derivatives, power)
    print_summary(discrepancy, difference)
    print_offsets(known - discrepancy.labels, stars.source)
    print_check(change, error, stars)
    draw_figure(run, discrepancy, args)
    print(f"{args.out}, {args.out.with_suffix('.png')}")


def draw_figure(run, discrepancy, args):
    """Draw the discrepancy of typical stars in KINDS ranges of Teff that hold equally many."""
    from starlabels.plots.discrepancy import draw_discrepancy

    order = np.argsort(discrepancy.labels[:, 0])
    groups = np.array_split(order, min(KINDS, len(order)))
    typical = np.array([np.median(discrepancy.labels[rows], axis=0) for rows in groups])
    mean, _ = discrepancy.predict_mean(typical)
    rng = np.random.default_rng(run.cfg.seed)
    spread = [discrepancy.draw(np.tile(star, (DRAWS, 1)), rng).std(axis=0) for star in typical]
    titles = [f"{t:.0f} K, log g {g:.1f}, [M/H] {m:+.1f}" for t, g, m in typical]
    path = args.out.with_suffix(".png")
    medium = run.cfg.medium
    lines = run.cfg.get_lines(medium)
    draw_discrepancy(discrepancy.wave, mean, np.array(spread), titles, lines, path, medium)
    stamp_figure(path, run.text, {args.stars: compute_sha256(args.stars)[:16]})


def print_summary(discrepancy, difference):
    """Print the size of the differences, of their mean and of what remains."""
    mean, _ = discrepancy.predict_mean(discrepancy.labels)
    size = np.sqrt(np.nanmean(difference**2))
    left = np.sqrt(np.nanmean((difference - mean) ** 2))
    n = format_count(len(difference))
    print(f"{n} stars: rms difference {size:.4f}, {left:.4f} about the mean")


def print_offsets(offsets, source):
    """Print the offsets (n, 3) of the labels of each source (n,) from those of the first one."""
    for number in np.unique(source[source > 0]):
        teff, logg, mh = np.median(offsets[source == number], axis=0)
        values = f"teff {teff:+.0f} K, logg {logg:+.3f}, mh {mh:+.3f}"
        print(f"source {number + 1} of the labels minus the first: {values}")


def print_check(change, error, stars):
    """Print how labels that are estimated of left-out stars agree with those of KnownStars.

    change, error: (n, 3), see `estimate_labels`.
    """
    print("labels of left-out stars, minus those of the table; shares within the errors of both:")
    print(f"{'':8s}{'median':>10s}{'scatter':>10s}{'error':>10s}{'68 %':>8s}{'95 %':>8s}")
    for j, name in enumerate(NAMES):
        bias = np.median(change[:, j])
        scatter = 1.4826 * np.median(np.abs(change[:, j] - bias))
        pull = np.abs(change[:, j]) / np.hypot(error[:, j], stars.errors[:, j])
        shares = (f"{np.mean(pull <= limit):8.1%}" for limit in (1, 1.96))
        numbers = (f"{value:10.3g}" for value in (bias, scatter, np.median(error[:, j])))
        print(f"{name:8s}" + "".join((*numbers, *shares)))


def main():
    """Run the command."""
    command_line.run_command(learn_discrepancy, __doc__, add_arguments)


if __name__ == "__main__":
    main()
