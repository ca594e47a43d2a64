"""The one door of every script: arguments, configuration, and one line on stderr for a user's mistake."""

import argparse
import errno
import os
import sys
from pathlib import Path

EXPECTED = {  # what goes wrong with a user's folders and disks; any other OSError is ours
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
}


class UserError(Exception):
    """A mistake the user can mend: what, where, what was found, what to do; one line each."""


def main(stage, description, arguments=None, recipe=None):
    """Load the configuration and run stage(cfg, args) of the command line; a UserError is one line and exit code 2.

    recipe: a function(args) -> its path, or None where there is none (then cfg is None), for scripts that have no --config.
    """
    from starlabels import config  # config needs UserError

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if not recipe:
        parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="the recipe (default: config.yaml)")
    if arguments:
        arguments(parser)
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # so that a log file keeps the order of prints and errors
    try:
        path = recipe(args) if recipe else args.config
        stage(config.load(path) if path else None, args)
    except UserError as error:
        fail(str(error))
    except BrokenPipeError:  # who reads our lines has seen enough, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains at its end
        sys.exit(141)  # as a program that SIGPIPE ends
    except OSError as error:
        if error.errno not in EXPECTED:
            raise
        fail(f"{error.filename or 'output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        fail("interrupted; nothing half-written is left, and what goes on by itself does so at the next run", code=130)


def fail(message, code=2):
    """Print each line of the message on stderr after `error:` and leave with the exit code."""
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)
    sys.exit(code)


def progress(iterable, what, **options):
    """The iterable with a progress bar on a terminal, as it is elsewhere."""
    from tqdm import tqdm

    return tqdm(iterable, desc=what, disable=None, leave=False, **options)


def count(n):
    """The number n as text with spaces between thousands: 57 812."""
    return f"{n:,}".replace(",", " ")
