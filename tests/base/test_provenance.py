"""Provenance of files, figures and models, and changes along the chain back to the databases."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from conftest import ROOT

from starlabels.base import hdf5, stamp
from starlabels.base import provenance as provenance_2
from starlabels.base.errors import UserError
from starlabels.config import paths as config
from starlabels.learning import trained_model
from starlabels.plots import plt, save_figure
from starlabels.tools import provenance


def lines(path):
    """The tree of a file."""
    return list(provenance.format_history(Path(path), provenance_2.read_record(path), set()))


def inputs(path):
    """{input: state} of the tree of a file."""
    rows = [
        line.strip().removeprefix("from ").partition(", digest ")
        for line in lines(path)
        if ", digest " in line
    ]
    return {name: rest.partition(": ")[2] for name, _, rest in rows}


def test_the_chain_of_a_model_leads_back_to_its_database(run):
    folder, chain = (
        config.run_paths(run).model_dir,
        ["data/toy/2_prepared.h5", "data/toy/0_joined.h5", "data/grids/afgk.h5"],
    )
    for path in (folder, folder / "model.keras", folder / "scaling.h5"):
        assert inputs(path) == dict.fromkeys(chain, "unchanged")
    assert [
        line
        for line in lines(folder)
        if "model.keras: SHA-256" in line and line.endswith("unchanged")
    ]
    stages = [line.split()[2] for line in lines(folder) if "made by" in line]
    assert stages == ["3_train,", "2_preprocess,", "0_join,", "grid,"]
    assert provenance_2.read_record(folder).config == run.text


def test_missing_and_changed_inputs_are_reported(run, tmp_path, monkeypatch):
    paths = config.run_paths(run)
    # another run in the repository itself has a file of that name
    (tmp_path / "repository" / paths.grid).parent.mkdir(parents=True)
    shutil.copy(paths.grid, tmp_path / "repository" / paths.grid)
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "repository")
    with h5py.File(paths.joined, "r+") as h5:
        h5.attrs["digest"] = "0" * 16
    paths.grid.unlink()
    (paths.model_dir / "decoder.keras").write_bytes(b"another")
    states = inputs(paths.model_dir)
    assert states[str(paths.joined)] == "has CHANGED, it is now 0000000000000000"
    assert states[str(paths.grid)] == "is missing now"
    assert states[str(paths.prepared)] == "unchanged"
    assert "decoder.keras: has CHANGED, it belongs to another model" in lines(paths.model_dir)


def test_a_chain_is_found_from_any_folder(run, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert set(inputs(tmp_path / "models/toy").values()) == {"unchanged"}


def test_a_figure_states_its_inputs(run):
    stars, prepared = Path("stars.csv"), config.run_paths(run).prepared
    stars.write_text("teff\n5000\n")
    sources = {path: hdf5.compute_file_digest(path) for path in (prepared, stars)}
    save_figure(plt.figure(), "a.png")
    pixels = plt.imread("a.png")
    provenance_2.stamp_figure("a.png", run.text, sources)
    assert (plt.imread("a.png") == pixels).all()
    chain = inputs("a.png")
    assert list(chain)[0] == "data/toy/2_prepared.h5"
    assert chain["stars.csv"] == "unchanged" and len(chain) == 4
    record = provenance_2.read_record("a.png")
    assert record.config == run.text
    assert record.commit == stamp.get_commit() and record.versions == stamp.get_versions()
    stars.write_text("teff\n6000\n")
    assert "has CHANGED" in inputs("a.png")["stars.csv"]


def test_a_model_of_another_training_is_refused(run):
    folder = config.run_paths(run).model_dir
    assert json.loads(h5py.File(folder / "scaling.h5").attrs["files"]).keys() == {
        "model.keras",
        "decoder.keras",
    }
    shutil.copy(folder / "decoder.keras", folder / "model.keras")
    with pytest.raises(
        UserError,
        match="model.keras is not the one that the scaling.h5 .* re-run python 3_train.py",
    ) as error:
        trained_model.open_model(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["notes.txt", "none.h5", "figure.png", "theirs.h5", "broken.png", "odd.h5", "models"]
)
def test_files_that_are_not_ours_are_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("text")
    plt.figure().savefig("figure.png")
    Path("broken.png").write_bytes(Path("figure.png").read_bytes()[:40])
    Path("models").mkdir()
    with h5py.File("theirs.h5", "w") as h5:
        h5["x"] = 1
    with hdf5.create_file("odd.h5", "grid", "d") as h5:
        h5["x"] = 1
    with h5py.File("odd.h5", "r+") as h5:
        h5.attrs["inputs"] = "[1, 2"
    with pytest.raises(
        UserError, match="not found|does not state how it was made|cannot be read"
    ) as error:
        provenance_2.read_record(name)
    assert "\n" not in str(error.value)


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path, capsys):
    with hdf5.create_file(tmp_path / "a.h5", "grid\x1b[2J", "d") as h5:
        h5["x"] = 1
    provenance.print_provenance(None, type("Arguments", (), {"file": tmp_path / "a.h5"}))
    assert "grid?[2J" in capsys.readouterr().out


def test_a_reader_of_our_lines_that_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)  # as `| head -0`
    node = next((ROOT / "data/nodes").glob("*.h5"))
    done = subprocess.run(
        [sys.executable, "-m", "starlabels.tools.provenance", node],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def commit_all(folder):
    """Make a git repository of all files in a folder; its commit."""
    for words in (
        "init -q .",
        "add -A -f",
        "-c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -q -m a",
    ):
        subprocess.run(["git", "-C", folder, *words.split()], check=True, capture_output=True)
    return stamp.run_git(folder, "describe", "--always")


def copy_code(folder, *names):
    """Copy files of the repository into a folder; the path of stamp.py in it."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder / "starlabels/base/stamp.py"


def commit_of(module, monkeypatch):
    monkeypatch.setattr(stamp, "__file__", str(module))
    return stamp.get_commit.__wrapped__()


def test_the_commit_is_that_of_a_checkout_of_this_code(tmp_path, monkeypatch):
    module = copy_code(tmp_path, *stamp.OWN_FILES)
    commit = commit_all(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))  # as in a hook of another repository
    assert commit_of(module, monkeypatch) == commit
    module.write_text("changed")
    assert commit_of(module, monkeypatch) == commit + "+"


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("vendor", stamp.OWN_FILES),  # a copy of all inside another repository
        (".venv/lib/site-packages", stamp.OWN_FILES[:1]),
        (".", stamp.OWN_FILES[:1]),  # the package alone, at the top of another repository
    ],
)
@pytest.mark.parametrize("is_committed", [True, False])
def test_the_commit_of_a_repository_that_encloses_the_package_is_not_ours(
    tmp_path, monkeypatch, place, names, is_committed
):
    (tmp_path / "theirs.py").write_text("")
    if not is_committed:
        commit_all(tmp_path)
    module = copy_code(tmp_path / place, *names)
    if is_committed:
        commit_all(tmp_path)
    assert commit_of(module, monkeypatch) == "unknown"
