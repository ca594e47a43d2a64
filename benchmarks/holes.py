"""Measure the cost of missing and uncertain labels. Run the recipe's 3_train.py before.

    python -m benchmarks.holes

A second network is trained on the same grid with 30 % of the labels removed, and with errors of
50 K, 0.1 dex (log g) and 0.05 dex (abundances) in the others. Both networks are tested with the
true labels of the same stars.
"""

import shutil

import h5py
import numpy as np

from benchmarks.derived import derive_recipe
from starlabels.base import hdf5, hdf5_labels
from starlabels.base.labels import OFFSET_OF
from starlabels.base.statistics import compute_rms
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.stages import (
    command_line,
    join,
    load_model,
    preprocess,
    score_held_out,
    train_labels,
)

MISSING = 0.3
ERRORS = {"teff": 50.0, "logg": 0.1} | dict.fromkeys(("mh", *OFFSET_OF), 0.05)
MOST = 1.2  # times the error of training on all labels, clean


def make_damaged_recipe(cfg):
    """The configuration of the same recipe on a damaged copy of its grid, which is written."""
    path = paths.run_paths(cfg).grid.with_name(f"{cfg.grid.name}_holes.h5")
    damage_labels(paths.run_paths(cfg).grid, path, cfg.labels, np.random.default_rng(cfg.seed))
    where = cfg.join.databases[0].where
    return derive_recipe(
        cfg, "holes", {"join": {"databases": [{"path": str(path), "where": where}]}}
    )


def damage_labels(source, path, names_to_damage, rng):
    """Copy a grid, with errors and missing values in `names_to_damage`."""
    shutil.copy(source, path)
    with h5py.File(path, "r+") as h5:
        names, values = hdf5_labels.read_label_names(h5), h5["labels/value"][:]
        error = np.array([ERRORS.get(name, 0.0) for name in names])
        values += error * rng.normal(size=values.shape)
        values[(rng.uniform(size=values.shape) < MISSING) & np.isin(names, names_to_damage)] = (
            np.nan
        )
        h5["labels/value"][...] = values
        units = [hdf5_labels.read_label_units(h5)[name] for name in names]
        data = h5.create_dataset(
            "labels/error", data=np.broadcast_to(error, values.shape).astype("f4")
        )
        data.attrs.update({"names": names, "units": units})


def compute_errors(cfg, truth):
    """{S/N: RMSE (n_labels,)} of a recipe's test stars against truth (n_joined, n_labels)."""
    with hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5:
        predictions = score_held_out.predict_ranges(
            load_model.load_trained_model(Run(cfg)), h5["test"], cfg
        )
        true = truth[h5["test/joined_row"][: cfg.test.n_stars]]
    return {key: compute_rms(arrays["mean"] - true) for key, arrays in predictions.items()}


def print_cost_of_holes(run, args):
    """Print both errors and their ratio for each S/N."""
    cfg = run.cfg
    with hdf5.open_stage(paths.run_paths(cfg).joined, "0_join") as h5:
        truth = hdf5_labels.read_labels(h5, cfg.labels)
    other = make_damaged_recipe(cfg)
    for stage in (
        join.join_databases,
        preprocess.prepare_spectra,
        train_labels.train_label_network,
    ):
        stage(Run(other))
    clean, holes = compute_errors(cfg, truth), compute_errors(other, truth)
    print(f"{'S/N':<10}{'labels':<10}" + "".join(f"{name:>12}" for name in cfg.labels))
    for key in clean:
        for title, values in (
            ("clean", clean[key]),
            ("holes", holes[key]),
            ("ratio", holes[key] / clean[key]),
        ):
            print(f"{key:<10}{title:<10}" + "".join(f"{value:>12.4g}" for value in values))
    worst = max((holes[key] / clean[key]).max() for key in clean)
    print(f"at most {worst:.2f} times the error (expected: {MOST})")


if __name__ == "__main__":
    command_line.run_command(print_cost_of_holes, __doc__)
