"""The reference in docs/config.md is current, and every key has a meaning and a unit."""

from typing import get_args

import pytest
from conftest import ROOT

from starlabels.base.ranges import Section
from starlabels.config import builders, data_sections, schema, training_sections
from starlabels.learning.networks import BUILDERS

SECTIONS = {
    kind.__name__: kind
    for module in (schema, data_sections, training_sections)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Section) and kind is not Section
}


@pytest.fixture
def config_reference(monkeypatch):
    """The module docs/_ext/config_reference.py."""
    monkeypatch.syspath_prepend(ROOT / "docs/_ext")
    import config_reference

    return config_reference


def test_the_page_holds_the_current_reference(config_reference):
    text = config_reference.PAGE.read_text(encoding="utf-8")
    advice = "run: python docs/_ext/config_reference.py"
    assert config_reference.update_page(text) == text, advice
    assert "CONFIG-REFERENCE" not in text


def test_the_command_updates_a_stale_reference_and_nothing_above_it(config_reference):
    text = config_reference.PAGE.read_text(encoding="utf-8")
    stale = text.replace("first pixel", "last pixel").replace("| `seed` |", "| `sead` |")
    assert stale != text and config_reference.update_page(stale) == text
    with pytest.raises(SystemExit, match="lacks the line"):
        config_reference.update_page("# Configuration")


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_and_key_has_a_meaning(name):
    assert SECTIONS[name].__doc__
    for key, field in SECTIONS[name].model_fields.items():
        assert field.description, key


@pytest.mark.parametrize("name", SECTIONS)
def test_the_unit_of_a_range_is_the_unit_of_its_key(name):
    for key, field in SECTIONS[name].model_fields.items():
        limits = [item for item in field.metadata if isinstance(item, str)]
        limits += [item for part in get_args(field.annotation) for item in get_args(part)[1:]]
        for text in limits:
            unit = text.rpartition("] ")[2] if isinstance(text, str) and "] " in text else None
            assert unit in (None, (field.json_schema_extra or {}).get("unit")), key


@pytest.mark.parametrize("name", BUILDERS)
def test_arguments_of_builders_are_described_by_their_docstrings(name):
    meanings = builders.parse_parameters(BUILDERS[name])
    fields = builders.build_fields(BUILDERS[name])
    assert set(meanings) >= set(fields), "add a section Parameters to the docstring"
