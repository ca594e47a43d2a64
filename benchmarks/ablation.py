"""What each source adds to a network of spectra and tables: the spectrum alone, with photometry, and with parallaxes.

    python -m benchmarks.ablation --config recipes/rave_ours.yaml

After the recipe's 0_join.py; the same random splits for all three.

Writes figures/<run>/ablation.png
"""

from benchmarks import folds
from starlabels.base.labels import get_label
from starlabels.config import paths
from starlabels.stages import command_line, test_labels

SOURCES = {  # sections of the recipe that change
    "the spectrum alone": {"features": None},
    "and photometry": {
        "features": {"parallax": None, "give": ["apparent", "colours", "colours_0"]}
    },
    "and parallaxes": {},
}


def arguments(parser):
    """Command-line arguments."""
    parser.add_argument("--splits", type=int, default=3, help="random splits (default: 3)")
    parser.add_argument(
        "--test", type=int, default=235, help="test stars of each (default: 235, the paper's)"
    )


def run(cfg, args):
    """Print the scores with each set of sources as soon as they are known, and draw them."""
    from starlabels.plots import tables

    scores, what = {}, f"{cfg.run}, {args.splits} splits of {args.test} test stars"
    for name, changes in SOURCES.items():
        found = folds.cross_validate(cfg, args.splits, args.test, changes=changes)
        scores[name] = test_labels.scores(found, cfg.labels)
        folds.print_table(what, "", cfg.labels, scores)
    rmse = {name: list(one["rmse"].values()) for name, one in scores.items()}
    path = paths.run_paths(cfg).figure_dir / "ablation.png"
    print(f"figure: {tables.draw_ablation(rmse, [get_label(name) for name in cfg.labels], path)}")


if __name__ == "__main__":
    command_line.run_command(run, __doc__, arguments)
