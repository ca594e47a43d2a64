"""The documentation is true: its commands run, its YAML is a recipe, and it names all keys, datasets and figures there are."""

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
import small_recipes
from conftest import ROOT
from one_process import Runner

from starlabels.base.ranges import Section
from starlabels.config import data_sections, load, schema, training_sections

# Commands that are not executed as they stand: pattern, what is executed in their place, why. All others are, in bash, but for
# `python` on our scripts and modules and what make says of them: these run in one process, for to start TensorFlow takes
# longer than most of them. {root}: the working tree.
INSTEAD = [
    (
        r"git clone REPOSITORY (\S+)",
        r"git clone -q --shared --no-checkout {root} $(mktemp -d)/\1",
        "no network here",
    ),
    (
        r"make (run CONFIG=recipes/smoke.yaml)",
        r"make -n -o .venv/ready \1",
        "test_scripts.py runs it",
    ),
    (
        r"make (run CONFIG=recipes/astronn_ours.yaml)",
        r"make -n -o .venv/ready \1",
        "as astronn.yaml and config.yaml",
    ),
    (
        r"make (test|nodes|data|bench|docs)",
        r"make -n -o .venv/ready \1",
        "minutes to hours; the first is us",
    ),
    (
        r"(python 4_test\.py) --strict",
        r"\1",
        "exits with code 1 after so short a training, as it should",
    ),
    (
        r"(python -m starlabels\.tools\.mock_(?:survey|catalogue))\b(.*)",
        r"\1\2 --n 300",
        "fewer stars",
    ),
    (
        r"python -m starlabels\.tools\.fault_budget .*",
        r"\g<0> --n-stars 10",
        "fewer stars",
    ),
    (r"(python -m starlabels\.tools\.export) (.*)", r"\1 \2 --help", "test_export.py exports"),
    (
        r"python -m benchmarks\.(?!table)(\w+)(.*)",
        r"python -m benchmarks.\1\2 --help",
        "trainings of several networks",
    ),
]
LINKED = (
    "starlabels",
    "benchmarks",
    ".venv",
    "Makefile",
    "requirements.txt",
    "data/nodes",
    "data/lines",
    "data/atmospheres",
)
PAGES = {path.stem: path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
RUN = re.compile(r"for stage in ([^;]+); do .* --config (\S+) ")


def blocks(text, language):
    """The blocks of code in a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text):
    """The command lines of all sh blocks of a page, without comments."""
    lines = "\n".join(blocks(text, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s+)#.*$", "", line).strip() for line in lines) if line]


class Workplace:
    """A copy of the working tree with small recipes, in which the commands of a page are executed.

    finished: {recipe: folder} where `make run` has run it, for this page or one before: it is not run twice but copied.
    """

    def __init__(self, folder, text, finished, runner):
        self.folder, self.finished, self.runner = folder, finished, runner
        for name in (*LINKED, *(path.name for path in ROOT.glob("*.py"))):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(ROOT / name)
        small_recipes.write_all(ROOT, folder)
        for name, make in small_recipes.FILES.items():
            if re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", "\n".join(commands(text))):
                make(folder / name)

    def execute(self, line):
        """Execute a command line, or what the table has in its place; AssertionError unless it ends well."""
        for pattern, other, _ in INSTEAD:
            if match := re.fullmatch(pattern, line):
                line = match.expand(other).format(root=ROOT)
                break
        if re.match(r"make (?!-n)", line):
            self.make(line)
        elif line.startswith("python "):
            self.python(shlex.split(line)[1:])
        else:
            self.bash(line)

    def bash(self, line):
        """Output of a command line in bash, which finds the programs of .venv."""
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        options = {
            "cwd": self.folder,
            "env": environment,
            "capture_output": True,
            "text": True,
            "timeout": 120,
        }
        found = subprocess.run(["bash", "-ec", line], check=False, **options)
        assert found.returncode == 0, f"{line}: {found.stderr}"
        return found.stdout

    def make(self, line):
        """What make says that it would execute, in one process."""
        for said in self.bash(f"make -n -o .venv/ready {line.removeprefix('make ')}").splitlines():
            if match := RUN.search(said):
                self.stages(match[1].split(), match[2])
            elif said.startswith(".venv/bin/"):
                self.execute(said.removeprefix(".venv/bin/"))

    def stages(self, scripts, recipe):
        """The stages of a recipe, or a copy of what they wrote before."""
        cfg = load.load_config(self.folder / recipe)
        if cfg.run in self.finished:
            for part in ("data", "models", "figures"):
                shutil.copytree(
                    self.finished[cfg.run] / part / cfg.run,
                    self.folder / part / cfg.run,
                    dirs_exist_ok=True,
                )
            return
        for script in scripts:
            self.python([script, "--config", recipe])
        self.finished[cfg.run] = self.folder

    def python(self, words):
        """Run a script, or with -m a module, as python would; AssertionError unless its exit code is 0."""
        code, said = self.runner.run(folder=str(self.folder), words=words)
        assert code == 0, f"python {shlex.join(words)}: {said[-1500:]}"
        unknown = (
            [one for one in words if one.startswith("--") and one not in said]
            if words[-1] == "--help"
            else []
        )
        assert not unknown, f"python {shlex.join(words)}: no option {', '.join(unknown)}"
        assert " 1 failed" not in said and " 2 failed" not in said, (
            f"python {shlex.join(words)}: {said[-1500:]}"
        )


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """executed(page) executes the commands of a page, once, and gives the folder in which it did."""
    finished, runner = {}, Runner(ROOT)

    @functools.cache
    def execute(page):
        text = PAGES[page].read_text(encoding="utf-8")
        place = Workplace(tmp_path_factory.mktemp(page), text, finished, runner)
        for line in commands(text):
            place.execute(line)
        for block in blocks(text, "python"):
            code, said = runner.run(folder=str(place.folder), code=block)
            assert code == 0, f"{page}: {said[-1500:]}"
        return place.folder

    yield execute
    runner.close()


@pytest.fixture(scope="session")
def everything(executed):
    """The folders of all pages, all their commands executed, and data/nodes."""
    return [*map(executed, PAGES), ROOT / "data/nodes"]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs(executed, page):
    executed(page)


def test_every_exception_is_of_a_command_that_there_is():
    lines = [line for page in PAGES.values() for line in commands(page.read_text(encoding="utf-8"))]
    lines += ["python -m starlabels.tools.mock_survey"]  # of make distances
    assert [
        pattern
        for pattern, _, _ in INSTEAD
        if not any(re.fullmatch(pattern, line) for line in lines)
    ] == []


def recipe(block, path):
    """The Config of a piece of YAML of a page, based on the recipe it names, written to a path."""
    base = re.match(r"# recipes/(\w+\.yaml)", block)
    path.write_text(f"base: {base[1] if base else 'afgk.yaml'}\n{block}", encoding="utf-8")
    return load.load_config(path)


SNIPPETS = [
    (page, block)
    for page, path in PAGES.items()
    for block in blocks(path.read_text(encoding="utf-8"), "yaml")
]


@pytest.mark.parametrize(
    "page, block", SNIPPETS, ids=[f"{page}-{i}" for i, (page, _) in enumerate(SNIPPETS)]
)
def test_every_piece_of_yaml_makes_a_sound_recipe_of_the_one_that_it_names(tmp_path, page, block):
    recipe(block, tmp_path / "config.yaml")


def test_the_pages_build_without_a_warning(tmp_path):
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-n",
        "--keep-going",
        "-q",
        str(ROOT / "docs"),
        str(tmp_path / "html"),
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0 and not found.stderr, found.stderr
    assert {f"{page}.html" for page in PAGES if page != "README"} <= {
        path.name for path in (tmp_path / "html").iterdir()
    }
    assert "CONFIG-REFERENCE" not in (tmp_path / "html/config.html").read_text(encoding="utf-8")


def paths_of(values, path=""):
    """Every key in full of the values of a recipe, those of names that the user chooses left out."""
    for key, value in values.items() if isinstance(values, dict) else []:
        yield f"{path}{key}"
        if f"{path}{key}" not in (
            "grid.labels",
            "grid.nodes.step",
            "features.magnitudes",
            "jacobian.lines",
            "model.windows",
        ):
            for one in value if isinstance(value, list) else [value]:
                yield from paths_of(one, f"{path}{key}.")


def test_every_key_of_the_schema_and_of_the_recipes_is_in_the_reference(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs/_ext")
    from config_reference import markdown

    said = re.findall(r"^\| `([\w.]+)` ", markdown(), re.MULTILINE)
    kinds = [
        kind
        for module in (schema, data_sections, training_sections)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Section)
    ]
    for kind in kinds:
        assert set(kind.model_fields) <= {name.rpartition(".")[2] for name in said}, kind
    for recipe in (ROOT / "recipes").glob("*.yaml"):
        keys = set(paths_of(load.read_recipe(recipe)))
        own = {key for key in keys if key.startswith("model.")}
        assert keys - own <= set(said) and {key.removeprefix("model.") for key in own} <= {
            *said,
            "builder",
        }, recipe


def general(name):
    """The name of a dataset or group as the page has it."""
    name = re.sub(r"^(train|validation|test)(?=/|$)", "PART", name)
    return re.sub(
        r"^windows/\w+$",
        "windows/ELEMENT",
        re.sub(r"^snr[\d_.]+(?=/|$)|^snrinf(?=/|$)", "snrRANGE", name),
    )


def page_of_files():
    """{(stage, dataset or group, attribute or "")} that the page of HDF5 files names; ("", attribute, "") of every file."""
    found = set()
    for title, text in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGES["hdf5"].read_text(encoding="utf-8"), re.M | re.S
    ):
        stages = (
            re.split(r",? ", title.rpartition("stage")[2].removeprefix("s")[1:].strip())
            if "stage" in title
            else [""]
        )
        for row in re.findall(r"^\|(.*)\|$", text, re.MULTILINE):
            first, _, *others = (cell.strip() for cell in row.split("|"))
            attributes = re.findall(r"`(\w+)`", others[0]) if len(others) > 1 else []
            names = [""] if first == "the root" else re.findall(r"^`([\w/]+)`$", first)
            if stages == [""]:
                found |= {("", name, "") for name in names}
            else:
                found |= {
                    (stage, name, one)
                    for stage in stages
                    for name in names
                    for one in ("", *attributes)
                }
    return found


def written_files(folders):
    """{(stage, dataset or group, attribute or "")} of all our HDF5 files in folders."""
    found = set()
    for path in {path for folder in folders for path in folder.rglob("*.h5")}:
        with h5py.File(path) as h5:
            if "stage" not in h5.attrs:
                continue  # a user's
            stage = h5.attrs["stage"]
            found |= {(stage, "", one) for one in ("", *h5.attrs)}
            items = []
            h5.visititems(
                lambda name, item, items=items: items.append((general(name), list(item.attrs)))
            )
            found |= {(stage, name, one) for name, attributes in items for one in ("", *attributes)}
    return found


def shared(found):
    """The same, with one name for the stages that write databases: they share a table, each has some of its rows."""
    databases = {"grid", "survey", "ravelike", "generate"}
    return {("database" if stage in databases else stage, name, one) for stage, name, one in found}


def test_every_dataset_and_attribute_that_is_written_is_on_the_page_and_no_other(everything):
    said, written = shared(page_of_files()), shared(written_files(everything))
    every = {name for stage, name, _ in said if not stage} | {""}
    written = {(stage, name, one) for stage, name, one in written if name or one not in every}
    assert written - said == set()
    assert {one for one in said if one[0] and any(one[1:])} - written == set()


def test_every_figure_that_is_drawn_is_on_the_page_and_no_other(everything):
    drawn = {path.name for folder in everything for path in folder.glob("figures/*/*.png")}
    drawn = {re.sub(r"_(\d+_\d+|inf|as_they_are)\.png$", "_LOW_HIGH.png", name) for name in drawn}
    said = set(re.findall(r"`(\w+\.png)`", PAGES["figures"].read_text(encoding="utf-8"))) - {
        "4_one_to_one_100_200.png"
    }
    assert drawn - said == set()
    assert said - drawn <= {
        "trend_mg.png",
        "ablation.png",
        "4_abundance_planes.png",
    }  # of benchmarks; of [Fe/H] with others
