"""Measure what each source adds to a network of spectra and tables.

    python -m benchmarks.ablation --config recipes/rave_ours.yaml

Sources: the spectrum alone, with photometry, and with parallaxes, with the same random splits. Run
the recipe's 0_join.py before.

Writes figures/<run>/ablation.png
"""

from benchmarks import folds
from starlabels.base.labels import get_label
from starlabels.config import paths
from starlabels.stages import command_line, score_metrics

SOURCES = {  # sections of the recipe that change
    "the spectrum alone": {"features": None},
    "and photometry": {
        "features": {"parallax": None, "give": ["apparent", "colours", "colours_0"]}
    },
    "and parallaxes": {},
}


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument("--splits", type=int, default=3, help="random splits (default: 3)")
    parser.add_argument(
        "--test", type=int, default=235, help="test stars of each (default: 235, the paper's)"
    )


def print_ablation(run, args):
    """Print the scores with each set of sources as soon as they are known, and draw them."""
    cfg = run.cfg
    from starlabels.plots import tables

    scores, title = {}, f"{cfg.run}, {args.splits} splits of {args.test} test stars"
    for name, changes in SOURCES.items():
        predictions = folds.cross_validate(cfg, args.splits, args.test, changes=changes)
        scores[name] = score_metrics.score_arrays(predictions, cfg.labels)
        folds.print_scores(title, "", cfg.labels, scores)
    rmse = {name: list(one["rmse"].values()) for name, one in scores.items()}
    path = paths.run_paths(cfg).figure_dir / "ablation.png"
    print(f"figure: {tables.draw_ablation(rmse, [get_label(name) for name in cfg.labels], path)}")


if __name__ == "__main__":
    command_line.run_command(print_ablation, __doc__, add_arguments)
