"""Checksums of the packaged data: each file is verified when it is first opened.

`sha256sum -c SHA256SUMS` in data/ verifies all of them.
"""

from functools import cache
from pathlib import Path

from starlabels.base.errors import UserError
from starlabels.base.files import compute_sha256, replace_file
from starlabels.base.install import DATA_FOLDER

SUMS_FILE = "SHA256SUMS"


def read_checksums():
    """{name of a packaged file: its SHA-256}."""
    lines = (DATA_FOLDER / SUMS_FILE).read_text().splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def get_packaged_name(path):
    """The path as written in SHA256SUMS; other paths in full."""
    path = Path(path).resolve()
    is_packaged = path.is_relative_to(DATA_FOLDER)
    return path.relative_to(DATA_FOLDER).as_posix() if is_packaged else str(path)


@cache  # once per process: a stage opens a library more than once
def verify_checksum(path):
    """Return the path; UserError if it is a packaged file that is missing or damaged."""
    name = get_packaged_name(path)
    expected = read_checksums().get(name)
    exists = Path(path).is_file()
    if expected and (not exists or compute_sha256(path) != expected):
        problem = "is damaged: it does not match" if exists else "is missing, but listed in"
        target = "nodes" if name.startswith("nodes/") else "data"
        raise UserError(
            f"{path} {problem} {DATA_FOLDER / SUMS_FILE}: git checkout {path}, or make {target}"
        )
    return path


def record_checksum(path):
    """Write the checksum of a packaged file that has just been rebuilt."""
    sums = read_checksums() | {get_packaged_name(path): compute_sha256(path)}
    with replace_file(DATA_FOLDER / SUMS_FILE) as tmp:
        tmp.write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)))
