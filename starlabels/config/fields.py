"""Building blocks of the configuration schema: described settings, names, and labels of a grid."""

import difflib
import itertools
import math
from typing import Annotated

import numpy as np
from pydantic import Field

from starlabels.base.labels import LABELS
from starlabels.base.ranges import (
    Text,
    expected_error,
    number_type,
    parse_number,
    unknown_key_error,
)

A, KMS = "Angstrom", "km/s"

Name = Annotated[Text, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100)]
SignalToNoise = number_type(0.1, 100_000)
Columns = dict[Text, Text]  # {our name: name in the file}


def setting(description, unit=None, default=..., **limits):
    """pydantic Field of a key: what it means, its unit and its default; shown in docs/config.md."""
    extra = {"unit": unit} if unit else None
    return Field(default, description=description, json_schema_extra=extra, **limits)


def parse_fixed_value(value):
    """The number at which a label is held constant."""
    if not math.isfinite(parse_number(value)):
        raise expected_error("a number, {min, max} or {min, max, step}")
    return parse_number(value)


def parse_spacing(value):
    """A spacing of nodes > 0, or an ascending list of nodes."""
    if not isinstance(value, list):
        if 0 < parse_number(value) < math.inf:
            return parse_number(value)
        raise expected_error("a spacing > 0 or an ascending list of nodes")
    nodes = [parse_number(node) for node in value]
    ascending = all(low < high for low, high in itertools.pairwise(nodes))
    if not nodes or not ascending or not np.isfinite(nodes).all():
        raise expected_error("a spacing > 0 or an ascending list of nodes")
    return nodes


def check_label_names(labels):
    """The labels of a grid, unchanged; an error for a name that is nearly a known label."""
    for name in labels if isinstance(labels, dict) else []:
        if name not in LABELS and difflib.get_close_matches(str(name).lower(), LABELS, n=1):
            raise unknown_key_error(name, LABELS)
    return labels
