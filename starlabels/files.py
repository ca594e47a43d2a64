"""Files and folders that appear whole or not at all."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path


def sha256(path):
    """SHA-256 of a file, 64 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


@contextlib.contextmanager
def replaced_file(path):
    """A path `<path>.tmp` to write to, that takes the place of `path` when the block ends without error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f"{path.name}.tmp")
    tmp.write_bytes(b"")  # empties what a killed run left; an OSError here names the file
    try:
        yield tmp
        os.replace(tmp, path)
    finally:
        tmp.unlink(missing_ok=True)
