"""Rebuild the packaged node libraries.

`python -m starlabels.tools.rebuild.nodes [WORKERS [NAME ...]]`
"""

import sys

from starlabels.base import checksums
from starlabels.config.schema import Cluster
from starlabels.synthesis.library import (
    ELEMENT_LIBRARIES,
    NODE_FOLDER,
    PACKAGED,
    VMIC_LIBRARIES,
)
from starlabels.synthesis.node_builder import build_library


def main(workers=2, *names):
    """Rebuild the named libraries (default: all) with a number of worker processes."""
    libraries = PACKAGED | VMIC_LIBRARIES | ELEMENT_LIBRARIES
    for name in names or libraries:
        path = NODE_FOLDER / name
        build_library(libraries[name], path, Cluster(scheduler=None, workers=workers))
        checksums.record_checksum(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
