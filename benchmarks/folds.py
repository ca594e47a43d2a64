"""Cross-validate a recipe on few stars, and measure the cost of missing values.

    python -m benchmarks.folds --config recipes/sos_ours.yaml --hide 0 0.1 0.3 0.5

Run the recipe's 0_join.py before. Each fold of its stars is predicted by a network trained on the
others. --test N takes that many random test stars in each of the splits instead; --hide removes
values of the features' columns.
"""

import numpy as np

from benchmarks.derived import derive_recipe
from starlabels.base import hdf5, hdf5_labels
from starlabels.catalogues import features
from starlabels.config import digests, paths
from starlabels.config.run import Run
from starlabels.learning.calibration import NOISE_FREE
from starlabels.stages import (
    command_line,
    load_model,
    preprocess,
    score_held_out,
    score_metrics,
    train_labels,
)

VALIDATION = 0.1  # of the stars that are not tested


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
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


def write_joined_file(source, cfg, part, share, rng):
    """Write the joined file of a derived recipe: `source` with a column `part` (n,).

    share: fraction of the features' values that are removed.
    """
    names, units = hdf5_labels.read_label_names(source), hdf5_labels.read_label_units(source)
    values = hdf5_labels.read_labels(source, names)
    if cfg.features:
        hidden = np.isin(names, features.list_feature_columns(cfg.features)) & (
            rng.uniform(size=values.shape) < share
        )
        values[hidden] = np.nan
    with hdf5.create_file(
        paths.run_paths(cfg).joined, "0_join", digests.stage_digest(cfg, "0_join"), cfg.text
    ) as h5:
        for name in source:
            if name != "labels":
                source.copy(name, h5)
        columns = np.column_stack([values, part])
        hdf5_labels.write_labels(
            h5, columns, [*names, "part"], [*(units[name] for name in names), ""]
        )


def split_folds(stars, folds, n_test, rng):
    """Yield the parts (n,) of each fold: 0 training, 1 validation, 2 test; a star has one part."""
    ids, star = np.unique(stars, return_inverse=True)
    order = rng.permutation(len(ids))
    for chunk in np.array_split(order, folds):
        test = rng.permutation(len(ids))[:n_test] if n_test else chunk
        others = np.setdiff1d(rng.permutation(len(ids)), test, assume_unique=True)
        part = np.zeros(len(ids))
        part[rng.choice(others, round(VALIDATION * len(others)), replace=False)], part[test] = 1, 2
        yield part[star]


def cross_validate(cfg, folds, n_test=None, share=0.0, changes=None):
    """{mean, err, true (n, n_labels)} of all tested stars.

    share: fraction of the values removed; changes: sections of the recipe to change. The splits
    depend on the recipe's seed only, so that variants can be compared.
    """
    splits, hiding = (np.random.default_rng((cfg.seed, i)) for i in range(2))
    changes = changes or {}
    split = cfg.preprocess.split.model_dump() | {"column": "part"}
    changed = derive_recipe(
        cfg, "fold", changes | {"preprocess": changes.get("preprocess", {}) | {"split": split}}
    )
    predictions = []
    with hdf5.open_stage(
        paths.run_paths(cfg).joined, "0_join", digests.stage_digest(cfg, "0_join")
    ) as source:
        for part in split_folds(hdf5.read_text(source["star_id"]), folds, n_test, splits):
            write_joined_file(source, changed, part, share, hiding)
            preprocess.prepare_spectra(Run(changed))
            train_labels.train_label_network(Run(changed))
            with hdf5.open_stage(paths.run_paths(changed).prepared, "2_preprocess") as h5:
                predictions.append(
                    score_held_out.predict_ranges(
                        load_model.load_trained_model(Run(changed)), h5["test"], changed
                    )[NOISE_FREE]
                )
    return {name: np.concatenate([one[name] for one in predictions]) for name in predictions[0]}


def print_cross_validation(run, args):
    """Print the scores for each fraction of removed values as soon as they are known."""
    cfg = run.cfg
    results, title = (
        {},
        f"{args.folds} splits of {args.test} test stars" if args.test else f"{args.folds} folds",
    )
    for share in args.hide:
        predictions = cross_validate(cfg, args.folds, args.test, share)
        results[f"{share:.0%}"] = score_metrics.score_arrays(predictions, cfg.labels)
        print_scores(f"{cfg.run}, {title}", "hidden", cfg.labels, results)


def print_scores(title, head, labels, results):
    """Print scores {row: {score: {label: number}}}."""
    print(title)
    print(f"{head:<24}{'':<14}" + "".join(f"{name:>12}" for name in labels))
    for row, scores in results.items():
        for i, (score, values) in enumerate(scores.items()):
            print(
                f"{'' if i else row:<24}{score:<14}"
                + "".join(f"{value:>12.4g}" for value in values.values())
            )


if __name__ == "__main__":
    command_line.run_command(print_cross_validation, __doc__, add_arguments)
