"""Limits of node libraries: which ones a recipe exceeds, and how long missing nodes take."""

from dataclasses import replace

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.labels import LABELS
from starlabels.base.wavelengths import convert_medium
from starlabels.synthesis.library import ELEMENT_LIBRARIES, PACKAGED, VMIC_LIBRARIES
from starlabels.synthesis.nodes import AXES

NODE_SECONDS = 2.0  # of a core, for a node of the packaged blue library: `make bench`
QUICK_SPEED = 3  # of quick nodes over others
# Hydrogen lines near the Paschen limit: measured in windows of 100 A, a pixel takes 3 to 6 times
# as long as a blue one
PASCHEN, PASCHEN_COST = (8200.0, 9200.0), 5
BLUE = PACKAGED["blue.h5"]
TYPICAL = (6000.0, 2.0)  # teff (K) and vmic (km/s) of a node that takes a usual time


def list_exceeded_limits(grid, cfg, ranges):
    """Words for what a recipe needs and a NodeGrid does not have; [] if the NodeGrid covers it.

    ranges: {label: (low, high)} of the stars.
    """
    exceeded = []
    wave = cfg.wave
    ends = np.array([wave.min, wave.max - wave.step])
    low, high = convert_medium(ends, cfg.medium, grid.medium)
    if not (grid.wave_min <= low and high <= grid.wave_max):
        span = f"{grid.wave_min:g} to {grid.wave_max:g}"
        exceeded.append(f"the window, wave {wave.min:g} to {wave.max:g} A (nodes: {span})")
    for name, axis in zip(AXES, grid.axes):
        low, high = ranges[name]
        if low < axis[0] - 1e-6 or high > axis[-1] + 1e-6:
            unit = LABELS[name].plain_unit
            span = f"{axis[0]:g} to {axis[-1]:g}"
            exceeded.append(f"the label range, {name} {low:g} to {high:g} {unit} (nodes: {span})")
    power = ranges["resolving_power"][1]
    if power > grid.resolving_power:
        exceeded.append(f"the resolving power, {power:g} (nodes: up to {grid.resolving_power:g})")
    atmosphere = cfg.grid.nodes.atmosphere
    if atmosphere != grid.atmosphere:
        exceeded.append(f"the atmospheres, {atmosphere} (nodes: {grid.atmosphere})")
    return exceeded


def explain_packaged(cfg, ranges):
    """Why no packaged library serves a recipe: what the nearest one lacks."""
    lists = []
    for name, grid in PACKAGED.items():
        coarse = VMIC_LIBRARIES.get(name.replace(".h5", "_vmic.h5"))
        grid = replace(grid, vmic=coarse.vmic) if coarse else grid
        lists.append(list_exceeded_limits(grid, cfg, ranges))
    lists = [words for words in lists if words]
    if not lists:
        return "no packaged nodes serve this recipe"
    if all("the window" in words[0] for words in lists):
        windows = ", ".join(f"{grid.wave_min:g}-{grid.wave_max:g}" for grid in PACKAGED.values())
        window = f"the window, wave {cfg.wave.min:g} to {cfg.wave.max:g} A (nodes: {windows})"
        return f"no packaged nodes cover {window}"
    nearest = min(lists, key=lambda words: ("the window" in words[0], len(words)))
    return f"the packaged nodes of this window do not cover {' and '.join(nearest)}"


def explain_elements(name, elements, cfg, ranges):
    """Why the packaged element library of that file name does not serve a recipe."""
    grid = ELEMENT_LIBRARIES.get(name)
    if grid is None:
        return f"no packaged nodes of this window vary {', '.join(elements)}"
    exceeded = list_exceeded_limits(grid, cfg, ranges)
    if missing := [element for element in elements if element not in grid.elements]:
        exceeded.insert(0, f"{', '.join(missing)} (nodes: {', '.join(grid.elements)})")
    return f"the packaged nodes of single elements do not cover {' and '.join(exceeded)}"


def describe_synthesis(grid, cluster):
    """`1 234 nodes, about 21 minutes on 2 processes` of a NodeGrid and the section `cluster`."""
    n_nodes = len(grid.points)
    wave = grid.wave(grid.get_oversampling(*TYPICAL))
    in_paschen = (wave > PASCHEN[0]) & (wave < PASCHEN[1])
    n_blue = len(BLUE.wave(BLUE.get_oversampling(*TYPICAL)))
    cost = (len(wave) + (PASCHEN_COST - 1) * in_paschen.sum()) / n_blue
    minutes = n_nodes * NODE_SECONDS * cost / (QUICK_SPEED if grid.quick else 1) / 60
    processes = "of one core, shared out by the scheduler"
    if not cluster.scheduler:
        workers = min(cluster.workers, n_nodes)
        minutes /= workers
        processes = f"on {workers} {'processes' if workers > 1 else 'process'}"
    minutes = max(1, round(minutes))
    unit = "minutes" if minutes > 1 else "minute"
    nodes = f"{format_count(n_nodes)} node{'s' if n_nodes > 1 else ''}"
    return f"{nodes}, about {format_count(minutes)} {unit} {processes}"
