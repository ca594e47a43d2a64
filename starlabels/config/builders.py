"""The `model` section of the schema: keyword-only arguments of the network builder it names."""

import inspect
import re
from typing import Any, Literal

from pydantic import create_model

from starlabels.config.fields import setting
from starlabels.config.schema import Config
from starlabels.config.training_sections import AnyModel, Model
from starlabels.learning.networks import BUILDERS


def build_schema(values):
    """Config whose `model` section has the arguments of the builder named in values."""
    section = values.get("model")
    name = section.get("builder") if isinstance(section, dict) else None
    known = isinstance(name, str) and name in BUILDERS
    fields = build_fields(BUILDERS[name]) if known else {}
    fields["builder"] = (
        Literal[tuple(BUILDERS)],
        setting(Model.model_fields["builder"].description),
    )
    model = create_model("Model", __base__=Model if known else AnyModel, **fields)
    description = Config.model_fields["model"].description
    return create_model("Config", __base__=Config, model=(model, setting(description)))


def build_fields(builder):
    """{argument: (type, pydantic Field)} of the keyword-only arguments of a builder."""
    meanings = parse_parameters(builder)
    fields = {}
    for parameter in inspect.signature(builder, eval_str=True).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        default = ... if parameter.default is parameter.empty else parameter.default
        meaning = meanings.get(parameter.name)
        fields[parameter.name] = (annotation, setting(meaning, default=default))
    return fields


def parse_parameters(builder):
    """{argument: meaning} of the numpydoc section `Parameters` in the docstring of a builder."""
    docstring = inspect.getdoc(builder) or ""
    _, _, section = docstring.partition("Parameters\n----------\n")
    section = re.split(r"\n\w[\w ]*\n---", section)[0]
    meanings = {}
    for block in re.split(r"\n(?=\S)", section):
        names, _, meaning = block.partition("\n")
        for name in names.split(" :")[0].split(", "):
            meanings[name.strip()] = " ".join(meaning.split())
    return meanings
