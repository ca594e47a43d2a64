"""The command `starlabels`: the scripts of the repository as sub-commands, once installed.

starlabels predict spectrum.fits
starlabels recipe afgk > config.yaml; starlabels grid; starlabels join; ...
"""

import argparse
import sys
from importlib import import_module

from starlabels.base.console import exit_with_error
from starlabels.base.install import RECIPE_FOLDER

# sub-command: module of starlabels.stages, and its stage
COMMANDS = {
    "predict": ("predict", "predict_labels"),
    "generate": ("generate", "generate_spectra"),
    "grid": ("grid", "make_grid"),
    "join": ("join", "join_databases"),
    "label-study": ("label_study", "study_labels"),
    "preprocess": ("preprocess", "prepare_spectra"),
    "train": ("train", "train_network"),
    "test": ("test", "score_network"),
    "jacobian": ("jacobian", "average_network_jacobians"),
}


def main():
    """Run the sub-command in the command line."""
    parser = argparse.ArgumentParser(prog="starlabels", description=__doc__.partition("\n")[0])
    text = f"one of {', '.join(COMMANDS)}, which take the arguments of the scripts of that name, "
    text += "or recipe, which prints a packaged recipe"
    parser.add_argument("command", choices=[*COMMANDS, "recipe"], metavar="COMMAND", help=text)
    args = parser.parse_args(sys.argv[1:2])
    words = sys.argv[2:]
    if args.command == "recipe":
        print_recipe(words)
        return
    from starlabels.stages.command_line import run_command

    module_name, stage = COMMANDS[args.command]
    module = import_module(f"starlabels.stages.{module_name}")
    sys.argv[0] = "starlabels"
    run_command(
        getattr(module, stage),
        module.__doc__,
        getattr(module, "add_arguments", None),
        getattr(module, "find_model_config", None),
        argv=words,
        prog=f"starlabels {args.command}",
    )


def print_recipe(words):
    """Print a packaged recipe by its name, without words the default."""
    names = sorted(path.stem for path in RECIPE_FOLDER.glob("*.yaml"))
    name = words[0] if words else "afgk"
    if name not in names:
        exit_with_error(f"recipe {name}: there is none: choose from {', '.join(names)}")
    print((RECIPE_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
