"""Damaged configurations: strategies of hypothesis from the recipes and the schema."""

import copy
import inspect
import math
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from hypothesis import strategies as st
from pydantic import BeforeValidator

from benchmarks import fuzz_queries
from benchmarks.fuzz_yaml import break_yaml
from starlabels.base.labels import LABELS
from starlabels.base.ranges import Section
from starlabels.config import load, schema
from starlabels.learning.networks import BUILDERS

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "recipes").glob("*.yaml"))
RECIPES = {path.stem: load.load_config(path).text for path in PATHS}
DIFFERENCES = [path.read_text() for path in PATHS]
FILES = [
    "inputs/toy.h5",
    "inputs/published.h5",
    "inputs/stars.csv",
    "inputs/none.h5",
    "config.yaml",
    "inputs",
    "/dev/null",
    "",
]
TEXTS = [
    "",
    " ",
    "null",
    "nan",
    "1e-3",
    "1e999",
    "a\nb",
    "\0",
    "\ud800",
    "../x",
    "/etc/passwd",
    "x" * 5000,
    "\u202eü\N{SNOWMAN}",
    "teff",
]
NUMBERS = [
    0,
    -1,
    1,
    2,
    0.5,
    1e-300,
    1e9,
    10**30,
    -(10**30),
    2**63,
    1e308,
    math.nan,
    math.inf,
    -math.inf,
    10_000_000,
    True,
]
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


def make_nasty_values():
    """Values that no key expects, or only some."""
    scalar = st.one_of(
        st.none(),
        st.sampled_from(NUMBERS),
        st.sampled_from(TEXTS),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
    )
    scalar |= st.dates() | st.datetimes() | st.binary(max_size=4)
    return st.recursive(
        scalar,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
    )


def make_typed_values(kind, extra=()):
    """Values of the type of a key, at the ends of its range too, and a little beyond."""
    for check in (part.func for part in extra if isinstance(part, BeforeValidator)):
        ends = inspect.getclosurevars(check).nonlocals
        if "low" in ends:
            low, high = ends["low"], ends["high"]
            numbers = [
                low,
                high,
                low - 1,
                high * 1.01 + 1,
                (low + high) / 2,
                math.sqrt(abs(low * high)),
                str(high),
                f"{low:g}",
            ]
            return st.sampled_from(
                [round(n) if ends["whole"] and not isinstance(n, str) else n for n in numbers]
            )
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return make_typed_values(parts[0], parts[1:])
    if origin in (Union, UnionType):
        return st.one_of(*(make_typed_values(part) for part in parts))
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is list:
        return st.lists(make_typed_values(parts[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(make_names(), make_typed_values(parts[1]), max_size=3)
    if inspect.isclass(kind) and issubclass(kind, Section):
        return st.fixed_dictionaries(
            {
                key: make_typed_values(f.annotation, f.metadata)
                for key, f in kind.model_fields.items()
            }
        )
    if kind is NoneType:
        return st.none()
    return (
        st.booleans()
        if kind is bool
        else make_names()
        if kind is str
        else make_nasty_values()
        if kind is Any
        else st.sampled_from(NUMBERS)
    )


def make_names():
    """Texts that mean something somewhere: labels, columns, files, builders, and others."""
    known = [
        *LABELS,
        *BUILDERS,
        *FILES,
        "auto",
        "builtin",
        "relu",
        "gelu",
        "k_mag",
        "a_v",
        "g_mag",
        "id",
        "star_id",
    ]
    queries = [
        "teff > 5000",
        "mh != 0 and teff < 9000",
        "teff",
        "teff >",
        "@x",
        "__import__('os')",
        "teff == 'a'",
    ]
    queries += ["teff.to_csv('../x')", "@pd", "`teff`.to_csv('../x')"]
    return st.sampled_from(known + queries + TEXTS)


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
