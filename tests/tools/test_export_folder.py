"""The folder of an export: only an earlier export that is unchanged is replaced."""

import subprocess
from pathlib import Path

import pytest
from exporting import fill, list_files, write_export

from starlabels.base.errors import UserError
from starlabels.tools import export_folder


@pytest.mark.parametrize("out", ["new", "a/b/new", "empty", ".", "earlier", "link"])
def test_an_export_fills_new_and_empty_folders_and_replaces_an_earlier_export(
    tmp_path, monkeypatch, out
):
    monkeypatch.chdir(tmp_path)
    if out == "empty":
        Path(out).mkdir()
    if out == "earlier":
        write_export(out)
        Path(out, "saved_model/variables").mkdir()
    if out == "link":
        monkeypatch.chdir(tmp_path / "..")
        Path("target").mkdir(exist_ok=True)
        (tmp_path / "link").symlink_to(Path("target").resolve())
        monkeypatch.chdir(tmp_path)
    files = write_export(out, "new")
    names = {"about.json", "model.onnx", "SHA256SUMS", "saved_model", "saved_model/assets"}
    assert files.keys() == names | {"saved_model/saved_model.pb"}
    assert files["model.onnx"] == b"new"
    subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=out, check=True, capture_output=True)
    assert not list(Path().glob("*.tmp")) and not list(Path().glob("*.old"))


SPOILT = {
    "notes": lambda out: (out / "notes.txt").write_text("mine"),
    "folder": lambda out: (out / "thesis").mkdir(),
    "inside": lambda out: (out / "saved_model/thesis.tex").write_text("mine"),
    "changed": lambda out: (out / "model.onnx").write_text("mine"),
    "about": lambda out: (out / "about.json").write_text("{}"),
    "sums": lambda out: (out / "SHA256SUMS").write_text("mine"),
    "no sums": lambda out: (out / "SHA256SUMS").unlink(),
    "link": lambda out: (out / "saved_model/thesis").symlink_to("/etc"),
    "killed": lambda out: (out / export_folder.WORK).mkdir(),
}


@pytest.mark.parametrize("name", SPOILT)
def test_an_export_with_files_of_the_user_is_not_replaced(tmp_path, name):
    out = tmp_path / "mine"
    write_export(out)
    SPOILT[name](out)
    before = list_files(out)
    with pytest.raises(UserError) as error:
        write_export(out, "new")
    assert "\n" not in str(error.value) and f"--out {out} h" in str(error.value)
    assert list_files(out) == before


def test_a_folder_with_an_about_json_and_checksums_of_its_own_is_not_ours(tmp_path):
    (tmp_path / "about.json").write_text('{"name": "my data"}')
    export_folder.write_sums(tmp_path)
    before = list_files(tmp_path)
    with pytest.raises(UserError, match="holds other files: .*about.json.*no unchanged export"):
        write_export(tmp_path)
    assert list_files(tmp_path) == before


def test_a_failed_export_leaves_no_folder_and_no_file_but_those_that_were_there(tmp_path):
    for out in ("a/b", "."):
        context = export_folder.fill_folder(tmp_path / out, tmp_path / "model")
        with pytest.raises(RuntimeError), context as folder:
            fill(folder)
            raise RuntimeError
        assert not list(tmp_path.iterdir())
    before = write_export(tmp_path)
    context = export_folder.fill_folder(tmp_path, tmp_path / "model")
    with pytest.raises(RuntimeError), context as folder:
        raise RuntimeError
    assert list_files(tmp_path) == before
