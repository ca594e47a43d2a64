"""Mistakes in a configuration as lines `file:line: key: problem`."""

import re
from textwrap import shorten

from ruamel.yaml.nodes import MappingNode, SequenceNode

from starlabels.base.ranges import suggest_key

PLAIN = {  # pydantic's kinds of error in plain words
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


def describe_errors(tree, errors):
    """Lines for the errors of a pydantic ValidationError.

    A missing key is left out if an unknown key is probably a misspelling of it.
    """
    misspelt = [
        (*error["loc"][:-1], error["input"].meant)
        for error in errors
        if error["type"] == "extra_forbidden"
    ]
    return [
        describe_error(tree, error)
        for error in errors
        if not (error["type"] == "missing" and error["loc"] in misspelt)
    ]


def describe_error(tree, error):
    """One line for a pydantic error: file, line, key, what was found and what was expected."""
    kind = error["type"]
    keys = error["loc"]
    value = error["input"]
    if kind == "extra_forbidden":
        return locate(tree, keys, f"unknown key{value.hint}")
    if kind == "unknown_key":
        return locate(tree, (*keys, error["ctx"]["key"]), error["msg"])
    if kind == "missing":
        return locate(tree, keys, "missing")
    problem = PLAIN[kind].format(**error.get("ctx", {})) if kind in PLAIN else error["msg"]
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        problem = "unknown" + suggest_key(value, choices)
    return locate(tree, keys, f"found {cut_text(repr(value), 60)}, {problem}")


def describe_duplicate(key):
    """One line for the node of a key that is given twice."""
    mark = key.start_mark
    return f"{mark.name}:{mark.line + 1}: {shorten(str(key.value), 60)}: key given twice"


def locate(tree, keys, problem):
    """`file:line: key.in.full: problem` of the key, or of its section if the key is missing."""
    node = tree
    mark = tree.start_mark
    name = ""
    line = 1
    for i, key in enumerate(keys):
        if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
            node, name = node.value[key], f"{name}[{key}]"
            mark = node.start_mark
            line = mark.line + 1
            continue
        pairs = node.value if isinstance(node, MappingNode) else []
        match = next((pair for pair in pairs if pair[0].value == str(key)), None)
        if match:
            mark, node = match[0].start_mark, match[1]
            line = mark.line + 1
        # pydantic also puts names of union members among the keys: they are left out
        if match or (i == len(keys) - 1 and problem.startswith("missing")):
            name = f"{name}.{key}" if name else str(key)
    return f"{mark.name}:{line}: {shorten(name, 200)}: {problem}"


def cut_text(text, length):
    """The text in one line, cut to a length; `textwrap.shorten` would drop one long word."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 4]} ..."
