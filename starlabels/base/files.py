"""Files and folders that are written completely or not at all."""

import contextlib
import errno
import hashlib
import io
import os
import shutil
from pathlib import Path

from starlabels.base.errors import UserError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}  # of file systems that cannot flush a folder


def compute_sha256(path):
    """SHA-256 of a file, 64 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_not_input(out, inputs):
    """UserError if a file to write is one of the files to read (None: no file)."""
    for path in inputs:
        if path is not None and os.path.realpath(path) == os.path.realpath(out):
            raise UserError(f"{out} would be overwritten, but is read: give --out another name")


def sync_to_disk(path):
    """Wait until a file, or the names in a folder, are on the disk: a power cut loses them else."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)


def sync_folder_to_disk(folder):
    """Wait until a folder with all that is in it is on the disk."""
    for path in (*sorted(Path(folder).rglob("*")), folder):
        sync_to_disk(path)


def get_side_folders(folder):
    """Paths of the next version of a folder (.tmp) and of the last one (.old.tmp) during a swap.

    A folder that ends in .old may be a copy that the user keeps.
    """
    return Path(f"{folder}.tmp"), Path(f"{folder}.old.tmp")


def remove_folder(folder):
    """Delete a folder and its side folders; a kill never leaves a folder that looks complete."""
    tmp, old = get_side_folders(folder)
    for path in (old, tmp):
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.replace(folder, tmp)
    shutil.rmtree(tmp, ignore_errors=True)


def restore_folder(folder):
    """Restore the last version of a folder if a run was killed before it wrote the next one."""
    _, old = get_side_folders(folder)
    if old.is_dir() and not Path(folder).exists():
        os.replace(old, folder)


@contextlib.contextmanager
def replace_folder(path):
    """Yield a folder `<path>.tmp` that replaces `path` when the block ends without error."""
    tmp, old = get_side_folders(path)
    restore_folder(path)
    for leftover in (tmp, old):  # of a killed run
        shutil.rmtree(leftover, ignore_errors=True)
    tmp.mkdir(parents=True)
    try:
        with name_full_disk(path):
            yield tmp
            sync_folder_to_disk(tmp)  # before the last version is given up
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, old)  # a folder that is not empty cannot be replaced in one step
        os.replace(tmp, path)
        sync_to_disk(tmp.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        restore_folder(path)
        shutil.rmtree(tmp, ignore_errors=True)


@contextlib.contextmanager
def replace_file(path, sync=True):
    """Yield a path `<path>.tmp` that replaces `path` when the block ends without error.

    sync: wait for the disk, so that a power cut leaves the old or the new content; figures, which
    are quickly drawn again, do not need it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f"{path.name}.tmp")
    try:
        tmp.write_bytes(b"")  # empties what a killed run left; an OSError here names the file
        with name_full_disk(path):
            yield tmp
            if sync:
                sync_to_disk(tmp)
        os.replace(tmp, path)
        if sync:
            sync_to_disk(path.parent)
    finally:
        tmp.unlink(missing_ok=True)


@contextlib.contextmanager
def name_full_disk(path):
    """Add the file or folder to the OSError of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or error.filename:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


class PatientFile(io.FileIO):
    """A new file that accepts writes after the disk is full: `error` is set if data are missing.

    For HDF5, which ends the process with a segmentation fault if it cannot flush its memory.
    """

    error = None

    def write(self, data):
        """Write all of the data, or nothing after the first error."""
        done = 0
        try:
            while self.error is None and done < len(data):
                done += super().write(data[done:])
        except OSError as error:
            self.error = error
        self.seek(len(data) - done, os.SEEK_CUR)
        return len(data)

    def truncate(self, size=None):
        """Set the size of the file, unless the disk is full."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size

    def __repr__(self):
        return str(self.name)


@contextlib.contextmanager
def renew_files(folder, pattern):
    """Delete files of the pattern in the folder that the block did not write anew.

    Nothing is deleted if the block raises an error.
    """
    before = {path: path.stat().st_ino for path in Path(folder).glob(pattern)}
    yield
    for path, inode in before.items():
        if path.exists() and path.stat().st_ino == inode:
            path.unlink()
