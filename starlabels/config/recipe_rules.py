"""Rules for recipes; models that were trained before a rule was made are loaded without them."""

import numpy as np

from starlabels.base.labels import LABELS, OFFSET_OF
from starlabels.base.queries import evaluate_query, parse_query
from starlabels.config.data_sections import Range
from starlabels.config.digests import is_own_grid
from starlabels.config.paths import get_library_path, resolve_path, run_paths
from starlabels.learning.networks import CAPABILITIES, get_capabilities

DATA_FOLDERS = {  # folders of data/ that are not of one run
    "grids": "the grids of all recipes",
    "atmospheres": "packaged data",
    "lines": "packaged data",
    "nodes": "packaged data",
}
LIBRARIES = {"_nodes": "nodes", "_elements": "abundance nodes"}  # data/grids/<name><ending>.h5


def find_recipe_problems(cfg):
    """(key, problem) for every rule that a recipe breaks."""
    yield from name_problems(cfg)
    yield from input_problems(cfg)
    yield from network_problems(cfg)
    yield from constant_label_problems(cfg)
    yield from subset_problems(cfg)
    if cfg.grid and cfg.grid.nodes.solar:
        problem = "found true: the line list itself fits the Sun now: delete this key"
        yield ("grid", "nodes", "solar"), problem


def name_problems(cfg):
    """Names under which a run or a grid would overwrite files of another kind."""
    # casefold: some file systems do not distinguish capitals
    if held := DATA_FOLDERS.get(cfg.run.casefold()):
        yield ("run",), f"found {cfg.run}: data/{cfg.run} holds {held}: give the run another name"
    for ending, kind in LIBRARIES.items() if cfg.grid else []:
        name = cfg.grid.name
        if name.casefold().endswith(ending):
            owner = name[: -len(ending)]
            problem = f"found {name}: data/grids/{name}.h5 is for the {kind} of a grid {owner}"
            yield ("grid", "name"), f"{problem}: give the grid a name without {ending} at its end"


def input_problems(cfg):
    """Inputs that the run itself would overwrite or delete."""
    paths = run_paths(cfg)
    written = [paths.prepared, paths.grid, cfg.grid and get_library_path(cfg, "elements")]
    written = {resolve_path(path) for path in written if path}
    folders = {resolve_path(paths.model_dir), resolve_path(paths.partial_dir)}
    for keys, name in list_inputs(cfg):
        path = resolve_path(name)
        is_database = keys[:2] == ("join", "databases")
        if is_database and is_own_grid(cfg, name):
            continue
        if path in written or not folders.isdisjoint((path, *path.parents)):
            yield keys, f"found {name}, which this run writes: name another file, or copy it"


def list_inputs(cfg):
    """(key, path) of the files and folders that a recipe reads."""
    for kind in ("databases", "catalogues"):
        for i, entry in enumerate(getattr(cfg.join, kind) or []):
            yield ("join", kind, i, "path"), entry.path
    if cfg.grid and cfg.grid.labels_csv:
        yield ("grid", "labels_csv"), cfg.grid.labels_csv
    if cfg.grid and cfg.grid.nodes.library != "auto":
        yield ("grid", "nodes", "library"), cfg.grid.nodes.library
    if cfg.test.generator:
        yield ("test", "generator"), cfg.test.generator


def network_problems(cfg):
    """A network that convolves over pixels, but would be given something else."""
    can = get_capabilities(cfg.model.builder)
    if can.components and not can.wave:
        return
    name, components = cfg.model.builder, cfg.preprocess.components
    reads_features = cfg.features and can.pixels_and_features  # see rules.feature_problems
    if components and not can.components and not reads_features:
        problem = f"found {components}, expected null where model.builder is {name}"
        yield ("preprocess", "components"), problem
    given = "labels" if cfg.target == "flux" else "columns of a table"
    if cfg.target == "flux" or not (cfg.wave or can.wave or can.pixels_and_features):
        fits = (k for k, can in CAPABILITIES.items() if can.components and not can.wave)
        others = " or ".join(fits)
        problem = f"found {name}, which convolves over pixels and would be given {given}"
        yield ("model", "builder"), f"{problem}: expected {others}"


def constant_label_problems(cfg):
    """Labels to learn that the grid holds constant, if no other file gives them."""
    if not is_only_source(cfg) or cfg.grid.labels_csv:
        return
    for i, name in enumerate(cfg.labels):
        parts = [name] if name in cfg.grid.labels else ["mh", OFFSET_OF.get(name)]
        values = [find_constant(cfg.grid.labels.get(part)) for part in parts]
        if name not in LABELS or None in values:
            continue
        unit = LABELS[parts[0]].plain_unit
        shown = " and ".join(f"grid.labels.{part}" for part in parts)
        problem = f"{name} is constant: found {shown} {values[0]:g} {unit}".rstrip()
        hint = f"give grid.labels.{parts[-1]} a range {{min, max}}, or take {name} out of labels"
        yield ("labels", i), f"{problem}: {hint}"


def subset_problems(cfg):
    """Conditions of subsets that are not valid, or name labels that the stars lack."""
    names = {*cfg.labels, *(cfg.grid.labels if cfg.grid else [])}
    subsets = {("test", name): query for name, query in (cfg.test.subsets or {}).items()}
    of_jacobian = (cfg.jacobian and cfg.jacobian.subsets) or {}
    subsets |= {("jacobian", name): query for name, query in of_jacobian.items()}
    for (section, name), condition in subsets.items():
        keys = (section, "subsets", name)
        if cfg.target == "flux":
            yield keys, "expected none where target is flux"
            continue
        try:
            if is_only_source(cfg) and not cfg.grid.labels_csv:
                evaluate_query(condition, dict.fromkeys(names, np.ones(1)), 1)
            else:
                parse_query(condition)
        except ValueError as error:
            yield keys, f"{condition!r}: {error}; a condition on labels is expected"


def is_only_source(cfg):
    """Whether all stars, with all of their columns, are of the grid of the recipe."""
    databases = cfg.join.databases or []
    own = all(is_own_grid(cfg, database.path) for database in databases)
    return bool(cfg.grid and databases and own and not cfg.join.catalogues)


def find_constant(draw):
    """The only value that an entry of grid.labels gives, or None."""
    if not isinstance(draw, Range):
        return draw
    return draw.min if draw.step and draw.max - draw.min < draw.step * (1 - 1e-6) else None
