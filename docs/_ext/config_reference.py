"""The reference of the configuration as Markdown: keys, types and ranges of starlabels/config/schema.py, comments of the recipes."""

import inspect
import re
import types
import typing
from pathlib import Path

import yaml
from pydantic_core import PydanticUndefined

from starlabels.base.labels import LABELS
from starlabels.base.ranges import Section
from starlabels.config import rules, schema
from starlabels.learning.networks import BUILDERS

ROOT = Path(__file__).parents[2]
WORDS = {
    bool: "true or false",
    str: "text",
    int: "an integer",
    float: "a number",
    type(None): "null",
    typing.Any: "anything",
}


def markdown():
    """The whole reference: the sections of the configuration, the builders of `model`, the ranges and rules across keys."""
    told, parts = comments(), []
    section(schema.Config, "", told, parts)
    parts += ["## Networks: `model.builder` and its arguments", *map(builder, BUILDERS)]
    parts += [
        "## Ranges of `grid.labels`",
        ranges(),
        "## What is refused because keys do not go together",
        across(),
    ]
    return "\n\n".join(parts)


def section(kind, path, told, parts):
    """Append the table of a section of the schema, and of those inside it, to parts."""
    title = f"## `{path}`" if path else "## The whole file"
    rows = ["| key | value | default | comment |", "|---|---|---|---|"]
    inside = []
    for name, field in kind.model_fields.items():
        key = f"{path}.{name}".lstrip(".")
        default = (
            "required" if field.default is PydanticUndefined else f"`{written(field.default)}`"
        )
        rows.append(
            f"| `{key}` | {describe(field.annotation, field.metadata)} | {default} | {cell(told.get(key, ''))} |"
        )
        inside += [(one, key) for one in sections_of(field.annotation)]
    text = (
        inspect.cleandoc(kind.__doc__)
        if kind.__doc__ and kind.__module__ == schema.__name__
        else ""
    )
    parts += [title, *([text] if text else []), "\n".join(rows)]
    for one, key in inside:
        section(one, key, told, parts)


def sections_of(annotation):
    """The sections of the schema in an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return list(
        dict.fromkeys(one for part in typing.get_args(annotation) for one in sections_of(part))
    )


def describe(annotation, metadata=()):
    """What values a type allows, in words; `metadata` is that which pydantic takes off the annotation of a field."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *own = typing.get_args(annotation)
        metadata = (*metadata, *own)
    if allowed := [one for one in metadata if isinstance(one, str)]:  # fields.number says its range
        return allowed[-1]
    for one in metadata:
        if pattern := getattr(one, "pattern", None):
            return f"text of the form `{pattern}`"
        if (check := getattr(one, "func", None)) in (schema.held, schema.spacing):
            return (
                "a number"
                if check is schema.held
                else "a spacing > 0 or an ascending list of nodes"
            )
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(part) for part in parts)
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return f"{{name: {describe(parts[1])}}}"
    if origin is list or "Sequence" in str(origin):
        return f"a list, each {describe(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "a section"
    return (
        WORDS.get(annotation)
        or inspect.cleandoc(annotation.__doc__ or str(annotation)).splitlines()[0]
    )


def written(value):
    """A default as YAML writes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return list(value) if isinstance(value, tuple) else value


def cell(text):
    """Text inside a cell of a table; braces and asterisks as they are."""
    return re.sub(r"([|*<_\[\]{}])", r"\\\1", text)


def comments():
    """{key in full: comment} of config.yaml, and of the recipes for keys that it lacks."""
    found = {}
    for path in (ROOT / "config.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))):
        text = path.read_text(encoding="utf-8")
        for key, comment in comments_of(text.splitlines(), yaml.compose(text)):
            found.setdefault(key, comment)
    return found


def comments_of(lines, tree):
    """(key in full, comment) of each line that has both; a comment that begins with a later key's name is that key's."""
    by_line = {}
    for key, line in keys(tree, ""):
        by_line.setdefault(line, []).append(key)
    for line, here in by_line.items():
        _, _, comment = lines[line].partition(" #")
        comment = re.sub(
            r"\s*\[[^\]]*\]$", "", comment.strip()
        )  # the range, which the schema tells
        whose = next(
            (key for key in here if comment.startswith(key.rpartition(".")[2] + ":")), here[0]
        )
        if comment:
            yield whose, comment


def keys(node, path):
    """(key in full, line from 0) of every key of a YAML tree; items of lists are not numbered."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield f"{path}.{key.value}".lstrip("."), key.start_mark.line
            yield from keys(value, f"{path}.{key.value}".lstrip("."))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from keys(value, path)


def builder(name):
    """A builder's first sentence and its arguments."""
    function = BUILDERS[name]
    asked = [
        p
        for p in inspect.signature(function, eval_str=True).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    ]
    rows = [f"| `{p.name}` | {describe(p.annotation)} | {default_of(p)} |" for p in asked]
    text = cell(inspect.cleandoc(function.__doc__).split("\n\n")[0].replace("\n", " "))
    return "\n".join(
        [f"### `{name}`", "", text, "", "| argument | value | default |", "|---|---|---|", *rows]
    )


def default_of(parameter):
    """The default of a builder's argument."""
    return "required" if parameter.default is parameter.empty else f"`{written(parameter.default)}`"


def ranges():
    """The ranges of the labels of a grid, with the built-in atmospheres and with others."""
    rows = ["| label | unit | with the built-in atmospheres | with others |", "|---|---|---|---|"]
    for name, (low, high) in rules.GRID_RANGES.items():
        span, unit = rules.BUILTIN_RANGES.get(name, (low, high)), LABELS[name].plain_unit
        rows.append(f"| `{name}` | {unit} | {span[0]:g} to {span[1]:g} | {low:g} to {high:g} |")
    return "\n".join(rows)


def across():
    """What starlabels/config/rules.py refuses, one line a rule."""
    lines = [
        inspect.getdoc(function)
        for name, function in inspect.getmembers(rules)
        if name.endswith("_problems")
    ]
    return "\n".join(
        f"- {cell(line.removeprefix('(key, problem) of ').replace(chr(10), ' '))}" for line in lines
    )
