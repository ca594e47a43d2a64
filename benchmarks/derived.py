"""A recipe with a few changes, as a run of its own."""

from pathlib import Path

import yaml

from starlabels.config import load


def derive_recipe(cfg, ending, changes):
    """The configuration of a recipe with changes, as run <run>_<ending>.

    changes: {section: {key: value} or value}. It is written to data/<run>_<ending>.yaml.
    """
    values = yaml.safe_load(cfg.text) | {"run": f"{cfg.run}_{ending}"}
    for section, change in changes.items():
        values[section] = values[section] | change if isinstance(change, dict) else change
    recipe = Path("data") / f"{cfg.run}_{ending}.yaml"
    recipe.write_text(
        yaml.safe_dump(values, sort_keys=False)
    )  # the order of columns and labels means something
    return load.load_config(recipe)
