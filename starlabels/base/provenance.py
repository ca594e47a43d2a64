"""How a file came about: what its figures and files say of themselves, followed back through their inputs.

`python -m starlabels.tools.provenance FILE` prints it of an HDF5 file, a figure, a .keras file or a folder models/<run>.
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

ROOT = Path(__file__).parents[2]
HDF5, PNG = b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n"
PNG_HEADER = 33  # bytes: signature and IHDR chunk, which must come first
NOT_OURS = "says nothing of how it was made: name an HDF5 file, a figure or a model that a script of starlabels made"
KEYS = ("stage", "digest", "config", "inputs", "command", "commit", "created", "versions")


class Record(NamedTuple):
    """What a file says of itself: its root attributes, with `inputs` {file: digest} and `versions` {package: version}."""

    stage: str
    digest: str
    config: str
    inputs: dict
    command: str
    commit: str
    created: str
    versions: dict
    files: dict  # {model file: SHA-256}


def stamp_figure(path, config, inputs):
    """Write into a PNG file how it was made, without touching its pixels.

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

    names = {str(path_from_root(name)): str(digest) for name, digest in inputs.items()}
    own = json.dumps([config, sorted(map(list, names.items()))])
    digest = hashlib.sha256(own.encode()).hexdigest()[:16]
    stage = Path(sys.argv[0]).stem or "interactive"
    info = PngInfo()
    for key, value in stamp.root_attributes(stage, digest, config, names).items():
        info.add_text(key, str(value))
    image = Path(path).read_bytes()
    with replace_file(path) as tmp, tmp.open("wb") as file:
        file.write(image[:PNG_HEADER])
        for name, data, *_ in info.chunks:
            body = name + data
            file.write(len(data).to_bytes(4) + body + zlib.crc32(body).to_bytes(4))
        file.write(image[PNG_HEADER:])


def path_from_root(path):
    """The path of a packaged file as it is in any copy of the code; of others as it is."""
    path = Path(path)
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT / "data") else path)


def read(path):
    """The Record of a file or a model's folder; UserError if it is missing, damaged or not ours."""
    path = home(Path(path))
    if not path.is_file():
        raise UserError(f"{path} not found: name a file that a script of starlabels made")
    with path.open("rb") as file:
        start = file.read(8)
    if start not in (HDF5, PNG):
        raise UserError(f"{path} {NOT_OURS}")
    try:
        found = chunks(path) if start == PNG else attributes(path)
        if missing := [key for key in KEYS if key not in found]:
            raise UserError(
                f"{path} {NOT_OURS if len(missing) > 1 else f'does not tell its {missing[0]}'}"
            )
        tables = {key: json.loads(found.get(key, "{}")) for key in ("inputs", "versions", "files")}
        if not all(isinstance(table, dict) for table in tables.values()):
            raise ValueError
        texts = {key: str(found[key]) for key in KEYS if key not in tables}
    except (OSError, ValueError, TypeError, RuntimeError, SyntaxError) as error:
        raise UserError(f"{path} is damaged: what it says of itself cannot be read") from error
    return Record(
        **texts,
        **{key: {str(k): str(v) for k, v in table.items()} for key, table in tables.items()},
    )


def home(path):
    """The file that speaks for a path: scaling.h5 for a model's folder and for the .keras files in it, else itself."""
    if path.is_dir():
        return path / "scaling.h5"
    return path.with_name("scaling.h5") if path.suffix == ".keras" and path.is_file() else path


def attributes(path):
    """Root attributes of an HDF5 file."""
    with hdf5.open_hdf5(path, "make it anew") as h5:
        return dict(h5.attrs)


def chunks(path):
    """Text chunks of a PNG file."""
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as image:
        return dict(image.text)
