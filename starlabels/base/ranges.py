"""What the sections of config.yaml are made of: a section that knows its keys, and numbers in a range."""

import difflib
import math
import os
import unicodedata
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

LONGEST = 255  # characters of a name, and bytes of a name of a file


class Section(BaseModel):
    """A section of the configuration: knows its keys, forbids others, never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def know_keys(cls, values, info):
        """The values, an Unknown for that of each unknown key: pydantic refuses it, and counts all other mistakes too."""
        if not isinstance(values, dict) or cls.model_config["extra"] != "forbid":
            return values
        fields = cls.model_fields
        known = {key: value for key, value in values.items() if key in fields}
        return (
            known
            if info.context
            else known | {str(key): Unknown(key, fields) for key in values if key not in fields}
        )


class Unknown:
    """An unknown key: the end of a message, and the known key that was probably meant, or None."""

    def __init__(self, key, known):
        near = difflib.get_close_matches(str(key).lower()[:LONGEST], known, n=1)
        self.hint, self.meant = suggest_key(key, known), near[0] if near else None


def unknown_key_error(key, known):
    """The error for an unknown key of a section."""
    return PydanticCustomError(
        "unknown_key", "unknown key{hint}", {"key": key, "hint": suggest_key(key, known)}
    )


def suggest_key(word, known):
    """The end of a message that says which known word was meant, or which there are."""
    near = difflib.get_close_matches(str(word).lower()[:LONGEST], known, n=1)
    return f", did you mean {near[0]}?" if near else f", expected one of {', '.join(known)}"


def expected_error(what):
    """The error for a value that is not what the key allows."""
    return PydanticCustomError("expected", "expected {what}", {"what": what})


def parse_number(value):
    """The value as a float (YAML reads 1e-3 as text), nan if it is none; true and false are none."""
    try:
        return (
            float(value)
            if isinstance(value, (int, float, str)) and not isinstance(value, bool)
            else math.nan
        )
    except (ValueError, OverflowError):
        return math.nan


def number_type(low, high, unit="", whole=False):
    """The type of a number in [low, high], an integer if `whole`."""
    kind = "an integer" if whole else "a number"
    what = f"{kind} in [{low:.7g}, {high:.10g}]{' ' + unit if unit else ''}"

    def check(value):
        found = parse_number(value)
        if not low <= found <= high or (whole and found != int(found)):
            raise expected_error(what)
        return int(found) if whole else found

    return Annotated[
        int if whole else float, BeforeValidator(check), what
    ]  # `what` is for the documentation


def integer_type(low, high, unit=""):
    """The type of an integer in [low, high]."""
    return number_type(low, high, unit, whole=True)


def check_one_line(text):
    """A text without line breaks and other signs that cannot be printed or written to a file."""
    if len(text) > 10_000 or any(
        unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text
    ):
        raise expected_error("text in one line, of letters and signs that can be printed")
    return text


def check_path(text):
    """The name of a file that a disk can have."""
    if (
        not text.strip()
        or any(len(os.fsencode(part)) > LONGEST for part in text.split("/"))
        or len(text) > 4000
    ):
        raise expected_error(f"the path of a file, {LONGEST} letters at most a name")
    return text


Text = Annotated[StrictStr, AfterValidator(check_one_line)]
File = Annotated[Text, AfterValidator(check_path)]
Query = Annotated[
    StrictStr, AfterValidator(lambda text: check_one_line(text.strip()))
]  # YAML's > ends in a line break
