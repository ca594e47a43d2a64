"""Write the reference of the configuration in docs/config.md from the schema and the builders.

python docs/_ext/config_reference.py
"""

# ruff: noqa: E402  the repository must be on the path before starlabels is imported
import inspect
import re
import sys
import types
import typing
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from pydantic_core import PydanticUndefined

from starlabels.base.labels import LABELS
from starlabels.base.ranges import Section
from starlabels.config import builders, fields, recipe_rules, rules
from starlabels.config.schema import Config
from starlabels.learning.networks import BUILDERS, censored
from starlabels.synthesis.atmosphere_choice import LABEL_RANGES

PAGE = ROOT / "docs/config.md"
BEGIN = "<!-- The rest of this page is written by: python docs/_ext/config_reference.py -->"
HEADER = "| key | value | unit | default | meaning |\n|---|---|---|---|---|"
WORDS = {
    bool: "true or false",
    str: "text",
    int: "an integer",
    float: "a number",
    type(None): "null",
    typing.Any: "anything",
}
CHECKS = {
    fields.parse_fixed_value: "a number",
    censored.parse_windows: "auto, or {element: [[low, high], ...]} in Angstrom",
    fields.parse_spacing: "a spacing > 0 or an ascending list of nodes",
}


def update_page(text):
    """Text of docs/config.md with the current reference after the line BEGIN."""
    head, found, _ = text.partition(BEGIN)
    if not found:
        raise SystemExit(f"{PAGE} lacks the line {BEGIN}")
    return f"{head}{BEGIN}\n\n{write_reference()}\n"


def write_reference():
    """The whole reference as Markdown."""
    parts = ["## The whole file", *write_section(Config, "")]
    parts += ["## Networks: `model.builder` and its arguments"]
    parts += [write_builder(name) for name in BUILDERS]
    parts += ["## Ranges of `grid.labels`", write_label_ranges()]
    parts += ["## Rules between keys", write_rules()]
    return "\n\n".join(parts)


def write_section(section, path):
    """Tables of a section of the schema and of the sections inside it."""
    rows = []
    inner = []
    for name, field in section.model_fields.items():
        key = f"{path}.{name}".lstrip(".")
        rows.append(write_row(key, field))
        for part in find_sections(field.annotation):
            inner += [f"## `{key}`", *write_section(part, key)]
    return [escape_cell(inspect.getdoc(section)), "\n".join([HEADER, *rows]), *inner]


def write_row(key, field):
    """Row of a key: allowed values, unit, default and meaning."""
    unit = (field.json_schema_extra or {}).get("unit", "")
    value = describe_type(field.annotation, field.metadata)
    if unit:
        value = value.replace(f"] {unit}", "]")
    default = "required"
    if field.default is not PydanticUndefined:
        default = f"`{describe_default(field.default)}`"
    meaning = escape_cell(field.description or "")
    return f"| `{key}` | {value} | {unit} | {default} | {meaning} |"


def find_sections(annotation):
    """The sections of the schema in an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    parts = [find_sections(part) for part in typing.get_args(annotation)]
    return list(dict.fromkeys(section for sections in parts for section in sections))


def describe_type(annotation, metadata=()):
    """Allowed values of a type in words; pydantic keeps a field's own metadata separately."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *inner = typing.get_args(annotation)
        metadata = (*metadata, *inner)
    for item in metadata:
        if isinstance(item, str):  # the range, see base.ranges.number_type
            return item
        if pattern := getattr(item, "pattern", None):
            return f"text of the form `{pattern}`"
        if words := CHECKS.get(getattr(item, "func", None)):
            return words
    origin = typing.get_origin(annotation)
    parts = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe_type(part) for part in parts)
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is dict:
        return f"{{name: {describe_type(parts[1])}}}"
    if origin is list and find_sections(annotation) == list(parts):
        return "a list of sections"
    if origin in (list, tuple):
        return f"a list, each {describe_type(parts[0])}"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "a section"
    return WORDS[annotation]


def describe_default(value):
    """A default as YAML."""
    if isinstance(value, Section):
        pairs = [f"{key}: {describe_default(part)}" for key, part in value]
        return f"{{{', '.join(pairs)}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return list(value) if isinstance(value, tuple) else value


def escape_cell(text):
    """Text for a cell of a table, without special meaning in Markdown."""
    return re.sub(r"([|*<_\[\]{}])", r"\\\1", text)


def write_builder(name):
    """Summary of a builder and the table of its arguments."""
    builder = BUILDERS[name]
    kind = builders.build_schema({"model": {"builder": name}}).model_fields["model"].annotation
    rows = [write_row(key, field) for key, field in kind.model_fields.items() if key != "builder"]
    summary = inspect.getdoc(builder).split("\n\n")[0].replace("\n", " ")
    table = "\n".join([HEADER.replace("key", "argument"), *rows])
    return f"### `{name}`\n\n{escape_cell(summary)}\n\n{table}"


def write_label_ranges():
    """Table of the ranges of the labels of a grid."""
    rows = [
        f"| label | unit | {' | '.join(f'`{kind}`' for kind in LABEL_RANGES)} | others |",
        "|---" * (3 + len(LABEL_RANGES)) + "|",
    ]
    for name, limits in rules.GRID_RANGES.items():
        spans = [ranges.get(name, limits) for _, ranges in LABEL_RANGES.values()]
        cells = [f"{low:g} to {high:g}" for low, high in (*spans, limits)]
        rows.append(f"| `{name}` | {LABELS[name].plain_unit} | {' | '.join(cells)} |")
    return "\n".join(rows)


def write_rules():
    """What the modules of rules in starlabels/config refuse, one line per rule."""
    checks = [
        inspect.getdoc(function)
        for module in (rules, recipe_rules)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.endswith("_problems") and not name.startswith("find_")
    ]
    lines = [f"- {escape_cell(text)}" for text in checks]
    return "\n".join(["Refused, with the line of the key:", "", *lines])


if __name__ == "__main__":
    PAGE.write_text(update_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} is up to date")
