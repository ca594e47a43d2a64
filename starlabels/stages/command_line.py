"""The one door of every script: arguments, configuration, and one line on stderr for a user's mistake."""

import argparse
import errno
import os
import sys
from pathlib import Path

from starlabels.base.console import exit_with_error
from starlabels.base.errors import UserError

EXPECTED = {  # what goes wrong with a user's folders and disks; any other OSError is ours
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
}


def run_command(stage, description, arguments=None, recipe=None):
    """Load the configuration and run stage(run, args) of the command line; a UserError is one line and exit code 2.

    recipe: a function(args) -> its path, or None where there is none (then run is None), for scripts that have no --config.
    """
    from starlabels.config import load
    from starlabels.config.run import Run

    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if not recipe:
        parser.add_argument(
            "--config",
            type=Path,
            default=Path("config.yaml"),
            help="the recipe (default: config.yaml)",
        )
    if arguments:
        arguments(parser)
    args = parser.parse_args()
    sys.stdout.reconfigure(
        line_buffering=True
    )  # so that a log file keeps the order of prints and errors
    try:
        path = recipe(args) if recipe else args.config
        stage(Run(load.load_config(path)) if path else None, args)
    except UserError as error:
        exit_with_error(str(error))
    except BrokenPipeError:  # who reads our lines has seen enough, as in `... | head`
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # else the interpreter complains at its end
        sys.exit(141)  # as a program that SIGPIPE ends
    except OSError as error:
        if error.errno not in EXPECTED:
            raise
        exit_with_error(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        exit_with_error(
            "interrupted; nothing half-written is left, and what goes on by itself does so at the next run",
            code=130,
        )
