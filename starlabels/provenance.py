"""How a file came about: what its figures and files say of themselves, followed back through their inputs.

`python -m starlabels.provenance FILE` prints it of an HDF5 file, a figure, a .keras file or a folder models/<run>.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import NamedTuple

from starlabels import cli, h5io, origin
from starlabels.cli import UserError
from starlabels.files import sha256

ROOT = Path(__file__).parents[1]
RECIPE = [""]  # text of the recipe that was loaded last
HDF5, PNG = b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n"
NOT_OURS = "says nothing of how it was made: name an HDF5 file, a figure or a model that a script of starlabels made"
KEYS = ("stage", "digest", "config", "inputs", "command", "commit", "created", "versions")
ENDING = """\
digest of a file of ours: of the settings and inputs that it was made with, not of its bytes; of any other file: of its bytes,
of one larger than 2 MB of its size and its first and last MB only"""


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


def of_figure(sources=()):
    """{key: text} for the text chunks of a figure drawn now: of all that this process has noted as read, and of sources."""
    inputs = {name_of(path): digest for path, digest in h5io.READ.items()}
    inputs |= {str(path): h5io.file_digest(path) for path in sources}
    own = json.dumps([RECIPE[0], sorted(map(list, inputs.items()))])
    stage = Path(sys.argv[0]).stem or "interactive"
    found = origin.root_attributes(stage, hashlib.sha256(own.encode()).hexdigest()[:16], None, inputs)
    return {key: str(value) for key, value in found.items()} | {"config": RECIPE[0]}


def name_of(path):
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
            raise UserError(f"{path} {NOT_OURS if len(missing) > 1 else f'does not tell its {missing[0]}'}")
        tables = {key: json.loads(found.get(key, "{}")) for key in ("inputs", "versions", "files")}
        if not all(isinstance(table, dict) for table in tables.values()):
            raise ValueError
        texts = {key: str(found[key]) for key in KEYS if key not in tables}
    except (OSError, ValueError, TypeError, RuntimeError, SyntaxError) as error:
        raise UserError(f"{path} is damaged: what it says of itself cannot be read") from error
    return Record(**texts, **{key: {str(k): str(v) for k, v in table.items()} for key, table in tables.items()})


def home(path):
    """The file that speaks for a path: scaling.h5 for a model's folder and for the .keras files in it, else itself."""
    if path.is_dir():
        return path / "scaling.h5"
    return path.with_name("scaling.h5") if path.suffix == ".keras" and path.is_file() else path


def attributes(path):
    """Root attributes of an HDF5 file."""
    with h5io.open_hdf5(path, "make it anew") as h5:
        return dict(h5.attrs)


def chunks(path):
    """Text chunks of a PNG file."""
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as image:
        return dict(image.text)


def state(path, digest):
    """In words, whether a file still has the digest that was noted when it was read; path None: it is not there."""
    if digest in ("missing", "None"):
        return "was missing then"
    if path is None:
        return "is missing now"
    if path.is_dir() and not home(path).is_file():
        return "a folder, not looked into"
    now = h5io.file_digest(home(path))
    return "as it was" if now == digest else f"has CHANGED, it is now {now}"


def locate(name, beside):
    """Where the file is that a file `beside` was made of, by a name that may be relative to some folder above; or None."""
    return next((one for base in (Path(), *beside.resolve().parents, ROOT) if (one := base / name).exists()), None)


def tree(path, record, seen, depth=0, above=None):
    """Lines that say how a file was made, then the same of each of its inputs that is not in the set `seen`, further in.

    above: the Record of what it is an input of.
    """
    pad = "    " * depth
    seen.add(home(path).resolve())
    yield f"{pad}made by {record.stage}, {record.created}, commit {record.commit}: {record.command}"
    if not above or record.versions != above.versions:
        yield pad + ", ".join(f"{name} {version}" for name, version in record.versions.items())
    if above and record.config and record.config != above.config:
        yield f"{pad}its recipe is another: python -m starlabels.provenance {path}"
    for name, digest in record.files.items():
        yield f"{pad}{name}: {own_state(home(path).with_name(name), digest)}"
    if not record.inputs:
        yield f"{pad}from nothing that it names"
    for name, digest in record.inputs.items():
        found = locate(name, path)
        again = found is not None and home(found).resolve() in seen
        yield f"{pad}from {name}, digest {digest}: {state(found, digest)}{', see above' if again else ''}"
        if found is None or again:
            continue
        try:
            inner = read(found)
        except UserError:
            continue  # a database or a table of the user's: the end of the chain
        yield from tree(found, inner, seen, depth + 1, record)


def own_state(path, digest):
    """In words, whether a model's file is the one that its scaling.h5 was written with."""
    if not path.is_file():
        return "is missing now"
    return f"SHA-256 {digest[:16]}..., as it was" if sha256(path) == digest else "has CHANGED, it is another model's"


def arguments(parser):
    """Command-line arguments."""
    parser.add_argument("file", type=Path, help="an HDF5 file, a figure, a .keras file or a folder models/<run>")


def run(cfg, args):
    """Print the tree of a file, then the recipe that it was made by; UserError if it is not ours."""
    record = read(args.file)
    lines = [f"{args.file}, digest {record.digest}", *tree(args.file, record, set()), "", *ENDING.splitlines(), ""]
    lines += ["its recipe:", *record.config.splitlines()] if record.config else ["it has no recipe"]
    for line in lines:
        print("".join(c if c.isprintable() else "?" for c in line))  # a file from elsewhere shall not command the terminal


if __name__ == "__main__":
    cli.main(run, __doc__, arguments, recipe=lambda args: None)
