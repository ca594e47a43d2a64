"""Make the database of synthetic spectra that config.yaml's grid describes.

Reads  data/nodes (packaged) or synthesises the nodes it needs
Writes data/grids/<name>.h5
"""

from starlabels.stages import command_line, grid

if __name__ == "__main__":
    command_line.main(grid.run, __doc__)
