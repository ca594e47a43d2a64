"""Labels and errors of real stars, each without its own part in the model discrepancy.

    python -m benchmarks.real FOLDER [--config RECIPE] [--snr 20 --power 1000] [--figure FILE]
    python -m benchmarks.real FOLDER --stars FILE

FOLDER has labels.csv (columns file, teff, logg, feh, quality, caution) and one FITS image a star,
at rest in air, such as stars of MILES (FWHM 2.5 A). The stars are split into five folds. Those of a
fold are refined from the labels of the literature plus random errors, with the discrepancy of the
other folds. --snr and --power degrade them first. --stars writes the table that
`python -m starlabels.tools.discrepancy` reads.
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.stats import chi2

from benchmarks.real_spectra import SPECTRUM_FWHM, read_spectrum
from starlabels.base.labels import get_label
from starlabels.config.load import load_config
from starlabels.plots import save_figure
from starlabels.spectra.discrepancy import NAMES
from starlabels.spectra.discrepancy_fit import fit_discrepancy
from starlabels.spectra.pixels import estimate_noise
from starlabels.spectra.refinement import Refiner
from starlabels.synthesis.broaden import FWHM
from starlabels.tools.known_stars import StarComparison, read_known_stars

FOLDS, SEED = 5, 3
# Errors of Teff (K), log g and [M/H] by quality; of the rest: C
LABEL_ERRORS = {"A": (60, 0.06, 0.05), "B": (50, 0.08, 0.04), "C+": (100, 0.15, 0.08)}
OTHER_ERRORS = (130, 0.2, 0.12)
REFERENCE = ("A", "B")
HOT = 7000.0  # K: errors of Teff grow in proportion beyond it, from those at 6000 K
WINDOW = 4720.0  # A, its middle
START_ERRORS = (150.0, 0.3, 0.2)
CELLS = {
    "A/B, to 7000 K": lambda s: s.quality.isin(REFERENCE) & (s.teff < HOT),
    "4500-7000 K": lambda s: s.caution.isna() & s.teff.between(4500, HOT),
    "7000-10 000 K": lambda s: s.caution.isna() & s.teff.between(HOT, 10_000),
    "4000-4500 K": lambda s: s.teff.between(4000, 4500),
}
TICKS = (4000, 5000, 6000, 7000, 8000, 10_000)  # K
QUANTILES = (0.5, 0.68, 0.9, 0.95)


def read_stars(folder):
    """Table of known stars, best labels first; no cautions above 4500 K."""
    stars = pd.read_csv(folder / "labels.csv").rename(columns={"feh": "mh"})
    stars = stars[stars.caution.isna() | (stars.teff < 4500)].dropna(subset=list(NAMES))
    errors = np.array([LABEL_ERRORS.get(quality, OTHER_ERRORS) for quality in stars.quality], float)
    errors[:, 0] *= np.where(stars.teff > HOT, stars.teff / 6000, 1)
    for name, values in zip(NAMES, errors.T):
        stars[f"{name}_err"] = values
    stars["resolving_power"] = WINDOW / SPECTRUM_FWHM
    stars["medium"] = "air"
    stars["source"] = np.where(stars.quality.isin(REFERENCE), "reference", "compilation")
    stars["file"] = [str(folder.resolve() / file) for file in stars.file]
    first = stars.source != "reference"
    return stars.loc[first.sort_values(kind="stable").index].reset_index(drop=True)


def degrade_stars(stars, folder, snr, power):
    """Table of the stars with noise and a lower resolving power, as text files in a folder."""
    rng = np.random.default_rng(SEED)
    files = []
    for path in stars.file:
        wave, flux = read_spectrum(path)
        kernel = np.sqrt(max((WINDOW / power) ** 2 - SPECTRUM_FWHM**2, 0)) / FWHM
        flux = gaussian_filter1d(flux, kernel / (wave[1] - wave[0])) if kernel else flux
        error = np.abs(flux) / snr
        table = {"wavelength": wave, "flux": flux + error * rng.standard_normal(len(flux))}
        files.append(str(folder / f"{Path(path).stem}.csv"))
        pd.DataFrame(table | {"flux_err": error}).to_csv(files[-1], index=False)
    return stars.assign(file=files, resolving_power=min(power, WINDOW / SPECTRUM_FWHM))


class Sample:
    """Stars as observed, and synthetic at their labels, prepared for a recipe.

    Parameters
    ----------
    comparison : StarComparison
    table : DataFrame
        Output of `read_stars`.
    """

    def __init__(self, comparison, table):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stars.csv"
            table.to_csv(path, index=False)
            stars = read_known_stars(path)
        self.flux, rows = comparison.prepare(stars)
        self.table = table.iloc[rows].reset_index(drop=True)
        self.stars = stars.select(rows)
        self.labels = comparison.list_prepared_labels(self.stars)
        self.known = np.column_stack([self.labels[name] for name in NAMES])
        self.difference = self.flux - comparison.sample_normalised(self.labels)


def refine_folds(comparison, known, tried):
    """Labels (n, 3), covariance (n, 3, 3) and chi-square (n,) of stars, in folds.

    known, tried: Samples of the same stars, to learn the discrepancy from, and to refine.
    """
    rng = np.random.default_rng(SEED)
    n = len(known.table)
    fold = rng.permutation(n) % FOLDS
    derivatives = comparison.differentiate(known.labels)
    start = tried.known + rng.standard_normal((n, 3)) * START_ERRORS
    start = np.clip(start, *np.percentile(known.known, [0, 100], axis=0))
    noise = np.array([estimate_noise(star) for star in tried.difference])
    flux_err = np.broadcast_to(noise[:, None], tried.flux.shape)
    labels, covariance, misfit = np.empty((n, 3)), np.empty((n, 3, 3)), np.empty(n)
    for number in range(FOLDS):
        rest, rows = fold != number, np.flatnonzero(fold == number)
        discrepancy = fit_discrepancy(
            comparison.wave, known.known[rest], known.stars.errors[rest], known.stars.source[rest],
            known.difference[rest], derivatives[rest],
        )  # fmt: skip
        refiner = Refiner(discrepancy, comparison.sampler, comparison.continuum, comparison.power)
        power = tried.stars.labels["resolving_power"][rows]
        some = dict(zip(NAMES, start[rows].T))
        found = refiner.refine(tried.flux[rows], flux_err[rows], some, power)
        labels[rows], covariance[rows] = found.labels[:, :3], found.covariance[:, :3, :3]
        misfit[rows] = found.chi2
    return labels, covariance, misfit


def print_scores(table, known, labels, covariance, label_err, misfit):
    """Print bias, scatter, errors and coverage of each of CELLS, and the distances of all."""
    change = labels - known
    error = np.sqrt(np.einsum("nii->ni", covariance))
    pull = np.abs(change) / np.hypot(error, label_err)
    print(f"{'':16s}{'n':>4s}  " + "".join(f"{name + ': bias, MAD, error, 68, 95 %':38s}"
                                           for name in NAMES) + "chi2")  # fmt: skip
    for cell, choose in CELLS.items():
        rows = choose(table).to_numpy() & np.isfinite(labels[:, 0])
        text = f"{cell:16s}{rows.sum():4d}  "
        for j in range(len(NAMES)):
            bias = np.median(change[rows, j])
            scatter = 1.4826 * np.median(np.abs(change[rows, j] - bias))
            shares = [np.mean(pull[rows, j] < limit) for limit in (1, 1.96)]
            numbers = f"{bias:+8.3g}{scatter:8.3g}{np.median(error[rows, j]):8.3g}"
            text += numbers + "".join(f"{share:6.0%}" for share in shares) + "  "
        print(text + f"{np.median(misfit[rows]):6.2f}")
    total = covariance + np.einsum("ni,ij->nij", label_err**2, np.eye(3))
    rows = np.isfinite(labels[:, 0]) & table.caution.isna().to_numpy()
    distance = np.einsum("ni,nij,nj->n", change[rows], np.linalg.inv(total[rows]), change[rows])
    shares = [np.mean(distance < chi2.ppf(share, 3)) for share in QUANTILES]
    print("Mahalanobis distances below quantiles of chi-square: "
          + ", ".join(f"{q:.0%}: {share:.0%}" for q, share in zip(QUANTILES, shares)))  # fmt: skip


def draw_scores(table, known, labels, error, path):
    """Draw predicted minus known labels over Teff, with the errors of both."""
    fig, axes = plt.subplots(3, 1, figsize=(7.1, 6.0), sharex=True)
    is_reference = table.quality.isin(REFERENCE).to_numpy()
    groups = ((~is_reference, "0.6", "compilation"), (is_reference, "C0", "benchmarks"))
    for ax, name, change, bar in zip(axes, NAMES, (labels - known).T, error.T):
        for rows, colour, word in groups:
            style = {"fmt": "o", "ms": 2.5, "lw": 0.4, "color": colour, "label": word}
            ax.errorbar(known[rows, 0], change[rows], bar[rows], **style)
        ax.axhline(0, color="k", lw=0.6)
        limit = 3 * np.nanpercentile(np.abs(change), 80)
        ax.set(ylim=(-limit, limit), ylabel=rf"$\Delta$ {get_label(name).axis}")
    axes[0].legend(loc="upper left")
    axes[-1].set(xlabel=r"$T_\mathrm{eff}$ of the literature (K)", xscale="log")
    axes[-1].set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes[-1].set_xticks([], minor=True)
    return save_figure(fig, path)


def main():
    """Print the scores, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--config", type=Path, default=Path("recipes/observed_lowres.yaml"))
    parser.add_argument("--snr", type=float, help="per pixel, of degraded stars")
    parser.add_argument("--power", type=float, help="resolving power of degraded stars")
    parser.add_argument("--figure", type=Path, help="PNG file to draw")
    parser.add_argument("--out", type=Path, help="CSV file of the labels to write")
    parser.add_argument("--stars", type=Path, help="only write the table of the stars")
    args = parser.parse_args()
    table = read_stars(args.folder)
    if args.stars:
        table.to_csv(args.stars, index=False)
        return
    comparison = StarComparison(load_config(args.config))
    known = tried = Sample(comparison, table)
    if args.snr or args.power:
        with tempfile.TemporaryDirectory() as folder:
            worse = degrade_stars(
                known.table, Path(folder), args.snr or 1e3, args.power or WINDOW / SPECTRUM_FWHM
            )
            tried = Sample(comparison, worse)
    labels, covariance, misfit = refine_folds(comparison, known, tried)
    label_err = known.stars.errors[:, :3]
    print_scores(known.table, known.known, labels, covariance, label_err, misfit)
    error = np.hypot(np.sqrt(np.einsum("nii->ni", covariance)), label_err)
    if args.out:
        changes = {
            f"{name}_change": values for name, values in zip(NAMES, (labels - known.known).T)
        }
        errors = {f"{name}_total": values for name, values in zip(NAMES, error.T)}
        known.table.assign(**changes, **errors, chi2=misfit).to_csv(args.out, index=False)
    if args.figure:
        print(draw_scores(known.table, known.known, labels, error, args.figure))


if __name__ == "__main__":
    main()
