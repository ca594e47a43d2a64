"""The table of modules in docs/architecture.md agrees with the package."""

import re

from conftest import ROOT

PAGE = ROOT / "docs/architecture.md"
ROW = re.compile(r"^\| (\w+) \| `([\w/]+\.py)` \| (.+) \|$", re.MULTILINE)


def test_the_table_names_every_module_of_the_package_and_no_other():
    package = ROOT / "starlabels"
    modules = sorted(path.relative_to(package).as_posix() for path in package.glob("*/**/*.py"))
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert sorted(module for _, module, _ in rows) == modules
    assert {module.partition("/")[0] for _, module, _ in rows} == {wing for wing, _, _ in rows}


def test_each_row_has_the_wing_of_its_module():
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [module for wing, module, _ in rows if not module.startswith(f"{wing}/")] == []


def test_each_module_has_a_purpose():
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert [module for _, module, purpose in rows if len(purpose.split()) < 2] == []
