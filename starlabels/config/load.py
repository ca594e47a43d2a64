"""The one reader of config.yaml: names each mistake with its line, and tells stages their files and digests."""

import contextlib
import inspect
import itertools
import math
import re
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

import yaml
from pydantic import ValidationError, create_model

from starlabels.base.errors import UserError
from starlabels.base.ranges import suggest_key
from starlabels.config.rules import find_problems
from starlabels.config.schema import AnyModel, Config, Model

MOST_NODES = 100_000  # values of a configuration, those of an alias as often as it comes
LONGEST = 4096  # bits of a whole number: Python spells no number of a few thousand digits


def load_config(path):
    """Read and check a configuration file; UserError with one line `file:line: key: problem` for each mistake."""
    path = Path(path)
    text, tree, values = read(path)
    found = [
        f"{path}:{key.start_mark.line + 1}: {shorten(str(key.value), 60)}: key given twice"
        for key in duplicates(tree)
    ]
    kind = schema(values)
    try:
        cfg = kind.model_validate(values)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        found += [describe(path, tree, one) for one in mistakes if not is_meant(one, mistakes)]
        with contextlib.suppress(
            ValidationError
        ):  # of unknown keys alone: the rules are checked without them
            cfg = kind.model_validate(values, context={"unknown": "ignored"})
            found += [at(path, tree, where, what) for where, what in find_problems(cfg)]
    else:
        found += [at(path, tree, where, what) for where, what in find_problems(cfg)]
    if found:
        raise UserError("\n".join(found))
    cfg._text, cfg._path = text, path
    return cfg


def is_meant(error, others):
    """Whether an error says that a key is missing which another, of an unknown key, takes for the one that was meant."""
    slips = [
        (*one["loc"][:-1], one["input"].meant) for one in others if one["type"] == "extra_forbidden"
    ]
    return error["type"] == "missing" and error["loc"] in slips


def read(path):
    """Text, node tree (which knows the lines) and values of a YAML file; UserError if it is damaged."""
    if not path.is_file():
        raise UserError(
            f"{path} not found: name a configuration with --config, or cp recipes/afgk.yaml config.yaml"
        )
    try:
        text = path.read_text(encoding="utf-8")
        loader = Loader(text)
        tree = loader.get_single_node()
        n = size(tree, {})
        values = loader.construct_document(tree) if tree and n <= MOST_NODES else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{line}: not valid YAML: {' '.join(str(error.problem).split())}"
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{path}: its values are nested too deeply: mend its brackets") from None
    if n > MOST_NODES:
        raise UserError(
            f"{path}: its aliases make {n:.4g} values of it, expected {MOST_NODES} at most: mend them"
        )
    if not isinstance(values, dict):
        raise UserError(
            f"{path}: expected sections such as `wave:`, found {shorten(repr(values), 60)}"
        )
    return text, tree, values


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which names the line of a value that is not what its tag says."""

    def construct_object(self, node, deep=False):
        """The value of a node; ConstructorError if it has none."""
        try:
            value = super().construct_object(node, deep)
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            OverflowError,
        ) as error:  # as of !!int x, or 2001-99-99
            what = f"{shorten(str(node.value), 40)!r} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error
        if isinstance(value, int) and value.bit_length() > LONGEST:
            raise yaml.constructor.ConstructorError(
                None, None, "a number of too many digits", node.start_mark
            )
        return value


def size(node, known):
    """Number of values in a node, those of an alias as often as it comes; known: {id: size} of nodes that came before."""
    if id(node) not in known:
        known[id(node)] = math.inf  # of one that holds itself
        inner = (
            itertools.chain(*node.value)
            if isinstance(node, yaml.MappingNode)
            else getattr(node, "value", ())
        )
        known[id(node)] = 1 + sum(size(one, known) for one in inner if isinstance(one, yaml.Node))
    return known[id(node)]


def duplicates(node):
    """Every key node that repeats an earlier key of its mapping (YAML itself would keep the last in silence)."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (key for i, (key, _) in enumerate(node.value) if key.value in keys[:i])
        for _, value in node.value:
            yield from duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from duplicates(value)


def schema(values):
    """Config whose `model` section is the keyword-only arguments of the builder named there."""
    from starlabels.learning.networks import BUILDERS

    section = values.get("model")
    name = section.get("builder") if isinstance(section, dict) else None
    known = isinstance(name, str) and name in BUILDERS
    parameters = (
        inspect.signature(BUILDERS[name], eval_str=True).parameters.values() if known else []
    )
    fields = {
        p.name: (
            Any if p.annotation is p.empty else p.annotation,
            ... if p.default is p.empty else p.default,
        )
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    }
    fields["builder"] = (Literal[tuple(BUILDERS)], ...)
    model = create_model("Model", __base__=Model if known else AnyModel, **fields)
    return create_model("Config", __base__=Config, model=(model, ...))


PLAIN = {  # pydantic's kinds of error in the words of our messages
    "string_type": "expected text (a number needs quotes)",
    "string_pattern_mismatch": "expected letters, digits, _ and - only",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "string_too_long": "expected at most {max_length} letters",
    "too_short": "expected at least {min_length} items",
    "too_long": "expected at most {max_length} items",
    "dict_type": "expected keys with values",
    "model_type": "expected keys with values",
    "tuple_type": "expected a list",
    "int_parsing": "expected an integer",
    "int_type": "expected an integer",
    "int_from_float": "expected an integer",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
}


def describe(path, tree, error):
    """One line for one pydantic error: file, line, key, what was found, what was expected."""
    kind, loc, found = error["type"], error["loc"], error["input"]
    if kind == "extra_forbidden":
        return at(path, tree, loc, f"unknown key{found.hint}")
    if kind == "unknown_key":
        return at(path, tree, (*loc, error["ctx"]["key"]), error["msg"])
    if kind == "missing":
        return at(path, tree, loc, "missing")
    what = PLAIN[kind].format(**error.get("ctx", {})) if kind in PLAIN else error["msg"]
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        what = "unknown" + suggest_key(found, choices)
    return at(path, tree, loc, f"found {shorten(repr(found), 60)}, {what}")


def at(path, tree, loc, what):
    """`file:line: key.in.full: what`, at the line of the key or, where it is missing, of its section."""
    line, name, node = 1, "", tree
    for i, key in enumerate(loc):
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node, name = node.value[key], f"{name}[{key}]"
            line = node.start_mark.line + 1
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        here = next(((k, v) for k, v in pairs if k.value == str(key)), None)
        if here:
            line, node = here[0].start_mark.line + 1, here[1]
        if (
            here or i == len(loc) - 1 and what == "missing"
        ):  # else a name that pydantic gave to a choice of types
            name = f"{name}.{key}" if name else str(key)
    return f"{path}:{line}: {shorten(name, 200)}: {what}"
