"""Safe reading of YAML: trees of nodes that know their file and line, and the values they hold."""

import contextlib
import io
import itertools
import math
import warnings
from textwrap import shorten

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from starlabels.base.errors import UserError

MAX_VALUES = 100_000  # of a file; values of an alias count each time it is used
MAX_BITS = 4096  # of an integer: Python prints no number of a few thousand digits


class NamedText(io.StringIO):
    """Text of a file; marks of its nodes carry the file's name."""

    def __init__(self, text, name):
        super().__init__(text)
        self.name = name


class Constructor(SafeConstructor):
    """Safe constructor that reports the line of a value that does not fit its tag."""

    def construct_object(self, node, deep=False):
        """The value of a node; ConstructorError if it has none."""
        try:
            value = super().construct_object(node, deep)
        # for example !!int x, or the date 2001-99-99
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            kind = str(node.tag).rpartition(":")[2]
            problem = f"{shorten(str(node.value), 40)!r} is no {kind}"
            if kind == "int" and len(str(node.value)) > MAX_BITS // 4:
                problem = "a number of too many digits"
            raise ConstructorError(None, None, problem, node.start_mark) from error
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise ConstructorError(None, None, "a number of too many digits", node.start_mark)
        return value

    def construct_yaml_bool(self, node):
        """True or False; y and n are text, such as names of columns."""
        value = self.construct_scalar(node)
        return value if value.lower() in ("y", "n") else super().construct_yaml_bool(node)


Constructor.add_constructor("tag:yaml.org,2002:bool", Constructor.construct_yaml_bool)


def new_yaml():
    """A safe ruamel.yaml of YAML 1.1 (`yes` is true), the version of all earlier recipes."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    yaml.version = (1, 1)
    yaml.allow_duplicate_keys = True  # find_duplicates reports all of them
    return yaml


@contextlib.contextmanager
def report_errors(path):
    """Turn errors of YAML into a UserError of one line that names the file and line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about 1e-3, which is a number, and reused anchors
            yield
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.name}:{mark.line + 1}" if mark else path
        problem = " ".join(str(error.problem).split())
        raise UserError(f"{place}: not valid YAML: {problem}") from None
    except (UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{path}: its values are nested too deeply: fix its brackets") from None


def read_tree(path):
    """Text of a YAML file and its root node, a mapping.

    Raises
    ------
    UserError
        If the file is no valid YAML, holds too many values, or holds no sections.
    """
    with report_errors(path):
        text = path.read_text(encoding="utf-8")
        tree = new_yaml().compose(NamedText(text, str(path)))
        n = count_values(tree, {})
    if n > MAX_VALUES:
        found = f"its aliases make {n:.4g} values of it, expected {MAX_VALUES} at most"
        raise UserError(f"{path}: {found}: fix them")
    if not isinstance(tree, MappingNode):
        found = shorten(repr(construct_values(tree, path)), 60)
        raise UserError(f"{path}: expected sections such as `wave:`, found {found}")
    return text, tree


def construct_values(tree, path):
    """Values of a node, or None; UserError if a tag does not fit or names a Python object."""
    with report_errors(path):
        return new_yaml().constructor.construct_document(tree) if tree else None


def count_values(node, known):
    """Number of values in a node; known {id: number} of earlier nodes."""
    if id(node) not in known:
        known[id(node)] = math.inf  # of a node that holds itself
        parts = getattr(node, "value", ())
        if isinstance(node, MappingNode):
            parts = itertools.chain(*parts)
        inner = [part for part in parts if isinstance(part, Node)]
        known[id(node)] = 1 + sum(count_values(part, known) for part in inner)
    return known[id(node)]


def find_duplicates(node):
    """Every key node that repeats an earlier key of its mapping."""
    if isinstance(node, MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (key for i, (key, _) in enumerate(node.value) if key.value in keys[:i])
        for _, value in node.value:
            yield from find_duplicates(value)
    elif isinstance(node, SequenceNode):
        for value in node.value:
            yield from find_duplicates(value)
