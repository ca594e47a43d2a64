"""Whether two folders of runs hold the same: numbers bit for bit, figures pixel by pixel, but not dates and times."""

import csv
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from starlabels.base import hdf5 as h5io

# Attributes, keys and columns that differ from run to run: Keras's shared_object_id is a place in memory, and `files` are the
# checksums of files that have it
IGNORED = (
    "created",
    "command",
    "commit",
    "train_seconds",
    "date_saved",
    "seconds",
    "shared_object_id",
    "files",
)


def differences(folder, reference, leave=()):
    """[what differs] between the files of two folders, but for the log and names with those endings or in such folders."""
    ours, theirs = (files(root, leave) for root in (folder, reference))
    found = [f"missing {name}" for name in sorted(theirs - ours)] + [
        f"more: {name}" for name in sorted(ours - theirs)
    ]
    for name in sorted(ours & theirs):
        try:
            same = content(folder / name) == content(reference / name)
        except Exception as error:  # damaged, in whatever way
            found.append(f"corrupt {name}: {error}")
        else:
            found += [] if same else [f"different {name}"]
    return found


def files(root, leave):
    """Names of the files in a folder and those in it."""
    paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return {
        str(path)
        for path in paths
        if path.name != "log" and not any(part.endswith(tuple(leave)) for part in path.parts)
    }


def content(path):
    """What a file holds, to be compared, by the kind of file."""
    if path.suffix == ".h5":
        with h5io.open_hdf5(path, "") as h5:
            return hdf5(h5)
    if path.suffix == ".keras":
        return keras(path)
    if path.suffix == ".png":
        with Image.open(path) as image:
            return image.size, image.tobytes()
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [
                {key: value for key, value in row.items() if key not in IGNORED}
                for row in csv.DictReader(file)
            ]
    if path.suffix == ".json":
        return lasting(json.loads(path.read_text()))
    if path.suffix == ".md":
        return [
            line
            for line in path.read_text().splitlines()
            if not line.startswith(("- trained", "- tested"))
        ]
    return path.read_bytes()


def hdf5(h5):
    """{name: type, shape and bytes of a dataset, attributes} of all in an open file."""
    found = {"/": attributes(h5)}

    def add(name, one):
        found[name] = attributes(one) | ({"data": array(one[()])} if hasattr(one, "dtype") else {})

    h5.visititems(add)
    return found


def attributes(one):
    """{name: value} of a group or dataset."""
    return {name: array(value) for name, value in one.attrs.items() if name not in IGNORED}


def array(value):
    """Type, shape and bytes of an array; texts of any length as they are."""
    value = np.asarray(value)
    return (
        str(value.dtype),
        value.shape,
        value.tolist() if value.dtype.kind == "O" else value.tobytes(),
    )


def keras(path):
    """{member: content} of a Keras model."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        archive.extractall(folder)
        return {name: content(Path(folder) / name) for name in archive.namelist()}


def lasting(value):
    """A JSON value without what differs from run to run."""
    if isinstance(value, list):
        return [lasting(one) for one in value]
    return (
        {key: lasting(one) for key, one in value.items() if key not in IGNORED}
        if isinstance(value, dict)
        else value
    )
