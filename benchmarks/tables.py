"""Measure time and peak memory of each stage on a table as large as a survey.

    python -m benchmarks.tables --n 600000

A mock catalogue with missing values (starlabels.tools.mock_catalogue) is joined, studied, and used
for training and tests in a temporary folder. The networks are those of recipes/sos_ours.yaml, with
fewer epochs of larger batches.
"""

import json
import tempfile
from pathlib import Path

import yaml

from benchmarks import memory
from starlabels.stages import command_line

RECIPE = Path("recipes/sos_ours.yaml")
STAGES = ["0_join", "1_label_study", "2_preprocess", "3_train", "4_test"]
LARGE = {"max_epochs": 12, "batch_size": 2048, "early_stopping": {"patience": 12, "min_delta": 0}}


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument("--n", type=int, default=600_000, help="stars (default: 600000)")


def print_table_costs(run, args):
    """Print the table and the scores."""
    cfg = run.cfg
    values = yaml.safe_load(cfg.text)
    values["train"] |= LARGE
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / values["join"]["databases"][0]["path"]
        make = ["-m", "starlabels.tools.mock_catalogue", "--n", args.n, "--out", table]
        costs = {"the catalogue": memory.measure_command(make, folder)} | memory.measure_stages(
            values, STAGES, folder
        )
        scores = json.loads((Path(folder) / "models" / cfg.run / "metrics.json").read_text())
    for stage, (gb, seconds) in costs.items():
        print(f"{stage:<20}{gb:>6.2f} GB{seconds:>8.0f} s")
    peak = max(gb for gb, _ in costs.values())
    total = sum(costs[stage][1] for stage in STAGES)
    print(f"{'all stages':<20}{peak:>6.2f} GB{total:>8.0f} s")
    print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    command_line.run_command(print_table_costs, __doc__, add_arguments, recipe=lambda args: RECIPE)
