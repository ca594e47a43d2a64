"""Rebuild the packaged node libraries: `python -m starlabels.tools.rebuild.nodes [WORKERS [NAME ...]]`."""

import sys

from starlabels.base import checksums
from starlabels.config.schema import Cluster
from starlabels.synthesis.library import CHANGES, FOLDER, PACKAGED, VMIC
from starlabels.synthesis.nodes import build


def main(workers=2, *names):
    libraries = PACKAGED | VMIC | CHANGES
    for name in names or libraries:
        build(libraries[name], FOLDER / name, Cluster(scheduler=None, workers=workers))
        checksums.record(FOLDER / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
