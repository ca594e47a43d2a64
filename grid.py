"""Make the database of synthetic spectra that the section `grid` of the configuration describes.

Reads  data/nodes (packaged), or synthesises the nodes it needs
Writes data/grids/<name>.h5
"""

from starlabels.stages.command_line import run_command
from starlabels.stages.grid import make_grid

if __name__ == "__main__":
    run_command(make_grid, __doc__)
