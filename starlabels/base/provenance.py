"""Provenance: how files and figures were made.

`python -m starlabels.tools.provenance FILE` prints it for an HDF5 file, a figure, a .keras file or
a folder models/<run>, and follows its inputs back.
"""

import hashlib
import json
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

from starlabels.base import hdf5, stamp
from starlabels.base.errors import UserError
from starlabels.base.files import replace_file
from starlabels.base.install import ROOT

HDF5 = b"\x89HDF\r\n\x1a\n"
PNG = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = 33  # bytes: signature and IHDR chunk, which must come first
NOT_OURS = (
    "does not state how it was made: "
    "name an HDF5 file, a figure or a model that a script of starlabels made"
)
KEYS = ("stage", "digest", "config", "inputs", "command", "commit", "created", "versions")


class ProvenanceRecord(NamedTuple):
    """Root attributes of a file.

    `inputs` is {file: digest}, `versions` {package: version}, `files` {model file: SHA-256}.
    """

    stage: str
    digest: str
    config: str
    inputs: dict
    command: str
    commit: str
    created: str
    versions: dict
    files: dict


def stamp_figure(path, config, inputs):
    """Add provenance to a PNG file without changing its pixels.

    Parameters
    ----------
    path : Path
        The figure.
    config : str
        Text of the configuration.
    inputs : dict
        {file: digest} of what the figure shows.
    """
    from PIL.PngImagePlugin import PngInfo

    names = {str(get_portable_path(name)): str(digest) for name, digest in inputs.items()}
    content = json.dumps([config, sorted(map(list, names.items()))])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    stage = Path(sys.argv[0]).stem or "interactive"
    info = PngInfo()
    for key, value in stamp.make_root_attributes(stage, digest, config, names).items():
        info.add_text(key, str(value))
    image = Path(path).read_bytes()
    with replace_file(path, sync=False) as tmp, tmp.open("wb") as file:
        file.write(image[:PNG_HEADER])
        for name, data, *_ in info.chunks:
            body = name + data
            file.write(len(data).to_bytes(4) + body + zlib.crc32(body).to_bytes(4))
        file.write(image[PNG_HEADER:])


def get_portable_path(path):
    """Path of a packaged file relative to the repository; other paths unchanged."""
    path = Path(path)
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT / "data") else path)


def read_record(path):
    """Read the ProvenanceRecord of a file or of a model's folder.

    UserError if it is missing, damaged, or was not made by starlabels.
    """
    path = find_record_file(Path(path))
    if not path.is_file():
        raise UserError(f"{path} not found: name a file that a script of starlabels made")
    with path.open("rb") as file:
        signature = file.read(8)
    if signature not in (HDF5, PNG):
        raise UserError(f"{path} {NOT_OURS}")
    try:
        attributes = read_png_text(path) if signature == PNG else read_root_attributes(path)
        missing = [key for key in KEYS if key not in attributes]
        if len(missing) == 1:
            raise UserError(f"{path} does not state its {missing[0]}")
        if missing:
            raise UserError(f"{path} {NOT_OURS}")
        return _parse_record(attributes)
    except (OSError, ValueError, TypeError, RuntimeError, SyntaxError) as error:
        raise UserError(f"{path} is damaged: its provenance cannot be read") from error


def _parse_record(attributes):
    """The ProvenanceRecord of root attributes; ValueError or TypeError if they are malformed."""
    values = {key: str(attributes[key]) for key in KEYS}
    for key in ("inputs", "versions", "files"):
        table = json.loads(attributes.get(key, "{}"))
        if not isinstance(table, dict):
            raise ValueError(f"{key} is not a table")
        values[key] = {str(name): str(value) for name, value in table.items()}
    return ProvenanceRecord(**values)


def find_record_file(path):
    """File with the provenance: scaling.h5 for a model or its .keras files, else `path`."""
    if path.is_dir():
        return path / "scaling.h5"
    return path.with_name("scaling.h5") if path.suffix == ".keras" and path.is_file() else path


def read_root_attributes(path):
    """Root attributes of an HDF5 file."""
    with hdf5.open_hdf5(path, "make it anew") as h5:
        return dict(h5.attrs)


def read_png_text(path):
    """Text chunks of a PNG file."""
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as image:
        return dict(image.text)
