"""Exports without a network, and the files of a folder."""

import json
from pathlib import Path

from starlabels.tools import export_folder


def list_files(folder):
    """{name: content} of all files in a folder; None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(Path(folder).rglob("*"))
    }


def fill(folder, text="new"):
    """Write files of the names of an export."""
    about = dict.fromkeys(export_folder.ABOUT_KEYS, text)
    (folder / "about.json").write_text(json.dumps(about))
    (folder / "model.onnx").write_text(text)
    (folder / "saved_model/assets").mkdir(parents=True)
    (folder / "saved_model/saved_model.pb").write_text(text)


def write_export(out, text="old"):
    """Write an export by our own means; its files."""
    with export_folder.fill_folder(Path(out), Path("models/toy")) as folder:
        fill(folder, text)
    return list_files(out)
