"""Building blocks of the sections of config.yaml: known keys, numbers in a range, texts."""

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

LONGEST = 255  # characters of a name, and bytes of a file name


class Section(BaseModel):
    """An immutable section of the configuration; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def mark_unknown_keys(cls, values, info):
        """Replace the value of each unknown key by an UnknownKey.

        pydantic then rejects it and reports all other mistakes as well.
        """
        if not isinstance(values, dict) or cls.model_config["extra"] != "forbid":
            return values
        fields = cls.model_fields
        known = {key: value for key, value in values.items() if key in fields}
        if info.context:
            return known
        return known | {str(key): UnknownKey(key, fields) for key in values if key not in fields}


class UnknownKey:
    """An unknown key: `hint` ends its message, `meant` is the similar known key or None."""

    def __init__(self, key, known):
        self.hint = suggest_key(key, known)
        self.meant = _find_similar(key, known)


def _find_similar(word, known):
    """The known word that is most similar, or None."""
    matches = difflib.get_close_matches(str(word).lower()[:LONGEST], known, n=1)
    return matches[0] if matches else None


def unknown_key_error(key, known):
    """The error for an unknown key of a section."""
    hint = suggest_key(key, known)
    return PydanticCustomError("unknown_key", "unknown key{hint}", {"key": key, "hint": hint})


def suggest_key(word, known):
    """End of a message: the known word that is similar, or all known words."""
    similar = _find_similar(word, known)
    return f", did you mean {similar}?" if similar else f", expected one of {', '.join(known)}"


def expected_error(expectation):
    """The error for a value that a key does not allow."""
    return PydanticCustomError("expected", "expected {what}", {"what": expectation})


def parse_number(value):
    """The value as a float (YAML reads 1e-3 as text); NaN for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def number_type(low, high, unit="", whole=False):
    """The annotated type of a number in [low, high]; an integer if `whole`."""
    kind = "an integer" if whole else "a number"
    expectation = f"{kind} in [{low:.7g}, {high:.10g}]{' ' + unit if unit else ''}"

    def check_range(value):
        parsed = parse_number(value)
        if not low <= parsed <= high or (whole and parsed != int(parsed)):
            raise expected_error(expectation)
        return int(parsed) if whole else parsed

    # The documentation prints the expectation
    return Annotated[int if whole else float, BeforeValidator(check_range), expectation]


def integer_type(low, high, unit=""):
    """The annotated type of an integer in [low, high]."""
    return number_type(low, high, unit, whole=True)


def check_one_line(text):
    """Return the text unless it has line breaks or characters that cannot be printed or stored."""
    categories = (unicodedata.category(sign) for sign in text)
    if len(text) > 10_000 or any(kind in ("Cc", "Cs", "Zl", "Zp") for kind in categories):
        raise expected_error("text in one line, of letters and signs that can be printed")
    return text


def check_path(text):
    """Return the text if it can be the path of a file."""
    is_long = len(text) > 4000 or any(len(os.fsencode(part)) > LONGEST for part in text.split("/"))
    if is_long or not text.strip():
        raise expected_error(f"the path of a file, {LONGEST} letters at most a name")
    return text


def _check_query(text):
    return check_one_line(text.strip())  # YAML's > ends in a line break


Text = Annotated[StrictStr, AfterValidator(check_one_line)]
File = Annotated[Text, AfterValidator(check_path)]
Query = Annotated[StrictStr, AfterValidator(_check_query)]
