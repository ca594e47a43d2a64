"""Recipes as differences: a file that begins with `base: other.yaml` is merged over that file."""

from pathlib import Path

from ruamel.yaml.nodes import MappingNode, ScalarNode

from starlabels.base.errors import UserError
from starlabels.base.install import RECIPE_FOLDER
from starlabels.config import yaml_files

USER_KEYS = {  # mappings whose keys the user chooses: a recipe replaces that of its base
    ("grid", "labels"),
    ("grid", "nodes", "step"),
    ("features", "magnitudes"),
    ("model", "windows"),
    ("test", "reference"),
    ("jacobian", "lines"),
}


def read_recipe(path):
    """Values {section: ...} of a recipe, merged with its base; they are not validated.

    Parameters
    ----------
    path : path-like
        A YAML file.

    Raises
    ------
    UserError
        If the file or its base is missing or no valid YAML.
    """
    _, trees = read_trees(Path(path))
    return yaml_files.construct_values(merge_trees(trees), path)


def read_trees(path, derived=()):
    """Text of a recipe and the root nodes of the recipe, its base, the base of that, and so on.

    derived: the recipes that have this one as their base, to find loops.
    """
    if not path.is_file():
        hint = "name a configuration with --config, or cp recipes/afgk.yaml config.yaml"
        raise UserError(f"{path} not found: {hint}")
    text, tree = yaml_files.read_tree(path)
    node = get_item(tree, "base")
    if node is None:
        return text, [tree]
    derived = (*derived, path.resolve())
    return text, [tree, *read_trees(find_base(path, node, derived), derived)[1]]


def find_base(path, node, derived):
    """The file that the node `base` of a recipe names; UserError if there is none."""
    place = f"{path}:{node.start_mark.line + 1}: base"
    name = node.value if isinstance(node, ScalarNode) else None
    if not name or Path(name).name != name or node.tag.endswith(":null"):
        shown = repr(name) if name else "no name"
        expected = "expected the name of a file in the same folder or in recipes/"
        raise UserError(f"{place}: found {shown}, {expected}")
    for folder in (path.parent, path.parent / "recipes", RECIPE_FOLDER):
        if (folder / name).is_file():
            base = folder / name
            break
    else:
        raise UserError(f"{place}: {name} is neither in {path.parent} nor in recipes/")
    if base.resolve() in derived:
        raise UserError(f"{place}: {name} is based on this file: remove one of the two `base`")
    return base


def merge_trees(trees):
    """Root node of a recipe laid over those of its bases; its nodes keep their file and line."""
    merged = trees[-1]
    for tree in reversed(trees[:-1]):
        merged = merge_nodes(merged, tree)
        merged.value = [(key, value) for key, value in merged.value if key.value != "base"]
    return merged


def merge_nodes(base, node, keys=()):
    """A node laid over that of its base: mappings merge key by key, anything else is replaced."""
    if not (isinstance(base, MappingNode) and isinstance(node, MappingNode)):
        return node
    if keys in USER_KEYS or (keys == ("model",) and has_other_builder(base, node)):
        return node
    pairs = list(base.value)
    for key, value in node.value:
        old = [i for i, (base_key, _) in enumerate(base.value) if base_key.value == key.value]
        if old:
            value = merge_nodes(pairs[old[0]][1], value, (*keys, key.value))
            pairs[old[0]] = (key, value)
        else:
            pairs.append((key, value))
    return MappingNode(node.tag, pairs, node.start_mark, node.end_mark)


def has_other_builder(base, node):
    """Whether a `model` section names another builder than that of the base."""
    new = get_item(node, "builder")
    old = get_item(base, "builder")
    return new is not None and (old is None or new.value != old.value)


def get_item(node, name):
    """The node of a key of a mapping, or None."""
    return next((value for key, value in node.value if key.value == name), None)
