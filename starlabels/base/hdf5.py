"""The only module that opens HDF5: each file says how it was made, and none looks finished before it is whole."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from starlabels.base import integrity, stamp
from starlabels.base.errors import UserError
from starlabels.base.files import PatientFile

SCRIPTS = {"grid": "grid.py", "0_join": "0_join.py", "2_preprocess": "2_preprocess.py", "3_train": "3_train.py",
           "4_test": "4_test.py", "jacobian": "jacobian.py"}  # fmt: skip
ENDS = (
    1 << 20
)  # bytes: of files not ours the first and the last so many count, all of those not larger than both
CHUNK_BYTES = 1 << 16  # a few rows at most: to read one row is to read, and to sum, its whole chunk
FORMAT = ("v110", "v110")  # of HDF5: with checksums of all that is not data; since 2016


@contextlib.contextmanager
def create(path, stage, digest, config="", inputs=None):
    """An open h5py.File on `<path>.tmp` that becomes `path`, with its root attributes, when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".tmp")
    with contextlib.suppress(FileNotFoundError):
        tmp.unlink()  # left by a killed run
    try:
        with PatientFile(tmp, "w+") as file:
            try:
                with h5py.File(file, "w", libver=FORMAT) as h5:
                    yield h5
                    h5.attrs.update(stamp.root_attributes(stage, digest, config, inputs or {}))
            except Exception:
                if not file.error:
                    raise
            if file.error:  # whatever else went wrong later
                raise OSError(
                    file.error.errno, os.strerror(file.error.errno), str(path)
                ) from file.error
        os.replace(tmp, path)
    finally:
        tmp.unlink(missing_ok=True)


@contextlib.contextmanager
def open_hdf5(path, hint):
    """An HDF5 file open for reading; UserError that ends in the hint if it is missing, truncated or not HDF5."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} not found: {hint}")
    with path.open("rb"):
        pass  # an OSError that names file and reason
    try:
        h5 = h5py.File(path, "r")
    except OSError as error:
        why = "is truncated" if "truncated" in str(error) else "is not a sound HDF5 file"
        raise UserError(f"{path} {why}: {hint}") from error
    with h5:
        integrity.check_links(h5, path, hint)
        try:
            yield h5
        except UserError:
            raise
        except Exception as error:  # of whatever kind: HDF5, NumPy and TensorFlow tell of damage each in its own way
            if where := integrity.find_damage(h5):
                raise UserError(f"{path} is damaged, {where} cannot be read: {hint}") from error
            raise


def open_buffer(buffer):
    """An h5py.File of the bytes in a buffer; OSError if they are none."""
    return h5py.File(buffer, "r")


@contextlib.contextmanager
def open_stage(path, stage, digest=None, script=None):
    """The file of a stage, open for reading; UserError naming the script to run if missing, damaged or stale."""
    hint = f"run python {script or SCRIPTS[stage]}"
    with open_hdf5(path, hint) as h5:
        found = h5.attrs.get("stage", "unknown")
        if found != stage:
            raise UserError(f"{path} is a file of stage {found}, expected {stage}: {hint}")
        if digest is not None and h5.attrs.get("digest") != digest:
            stored = json.loads(h5.attrs.get("parts", "{}"))
            what = f" of {digest.changes(stored)}" if hasattr(digest, "changes") else ""
            raise UserError(f"{path} was made with other settings{what}: re-{hint}")
        integrity.check_layout(h5, stage, f"re-{hint}")
        yield h5


def file_digest(path):
    """16 hex digits of an input file: the stored digest of ours, else of size, first and last MB; None if missing."""
    path = Path(path)
    if not path.is_file():
        return None
    with (
        contextlib.suppress(OSError, RuntimeError, ValueError),
        h5py.File(path, "r") as h5,
    ):  # damaged, or not HDF5
        if "digest" in h5.attrs:
            return str(h5.attrs["digest"])
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(ENDS)
        file.seek(max(0, size - ENDS))
        return hashlib.sha256(b"%d" % size + first + file.read()).hexdigest()[:16]


def recorded_inputs(path):
    """{file: digest} of the inputs that a stage's file was made from; {} if there is no such file."""
    if not Path(path).is_file():
        return {}
    with contextlib.suppress(OSError, RuntimeError, ValueError), h5py.File(path, "r") as h5:
        return json.loads(h5.attrs.get("inputs", "{}"))
    return {}


