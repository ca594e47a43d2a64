"""Access to HDF5: files are complete or absent, know how they were made, and damage is detected.

This is the only module that opens HDF5 files.
"""

import contextlib
import functools
import hashlib
import json
import os
from pathlib import Path

import h5py
import numpy as np

from starlabels.base import integrity, stamp
from starlabels.base.errors import UserError
from starlabels.base.files import PatientFile, sync_to_disk
from starlabels.base.global_heaps import check_global_heaps

# Scripts that write the files of each stage
SCRIPTS = {
    "grid": "grid.py",
    "0_join": "0_join.py",
    "2_preprocess": "2_preprocess.py",
    "3_train": "3_train.py",
    "4_test": "4_test.py",
    "jacobian": "jacobian.py",
}
ENDS = 1 << 20  # bytes at either end of a file, see compute_file_digest
LARGE = 1 << 26  # bytes of a file that takes a tenth of a second to read
FORMAT = ("v110", "v110")  # HDF5 since 2016, with checksums of all metadata


@contextlib.contextmanager
def create_file(path, stage, digest, config="", inputs=None):
    """Yield an h5py.File `<path>.tmp` that becomes `path` when the block ends without error.

    Parameters
    ----------
    path : path
    stage : str
        Name of the stage, such as "grid".
    digest : str or Digest
        Digest of the settings that the content depends on.
    config : str
        Text of the configuration.
    inputs : dict, optional
        {file: digest} of the input files.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".tmp")
    tmp.unlink(missing_ok=True)  # left by a killed run
    try:
        with PatientFile(tmp, "w+") as file:
            try:
                with h5py.File(file, "w", libver=FORMAT) as h5:
                    yield h5
                    attributes = stamp.make_root_attributes(stage, digest, config, inputs or {})
                    h5.attrs.update(attributes)
            except Exception:
                if not file.error:
                    raise
            if error := file.error:  # later errors are its consequences
                raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        sync_to_disk(tmp)
        os.replace(tmp, path)
        sync_to_disk(path.parent)
    finally:
        tmp.unlink(missing_ok=True)


@contextlib.contextmanager
def open_hdf5(path, hint):
    """Yield an HDF5 file open for reading.

    Parameters
    ----------
    path : path
    hint : str
        End of error messages: what to do.

    Raises
    ------
    UserError
        If the file is missing, truncated, not HDF5, or has links to other files; also if reading
        it in the block fails because it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} not found: {hint}")
    check_global_heaps(path, hint)  # raises an OSError that names file and reason
    try:
        h5 = h5py.File(path, "r")
    except OSError as error:
        problem = "is truncated" if "truncated" in str(error) else "is not a sound HDF5 file"
        raise UserError(f"{path} {problem}: {hint}") from error
    with h5:
        integrity.check_links(h5, path, hint)
        try:
            yield h5
        except UserError:
            raise
        except Exception as error:  # HDF5, NumPy and TensorFlow report damage in different ways
            if name := integrity.find_damage(h5):
                raise UserError(f"{path} is damaged, {name} cannot be read: {hint}") from error
            raise


def open_buffer(buffer):
    """An h5py.File of the bytes in a buffer; OSError if they are not HDF5."""
    return h5py.File(buffer, "r")


@contextlib.contextmanager
def open_stage(path, stage, digest=None, script=None):
    """Yield the file of a stage, open for reading.

    Parameters
    ----------
    path : path
    stage : str
        Expected stage.
    digest : str or Digest, optional
        Expected digest.
    script : str, optional
        Script that writes the file; default: the script of the stage.

    Raises
    ------
    UserError
        If the file is missing, damaged, of another stage or made with other settings. The message
        names the script to run.
    """
    hint = f"run python {script or SCRIPTS[stage]}"
    with open_hdf5(path, hint) as h5:
        stored_stage = h5.attrs.get("stage", "unknown")
        if stored_stage != stage:
            raise UserError(f"{path} is a file of stage {stored_stage}, expected {stage}: {hint}")
        if digest is not None and h5.attrs.get("digest") not in (
            digest,
            getattr(digest, "former", digest),
        ):
            parts = json.loads(h5.attrs.get("parts", "{}"))
            changes = f" of {digest.changes(parts)}" if hasattr(digest, "changes") else ""
            raise UserError(f"{path} was made with other settings{changes}: re-{hint}")
        integrity.check_layout(h5, stage, f"re-{hint}")
        yield h5


