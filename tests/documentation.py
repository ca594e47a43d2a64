"""The pages of the documentation: their blocks of code, and folders in which commands are run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import small_recipes
from conftest import ROOT
from one_process import run_captured

from starlabels.base.errors import UserError
from starlabels.config import load
from starlabels.stages import command_line

# Commands that are not run as they stand: pattern, replacement, reason. {root}: the working tree.
# All others run in bash, but `python` on our scripts and modules, and what make prints of them,
# runs in one process: the start of TensorFlow takes longer than most of them.
REPLACEMENTS = [
    (
        r"git clone (?:--depth 1 )?REPOSITORY (\S+)",
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
        r"make (install|models|test|test-all|lint|nodes|data|bench|docs)",
        r"make -n -o .venv/ready \1",
        "minutes to hours; the first is this run",
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
        r"\g<0> --n-stars 40",
        "fewer stars",
    ),
    (r"(python -m starlabels\.tools\.export) (.*)", r"\1 \2 --help", "test_export.py exports"),
    (
        r"python -m starlabels\.tools\.discrepancy .*",
        r"\g<0> --help",
        "needs spectra of fifty stars",
    ),
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
    "data/discrepancy",
    "data/examples",
    "data/models",
)
PAGES = {path.stem: path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
RUN = re.compile(r"for stage in ([^;]+); do .* --config (\S+) ")


def find_blocks(text, language):
    """The blocks of code in a language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def find_commands(text):
    """The command lines of all sh blocks of a page, without comments."""
    lines = "\n".join(find_blocks(text, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s+)#.*$", "", line).strip() for line in lines) if line]


SNIPPETS = [
    (page, block)
    for page, path in PAGES.items()
    for block in find_blocks(path.read_text(encoding="utf-8"), "yaml")
]


def load_snippet(block, path):
    """The Config of a piece of YAML of a page, based on the recipe it names, written to a path."""
    base = re.match(r"# recipes/(\w+\.yaml)", block)
    path.write_text(f"base: {base[1] if base else 'afgk.yaml'}\n{block}", encoding="utf-8")
    return load.load_config(path)


class Workplace:
    """A copy of the working tree with small recipes, in which the commands of a page are run.

    finished: {recipe: folder} in which `make run` has run it, for this page or one before. It is
    copied, not run twice.
    """

    def __init__(self, folder, text, finished, runner):
        self.folder = folder
        self.finished = finished
        self.runner = runner
        for name in (*LINKED, *(path.name for path in ROOT.glob("*.py"))):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(ROOT / name)
        small_recipes.write_recipes(ROOT, folder)
        for name, make in small_recipes.FILES.items():
            if re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", "\n".join(find_commands(text))):
                make(folder / name)

    def execute(self, line):
        """Run a command line, or its replacement; AssertionError if it fails."""
        for pattern, replacement, _ in REPLACEMENTS:
            if match := re.fullmatch(pattern, line):
                line = match.expand(replacement).format(root=ROOT)
                break
        if re.match(r"make (?!-n)", line):
            self.make(line)
        elif line.startswith("python "):
            self.python(shlex.split(line)[1:])
        else:
            self.bash(line)

    def bash(self, line):
        """Output of a command line in bash, which finds the programs of .venv."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        options = {"capture_output": True, "text": True, "timeout": 120}
        done = subprocess.run(
            ["bash", "-ec", line],
            check=False,
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            **options,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        return done.stdout

    def make(self, line):
        """Run, in one process, the commands that make would run."""
        output = self.bash(f"make -n -o .venv/ready {line.removeprefix('make ')}")
        for command in output.splitlines():
            if match := RUN.search(command):
                self.stages(match[1].split(), match[2])
            elif command.startswith(".venv/bin/") and " -m pip " not in command:
                self.execute(command.removeprefix(".venv/bin/"))

    def stages(self, scripts, recipe):
        """Run the stages of a recipe, or copy what they wrote before."""
        cfg = load.load_config(self.folder / recipe)
        if cfg.run in self.finished:
            for part in ("data", "models", "figures"):
                source = self.finished[cfg.run] / part / cfg.run
                target = self.folder / part / cfg.run
                shutil.copytree(source, target, dirs_exist_ok=True)
            return
        for script in scripts:
            self.python([script, "--config", recipe])
        self.finished[cfg.run] = self.folder

    def python(self, words):
        """Run a script, or a module after -m; AssertionError unless its exit code is 0."""
        code, output = self.runner.run(folder=str(self.folder), words=words)
        check_output(words, code, output)


def check_output(words, code, output):
    """AssertionError unless a command ended well; after --help it has the options in `words`."""
    command = f"python {shlex.join(words)}"
    assert code == 0, f"{command}: {output[-1500:]}"
    if words[-1] == "--help":
        unknown = [word for word in words if word.startswith("--") and word not in output]
        assert not unknown, f"{command}: no option {', '.join(unknown)}"
    assert " 1 failed" not in output and " 2 failed" not in output, f"{command}: {output[-1500:]}"


class DryWorkplace(Workplace):
    """A Workplace in which `python` parses the options, looks for the files, and stops there."""

    def stages(self, scripts, recipe):
        """Parse the commands of the stages; write the files that later commands name."""
        for script in scripts:
            self.python([script, "--config", recipe])
        cfg = load.load_config(self.folder / recipe)
        (self.folder / "data" / cfg.run).mkdir(parents=True, exist_ok=True)
        (self.folder / "models" / cfg.run).mkdir(parents=True, exist_ok=True)
        (self.folder / "data" / cfg.run / "2_prepared.h5").touch()
        (self.folder / "models" / cfg.run / "config.yaml").write_text(cfg.text)

    def python(self, words):
        """Parse a command: its options and files exist, and its recipe loads."""
        module = words[0] == "-m"
        source = ROOT / f"{words[1].replace('.', '/')}.py" if module else ROOT / words[0]
        if "run_command(" not in source.read_text(encoding="utf-8"):
            return self.read_help(words)
        original = command_line.call_stage
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            command_line.call_stage = check_call
            code, output, errors = run_captured(words)
        finally:
            command_line.call_stage = original
            os.chdir(here)
        check_output(words, code, output + errors)

    def read_help(self, words):
        """Check the options of a command with a parser of its own; write the file of --out."""
        words = words if words[-1] == "--help" else [*words, "--help"]
        here = Path.cwd()
        os.chdir(self.folder)
        try:
            code, output, errors = run_captured(words)
        finally:
            os.chdir(here)
        check_output(words, code, output + errors)
        if "--out" in words:
            (self.folder / words[words.index("--out") + 1]).touch()


def check_call(stage, args, recipe):
    """Stand in for command_line.call_stage: load the recipe, look for the inputs, write --out."""
    path = recipe(args) if recipe else args.config
    if path:
        load.load_config(path)
    for name, value in vars(args).items():
        for file in value if isinstance(value, list) else [value]:
            if name == "out" and file:
                Path(file).parent.mkdir(parents=True, exist_ok=True)
                Path(file).touch()
            elif isinstance(file, Path) and not file.exists():
                raise UserError(f"--{name} {file}: no such file")
