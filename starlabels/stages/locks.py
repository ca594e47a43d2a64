"""Locks that let one process at a time write the files of a run.

The kernel holds a lock and releases it when the process ends, however it ends.
"""

import contextlib
import errno
import functools
import os
import shlex
import socket
import sys

from starlabels.base.errors import UserError

PATIENCE = 0.5  # seconds to wait for a process that is just ending


def require_lock(name, unless=lambda cfg: False):
    """Decorate a stage so that it holds a lock file while it runs.

    Parameters
    ----------
    name : str
        Name of the lock file among the paths of the run.
    unless : callable
        unless(cfg) is True if the process writes nothing and needs no lock.
    """

    def decorate(stage):
        @functools.wraps(stage)
        def run_locked(run, args=None):
            path = getattr(run.paths, name)
            needed = path and not unless(run.cfg)
            with hold_lock(path) if needed else contextlib.nullcontext():
                return stage(run, args)

        return run_locked

    return decorate


@contextlib.contextmanager
def hold_lock(path, hint="give this recipe another name"):
    """Hold a lock file inside a `with` block; a file left by a killed process is no obstacle.

    Parameters
    ----------
    path : Path
        It states which process holds the lock, and is deleted afterwards.
    hint : str
        What to do other than to wait.

    Raises
    ------
    UserError
        If another process holds the lock.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        problem = f"{path.stem} is being written by {describe_holder(path)}"
        raise UserError(f"{path}: {problem}: wait until it ends, or {hint}") from None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
        advice = f"make sure that no other process writes {path.stem}"
        print(f"{path}: this file system has no locks: {advice}")
        yield
        return
    try:
        command = shlex.join(sys.argv)
        text = f"process {os.getpid()} on {socket.gethostname()} ({command})"
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        yield
    finally:
        # Deleted while it is held: a process that waits for the lock sees that the file is gone
        path.unlink(missing_ok=True)
        lock.release()


def describe_holder(path):
    """Process, host and command of the holder of a lock file, as a text."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8") or "another process"
    return "another process"