def compute_file_digest(path):
    """Digest of all bytes of a file, 16 hex digits; None if it is missing.

    What the file states of itself does not count. Large files are read once, unless they change.
    """
    path = Path(path)
    if not path.is_file():
        return None
    state = path.stat()
    if state.st_size < LARGE:
        return _hash_bytes(path, state.st_size)
    times = (state.st_mtime_ns, state.st_ctime_ns)
    return _hash_large_file(path.resolve(), state.st_size, state.st_ino, times)


@functools.cache
def _hash_large_file(path, size, inode, times):
    """The digest of a file in the state that its size, inode and times describe."""
    return _hash_bytes(path, size)


def _hash_bytes(path, size):
    """The digest of a file; of small ones it is made as it was before large ones were read."""
    digest = hashlib.sha256(b"%d" % size)
    with path.open("rb") as file:
        if size > 2 * ENDS:
            while block := file.read(ENDS):
                digest.update(block)
        else:
            digest.update(file.read(ENDS))
            file.seek(max(0, size - ENDS))
            digest.update(file.read())
    return digest.hexdigest()[:16]


def compute_former_digest(path):
    """The digest that files made before had for an input: the stated one, or that of both ends."""
    if stated := read_stated_digest(path):
        return stated
    path = Path(path)
    if not path.is_file() or path.stat().st_size <= 2 * ENDS:
        return compute_file_digest(path)
    with path.open("rb") as file:
        first = file.read(ENDS)
        file.seek(-ENDS, os.SEEK_END)
        size = b"%d" % path.stat().st_size
        return hashlib.sha256(size + first + file.read()).hexdigest()[:16]


def read_stated_digest(path):
    """The digest that an HDF5 file states of the settings it was made with; None without one."""
    # Errors: the file is missing, damaged, or not HDF5
    with contextlib.suppress(OSError, RuntimeError, ValueError), h5py.File(path, "r") as h5:
        if "digest" in h5.attrs:
            return str(h5.attrs["digest"])
    return None


def read_recorded_inputs(path):
    """{file: digest} of the inputs of a stage's file; {} if there is no such file."""
    if not Path(path).is_file():
        return {}
    with contextlib.suppress(OSError, RuntimeError, ValueError), h5py.File(path, "r") as h5:
        return json.loads(h5.attrs.get("inputs", "{}"))
    return {}


def get_dataset(h5, name):
    """The dataset of that name in a file or group; UserError listing what exists instead."""
    data = None
    # Errors: part of the name is a dataset, or a link to itself
    with contextlib.suppress(KeyError, ValueError, RuntimeError):
        data = h5.get(name)
    if not isinstance(data, h5py.Dataset):
        place = f"{h5.name}/{name}".lstrip("/")
        raise UserError(
            f"{h5.file.filename} has no dataset {place}; there is {', '.join(h5) or 'nothing'}"
        )
    return data


def write_dataset(group, name, values):
    """Write an array as a new dataset with checksums, so that damage is detected on reading."""
    # Objects and texts are stored elsewhere in the file
    has_sums = np.ndim(values) > 0 and np.asarray(values).dtype.kind not in "OU"
    return group.create_dataset(name, data=values, fletcher32=has_sums)


def append_rows(data, block):
    """Append a block (n, ...) to a dataset that can grow."""
    data.resize(len(data) + len(block), axis=0)
    data[len(data) - len(block) :] = block


def read_rows(data, rows):
    """The rows (n,) of a dataset (n_rows, ...), in the given order.

    They are read in the order of the file, one run of neighbours at a time.
    """
    rows = np.asarray(rows)
    order = np.argsort(rows, kind="stable")
    out = np.empty((len(rows), *data.shape[1:]), data.dtype)
    runs = np.split(order, np.flatnonzero(np.diff(rows[order]) != 1) + 1)
    for run in runs if len(rows) else []:
        out[run] = data[rows[run[0]] : rows[run[-1]] + 1]
    return out


def write_text(group, name, values):
    """Write texts (n,) as a dataset of fixed length: fast, and small for ids."""
    values = np.asarray(values, "S") if len(values) else np.empty(0, "S1")
    return write_dataset(group, name, values)


def read_text(data):
    """Texts (n,) of a dataset of text or numbers, as bytes of fixed length.

    UserError for anything else.
    """
    if data.dtype.kind == "O" and not h5py.check_string_dtype(data.dtype):
        raise UserError(
            f"{data.file.filename}: {data.name} holds objects, expected text or numbers: remove it"
        )
    if data.ndim != 1 or data.dtype.kind not in "SOfiu":
        raise UserError(
            f"{data.file.filename}: {data.name.lstrip('/')} is {data.dtype} {data.shape}, "
            "expected texts (n,)"
        )
    values = integrity.read_whole(data)
    if values.dtype.kind == "O":
        return np.char.encode(data.asstr()[:].astype(str), "utf-8")
    return values.astype("S")
