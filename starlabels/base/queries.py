"""Conditions on columns, such as "mh != 0 and teff < 9000", evaluated without Python or pandas.

A query is parsed into a tree of comparisons and arithmetic on columns, which is then evaluated on
arrays. No part of it reaches an evaluator of Python or pandas, so a recipe cannot run code.
"""

import ast
import operator
from typing import NamedTuple

import numpy as np
import pandas as pd

MAX_LENGTH = 2000  # characters
MAX_NODES = 500
MAX_DEPTH = 50

COMPARISONS = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
LOGIC = {"&": " and ", "|": " or "}  # pandas gives these signs the precedence of the words
FUNCTIONS = {
    "abs": np.abs,
    "isnan": pd.isna,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
}
METHODS = {  # of pandas, with the number of their arguments
    "abs": (np.abs, 0),
    "isna": (pd.isna, 0),
    "notna": (pd.notna, 0),
    "between": (lambda values, low, high: (values >= low) & (values <= high), 2),
}
ALLOWED = "columns, numbers, texts, comparisons, and, or, not, in, + - * / and " + ", ".join(
    FUNCTIONS
)


def parse_query(text):
    """Parse a condition on columns.

    Parameters
    ----------
    text : str
        Such as ``"4000 < teff < 9000 and kind in ['dwarf', 'giant'] and not isnan(mh)"``; a name
        that is no identifier stands in backticks.

    Returns
    -------
    ast.expr, dict
        The tree, and {placeholder: name} of the names in backticks.

    Raises
    ------
    ValueError
        If the text is not such a condition; the message says why, in one line.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"{len(text)} characters, expected at most {MAX_LENGTH}")
    plain, quoted = replace_signs(text.strip())
    try:
        tree = ast.parse(plain, mode="eval").body
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(getattr(error, "msg", None) or "cannot be parsed") from None
    if len(nodes) > MAX_NODES:
        raise ValueError(f"more than {MAX_NODES} names, numbers and operators")
    check_node(tree)
    return tree, quoted


def replace_signs(text):
    """Replace names in backticks, & and | outside of quotes; the text and {placeholder: name}."""
    parts, quoted, position = [], {}, 0
    quote = ""
    while position < len(text):
        char = text[position]
        if quote:
            skip = char == "\\"
            parts.append(text[position : position + 1 + skip])
            position += 1 + skip
            quote = "" if char == quote else quote
        elif char == "`":
            end = text.find("`", position + 1)
            if end < 0:
                raise ValueError("a backtick is not closed")
            placeholder = f"_column_{len(quoted)}"
            quoted[placeholder] = text[position + 1 : end]
            parts.append(placeholder)
            position = end + 1
        elif char == "@":
            raise ValueError(f"@ is not allowed, only {ALLOWED}")
        else:
            quote = char if char in "'\"" else ""
            parts.append(LOGIC.get(char, char))
            position += 1
    return "".join(parts), quoted


def check_node(node, depth=0):
    """ValueError unless a node and all in it are in the small language of queries."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        children = list_operands(node)
    elif isinstance(node, ast.Constant):
        check_constant(node.value)
    elif isinstance(node, ast.Compare):
        children = list_comparands(node)
    elif not is_operation(node) and not isinstance(node, ast.Name):
        raise ValueError(f"{ast.unparse(node)[:40]} is not allowed, only {ALLOWED}")
    for child in children:
        if isinstance(child, ast.expr):
            check_node(child, depth + 1)


def list_operands(call):
    """What a call of a known function or method works on; ValueError for any other call."""
    function, n_args = call.func, len(call.args)
    if not call.keywords:
        if isinstance(function, ast.Name) and function.id in FUNCTIONS and n_args == 1:
            return call.args
        if (
            isinstance(function, ast.Attribute)
            and METHODS.get(function.attr, ("", -1))[1] == n_args
        ):
            return [function.value, *call.args]
    raise ValueError(f"{ast.unparse(function)[:40]}() is not allowed, only {ALLOWED}")


def is_operation(node):
    """True for arithmetic, logic and their signs."""
    if isinstance(node, ast.BinOp):
        return type(node.op) in ARITHMETIC
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not | ast.USub | ast.UAdd | ast.Invert)
    return isinstance(node, ast.BoolOp)


