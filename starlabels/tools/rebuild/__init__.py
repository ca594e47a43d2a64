"""How the packaged line list, model atmospheres and nodes are made, see `make data`."""
