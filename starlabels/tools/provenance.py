"""Print how a file was made, followed back through its inputs.

python -m starlabels.tools.provenance FILE
"""

from pathlib import Path

from starlabels.base import checksums, hdf5
from starlabels.base.errors import UserError
from starlabels.base.files import compute_sha256
from starlabels.base.provenance import ROOT, find_record_file, read_record
from starlabels.stages import command_line

EXPLANATION = """\
The digest of a file made by starlabels stands for the settings and inputs that it was made with.
The digest of any other file stands for its bytes."""


def describe_state(path, digest):
    """Words that say whether a file still has its recorded digest; path None: it is missing."""
    if digest in ("missing", "None"):
        return "was missing then"
    if path is None:
        return "is missing now"
    if path.is_dir() and not find_record_file(path).is_file():
        return "a folder, not checked"
    file = find_record_file(path)
    # of an input from elsewhere the bytes were recorded, whatever it states
    computed, stated = hdf5.compute_file_digest(file), hdf5.read_stated_digest(file)
    if digest in (computed, stated, hdf5.compute_former_digest(file)):
        return "unchanged"
    return f"has CHANGED, it is now {stated or computed}"


def describe_model_file(path, digest):
    """Words that say whether a file of a model still has its recorded SHA-256."""
    if not path.is_file():
        return "is missing now"
    if compute_sha256(path) == digest:
        return f"SHA-256 {digest[:16]}..., unchanged"
    return "has CHANGED, it belongs to another model"


def find_input(name, output):
    """Path of an input of the file `output`, or None.

    Its recorded name may be relative to any folder above the output; packaged files are relative
    to the repository.
    """
    is_packaged = checksums.get_packaged_name(ROOT / name) in checksums.read_checksums()
    for folder in (Path(), *output.resolve().parents, *([ROOT] if is_packaged else [])):
        if (folder / name).exists():
            return folder / name
    return None


def format_history(path, record, seen, depth=0, above=None):
    """Yield lines on how a file was made, and then on each of its inputs, indented.

    seen: set of paths that are already described; above: Record of the file that lists this one
    as an input.
    """
    pad = "    " * depth
    seen.add(find_record_file(path).resolve())
    yield f"{pad}made by {record.stage}, {record.created}, commit {record.commit}: {record.command}"
    if not above or record.versions != above.versions:
        yield pad + ", ".join(f"{name} {version}" for name, version in record.versions.items())
    if above and record.config and record.config != above.config:
        command = f"python -m starlabels.tools.provenance {path}"
        yield f"{pad}made with another recipe; to print it: {command}"
    for name, digest in record.files.items():
        yield f"{pad}{name}: {describe_model_file(find_record_file(path).with_name(name), digest)}"
    if not record.inputs:
        yield f"{pad}no inputs recorded"
    for name, digest in record.inputs.items():
        source = find_input(name, path)
        again = source is not None and find_record_file(source).resolve() in seen
        state = describe_state(source, digest) + (", see above" if again else "")
        yield f"{pad}from {name}, digest {digest}: {state}"
        if source is None or again:
            continue
        try:
            source_record = read_record(source)
        except UserError:
            continue  # a database or table of the user: the end of the chain
        yield from format_history(source, source_record, seen, depth + 1, record)


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument(
        "file", type=Path, help="an HDF5 file, a figure, a .keras file or a folder models/<run>"
    )


def print_provenance(run, args):
    """Print the history of a file, then its recipe; UserError if starlabels did not make it."""
    record = read_record(args.file)
    lines = [f"{args.file}, digest {record.digest}"]
    lines += format_history(args.file, record, set())
    lines += ["", *EXPLANATION.splitlines(), ""]
    lines += ["its recipe:", *record.config.splitlines()] if record.config else ["it has no recipe"]
    for line in lines:
        # a file of unknown origin must not send control characters to the terminal
        print("".join(c if c.isprintable() else "?" for c in line))


if __name__ == "__main__":
    command_line.run_command(print_provenance, __doc__, add_arguments, recipe=lambda args: None)
