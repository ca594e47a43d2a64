"""Read and validate config.yaml or a recipe; every mistake is reported with its file and line."""

from pathlib import Path

from pydantic import ValidationError

from starlabels.base.errors import UserError
from starlabels.config import mistakes, yaml_files
from starlabels.config.builders import build_schema
from starlabels.config.data_sections import Database
from starlabels.config.paths import grid_path
from starlabels.config.recipe_rules import find_recipe_problems
from starlabels.config.recipes import merge_trees, read_recipe, read_trees
from starlabels.config.rules import find_problems
from starlabels.config.write import write_config

__all__ = ["load_config", "read_recipe"]


def load_config(path, is_trained=False):
    """Read a configuration file, merge it with its base and validate it.

    Parameters
    ----------
    path : path-like
        ``config.yaml`` or a recipe.
    is_trained : bool
        True for the copy that is stored with a trained model: the rules of `recipe_rules` are for
        runs to come.

    Returns
    -------
    Config
        The validated configuration; its `text` is complete and loads again without the base.

    Raises
    ------
    UserError
        With one line ``file:line: key: problem`` for each mistake.
    """
    path = Path(path)
    text, trees = read_trees(path)
    lines = [
        mistakes.describe_duplicate(key)
        for tree in trees
        for key in yaml_files.find_duplicates(tree)
    ]
    tree = merge_trees(trees)
    values = yaml_files.construct_values(tree, path)
    cfg, errors = validate_values(values)
    lines += mistakes.describe_errors(tree, errors)
    if cfg:
        problems = [*find_problems(cfg), *([] if is_trained else find_recipe_problems(cfg))]
        lines += [mistakes.locate(tree, keys, problem) for keys, problem in problems]
    if lines:
        raise UserError("\n".join(lines))
    cfg._text = text if len(trees) == 1 else write_config(cfg)
    cfg._path = path
    return cfg


def validate_values(values):
    """Config of the values of a file, or None, and the errors of pydantic.

    With unknown keys only, both are given: the rules between keys can be checked without them.
    """
    schema = build_schema(values)
    errors = []
    try:
        cfg = schema.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        try:
            cfg = schema.model_validate(values, context={"unknown": "ignored"})
        except ValidationError:
            return None, errors
    return fill_databases(cfg), errors


def fill_databases(cfg):
    """The Config, with the file of its grid in join.databases if that is null."""
    if cfg.join.databases is not None or not cfg.grid:
        return cfg
    databases = [Database(path=str(grid_path(cfg)), where=None)]
    join = cfg.join.model_copy(update={"databases": databases})
    return cfg.model_copy(update={"join": join})
