"""The command `starlabels`, and the wheel that pip builds and installs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from starlabels import __main__

LARGEST = 80e6  # bytes of the wheel
PARTS = ("starlabels", "data", "recipes", "pyproject.toml", "README.md", "LICENSE")


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["starlabels", *words])
    __main__.main()


def test_packaged_recipes_are_printed(monkeypatch, capsys):
    call(monkeypatch, "recipe")
    assert capsys.readouterr().out == (ROOT / "recipes/afgk.yaml").read_text()
    call(monkeypatch, "recipe", "smoke")
    assert capsys.readouterr().out == (ROOT / "recipes/smoke.yaml").read_text()
    with pytest.raises(SystemExit):
        call(monkeypatch, "recipe", "nothing")
    assert "recipe nothing: there is none: choose from afgk, " in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(__main__.COMMANDS))
def test_every_command_has_the_help_of_its_script(monkeypatch, capsys, command):
    with pytest.raises(SystemExit) as left:
        call(monkeypatch, command, "--help")
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert f"usage: starlabels {command}" in said
    assert ("--model" in said) == (command in ("predict", "generate"))


@pytest.mark.slow
def test_the_wheel_predicts_in_an_empty_folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, source / part)
    for folder in ("nodes", "grids"):  # not those of other runs
        for path in (source / "data" / folder).glob("*.partial"):
            shutil.rmtree(path)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, source], check=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < LARGEST
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    words = [sys.executable, "-m", "starlabels", "predict", ROOT / "data/examples/sun.fits"]
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(words, cwd=empty, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    row = pd.read_csv(empty / "results/results.csv").iloc[0]
    assert abs(row.teff - 5772) < 2 * row.teff_err
    assert sorted(path.name for path in empty.iterdir()) == ["results"]
    assert Path(site, "bin/starlabels").is_file()


def test_the_import_is_quick_and_without_tensorflow():
    code = "import sys, starlabels; print(sorted({'tensorflow', 'keras'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
