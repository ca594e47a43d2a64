"""A table as large as a survey's: time and peak memory of each stage, and what comes out.

    python -m benchmarks.tables --n 600000

A mock catalogue (starlabels.tools.mock_catalogue) of labels, magnitudes, parallaxes and other estimates with holes is joined, studied,
trained on and tested in a temporary folder by the networks of recipes/sos_ours.yaml, in fewer epochs of larger batches.
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


def arguments(parser):
    """Command-line arguments."""
    parser.add_argument("--n", type=int, default=600_000, help="stars (default: 600000)")


def run(cfg, args):
    """Print the table and the scores."""
    values = yaml.safe_load(cfg.text)
    values["train"] |= LARGE
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / values["join"]["databases"][0]["path"]
        make = ["-m", "starlabels.tools.mock_catalogue", "--n", args.n, "--out", table]
        found = {"the catalogue": memory.measure(make, folder)} | memory.peaks(
            values, STAGES, folder
        )
        scores = json.loads((Path(folder) / "models" / cfg.run / "metrics.json").read_text())
    for stage, (gb, seconds) in found.items():
        print(f"{stage:<20}{gb:>6.2f} GB{seconds:>8.0f} s")
    print(
        f"{'all stages':<20}{max(gb for gb, _ in found.values()):>6.2f} GB{sum(found[s][1] for s in STAGES):>8.0f} s"
    )
    print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    command_line.run_command(run, __doc__, arguments, recipe=lambda args: RECIPE)
