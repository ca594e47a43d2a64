"""Libraries of toy nodes: three lines with known depths as functions of labels and abundances."""

from dataclasses import replace

import numpy as np
import pytest

from starlabels.synthesis import broaden, node_builder, nodes

GRID = nodes.NodeGrid(
    5000.0,
    5040.0,
    (6000.0, 6500.0, 7000.0, 7500.0, 8000.0),
    (3.0, 3.5, 4.0, 4.5),
    (-1.0, -0.5, 0.0, 0.5),
    (2.0,),
)
CENTRES = np.array([5008.0, 5020.0, 5033.0])


def toy_node(teff, logg, mh, vmic=2.0, wave=GRID.wave()):  # noqa: B008
    """Flux of three lines with depths cubic in the labels, so that interpolation is exact."""
    x, y, z = (teff - 7000) / 1000, logg - 4, mh
    depth = np.array(
        [0.3 + 0.1 * x**3 - 0.05 * x, 0.4 + 0.1 * y + 0.05 * x * y**2, 0.35 + 0.2 * z - 0.1 * z**3]
    )
    sigma = CENTRES * GRID.fwhm / broaden.FWHM / broaden.LIGHT
    return 1 - depth @ np.exp(-0.5 * ((wave[None] - CENTRES[:, None]) / sigma[:, None]) ** 2)


MOVED = replace(GRID, elements=("Mg", "Fe"))


def toy_change(mg, fe, wave=GRID.wave()):  # noqa: B008
    """Change of the depth, quadratic in [Mg/M] (first line) and [Fe/M] (the other two)."""
    sigma = CENTRES * GRID.fwhm / 2.3548 / 299792.458
    amounts = np.array([0.2 * mg + 0.1 * mg**2, 0.1 * fe - 0.05 * fe**2, 0.15 * fe])
    return amounts @ np.exp(-0.5 * ((wave[None] - CENTRES[:, None]) / sigma[:, None]) ** 2)


def write_library(path, grid):
    """Write a library of toy nodes and return its path."""
    path.with_suffix("").mkdir()
    names = ["_".join(f"{v:g}" for v in point) for point in grid.points]
    for name, point in zip(names, grid.points):
        change = grid.patterns[int(point[4])] if grid.elements else {}
        amounts = (change.get("Mg", 0.0), change.get("Fe", 0.0))
        flux = toy_node(*point[:4], wave=grid.wave()) - toy_change(*amounts, wave=grid.wave())
        np.save(
            path.with_suffix("") / f"{name}.npy",
            np.round(flux / node_builder.FLUX_SCALE).astype("u2"),
        )
    node_builder.gather_nodes(grid, path.with_suffix(""), names, path)
    return path


@pytest.fixture
def libraries(tmp_path):
    """Paths of a library and of another one with magnesium and iron moved."""
    return write_library(tmp_path / "main.h5", GRID), write_library(tmp_path / "elements.h5", MOVED)
