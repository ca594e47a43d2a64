"""Rebuild the packaged node libraries: `python -m starlabels.tools.rebuild.nodes [WORKERS [NAME ...]]`."""

import sys

from starlabels.base import checksums
from starlabels.config.schema import Cluster
from starlabels.synthesis.library import ELEMENT_LIBRARIES, NODE_FOLDER, PACKAGED, VMIC_LIBRARIES
from starlabels.synthesis.nodes import build_library


def main(workers=2, *names):
    libraries = PACKAGED | VMIC_LIBRARIES | ELEMENT_LIBRARIES
    for name in names or libraries:
        build_library(libraries[name], NODE_FOLDER / name, Cluster(scheduler=None, workers=workers))
        checksums.record_checksum(NODE_FOLDER / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
