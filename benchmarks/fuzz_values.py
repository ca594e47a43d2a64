"""Values for damaged configurations: strategies of hypothesis for any key, and for keys by type."""

import inspect
import math
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BeforeValidator

from starlabels.base.labels import LABELS
from starlabels.base.ranges import Section
from starlabels.learning.networks import BUILDERS

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
