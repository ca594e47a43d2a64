"""Time a trained generator: medians, after loading.

python -m benchmarks.generate [models/<run>]
"""

import argparse
import os
import platform
from pathlib import Path

import numpy as np

from benchmarks.bench import time_alternating
from starlabels.base.console import exit_with_error
from starlabels.base.errors import UserError
from starlabels.learning import generator

MANY, ONES = 5000, 50  # spectra in one call; single calls timed together


def time_generator():
    """Print the times of one spectrum and of many in one call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("models/rvs_generator_best"),
        help="a generator's folder",
    )
    folder = parser.parse_args().folder
    try:
        made = generator.open_folder(folder)
    except UserError as error:
        exit_with_error(str(error))
    drawn = np.random.default_rng(0).uniform(made.low, made.high, (MANY, len(made.names)))
    many, one = dict(zip(made.names, drawn.T)), dict(zip(made.names, drawn[:1].T))
    timed = time_alternating(
        {
            "one": lambda: [made.spectra(one) for _ in range(ONES)],
            "many": lambda: made.spectra(many),
        },
        7,
    )
    print(f"{folder}, {len(made.wave)} pixels; {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'one spectrum':<32}{1000 * timed['one'] / ONES:8.2f} ms")
    print(f"{f'{MANY} spectra in one call':<32}{MANY / timed['many']:8.0f} /s")


if __name__ == "__main__":
    time_generator()