def check_constant(value):
    """ValueError unless a constant is a text, True, False, or a number that a float holds."""
    if isinstance(value, str | bool):
        return
    if not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not allowed, only {ALLOWED}")
    if isinstance(value, int) and value.bit_length() > 1000:
        raise ValueError("a number of too many digits")


def list_comparands(node):
    """What a comparison compares, with the values of the list after `in`; ValueError if invalid."""
    comparands = [node.left]
    for kind, right in zip(node.ops, node.comparators):
        if isinstance(kind, ast.In | ast.NotIn):
            is_list = isinstance(right, ast.List | ast.Tuple)
            if not is_list or not all(map(is_signed_constant, right.elts)):
                raise ValueError("`in` needs a list of numbers or texts, such as [1, 2]")
            comparands += right.elts
        elif type(kind) in COMPARISONS:
            comparands.append(right)
        else:
            raise ValueError(f"`is` is not allowed, only {ALLOWED}")
    return comparands


def is_signed_constant(node):
    """True for a constant, with or without a sign."""
    is_signed = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd)
    return isinstance(node.operand if is_signed else node, ast.Constant)


def evaluate_query(text, columns, n):
    """Evaluate a condition on columns.

    Parameters
    ----------
    text : str
        The condition, see `parse_query`.
    columns : mapping
        {name: array (n,)} of numbers or texts.
    n : int
        Number of rows.

    Returns
    -------
    bool array (n,)
        Rows for which the condition holds. A comparison with NaN is false, except ``!=``.

    Raises
    ------
    ValueError
        If the condition is not valid, or does not give true or false for each row.
    """
    tree, quoted = parse_query(text)
    evaluator = Evaluator(columns, n, quoted)
    try:
        with np.errstate(all="ignore"):
            return evaluator.compute_mask(tree)
    except (TypeError, ArithmeticError, MemoryError) as error:
        raise ValueError(str(error).splitlines()[0] if str(error) else "is too large") from None


class Evaluator(NamedTuple):
    """Values of the nodes of a parsed query, for n rows of columns {name: (n,)}."""

    columns: object
    n: int
    quoted: dict  # {placeholder: name of a column}

    def compute_mask(self, node):
        """Boolean (n,) of a node; ValueError if it has none."""
        mask = np.asarray(self.compute(node))
        if mask.dtype != bool or mask.shape != (self.n,):
            what = ast.unparse(node)[:40]
            raise ValueError(f"{what} is not true or false for each row: use comparisons and `and`")
        return mask

    def compute(self, node):
        """Value of a node: an array (n,), a number or a text."""
        if isinstance(node, ast.Constant):
            is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
            return float(node.value) if is_number else node.value
        if isinstance(node, ast.Name):
            return self.get_column(self.quoted.get(node.id, node.id))
        if isinstance(node, ast.Call):
            operands = [self.compute(operand) for operand in list_operands(node)]
            if isinstance(node.func, ast.Name):
                return FUNCTIONS[node.func.id](*operands)
            return METHODS[node.func.attr][0](*operands)
        if isinstance(node, ast.Compare):
            return self.compare(node)
        if isinstance(node, ast.BoolOp):
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return combine.reduce([self.compute_mask(part) for part in node.values])
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not | ast.Invert):
                return ~self.compute_mask(node.operand)
            value = self.compute(node.operand)
            return -value if isinstance(node.op, ast.USub) else value
        return ARITHMETIC[type(node.op)](self.compute(node.left), self.compute(node.right))

    def get_column(self, name):
        """A column as an array; ValueError if there is none of that name."""
        if name not in self.columns:
            raise ValueError(f"name {name!r} is not defined")
        return np.asarray(self.columns[name])

    def compare(self, node):
        """Boolean (n,) of a chain of comparisons, such as 4000 < teff < 9000."""
        mask, left = np.ones(self.n, bool), self.compute(node.left)
        for kind, right_node in zip(node.ops, node.comparators):
            if isinstance(kind, ast.In | ast.NotIn):
                equal = [np.asarray(left == self.compute(value)) for value in right_node.elts]
                inside = np.logical_or.reduce([np.zeros(self.n, bool), *equal])
                mask = mask & (~inside if isinstance(kind, ast.NotIn) else inside)
                left = None  # a list has no order: nothing can be compared with it
            else:
                right = self.compute(right_node)
                mask = mask & COMPARISONS[type(kind)](left, right)
                left = right
        return mask
