"""Run a small version of every recipe through all stages, to compare two versions of the code.

    python -m benchmarks.smoke before
    (change the code)
    python -m benchmarks.smoke after --reference before

A recipe keeps its names and keys, but has 150 spectra and one epoch of training.
"""

import multiprocessing
import os
import sys
from pathlib import Path

from benchmarks.kills import ONE_THREAD
from benchmarks.memory import ROOT, STAGES
from benchmarks.same import find_differences
from starlabels.base.errors import UserError
from starlabels.stages import command_line

sys.path.insert(0, str(ROOT / "tests"))
import one_process  # noqa: E402
import small_recipes  # noqa: E402

RECIPES = [path.stem for path in sorted((ROOT / "recipes").glob("*.yaml"))]
FIRST = "rvs_generator_best"  # two recipes read its model
MOCKS = (  # commands that write the tables and spectra of some recipes
    "-m starlabels.tools.mock_survey --n 300 --out data/mock_survey.csv",
    "-m starlabels.tools.mock_catalogue --n 300 --out data/catalogue.csv",
    "-m starlabels.tools.mock_rave --labels rave_labels.csv --photometry rave_photometry.csv "
    "--out data/rave_like.h5",
)


def run_commands(folder, commands):
    """Run scripts and modules, lists of words, in a folder, until one fails; exit with its code."""
    os.chdir(folder)
    with Path("log").open("a") as log, one_process.redirected(log, log):
        for words in commands:
            print("== python", *words)
            if code := one_process.run_words(words):
                sys.exit(code)


def start_commands(folder, commands):
    """Exit code of a new process that runs commands in a folder."""
    process = multiprocessing.get_context("spawn").Process(
        target=run_commands, args=(folder, commands)
    )
    process.start()
    process.join()
    return process.exitcode


def write_inputs(folder):
    """Write the recipes, tables and spectra that the recipes read; UserError if a mock fails."""
    small_recipes.write_recipes(ROOT, folder)
    for name in ("rave_labels.csv", "rave_photometry.csv"):
        small_recipes.FILES[name](folder / name)
    if start_commands(folder, [command.split() for command in MOCKS]):
        raise UserError(f"{folder / 'log'}: a mock failed: read its last lines")


def run_recipes(run, args):
    """Run all stages of the small recipes in args.folder; print a line each."""
    if args.folder.exists():
        raise UserError(f"{args.folder} exists: name a new folder")
    os.environ |= ONE_THREAD  # results depend on the number of threads
    args.folder.mkdir(parents=True)
    write_inputs(args.folder)
    failed = []
    for name in sorted(args.recipes, key=lambda name: name != FIRST):
        recipe = f"recipes/{name}.yaml"
        commands = [[str(ROOT / f"{stage}.py"), "--config", recipe] for stage in STAGES]
        code = start_commands(args.folder, commands)
        print(f"{name}: {'failed' if code else 'done'}")
        failed += [name] * bool(code)
    if failed:
        raise UserError(f"{args.folder / 'log'}: {', '.join(failed)} failed: read its lines")
    if args.reference:
        differences = find_differences(args.folder, args.reference)
        print("\n".join(differences) or f"{args.folder} holds the same as {args.reference}")
        sys.exit(int(bool(differences)))


def add_arguments(parser):
    """Add the command-line arguments."""
    parser.add_argument("folder", type=Path, help="a new folder to work in")
    parser.add_argument(
        "--reference", type=Path, help="folder of another run, with which the files are compared"
    )
    parser.add_argument(
        "--recipes",
        nargs="+",
        choices=RECIPES,
        default=RECIPES,
        metavar="RECIPE",
        help="(default: all)",
    )


if __name__ == "__main__":
    command_line.run_command(run_recipes, __doc__, add_arguments, recipe=lambda args: None)
