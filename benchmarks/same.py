"""Compare the files of two runs: numbers bit by bit, figures by pixel, without dates and times."""

import csv
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from starlabels.base import hdf5 as h5io

# attributes, keys and columns that differ from run to run: Keras's shared_object_id is a memory
# address, and `files` are checksums of files that contain it
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


def find_differences(folder, reference, leave=()):
    """Differences between the files of two folders, in words.

    leave: endings of names and folders to leave out, as is the log.
    """
    ours, theirs = (list_files(root, leave) for root in (folder, reference))
    differences = [f"missing {name}" for name in sorted(theirs - ours)] + [
        f"more: {name}" for name in sorted(ours - theirs)
    ]
    for name in sorted(ours & theirs):
        try:
            same = read_content(folder / name) == read_content(reference / name)
        except Exception as error:  # damaged, in whatever way
            differences.append(f"corrupt {name}: {error}")
        else:
            differences += [] if same else [f"different {name}"]
    return differences


def list_files(root, leave):
    """Names of the files in a folder and below it."""
    paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    return {
        str(path)
        for path in paths
        if path.name != "log" and not any(part.endswith(tuple(leave)) for part in path.parts)
    }


def read_content(path):
    """Content of a file for comparison, by its kind."""
    if path.suffix == ".h5":
        with h5io.open_hdf5(path, "") as h5:
            return read_hdf5(h5)
    if path.suffix == ".keras":
        return read_keras(path)
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
        return drop_ignored(json.loads(path.read_text()))
    if path.suffix == ".md":
        return [
            line
            for line in path.read_text().splitlines()
            if not line.startswith(("- trained", "- tested"))
        ]
    return path.read_bytes()


def read_hdf5(h5):
    """{name: type, shape and bytes of a dataset, attributes} of an open file."""
    contents = {"/": read_attributes(h5)}

    def add(name, item):
        contents[name] = read_attributes(item) | (
            {"data": normalise_array(item[()])} if hasattr(item, "dtype") else {}
        )

    h5.visititems(add)
    return contents


def read_attributes(item):
    """{name: value} of a group or dataset."""
    return {
        name: normalise_array(value) for name, value in item.attrs.items() if name not in IGNORED
    }


def normalise_array(value):
    """Type, shape and bytes of an array; texts as a list."""
    value = np.asarray(value)
    return (
        str(value.dtype),
        value.shape,
        value.tolist() if value.dtype.kind == "O" else value.tobytes(),
    )


def read_keras(path):
    """{member: content} of a Keras model."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        archive.extractall(folder)
        return {name: read_content(Path(folder) / name) for name in archive.namelist()}


def drop_ignored(value):
    """A JSON value without the keys that differ from run to run."""
    if isinstance(value, list):
        return [drop_ignored(item) for item in value]
    return (
        {key: drop_ignored(item) for key, item in value.items() if key not in IGNORED}
        if isinstance(value, dict)
        else value
    )
