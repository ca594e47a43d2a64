"""Print the table of docs/recipes.md from the metrics.json of the runs.

python -m benchmarks.table [FOLDER]
"""

import argparse
import json
from pathlib import Path

from starlabels.base.console import exit_with_error

# the stellar-parameters-NN code, on its authors' own spectra
PUBLISHED = {"100_200": (141.7, 0.096, 5.81, 0.087)}
RUNS = {
    "seed": "published network, `recipes/seed.yaml`",
    "afgk": "default, `config.yaml`",
    "afgk_components": "dense network, `recipes/afgk_components.yaml`",
    "afgk_best": "best, `recipes/afgk_best.yaml`",
}
BOUND_OF = "afgk"
REFINED = "a step on the nodes"  # of the first test stars, see test.refine
NAMES = ("teff", "logg", "vsini", "mh")
FORMATS = (".1f", ".4f", ".2f", ".4f")


def format_row(title, snr, values, ratios=None):
    """A line of the table; ratios to the bound in brackets."""
    cells = [format(value, spec) for value, spec in zip(values, FORMATS)]
    if ratios:
        cells = [f"{cell} ({ratio:.2f})" for cell, ratio in zip(cells, ratios)]
    return f"| {' | '.join([snr.replace('_', '-').replace('inf', 'no noise'), title, *cells])} |"


def make_rows(models):
    """Yield all lines: for each S/N the published scores, all runs, and the bound of afgk."""
    files = {run: models / run / "metrics.json" for run in RUNS}
    metrics, titles = {}, dict(RUNS)
    for run, path in files.items():
        if path.is_file():
            found = json.loads(path.read_text())
            for subset, scores in found.get("subsets", {}).items():
                titles[run, subset] = f"{RUNS[run]}, its stars of {subset}"
                metrics[run, subset] = scores["snr"]
            metrics[run] = found["snr"]
            if "refined" in found:
                titles[run, REFINED] = f"{RUNS[run]}, and {REFINED}"
                metrics[run, REFINED] = {k: t["refined"] for k, t in found["refined"].items()}
    if not metrics:
        exit_with_error(f"{models} has no metrics.json of {', '.join(RUNS)}: run the recipes first")
    for snr in ("20_100", "100_200", "200_400", "inf"):
        if snr in PUBLISHED:
            yield format_row("published", snr, PUBLISHED[snr])
        for run, table in ((run, tables[snr]) for run, tables in metrics.items() if snr in tables):
            ratios = [table["ratio"][name] for name in NAMES] if "ratio" in table else None
            yield format_row(titles[run], snr, [table["rmse"][name] for name in NAMES], ratios)
        for run, table in metrics.items():
            if get_recipe(run) == BOUND_OF and REFINED not in run and "crlb" in table.get(snr, {}):
                stars = "" if run == BOUND_OF else f", {run[1]}"
                values = [table[snr]["crlb"][name] for name in NAMES]
                yield format_row(f"Cramér-Rao bound{stars}", snr, values)


def get_recipe(run):
    """The recipe of a run, or of (run, subset)."""
    return run if isinstance(run, str) else run[0]


def print_table():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("models"),
        help="folder of the runs (default: models)",
    )
    print("| S/N | | Teff (K) | log g (dex) | v sin i (km/s) | [M/H] (dex) |")
    print("|---|---|---|---|---|---|")
    for line in make_rows(parser.parse_args().folder):
        print(line)


if __name__ == "__main__":
    print_table()
