"""Entry point of every script: arguments, configuration, and one line on stderr per user error."""

import argparse
import errno
import os
import sys
from pathlib import Path

from starlabels.base.console import exit_with_error
from starlabels.base.errors import UserError

# Errors of a user's folders and disks; any other OSError is a bug
EXPECTED_ERRORS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
}
INTERRUPTED = "interrupted: no partial files were left; run the same command again to continue"


def run_command(stage, description, arguments=None, recipe=None, argv=None, prog=None):
    """Parse the command line, load the configuration and call a stage.

    Parameters
    ----------
    stage : callable
        stage(run, args); run is a Run, or None if there is no recipe.
    description : str
        Help text of the script.
    arguments : callable, optional
        arguments(parser) adds the arguments of the script.
    recipe : callable, optional
        recipe(args) is the recipe of a trained model, or None; for scripts without --config.
    argv : sequence, optional
        Words of the command line after the name of the script; default: those of the process.
    prog : str, optional
        Name of the script in its help; default: that of the process.

    Raises
    ------
    SystemExit
        With code 2 after a user error, 130 if interrupted, 141 if the reader of the output ends.
    """
    args = parse_arguments(description, arguments, not recipe, argv, prog)
    sys.stdout.reconfigure(line_buffering=True)  # a log file keeps the order of prints and errors
    try:
        call_stage(stage, args, recipe)
    except UserError as error:
        exit_with_error(str(error))
    except BrokenPipeError:  # the reader of the output has ended, as in `... | head`
        # Otherwise the interpreter complains when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # the exit code of a program that SIGPIPE ends
    except OSError as error:
        if error.errno not in EXPECTED_ERRORS:
            raise
        exit_with_error(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        exit_with_error(INTERRUPTED, code=130)


def parse_arguments(description, arguments, has_config, argv, prog):
    """Arguments of a script, with --config and --print-config if `has_config`."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog, description=description, formatter_class=formatter)
    if has_config:
        parser.add_argument(
            "--config",
            type=Path,
            default=Path("config.yaml"),
            help="the recipe (default: config.yaml)",
        )
        parser.add_argument(
            "--print-config",
            action="store_true",
            help="print the complete configuration, merged with its base, and exit",
        )
    if arguments:
        arguments(parser)
    return parser.parse_args(None if argv is None else [str(word) for word in argv])


def call_stage(stage, args, recipe):
    """Load the configuration, and print it or pass it to the stage."""
    from starlabels.config import load
    from starlabels.config.run import Run

    path = recipe(args) if recipe else args.config
    run = Run(load.load_config(path, is_trained=bool(recipe))) if path else None
    if not recipe and args.print_config:
        print(run.text, end="")
        return
    stage(run, args)
