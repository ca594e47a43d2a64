"""Checksums of the packaged data: damage is noticed when a file is first opened (and by `sha256sum -c SHA256SUMS` in data/)."""

from functools import cache
from pathlib import Path

from starlabels.base.errors import UserError
from starlabels.base.files import replace_file, compute_sha256

DATA_FOLDER = Path(__file__).parents[2] / "data"
SUMS_FILE = "SHA256SUMS"


def read_checksums():
    """{name of a packaged file: its SHA-256}."""
    lines = (DATA_FOLDER / SUMS_FILE).read_text().splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def get_packaged_name(path):
    """A path as in SHA256SUMS."""
    path = Path(path).resolve()
    return path.relative_to(DATA_FOLDER).as_posix() if path.is_relative_to(DATA_FOLDER) else str(path)


@cache  # of a process: a stage opens a library more than once
def verify_checksum(path):
    """The path of a file; UserError if it is a packaged one and missing or damaged."""
    name = get_packaged_name(path)
    expected = read_checksums().get(name)
    if expected and (not Path(path).is_file() or compute_sha256(path) != expected):
        what = (
            "is damaged: its checksum is not that of"
            if Path(path).is_file()
            else "is missing, but named in"
        )
        again = "nodes" if name.startswith("nodes/") else "data"
        raise UserError(f"{path} {what} {DATA_FOLDER / SUMS_FILE}: git checkout {path}, or make {again}")
    return path


def record_checksum(path):
    """Write the checksum of a packaged file that has just been rebuilt."""
    found = read_checksums() | {get_packaged_name(path): compute_sha256(path)}
    with replace_file(DATA_FOLDER / SUMS_FILE) as tmp:
        tmp.write_text("".join(f"{found[name]}  {name}\n" for name in sorted(found)))
