"""One process at a time writes a run: the kernel holds the lock, and lets go of it when the process ends, however it ends."""

import contextlib
import errno
import functools
import os
import shlex
import socket
import sys

from starlabels.base.errors import UserError

PATIENCE = 0.5  # seconds to wait for a process that is just ending


def require_lock(what, unless=lambda cfg: False):
    """Have a stage run(cfg, args) hold config.paths(cfg)'s lock of that name; UserError naming who holds it already.

    unless: whether the process writes nothing and so needs none.
    """

    def decorate(stage):
        @functools.wraps(stage)
        def locked(run, args=None):
            path = getattr(run.paths, what)
            with hold_lock(path) if path and not unless(run.cfg) else contextlib.nullcontext():
                return stage(run, args)

        return locked

    return decorate


@contextlib.contextmanager
def hold_lock(path):
    """Hold the lock file, which says who holds it and is gone afterwards; one that a killed process left is no obstacle."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        mend = "wait until it ends, or give this recipe a name of its own"
        raise UserError(f"{path}: {path.stem} is being written by {describe_holder(path)}: {mend}") from None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
        print(
            f"{path}: this file system has no locks: see to it that no other process writes {path.stem}"
        )
        yield
        return
    try:
        path.write_text(
            f"process {os.getpid()} on {socket.gethostname()} ({shlex.join(sys.argv)})",
            encoding="utf-8",
        )
        yield
    finally:
        path.unlink(missing_ok=True)  # while we hold it: who waits for it sees that it is gone
        lock.release()


def describe_holder(path):
    """Who holds a lock, in words."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8") or "another process"
    return "another process"
