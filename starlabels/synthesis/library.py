"""The packaged node library, and `make nodes`: `python -m starlabels.synthesis.library [workers]` rebuilds it."""

import sys
from pathlib import Path

import numpy as np

from starlabels.synthesis.nodes import NodeGrid, build

FOLDER = Path(__file__).parents[2] / "data/nodes"
# Steps from measured midpoint errors: 500 K (250 K below 6000 K), 0.5 and 0.5 dex
PACKAGED = {
    "blue_4450_4990.h5": NodeGrid(
        wave_min=4450.0,
        wave_max=4990.0,
        teff=(4750.0, 5000.0, 5250.0, 5500.0, 5750.0, *np.arange(6000.0, 11001.0, 500.0).tolist()),
        logg=tuple(np.arange(1.5, 5.51, 0.5).tolist()),
        mh=tuple(np.arange(-2.0, 1.51, 0.5).tolist()),
        vmic=(2.0,),
    ),
}


def main(workers=2):
    for name, grid in PACKAGED.items():
        build(grid, FOLDER / name, workers)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
