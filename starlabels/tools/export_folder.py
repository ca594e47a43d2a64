"""The folder of an export: only an earlier export of ours, whose digests still fit, is replaced."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from starlabels.base.errors import UserError
from starlabels.base.files import compute_sha256, sync_folder_to_disk, sync_to_disk

ABOUT, SUMS = "about.json", "SHA256SUMS"
NAMES = ("model.onnx", "saved_model", ABOUT, SUMS)  # in the order in which they appear
ABOUT_KEYS = {"model", "labels", "trained", "exported"}
WORK = ".starlabels_export"  # sub-folder in which an export is written and checked
EMPTY = "name an empty or a new folder"


@contextlib.contextmanager
def fill_folder(out, model):
    """Yield a sub-folder of `out`; its content replaces an earlier export when the block ends.

    Parameters
    ----------
    out : Path
        Folder to fill: new, empty, or with an earlier export and nothing else.
    model : Path
        Folder of the model, which must not contain `out`.

    Raises
    ------
    UserError
        Before the block, if `out` may not be filled.
    """
    check_output_folder(out, model)
    created = [folder for folder in (out, *out.parents) if not folder.exists()]
    work = out / WORK
    work.mkdir(parents=True)
    try:
        for name in ("new", "old"):
            (work / name).mkdir()
        yield work / "new"
        write_sums(work / "new")
        sync_folder_to_disk(work / "new")
        for source, target in ((out, work / "old"), (work / "new", out)):
            for name in NAMES:
                if (source / name).exists():
                    os.replace(source / name, target / name)
        sync_to_disk(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        for folder in created:
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()


def check_output_folder(out, model):
    """UserError if `out` is a file, holds anything but an unchanged export, or is in the model."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: {EMPTY}")
    inside = (out.resolve(), *out.resolve().parents)
    if model.resolve() in inside:
        raise UserError(f"--out {out} is in {model}, which training replaces: {EMPTY} elsewhere")
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if WORK in names:
        hint = "wait for it, or delete that sub-folder"
        raise UserError(f"--out {out} has {WORK}, of an export that runs or was killed: {hint}")
    others = [name for name in names if name not in NAMES]
    if names and (others or not is_own_export(out)):
        found = ", ".join((others or names)[:3]) + ", ..." * (len(others or names) > 3)
        changed = "" if others else "; it is no unchanged export"
        raise UserError(f"--out {out} holds other files: {EMPTY} (found {found}{changed})")


def is_own_export(folder):
    """Whether a folder holds an export and nothing else, with the digests of its SHA256SUMS."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        text = (folder / SUMS).read_text(encoding="utf-8")
        lines = [line.split("  ", 1) for line in text.splitlines()]
        sums = {name: digest for digest, name in lines}
        is_ours = isinstance(about, dict) and about.keys() >= ABOUT_KEYS
        return is_ours and sums == compute_sums(folder)
    except (OSError, ValueError, RecursionError):
        return False


def compute_sums(folder):
    """{name: SHA-256} of all files of an export but SHA256SUMS; ValueError if one is a link."""
    sums = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_symlink():
            raise ValueError(f"{path} is a link")
        if path.is_file() and path != folder / SUMS:
            sums[path.relative_to(folder).as_posix()] = compute_sha256(path)
    return sums


def write_sums(folder):
    """Write SHA256SUMS of an export; `sha256sum -c SHA256SUMS` verifies it."""
    lines = [f"{digest}  {name}\n" for name, digest in compute_sums(folder).items()]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
