"""Damaged configurations: strategies of hypothesis from the recipes and the schema."""

import copy
import inspect
from pathlib import Path
from typing import get_args

import yaml
from hypothesis import strategies as st

from benchmarks import fuzz_queries
from benchmarks.fuzz_values import make_names, make_nasty_values, make_typed_values
from benchmarks.fuzz_yaml import break_yaml
from starlabels.base.ranges import Section
from starlabels.config import load, schema

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "recipes").glob("*.yaml"))
RECIPES = {path.stem: load.load_config(path).text for path in PATHS}
DIFFERENCES = [path.read_text() for path in PATHS]
CHANGES = {  # of a recipe, so that its first stages run on a toy database in no time
    "wave": {"min": 4470.0, "max": 4490.0, "step": 0.1},
    "grid": {"name": "toy", "n_spectra": 60, "labels_csv": None},
    "preprocess": {"chunk_rows": 16},
}


def shrink_recipe(text):
    """Values of a recipe that reads the toy databases."""
    values = yaml.safe_load(text)
    for name, change in CHANGES.items():
        values[name] = values[name] and values[name] | change
    prepare = values["preprocess"]
    prepare["split"] = {"train": 0.5, "validation": 0.25, "test": 0.25}
    prepare["blocks"] = min(prepare["blocks"], 4)
    prepare["components"] = prepare["components"] and 2 * prepare["blocks"]
    path = "inputs/toy.h5" if values["wave"] else "inputs/stars.csv"
    values["join"]["databases"] = [
        {"path": path, "where": None, **({} if values["wave"] else {"id": "id"})}
    ]
    if values["wave"] and isinstance(values["model"].get("windows"), dict):
        values["model"]["windows"] = "auto"
    return values


SMALL = [shrink_recipe(text) for text in RECIPES.values()]


def list_places(values, at=()):
    """Paths of all keys and items in nested values."""
    for key in (
        list(values)
        if isinstance(values, dict)
        else range(len(values))
        if isinstance(values, list)
        else []
    ):
        yield (*at, key)
        yield from list_places(values[key], (*at, key))


def list_typed_places(section=schema.Config, at=()):
    """(path, strategy) of all keys of the schema, also those that a recipe has not."""
    for key, field in section.model_fields.items():
        yield (*at, key), make_typed_values(field.annotation, field.metadata)
        for part in (field.annotation, *get_args(field.annotation)):
            if inspect.isclass(part) and issubclass(part, Section):
                yield from list_typed_places(part, (*at, key))


TYPED = list(list_typed_places())


def change_value(draw, values):
    """Damage nested values in one place, as drawn."""
    if draw(st.booleans()):
        path, strategy = draw(st.sampled_from(TYPED))
        holder = values
        for key in path[:-1]:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder[path[-1]] = draw(strategy)
            return
    paths = list(list_places(values))
    if not paths:
        return
    *path, key = draw(st.sampled_from(paths))
    holder = values
    for part in path:
        holder = holder[part]
    kind = draw(
        st.sampled_from(["set", "scale", "delete", "rename", "add", "wrap", "other", "text"])
    )
    if kind == "delete":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        letters = list(str(key))
        draw(st.randoms(use_true_random=False)).shuffle(letters)
        holder[
            draw(
                st.sampled_from(
                    ["".join(letters), str(key).upper(), f"{key}s", str(key)[1:], 7, None, 1.5]
                )
            )
        ] = holder.pop(key)
    elif kind == "add" and isinstance(holder, dict):
        holder[draw(make_names() | st.text(max_size=5))] = draw(make_nasty_values())
    elif kind == "scale" and isinstance(holder[key], (int, float)):
        holder[key] *= draw(st.sampled_from([-1, 0, 10, 0.1, 1e6, 1e-6, 1e300]))
    elif kind == "wrap":
        holder[key] = draw(
            st.sampled_from(
                [[holder[key]], {"a": holder[key]}, [[[holder[key]]]], [holder[key]] * 2]
            )
        )
    elif kind == "other":
        other = copy.deepcopy(draw(st.sampled_from(SMALL)))
        at = draw(st.sampled_from(list(list_places(other))))
        for part in at:
            other = other[part]
        holder[key] = other
    else:
        holder[key] = draw(make_names() if kind == "text" else make_nasty_values())


@st.composite
def make_broken_yaml(draw):
    """Bytes of a configuration with damaged YAML."""
    text = draw(
        st.sampled_from(
            [
                *DIFFERENCES,
                *RECIPES.values(),
                *(yaml.safe_dump(values, sort_keys=False) for values in SMALL),
            ]
        )
    )
    data = break_yaml(draw, text)
    return data if draw(st.booleans()) else break_yaml(draw, data.decode("utf-8", "replace") or " ")


@st.composite
def make_mistaken_values(draw):
    """Bytes of a configuration of sound YAML with one to three mistaken values."""
    values = copy.deepcopy(draw(st.sampled_from(SMALL)))
    for _ in range(draw(st.integers(1, 3))):
        change_value(draw, values)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=False).encode()


@st.composite
def make_values_by_type(draw):
    """Bytes of a configuration with one key or section made anew by its type."""
    values = copy.deepcopy(draw(st.sampled_from(SMALL)))
    path, strategy = draw(st.sampled_from(TYPED))
    holder = values
    for key in path[:-1]:
        if not isinstance(holder.get(key), dict):
            holder[key] = {}
        holder = holder[key]
    holder[path[-1]] = draw(strategy)
    return yaml.safe_dump(values, sort_keys=False).encode()


@st.composite
def make_recipes_with_queries(draw):
    """Bytes of a configuration with a condition on the rows of its database."""
    values = copy.deepcopy(draw(st.sampled_from(SMALL)))
    values["join"]["databases"][0]["where"] = draw(fuzz_queries.make_queries())
    return yaml.safe_dump(values, sort_keys=False).encode()


KINDS = {
    "broken YAML": make_broken_yaml(),
    "queries": make_recipes_with_queries(),
    "mistaken values": make_mistaken_values(),
    "values by type": make_values_by_type(),
}
