"""Nodes of a recipe: the library that serves it, and the derivatives of its spectra."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from starlabels.base import hdf5_labels
from starlabels.base.checksums import verify_checksum
from starlabels.base.errors import UserError
from starlabels.base.labels import ELEMENTS, OFFSET_OF, offset_name
from starlabels.base.wavelengths import convert_medium
from starlabels.config import digests
from starlabels.config.paths import get_library_path
from starlabels.stages import node_limits
from starlabels.stages.recipe_stars import (
    NUISANCE_LABELS,
    OPTIONAL_LABELS,
    REQUIRED_LABELS,
    find_label_ranges,
)
from starlabels.synthesis import lines, node_builder, nodes
from starlabels.synthesis.atmosphere_choice import LABEL_RANGES
from starlabels.synthesis.library import ELEMENT_LIBRARIES, NODE_FOLDER, PACKAGED, VMIC_LIBRARIES
from starlabels.synthesis.nodes import AXES, NodeGrid

# Changes of spectra with single elements are small and smooth: few nodes hold them
ELEMENT_VMIC = 2.0  # km/s
ELEMENT_STEPS = {"teff": 500.0, "logg": 1.0, "mh": 0.5}
FINE_TEFF = 6000.0  # K: below, nodes are twice as dense, because lines grow fast there


def build_sensitivity_or_none(cfg, part, wave):
    """`build_sensitivity` for all labels of a recipe; None if impossible, with a printed reason."""
    try:
        sensitivity = build_sensitivity(cfg, part, wave, cfg.labels)
        check_complete_labels(part)
        return sensitivity
    except UserError as error:
        print(f"no derivatives of the atmosphere, so neither bound nor sensitivity: {error}")
        return None


def build_sensitivity(cfg, part, wave, names):
    """Build a function for the derivatives of spectra from the nodes.

    Parameters
    ----------
    cfg : Config
    part : h5py.Group or None
        Part of 2_prepared.h5 with the labels of the stars.
    wave : array (n_pix,)
        Wavelengths in A.
    names : list of str
        Labels. The others stay constant: d / d [Mg/H] is at constant [M/H].

    Returns
    -------
    callable
        function(rows) -> d flux / d label (n, len(names), n_pix) of these rows of the part.

    Raises
    ------
    UserError
        If the nodes did not make all spectra, or do not vary a label.
    """
    sampler = open_source_sampler(cfg, names)
    table = part and part["labels/value"]

    def compute_sensitivity(rows):
        labels = dict(zip(table.attrs["names"], table[rows].T))
        return sampler.compute_sensitivities(labels, names, wave, cfg.grid.resolving_power)

    return compute_sensitivity


def open_source_sampler(cfg, names):
    """Open the Sampler that made all spectra of a recipe.

    UserError if there is none, or if it does not vary the labels `names`.
    """
    if not all(digests.is_own_grid(cfg, database.path) for database in cfg.join.databases):
        raise UserError("not all spectra are from grid.py")
    sampler = open_sampler(cfg, build=False)
    offsets = sampler.elements.names if sampler.elements else []
    abundances = [name for name, offset in OFFSET_OF.items() if offset in offsets]
    varied = (*REQUIRED_LABELS, *NUISANCE_LABELS, *offsets, *abundances)
    if fixed := [name for name in names if name not in varied]:
        raise UserError(f"the nodes do not vary {', '.join(fixed)}")
    if twice := [f"{name} and {OFFSET_OF[name]}" for name in names if OFFSET_OF.get(name) in names]:
        raise UserError(f"{', '.join(twice)} are one abundance: keep one of them")
    return sampler


def check_complete_labels(part):
    """Raise a UserError if a star of a part lacks a label that its spectrum depends on."""
    for column in hdf5_labels.read_columns(part, REQUIRED_LABELS + OPTIONAL_LABELS):
        if column is not None and np.isnan(column).any():
            raise UserError("some stars lack labels")


def open_sampler(cfg, build=True):
    """Open the Sampler of a recipe.

    Parameters
    ----------
    cfg : Config
    build : bool
        If False, missing nodes are an error; otherwise they are synthesised.

    Returns
    -------
    Sampler
        Of the named library, a packaged one that covers the grid, or a synthesised one.

    Raises
    ------
    UserError
        If there is no grid, or if no library covers it.
    """
    from starlabels.synthesis.sampler import Sampler

    if cfg.grid is None:
        raise UserError(f"{cfg.path}: grid is null: there are no nodes")
    ranges = find_label_ranges(cfg)
    path, vmic_path = find_library(cfg, ranges, build)
    elements_path = find_element_library(cfg, ranges, path, build)
    return Sampler(path, ranges, vmic_path, elements_path, cfg.medium)


def covers_recipe(grid, cfg, ranges):
    """True if a NodeGrid covers window, atmosphere, label ranges and resolving power."""
    return not node_limits.list_exceeded_limits(grid, cfg, ranges)


def find_library(cfg, ranges, build):
    """Paths of the library for `open_sampler`, and of the library of its changes with vmic or None.

    ranges: {label: (low, high)}; build: see `open_sampler`.
    """
    if cfg.grid.nodes.library != "auto":
        path = Path(cfg.grid.nodes.library)
        if exceeded := node_limits.list_exceeded_limits(nodes.read_grid(path), cfg, ranges):
            problem = f"does not cover {' and '.join(exceeded)}"
            raise UserError(f"{path} {problem}: set library: auto")
        return path, None
    for name, grid in PACKAGED.items():
        if covers_recipe(grid, cfg, ranges):
            return NODE_FOLDER / name, None
        coarse = f"{Path(name).stem}_vmic.h5"
        if coarse in VMIC_LIBRARIES:
            combined = replace(grid, vmic=VMIC_LIBRARIES[coarse].vmic)
            if covers_recipe(combined, cfg, ranges):
                return NODE_FOLDER / name, NODE_FOLDER / coarse
    path = get_library_path(cfg, "nodes")
    grid = plan_nodes(cfg, ranges)
    provide_library(path, grid, cfg, build, node_limits.explain_packaged(cfg, ranges))
    return path, None


def find_element_library(cfg, ranges, main_path, build):
    """Path of the library for the elements whose abundances the grid varies, or None.

    main_path: the library whose spectra these elements change.
    """
    elements = tuple(element for element in ELEMENTS if offset_name(element) in ranges)
    if not elements:
        return None
    # The effect of vmic on these changes is neglected
    ranges = ranges | {"vmic": (ELEMENT_VMIC, ELEMENT_VMIC)}
    name = f"{Path(main_path).stem}_elements.h5"
    if Path(main_path).parent == NODE_FOLDER and name in ELEMENT_LIBRARIES:
        packaged = ELEMENT_LIBRARIES[name]
        if set(elements) <= set(packaged.elements) and covers_recipe(packaged, cfg, ranges):
            return NODE_FOLDER / name
    axes = {name: enclose_range(ranges[name], step) for name, step in ELEMENT_STEPS.items()}
    grid = NodeGrid(
        cfg.wave.min,
        cfg.wave.max,
        **axes,
        vmic=(ELEMENT_VMIC,),
        atmosphere=cfg.grid.nodes.atmosphere,
        resolving_power=nodes.read_grid(verify_checksum(main_path)).resolving_power,
        elements=elements,
        medium=cfg.medium,
    )
    path = get_library_path(cfg, "elements")
    reason = node_limits.explain_elements(name, elements, cfg, ranges)
    provide_library(path, grid, cfg, build, reason)
    return path


def enclose_range(limits, step):
    """Multiples of `step` as a tuple, from the last below (low, high) to the first above it."""
    first = np.floor(limits[0] / step + 1e-6)
    last = np.ceil(limits[1] / step - 1e-6)
    return tuple((step * np.arange(first, last + 1)).tolist())


def provide_library(path, grid, cfg, build, reason):
    """Synthesise the library of a NodeGrid unless it is at the path; UserError if not `build`."""
    if not path.exists() or nodes.read_grid(path).digest != grid.digest:
        if not build:
            raise UserError(f"{path} is missing or of other settings: run python grid.py")
        for file in lines.LINE_FILES:
            verify_checksum(file)  # here, not in each worker
        print(reason)
        print(f"{path} needs {node_limits.describe_synthesis(grid, cfg.cluster)}")
        node_builder.build_library(grid, path, cfg.cluster)


def plan_nodes(cfg, spans):
    """NodeGrid to synthesise for {label: (low, high)}; UserError where lines or atmospheres end."""
    ends = convert_medium(np.array([cfg.wave.min, cfg.wave.max]), cfg.medium, "air")
    if not lines.is_covered(*ends):
        problem = f"wave {cfg.wave.min:g} to {cfg.wave.max:g} A"
        raise UserError(f"{cfg.path}: {problem}: the line lists span {lines.describe_coverage()}")
    allowed = dict.fromkeys(AXES, (-np.inf, np.inf))
    allowed["vmic"] = (0.0, np.inf)
    source, ranges = LABEL_RANGES.get(cfg.grid.nodes.atmosphere, ("", {}))
    allowed |= ranges
    axes = {name: plan_axis(cfg, name, spans[name], allowed[name], source) for name in AXES}
    return NodeGrid(
        cfg.wave.min,
        cfg.wave.max,
        **axes,
        atmosphere=cfg.grid.nodes.atmosphere,
        resolving_power=max(NodeGrid.resolving_power, spans["resolving_power"][1]),
        medium=cfg.medium,
    )


def plan_axis(cfg, name, limits, allowed, source):
    """Nodes of a label for its range `limits`, inside `allowed`; UserError if they do not fit.

    source: name of the model atmospheres.
    """
    if not allowed[0] <= limits[0] <= limits[1] <= allowed[1]:
        where = cfg.grid.labels_csv or f"{cfg.path}: grid.labels"
        problem = f"{name} {limits[0]:g} to {limits[1]:g}"
        expected = f"{source} atmospheres span {allowed[0]:g} to {allowed[1]:g}"
        raise UserError(f"{where}: {problem}: {expected}")
    step = cfg.grid.nodes.step.get(name)
    where = f"{cfg.path}: grid.nodes.step"
    if step is None:
        raise UserError(f"{where} has no {name}: give the spacing of its nodes")
    axis = choose_axis_nodes(name, limits, step, cfg.grid.nodes.padding, allowed)
    if not axis[0] <= limits[0] <= limits[1] <= axis[-1]:
        raise UserError(f"{where}.{name} lists nodes that do not enclose grid.labels.{name}")
    return axis


def choose_axis_nodes(name, limits, step, padding, allowed):
    """Nodes of a label as a tuple: the listed ones, or multiples of `step` around its range.

    padding: number of nodes beyond each end of (low, high) `limits`; all are inside `allowed`.
    """
    if isinstance(step, (list, tuple)):
        return tuple(map(float, step))
    if limits[0] == limits[1]:
        return (float(limits[0]),)
    first = np.floor(limits[0] / step + 1e-6) - padding
    last = np.ceil(limits[1] / step - 1e-6) + padding
    values = step * np.arange(first, last + 1)
    if name == "teff":
        fine = values[values < FINE_TEFF] + step / 2
        values = np.unique(np.r_[values, fine[fine < min(FINE_TEFF, values[-1])]])
    inside = values[(values >= allowed[0] - 1e-6) & (values <= allowed[1] + 1e-6)]
    # The atmospheres may end between two nodes: the ends of the range are nodes then
    ends = [end for end in limits if not inside.size or end < inside[0] or end > inside[-1]]
    return tuple(np.unique(np.round(np.r_[inside, ends], 6)).tolist())
