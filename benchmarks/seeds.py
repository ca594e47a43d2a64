"""How far a recipe's scores hang on chance: it is trained anew with other seeds, so other splits, first weights and batches.

    python -m benchmarks.seeds --config recipes/sos.yaml --n 10

After the recipe's 0_join.py. Of the residuals the mean, median, standard deviation and median absolute deviation of each
training, as Turchi et al. (2024) list them, and how these scatter.
"""

import shutil

import numpy as np

from benchmarks.derived import derive
from starlabels.config.run import Run
from starlabels.base import hdf5
from starlabels.config import paths
from starlabels.learning.calibration import NOISE_FREE
from starlabels.stages import command_line, load_model, preprocess, test_labels, train_labels

SCORES = {
    "mean": np.nanmean,
    "median": np.nanmedian,
    "sigma": np.nanstd,
    "MAD": lambda d, axis: np.nanmedian(np.abs(d - np.nanmedian(d, axis=axis)), axis=axis),
}


def arguments(parser):
    """Command-line arguments."""
    parser.add_argument("--n", type=int, default=10, help="trainings (default: 10)")


def seeded(cfg, seed):
    """The configuration of the same recipe as run <run>_seed with another seed; the joined file is that of the recipe."""
    other = derive(cfg, "seed", {"seed": seed})
    joined = paths.run_paths(other).joined
    joined.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(paths.run_paths(cfg).joined, joined)
    return other


def residuals(cfg):
    """Predicted less true labels (n, n_labels) of the test stars of a recipe, trained anew."""
    preprocess.prepare_spectra(Run(cfg))
    train_labels.train_label_network(Run(cfg))
    with hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5:
        found = test_labels.predict(load_model.load_trained_model(Run(cfg)), h5["test"], cfg)[NOISE_FREE]
    return found["mean"] - found["true"]


def run(cfg, args):
    """Print the scores of each training, their mean and how they scatter."""
    found = [residuals(seeded(cfg, seed)) for seed in range(1, args.n + 1)]
    names = cfg.labels
    print(f"{cfg.run}, {args.n} trainings" + "".join(f"{name:>36}" for name in names))
    print(f"{'seed':<10}" + "".join(f"{score:>9}" for _ in names for score in SCORES))
    table = np.array(
        [[score(d, axis=0) for score in SCORES.values()] for d in found]
    )  # (n, n_scores, n_labels)
    rows = table.swapaxes(1, 2).reshape(args.n, -1)
    for what, row in (
        *enumerate(rows, start=1),
        ("mean", rows.mean(axis=0)),
        ("scatter", rows.std(axis=0, ddof=1)),
    ):
        print(f"{what:<10}" + "".join(f"{value:>9.3g}" for value in row))


if __name__ == "__main__":
    command_line.run_command(run, __doc__, arguments)