def dataset(h5, name):
    """The dataset of that name; UserError with what is there instead."""
    found = None
    with contextlib.suppress(
        KeyError, ValueError, RuntimeError
    ):  # of a name in a dataset, or a link to itself
        found = h5.get(name)
    if not isinstance(found, h5py.Dataset):
        where = f"{h5.name}/{name}".lstrip("/")
        raise UserError(
            f"{h5.file.filename} has no dataset {where}; there is {', '.join(h5) or 'nothing'}"
        )
    return found


def write(group, name, values):
    """Write an array as a new dataset, in which HDF5 notices damage when it is read."""
    sums = (
        np.ndim(values) > 0 and np.asarray(values).dtype.kind not in "OU"
    )  # these are stored elsewhere in the file
    return group.create_dataset(name, data=values, fletcher32=sums)


class Axis(NamedTuple):
    """Wavelengths (n_pix,) in Angstrom, and of the spectra on them what `write_wave` writes beside."""

    wave: np.ndarray
    medium: str = "air"  # or "vacuum"
    resolving_power: float | None = None  # lambda / FWHM where all share one
    frame: str = "rest"  # or "observer": some are shifted by a radial velocity


def write_wave(h5, wave, medium="air", resolving_power=None, frame="rest"):
    """Write an Axis: write_wave(h5, *axis)."""
    data = write(h5, "spectra/wave", np.asarray(wave, "f8"))
    data.attrs.update({"unit": "Angstrom", "medium": medium, "frame": frame})
    h5["spectra"].attrs["medium"] = medium
    if resolving_power is not None:
        h5["spectra"].attrs["resolving_power"] = float(resolving_power)


def read_wave(h5):
    """Wavelengths (n_pix,) in Angstrom."""
    return integrity.read_whole(dataset(h5, "spectra/wave"))


def read_axis(h5):
    """The Axis of a file; where that does not say otherwise, its spectra are at rest, and in the medium that is the custom."""
    wave = read_wave(h5)
    medium, power = (
        integrity.read_attribute(h5["spectra"], name) for name in ("medium", "resolving_power")
    )
    own, frame = (integrity.read_attribute(h5["spectra/wave"], name) for name in ("medium", "frame"))
    power = float(power) if isinstance(power, (int, float)) and 0 < power < np.inf else None
    medium = str(medium or own or assumed_medium(wave)).lower()
    return Axis(wave, medium, power, "observer" if frame == "observer" else "rest")


def assumed_medium(wave):
    """ "air" or "vacuum" of wavelengths (n,) in Angstrom whose file does not say: the IAU's custom, and that of the optical
    spectrographs on the ground (HARPS, UVES, FEROS, ELODIE, ...); surveys that differ are known by their headers."""
    return "air" if np.median(wave) >= 2000 else "vacuum"


