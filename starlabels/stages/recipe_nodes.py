"""The Cramér-Rao bound: the smallest error that any unbiased estimator of a star's labels can have."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from starlabels.base import hdf5
from starlabels.base.checksums import verify_checksum
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import ELEMENTS, OFFSET_OF, offset_name
from starlabels.config import digests
from starlabels.config.paths import run_paths
from starlabels.stages.recipe_stars import find_label_ranges
from starlabels.synthesis import node_builder, nodes
from starlabels.synthesis.library import ELEMENT_LIBRARIES, NODE_FOLDER, PACKAGED, VMIC_LIBRARIES
from starlabels.synthesis.lines import LINE_FILE
from starlabels.synthesis.nodes import AXES, NodeGrid


def build_sensitivity_or_none(cfg, test, wave):
    """A function(rows) -> d flux / d label (n, n_labels, n_pix) of test stars from the nodes; None if not apt."""
    try:
        found = build_sensitivity(cfg, test, wave, cfg.labels)
        check_complete_labels(test)
        return found
    except UserError as error:
        print(f"no derivatives of the atmosphere, so neither bound nor sensitivity: {error}")
        return None


def build_sensitivity(cfg, part, wave, names):
    """A function(rows) -> d flux / d label (n, len(names), n_pix) of stars of a part from the nodes; UserError if not apt.

    Labels that are not among the names stay: d / d [Mg/H] is at constant [M/H], or d / d [M/H] at constant [Mg/H].
    """
    sampler, table, power = (
        open_source_sampler(cfg, names),
        part and part["grid_labels"],
        cfg.grid.resolving_power,
    )
    return lambda rows: sampler.compute_sensitivities(
        dict(zip(table.attrs["names"], table[rows].T)), names, wave, power
    )


def open_source_sampler(cfg, names):
    """The Sampler that made all spectra of the recipe; UserError if they are not from there, or it does not vary the names."""
    from starlabels.stages.recipe_stars import REQUIRED_LABELS, NUISANCE_LABELS

    if not all(digests.is_own_grid(cfg, database.path) for database in cfg.join.databases):
        raise UserError("not all spectra are from grid.py")
    sampler = open_sampler(cfg, build=False)
    moved = sampler.elements.names if sampler.elements else []
    moved = moved + [name for name, offset in OFFSET_OF.items() if offset in moved]
    if strange := [name for name in names if name not in (*REQUIRED_LABELS, *NUISANCE_LABELS, *moved)]:
        raise UserError(f"the nodes do not vary {', '.join(strange)}")
    if twice := [f"{name} and {OFFSET_OF[name]}" for name in names if OFFSET_OF.get(name) in names]:
        raise UserError(f"{', '.join(twice)} are one abundance: keep one of them")
    return sampler


def check_complete_labels(part):
    """UserError if a star of a part of 2_prepared.h5 lacks a label that its spectrum depends on."""
    from starlabels.stages.recipe_stars import REQUIRED_LABELS, OPTIONAL_LABELS

    if any(
        np.isnan(column).any()
        for column in hdf5.columns(part, REQUIRED_LABELS + OPTIONAL_LABELS)
        if column is not None
    ):
        raise UserError("some stars lack labels")


ELEMENT_VMIC = 2.0  # km/s, of the nodes that elements are moved in
ELEMENT_STEPS = {
    "teff": 500.0,
    "logg": 1.0,
    "mh": 0.5,
}  # of those nodes: what they change is small and smooth
FINE_TEFF = 6000.0  # K: below, nodes are twice as dense, because lines grow fast there


def covers_recipe(grid, cfg, ranges):
    """Whether a NodeGrid holds the window, atmospheres, label ranges and resolving powers of the configuration."""
    window = grid.wave_min <= cfg.wave.min and cfg.wave.max - cfg.wave.step <= grid.wave_max
    inside = all(
        axis[0] - 1e-6 <= ranges[name][0] and ranges[name][1] <= axis[-1] + 1e-6
        for name, axis in zip(AXES, grid.axes)
    )
    sharp = grid.resolving_power >= ranges["resolving_power"][1]
    return window and inside and sharp and grid.atmosphere == cfg.grid.nodes.atmosphere


def open_sampler(cfg, build=True):
    """The Sampler of the run: of the library named, of a packaged one that covers the grid, or of one synthesised now.

    UserError instead of a synthesis if not `build`.
    """
    from starlabels.synthesis.sampler import Sampler

    if cfg.grid is None:
        raise UserError(f"{cfg.path}: grid is null: there are no nodes")
    ranges = find_label_ranges(cfg)
    path, vmic = find_library(cfg, ranges, build)
    elements = find_element_library(cfg, ranges, path, build)
    return Sampler(path, ranges, vmic, cfg.grid.nodes.solar, elements)


def find_library(cfg, ranges, build):
    """Paths of the library of `sampler_for`, and of the one that has its changes with vmic, if that is another."""
    if cfg.grid.nodes.library != "auto":
        path = Path(cfg.grid.nodes.library)
        if not covers_recipe(nodes.read_grid(path), cfg, ranges):
            raise UserError(
                f"{path} does not cover `wave`, grid.labels and grid.nodes.atmosphere: set library: auto"
            )
        return path, None
    for name, grid in PACKAGED.items():
        if covers_recipe(grid, cfg, ranges):
            return NODE_FOLDER / name, None
        coarse = f"{Path(name).stem}_vmic.h5"
        if coarse in VMIC_LIBRARIES and covers_recipe(
            replace(grid, vmic=VMIC_LIBRARIES[coarse].vmic), cfg, ranges
        ):
            return NODE_FOLDER / name, NODE_FOLDER / coarse
    path, wanted = name_library(cfg), plan_nodes(cfg, ranges)
    provide_library(path, wanted, cfg, build, "no packaged library covers the grid")
    return path, None


def find_element_library(cfg, ranges, home, build):
    """The library of the elements whose abundances the grid varies, packaged or else synthesised; None if it varies none.

    home: path of the nodes whose spectra they change.
    """
    moved = tuple(element for element in ELEMENTS if offset_name(element) in ranges)
    if not moved:
        return None
    ranges = ranges | {
        "vmic": (ELEMENT_VMIC, ELEMENT_VMIC)
    }  # what vmic does to these changes is left out
    name = f"{Path(home).stem}_elements.h5"
    if Path(home).parent == NODE_FOLDER and name in ELEMENT_LIBRARIES:
        packaged = ELEMENT_LIBRARIES[name]
        if set(moved) <= set(packaged.elements) and covers_recipe(packaged, cfg, ranges):
            return NODE_FOLDER / name
    axes = {name: enclose_range(ranges[name], step) for name, step in ELEMENT_STEPS.items()} | {
        "vmic": (ELEMENT_VMIC,)
    }
    power = nodes.read_grid(verify_checksum(home)).resolving_power
    kind = {"atmosphere": cfg.grid.nodes.atmosphere, "resolving_power": power, "elements": moved}
    wanted = NodeGrid(cfg.wave.min, cfg.wave.max, **axes, **kind)
    path = run_paths(cfg).grid.with_name(f"{cfg.grid.name}_elements.h5")
    provide_library(path, wanted, cfg, build, "single elements are moved")
    return path


def enclose_range(span, step):
    """Multiples of `step` as a tuple, from the last below a span to the first above it."""
    first, last = np.floor(span[0] / step + 1e-6), np.ceil(span[1] / step - 1e-6)
    return tuple((step * np.arange(first, last + 1)).tolist())


def provide_library(path, wanted, cfg, build, why):
    """Have a library of NodeGrid `wanted` at the path; UserError if that needs a synthesis and not `build`."""
    if not path.exists() or nodes.read_grid(path).digest != wanted.digest:
        if not build:
            raise UserError(f"{path} is missing or of other settings: run python grid.py")
        verify_checksum(LINE_FILE)  # here, not in each worker
        print(f"{why}: {path} needs {format_count(len(wanted.points))} nodes")
        node_builder.build_library(wanted, path, cfg.cluster)


def name_library(cfg):
    """Path of the library that grid.py synthesises for this configuration."""
    return run_paths(cfg).grid.with_name(f"{cfg.grid.name}_nodes.h5")


def plan_nodes(cfg, ranges):
    """The NodeGrid to synthesise for `ranges` {label: (low, high)}; UserError where lines or atmospheres end."""
    from starlabels.synthesis.atmosphere import read_limits
    from starlabels.synthesis.lines import COVERAGE

    if cfg.wave.min < COVERAGE[0] or cfg.wave.max > COVERAGE[1]:
        low, high = COVERAGE
        raise UserError(
            f"{cfg.path}: wave {cfg.wave.min:g} to {cfg.wave.max:g} A: the line list spans {low:g} to {high:g} A"
        )
    source = cfg.grid.labels_csv or f"{cfg.path}: grid.labels"
    allowed = read_limits() if cfg.grid.nodes.atmosphere == "builtin" else {}
    axes = {}
    for name in AXES:
        low, high = allowed.get(name, (-np.inf if name != "vmic" else 0.0, np.inf))
        if not low <= ranges[name][0] <= ranges[name][1] <= high:
            found = f"{ranges[name][0]:g} to {ranges[name][1]:g}"
            raise UserError(
                f"{source}: {name} {found}: built-in atmospheres span {low:g} to {high:g}"
            )
        step = cfg.grid.nodes.step.get(name)
        if step is None:
            raise UserError(
                f"{cfg.path}: grid.nodes.step has no {name}: give the spacing of its nodes"
            )
        axes[name] = choose_axis_nodes(name, ranges[name], step, cfg.grid.nodes.padding, (low, high))
        if not axes[name][0] <= ranges[name][0] <= ranges[name][1] <= axes[name][-1]:
            raise UserError(
                f"{cfg.path}: grid.nodes.step.{name} lists nodes that do not enclose grid.labels.{name}"
            )
    return NodeGrid(cfg.wave.min, cfg.wave.max, atmosphere=cfg.grid.nodes.atmosphere, **axes)


def choose_axis_nodes(name, span, step, padding, allowed):
    """Nodes of one label as a tuple: those listed, or multiples of `step` around the span with `padding` beyond each end."""
    if isinstance(step, (list, tuple)):
        return tuple(map(float, step))
    if span[0] == span[1]:
        return (float(span[0]),)
    first, last = (
        np.floor(span[0] / step + 1e-6) - padding,
        np.ceil(span[1] / step - 1e-6) + padding,
    )
    values = step * np.arange(first, last + 1)
    if name == "teff":
        fine = values[values < FINE_TEFF] + step / 2
        values = np.unique(np.r_[values, fine[fine < min(FINE_TEFF, values[-1])]])
    inside = values[(values >= allowed[0] - 1e-6) & (values <= allowed[1] + 1e-6)]
    ends = [
        v for v in span if not inside.size or v < inside[0] or v > inside[-1]
    ]  # the table ends between two nodes
    return tuple(np.unique(np.round(np.r_[inside, ends], 6)).tolist())
