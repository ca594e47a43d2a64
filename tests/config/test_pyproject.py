"""pyproject.toml agrees with requirements.txt and with the folders of the package."""

import re
import tomllib

from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def read_requirements():
    lines = [line.partition("#")[0].strip() for line in
             (ROOT / "requirements.txt").read_text().splitlines()]  # fmt: skip
    return {line for line in lines if line}


def test_the_package_and_its_extras_need_what_requirements_txt_lists():
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    listed = set(project["dependencies"])
    for name in ("export", "docs", "dev"):
        listed |= set(extras[name])
    assert listed == read_requirements()
    assert extras["gpu"] == [
        line.replace("tensorflow", "tensorflow[and-cuda]")
        for line in project["dependencies"]
        if re.match(r"tensorflow\b", line)
    ]


def test_every_folder_of_code_is_in_the_package():
    folders = {path.parent for path in (ROOT / "starlabels").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert names | {"starlabels.data", "starlabels.recipes"} == set(
        PROJECT["tool"]["setuptools"]["packages"]
    )
