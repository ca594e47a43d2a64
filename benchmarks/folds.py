"""Cross-validation of a recipe on few stars, and what missing values cost.

    python -m benchmarks.folds --config recipes/sos_ours.yaml --hide 0 0.1 0.3 0.5

After the recipe's 0_join.py: its stars are shared out in folds, each predicted by a network that learnt from the others. With
--test N it is that many random test stars in each of so many splits; --hide takes away values of the features' columns.
"""

import numpy as np

from benchmarks.derived import derive
from starlabels.config.run import Run
from starlabels.base import hdf5
from starlabels.catalogues import features
from starlabels.config import digests, paths
from starlabels.learning.calibration import NOISE_FREE
from starlabels.stages import command_line, load_model, preprocess, test_labels, train_labels

VALIDATION = 0.1  # of the stars that are not tested


def arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "--folds", type=int, default=5, help="folds, or with --test splits (default: 5)"
    )
    parser.add_argument(
        "--test", type=int, help="test stars in each split, drawn at random (default: a fold)"
    )
    parser.add_argument(
        "--hide",
        type=float,
        nargs="+",
        default=[0.0],
        help="shares of the values to take away (default: 0)",
    )


def write_joined(source, cfg, part, share, rng):
    """Write the joined file of a derived recipe: that of `source` with the column `part` (n,), a share of values taken away."""
    names, units = hdf5.label_names(source), hdf5.label_units(source)
    values = hdf5.read_labels(source, names)
    if cfg.features:
        hidden = np.isin(names, features.list_feature_columns(cfg.features)) & (
            rng.uniform(size=values.shape) < share
        )
        values[hidden] = np.nan
    with hdf5.create(paths.run_paths(cfg).joined, "0_join", digests.stage_digest(cfg, "0_join"), cfg.text) as h5:
        for name in source:
            if name != "labels":
                source.copy(name, h5)
        columns = np.column_stack([values, part])
        hdf5.write_labels(h5, columns, [*names, "part"], [*(units[name] for name in names), ""])


def parts_of(stars, folds, n_test, rng):
    """For each fold 0, 1, 2 (n,) for training, validation and test rows; rows of one star (n,) stay together."""
    ids, star = np.unique(stars, return_inverse=True)
    order = rng.permutation(len(ids))
    for chunk in np.array_split(order, folds):
        test = rng.permutation(len(ids))[:n_test] if n_test else chunk
        others = np.setdiff1d(rng.permutation(len(ids)), test, assume_unique=True)
        part = np.zeros(len(ids))
        part[rng.choice(others, round(VALIDATION * len(others)), replace=False)], part[test] = 1, 2
        yield part[star]


def cross_validate(cfg, folds, n_test=None, share=0.0, changes=None):
    """{mean, err, true (n, n_labels)} of all tested stars with a share of their values, and of the others', taken away.

    changes: sections of the recipe to change. The splits hang on the recipe's seed alone, so that variants can be compared.
    """
    splits, hiding = (np.random.default_rng((cfg.seed, i)) for i in range(2))
    changes = changes or {}
    split = cfg.preprocess.split.model_dump() | {"column": "part"}
    changed = derive(
        cfg, "fold", changes | {"preprocess": changes.get("preprocess", {}) | {"split": split}}
    )
    found = []
    with hdf5.open_stage(
        paths.run_paths(cfg).joined, "0_join", digests.stage_digest(cfg, "0_join")
    ) as source:
        for part in parts_of(hdf5.read_text(source["star_id"]), folds, n_test, splits):
            write_joined(source, changed, part, share, hiding)
            preprocess.prepare_spectra(Run(changed))
            train_labels.train_label_network(Run(changed))
            with hdf5.open_stage(paths.run_paths(changed).prepared, "2_preprocess") as h5:
                found.append(
                    test_labels.predict(load_model.load_trained_model(Run(changed)), h5["test"], changed)[NOISE_FREE]
                )
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def run(cfg, args):
    """Print the scores for each share of values taken away, as soon as they are known."""
    results, what = (
        {},
        f"{args.folds} splits of {args.test} test stars" if args.test else f"{args.folds} folds",
    )
    for share in args.hide:
        found = cross_validate(cfg, args.folds, args.test, share)
        results[f"{share:.0%}"] = test_labels.scores(found, cfg.labels)
        print_table(f"{cfg.run}, {what}", "hidden", cfg.labels, results)


def print_table(what, head, labels, results):
    """Print scores {row: {score: {label: number}}}."""
    print(what)
    print(f"{head:<24}{'':<14}" + "".join(f"{name:>12}" for name in labels))
    for row, scores in results.items():
        for i, (score, values) in enumerate(scores.items()):
            print(
                f"{'' if i else row:<24}{score:<14}"
                + "".join(f"{value:>12.4g}" for value in values.values())
            )


if __name__ == "__main__":
    command_line.run_command(run, __doc__, arguments)
