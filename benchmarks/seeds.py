"""Measure how the scores of a recipe depend on the seed: splits, first weights and batches.

    python -m benchmarks.seeds --config recipes/sos.yaml --n 10

Run the recipe's 0_join.py before. Scores are mean, median, standard deviation and median absolute
deviation of the residuals of each training, as in Turchi et al. (2024), and their scatter.
"""

import shutil

import numpy as np

from benchmarks.derived import derive_recipe
from starlabels.base import hdf5
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.learning.calibration import NOISE_FREE
from starlabels.stages import command_line, load_model, preprocess, score_held_out, train_labels

SCORES = {
    "mean": np.nanmean,
    "median": np.nanmedian,
    "sigma": np.nanstd,
    "MAD": lambda d, axis: np.nanmedian(np.abs(d - np.nanmedian(d, axis=axis)), axis=axis),
}


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument("--n", type=int, default=10, help="trainings (default: 10)")


def derive_seed(cfg, seed):
    """The configuration of the recipe as run <run>_seed with another seed and the same stars."""
    other = derive_recipe(cfg, "seed", {"seed": seed})
    joined = paths.run_paths(other).joined
    joined.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(paths.run_paths(cfg).joined, joined)
    return other


def compute_residuals(cfg):
    """Predicted minus true labels (n, n_labels) of a recipe's test stars, after training."""
    preprocess.prepare_spectra(Run(cfg))
    train_labels.train_label_network(Run(cfg))
    with hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5:
        prediction = score_held_out.predict_ranges(
            load_model.load_trained_model(Run(cfg)), h5["test"], cfg
        )[NOISE_FREE]
    return prediction["mean"] - prediction["true"]


def print_seed_scatter(run, args):
    """Print the scores of each training, their mean and their scatter."""
    cfg = run.cfg
    residuals = [compute_residuals(derive_seed(cfg, seed)) for seed in range(1, args.n + 1)]
    names = cfg.labels
    print(f"{cfg.run}, {args.n} trainings" + "".join(f"{name:>36}" for name in names))
    print(f"{'seed':<10}" + "".join(f"{score:>9}" for _ in names for score in SCORES))
    table = np.array(
        [[score(d, axis=0) for score in SCORES.values()] for d in residuals]
    )  # (n, n_scores, n_labels)
    rows = table.swapaxes(1, 2).reshape(args.n, -1)
    for title, row in (
        *enumerate(rows, start=1),
        ("mean", rows.mean(axis=0)),
        ("scatter", rows.std(axis=0, ddof=1)),
    ):
        print(f"{title:<10}" + "".join(f"{value:>9.3g}" for value in row))


if __name__ == "__main__":
    command_line.run_command(print_seed_scatter, __doc__, add_arguments)
