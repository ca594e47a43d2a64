"""Folders that appear whole or not at all."""

import contextlib
import os
import shutil
from pathlib import Path


def remove(folder):
    """Delete a folder, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def replaced_folder(path):
    """A folder `<path>.tmp` to write into, that takes the place of `path` when the block ends without error."""
    tmp, old = (Path(f"{path}.{suffix}") for suffix in ("tmp", "old"))
    shutil.rmtree(tmp, ignore_errors=True)  # left by a killed run
    tmp.mkdir(parents=True)
    try:
        yield tmp
        shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, old)  # a folder that is not empty cannot be replaced in one step
        os.replace(tmp, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
