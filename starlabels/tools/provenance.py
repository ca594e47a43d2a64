"""Print how a file was made, followed back through its inputs: `python -m starlabels.tools.provenance FILE`."""

from pathlib import Path

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.base.files import compute_sha256
from starlabels.base.provenance import ROOT, home, read
from starlabels.stages import command_line

ENDING = """\
digest of a file of ours: of the settings and inputs that it was made with, not of its bytes; of any other file: of its bytes,
of one larger than 2 MB of its size and its first and last MB only"""


def describe_state(path, digest):
    """In words, whether a file still has the digest that was noted when it was read; path None: it is not there."""
    if digest in ("missing", "None"):
        return "was missing then"
    if path is None:
        return "is missing now"
    if path.is_dir() and not home(path).is_file():
        return "a folder, not looked into"
    now = hdf5.file_digest(home(path))
    return "as it was" if now == digest else f"has CHANGED, it is now {now}"


def find_input(name, beside):
    """Where the file is that a file `beside` was made of, by a name that may be relative to some folder above; or None."""
    return next(
        (
            one
            for base in (Path(), *beside.resolve().parents, ROOT)
            if (one := base / name).exists()
        ),
        None,
    )


def format_history(path, record, seen, depth=0, above=None):
    """Lines that say how a file was made, then the same of each of its inputs that is not in the set `seen`, further in.

    above: the Record of what it is an input of.
    """
    pad = "    " * depth
    seen.add(home(path).resolve())
    yield f"{pad}made by {record.stage}, {record.created}, commit {record.commit}: {record.command}"
    if not above or record.versions != above.versions:
        yield pad + ", ".join(f"{name} {version}" for name, version in record.versions.items())
    if above and record.config and record.config != above.config:
        yield f"{pad}its recipe is another: python -m starlabels.tools.provenance {path}"
    for name, digest in record.files.items():
        yield f"{pad}{name}: {describe_model_file(home(path).with_name(name), digest)}"
    if not record.inputs:
        yield f"{pad}from nothing that it names"
    for name, digest in record.inputs.items():
        found = find_input(name, path)
        again = found is not None and home(found).resolve() in seen
        yield f"{pad}from {name}, digest {digest}: {describe_state(found, digest)}{', see above' if again else ''}"
        if found is None or again:
            continue
        try:
            inner = read(found)
        except UserError:
            continue  # a database or a table of the user's: the end of the chain
        yield from format_history(found, inner, seen, depth + 1, record)


def describe_model_file(path, digest):
    """In words, whether a model's file is the one that its scaling.h5 was written with."""
    if not path.is_file():
        return "is missing now"
    return (
        f"SHA-256 {digest[:16]}..., as it was"
        if compute_sha256(path) == digest
        else "has CHANGED, it is another model's"
    )


def add_arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "file", type=Path, help="an HDF5 file, a figure, a .keras file or a folder models/<run>"
    )


def print_provenance(run, args):
    """Print the tree of a file, then the recipe that it was made by; UserError if it is not ours."""
    record = read(args.file)
    lines = [
        f"{args.file}, digest {record.digest}",
        *format_history(args.file, record, set()),
        "",
        *ENDING.splitlines(),
        "",
    ]
    lines += ["its recipe:", *record.config.splitlines()] if record.config else ["it has no recipe"]
    for line in lines:
        print(
            "".join(c if c.isprintable() else "?" for c in line)
        )  # a file from elsewhere shall not command the terminal


if __name__ == "__main__":
    command_line.run_command(print_provenance, __doc__, add_arguments, recipe=lambda args: None)
