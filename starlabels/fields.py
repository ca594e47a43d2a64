"""What the sections of config.yaml are made of: a section that knows its keys, and numbers in a range."""

import difflib
import math
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A section of the configuration: knows its keys, forbids others, never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def know_keys(cls, values):
        """Refuse an unknown key with the nearest known one, before pydantic counts what is missing."""
        for key in values if isinstance(values, dict) and cls.model_config["extra"] == "forbid" else []:
            if key not in cls.model_fields:
                raise unknown(key, cls.model_fields)
        return values


def unknown(key, known):
    """The error for an unknown key of a section."""
    return PydanticCustomError("unknown_key", "unknown key{hint}", {"key": key, "hint": nearest(key, known)})


def nearest(word, known):
    """The end of a message that says which known word was meant, or which there are."""
    near = difflib.get_close_matches(str(word).lower(), known, n=1)
    return f", did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"


def expected(what):
    """The error for a value that is not what the key allows."""
    return PydanticCustomError("expected", "expected {what}", {"what": what})


def as_number(value):
    """The value as a float (YAML reads 1e-3 as text), nan if it is none; true and false are none."""
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def number(low, high, unit="", whole=False):
    """The type of a number in [low, high], an integer if `whole`."""
    kind = "an integer" if whole else "a number"
    what = f"{kind} in [{low:.7g}, {high:.10g}]{' ' + unit if unit else ''}"

    def check(value):
        found = as_number(value)
        if not low <= found <= high or (whole and found != int(found)):
            raise expected(what)
        return int(found) if whole else found

    return Annotated[int if whole else float, BeforeValidator(check)]


def integer(low, high, unit=""):
    """The type of an integer in [low, high]."""
    return number(low, high, unit, whole=True)