def create_spectra(group, n, n_pix, name="spectra/flux"):
    """An empty float32 dataset (n, n_pix), chunked by rows; n None makes one that grows by resize(n, axis=0)."""
    rows = max(1, CHUNK_BYTES // (4 * n_pix))
    rows = rows if n is None else min(rows, n)
    shape = {"shape": (n or 0, n_pix), "maxshape": (n, n_pix), "chunks": (rows, n_pix)}
    data = group.create_dataset(name, dtype="f4", fletcher32=True, **shape)
    data.attrs["continuum"] = 1.0
    return data


def read_rows(data, rows):
    """The rows of a dataset (n, ...) in the order given; they are read in the order of the file, run by run."""
    rows = np.asarray(rows)
    order = np.argsort(rows, kind="stable")
    out = np.empty((len(rows), *data.shape[1:]), data.dtype)
    runs = np.split(order, np.flatnonzero(np.diff(rows[order]) != 1) + 1)
    for run in runs if len(rows) else []:
        out[run] = data[rows[run[0]] : rows[run[-1]] + 1]
    return out


def write_labels(group, value, names, units, error=None):
    """Write labels (n, n_labels) in physical units, NaN where missing, and their errors where known."""
    for name, data in (("labels/value", value), ("labels/error", error)):
        if data is not None:
            write(group, name, np.asarray(data, "f4")).attrs.update(
                {"names": list(names), "units": list(units)}
            )


def write_text(group, name, values):
    """Write texts (n,) as a dataset of fixed length: quick, and small where ids are."""
    values = np.asarray(values, "S") if len(values) else np.empty(0, "S1")
    return write(group, name, values)


def read_text(data):
    """Texts (n,) of a dataset of text or numbers, as bytes of fixed length; UserError if it holds anything else."""
    if data.dtype.kind == "O" and not h5py.check_string_dtype(data.dtype):
        raise UserError(
            f"{data.file.filename}: {data.name} holds objects, expected text or numbers: take it out"
        )
    if data.ndim != 1 or data.dtype.kind not in "SOfiu":
        raise UserError(
            f"{data.file.filename}: {data.name.lstrip('/')} is {data.dtype} {data.shape}, expected texts (n,)"
        )
    values = integrity.read_whole(data)
    return (
        np.char.encode(data.asstr()[:].astype(str), "utf-8")
        if values.dtype.kind == "O"
        else values.astype("S")
    )


def append(data, block):
    """Add a block (n, ...) at the end of a dataset that grows."""
    data.resize(len(data) + len(block), axis=0)
    data[len(data) - len(block) :] = block


def labels_dataset(group):
    """The dataset of labels in a file (`labels/value`) or in a part of 2_prepared.h5 (`labels`)."""
    return (
        group["labels"]
        if isinstance(group.get("labels"), h5py.Dataset)
        else dataset(group, "labels/value")
    )


def label_names(group):
    """Names of the label columns of a file or part; UserError unless there is one for each column of a table of numbers."""
    data = labels_dataset(group)
    names = integrity.read_text_attribute(data, "names")
    if (
        data.ndim != 2
        or data.dtype.kind not in "fiu"
        or len(names) != data.shape[1]
        or len(set(names)) < len(names)
    ):
        found = f"{data.dtype} {data.shape} named [{', '.join(names)}]"
        raise UserError(
            f"{data.file.filename}: {data.name} is {found}; expected numbers (n, n_labels), a name a column"
        )
    return names


def label_units(group):
    """{name: unit} of the label columns of a file or part."""
    data = labels_dataset(group)
    return dict.fromkeys(label_names(group), "") | dict(
        zip(label_names(group), integrity.read_text_attribute(data, "units"))
    )


def columns(group, names):
    """Columns [(n,)] of all labels of the stars of a part of 2_prepared.h5, learnt or not; None for one that it has not."""
    there, values = list(group["grid_labels"].attrs["names"]), group["grid_labels"][:]
    return [values[:, there.index(name)].astype(float) if name in there else None for name in names]


def column_errors(group, names):
    """Errors [(n,)] of columns of a part of 2_prepared.h5, NaN where they are not known."""
    there, n = list(group["grid_labels"].attrs["names"]), len(group["grid_labels"])
    if "grid_label_errors" not in group:
        return [np.full(n, np.nan) for _ in names]
    values = group["grid_label_errors"][:].astype(float)
    return [values[:, there.index(name)] if name in there else np.full(n, np.nan) for name in names]


def read_label_errors(group, names):
    """Errors (n, len(names)) float32 of labels, in the order of names, NaN where they are not known; of a file or a part."""
    data, there = labels_dataset(group), label_names(group)
    where = (
        "label_errors"
        if not data.name.endswith("value") or "label_errors" in group
        else "labels/error"
    )
    if where not in group:
        return np.full((len(data), len(names)), np.nan, "f4")
    errors = dataset(group, where)
    if errors.shape != data.shape or errors.dtype.kind not in "fiu":
        found = f"{errors.dtype} {errors.shape}, expected numbers {data.shape} as the labels"
        raise UserError(f"{group.file.filename}: {errors.name} is {found}")
    return integrity.read_whole(errors)[:, [there.index(name) for name in names]].astype("f4")


def read_labels(group, names):
    """Labels (n, len(names)) float32 in physical units, in the order of names; UserError naming those missing."""
    there = label_names(group)
    missing = [name for name in names if name not in there]
    if missing:
        raise UserError(
            f"{group.file.filename} has labels [{', '.join(there)}]; config asks {', '.join(missing)} too"
        )
    return integrity.read_whole(labels_dataset(group))[:, [there.index(name) for name in names]].astype(
        "f4"
    )
