"""The documentation is true: its commands parse, its YAML is a recipe, and it names all keys."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT
from documentation import (
    PAGES,
    REPLACEMENTS,
    SNIPPETS,
    DryWorkplace,
    find_commands,
    load_snippet,
)

from starlabels.base.ranges import Section
from starlabels.config import data_sections, load, schema, training_sections


@pytest.mark.parametrize("page", PAGES)
def test_the_options_and_files_of_every_command_of_a_page_exist(tmp_path, page):
    text = PAGES[page].read_text(encoding="utf-8")
    place = DryWorkplace(tmp_path, text, {}, None)
    for line in find_commands(text):
        place.execute(line)


@pytest.mark.parametrize(
    "line",
    ["python predict.py sun.fits --no-such", "python predict.py none.fits --model models/afgk"],
)
def test_a_command_with_an_unknown_option_or_file_is_found(tmp_path, line):
    place = DryWorkplace(tmp_path, "", {}, None)
    place.execute("make run")
    with pytest.raises(AssertionError, match="unrecognized arguments|no such file"):
        place.execute(line)


def test_every_replacement_is_of_a_command_that_exists():
    pages = [path.read_text(encoding="utf-8") for path in PAGES.values()]
    lines = [line for text in pages for line in find_commands(text)]
    lines += ["python -m starlabels.tools.mock_survey"]  # of make distances
    unused = [
        pattern
        for pattern, _, _ in REPLACEMENTS
        if not any(re.fullmatch(pattern, line) for line in lines)
    ]
    assert unused == []


@pytest.mark.parametrize(
    "page, block", SNIPPETS, ids=[f"{page}-{i}" for i, (page, _) in enumerate(SNIPPETS)]
)
def test_every_piece_of_yaml_makes_a_sound_recipe_of_the_one_that_it_names(tmp_path, page, block):
    load_snippet(block, tmp_path / "config.yaml")


@pytest.mark.slow
def test_the_pages_build_without_a_warning(tmp_path):
    words = [sys.executable, *"-m sphinx -W -n --keep-going -q".split()]
    command = [*words, str(ROOT / "docs"), str(tmp_path / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert {f"{page}.html" for page in PAGES if page != "README"} <= {
        path.name for path in (tmp_path / "html").iterdir()
    }
    assert "CONFIG-REFERENCE" not in (tmp_path / "html/config.html").read_text(encoding="utf-8")


def paths_of(values, path=""):
    """Every key in full of the values of a recipe, without the names that the user chooses."""
    for key, value in values.items() if isinstance(values, dict) else []:
        yield f"{path}{key}"
        if f"{path}{key}" not in (
            "grid.labels",
            "grid.nodes.step",
            "features.magnitudes",
            "jacobian.lines",
            "model.windows",
        ):
            for item in value if isinstance(value, list) else [value]:
                yield from paths_of(item, f"{path}{key}.")


def test_every_key_of_the_schema_and_of_the_recipes_is_in_the_reference(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs/_ext")
    from config_reference import write_reference

    names = re.findall(r"^\| `([\w.]+)` ", write_reference(), re.MULTILINE)
    kinds = [
        kind
        for module in (schema, data_sections, training_sections)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Section)
    ]
    for kind in kinds:
        assert set(kind.model_fields) <= {name.rpartition(".")[2] for name in names}, kind
    for recipe in (ROOT / "recipes").glob("*.yaml"):
        keys = set(paths_of(load.read_recipe(recipe)))
        users = ("test.subsets.", "jacobian.subsets.")  # names of the user
        keys = {key for key in keys if not key.startswith(users)}
        own = {key for key in keys if key.startswith("model.")}
        assert keys - own <= set(names) and {key.removeprefix("model.") for key in own} <= {
            *names,
            "builder",
        }, recipe
