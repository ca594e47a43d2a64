"""Checksums of the packaged data: damage is noticed when a file is first opened (and by `sha256sum -c SHA256SUMS` in data/)."""

from functools import cache
from pathlib import Path

from starlabels.base.errors import UserError
from starlabels.base.files import replaced_file, sha256

FOLDER = Path(__file__).parents[2] / "data"
SUMS = "SHA256SUMS"


def sums():
    """{name of a packaged file: its SHA-256}."""
    lines = (FOLDER / SUMS).read_text().splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def name_of(path):
    """A path as in SHA256SUMS."""
    path = Path(path).resolve()
    return path.relative_to(FOLDER).as_posix() if path.is_relative_to(FOLDER) else str(path)


@cache  # of a process: a stage opens a library more than once
def checked(path):
    """The path of a file; UserError if it is a packaged one and missing or damaged."""
    name = name_of(path)
    expected = sums().get(name)
    if expected and (not Path(path).is_file() or sha256(path) != expected):
        what = (
            "is damaged: its checksum is not that of"
            if Path(path).is_file()
            else "is missing, but named in"
        )
        again = "nodes" if name.startswith("nodes/") else "data"
        raise UserError(f"{path} {what} {FOLDER / SUMS}: git checkout {path}, or make {again}")
    return path


def record(path):
    """Write the checksum of a packaged file that has just been rebuilt."""
    found = sums() | {name_of(path): sha256(path)}
    with replaced_file(FOLDER / SUMS) as tmp:
        tmp.write_text("".join(f"{found[name]}  {name}\n" for name in sorted(found)))
