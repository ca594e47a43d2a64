"""The complete text of a configuration that was merged from a recipe and its base."""

import io
import textwrap

from starlabels.base.ranges import Section
from starlabels.config.yaml_files import new_yaml

WIDTH = 100


def write_config(cfg):
    """Complete YAML of a Config, with the meaning of each key from the schema as a comment."""
    title = f"# The complete configuration of run {cfg.run}.\n"
    values = cfg.model_dump(mode="json", exclude_unset=True)
    return title + "\n".join(write_section(values, cfg, "")) + "\n"


def write_section(values, section, indent):
    """Lines of a section, in the order of the schema."""
    lines = []
    for key, field in type(section).model_fields.items():
        if key not in values:
            continue
        comment = describe_field(field)
        part = getattr(section, key)
        if isinstance(part, Section):
            lines += ([] if indent else [""]) + add_comment(f"{indent}{key}:", comment)
            lines += write_section(values[key], part, indent + "  ")
            continue
        line = indent + write_pair(key, values[key])
        if len(line) > WIDTH and isinstance(values[key], dict):
            pairs = [write_pair(name, value) for name, value in values[key].items()]
            if not any(pair.startswith("?") for pair in pairs):  # a key of over 128 letters
                lines += add_comment(f"{indent}{key}:", comment)
                lines += [f"{indent}  {pair}" for pair in pairs]
                continue
        lines += add_comment(line, comment)
    return lines


def describe_field(field):
    """Comment for a key: its meaning, and its range or unit."""
    limits = next((limit for limit in field.metadata if isinstance(limit, str)), "")
    unit = (field.json_schema_extra or {}).get("unit", "")
    limits = limits.removeprefix("a number in ").removeprefix("an integer in ")
    return " ".join(text for text in (field.description, limits or (unit and f"({unit})")) if text)


def add_comment(line, comment):
    """The line with a comment at its end, or above it if the two are too long."""
    if not comment:
        return [line]
    if len(f"{line:<30}  # {comment}") <= WIDTH:
        return [f"{line:<30}  # {comment}"]
    indent = line[: len(line) - len(line.lstrip())]
    above = textwrap.wrap(
        comment, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
    )
    return [*above, line]


def write_pair(key, value):
    """`key: value` as YAML in one line."""
    yaml = new_yaml()
    yaml.default_flow_style = True
    yaml.width = 10**9
    yaml.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    yaml.dump({key: value}, stream)
    document = stream.getvalue().partition("---")[2]  # without the directive %YAML 1.1
    return document.strip().removeprefix("{").removesuffix("}")
