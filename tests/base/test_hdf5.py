"""Files of the stages: complete or absent, and never read if stale or damaged."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from conftest import ROOT, write_grid

from starlabels.base import files, hdf5, hdf5_labels, integrity
from starlabels.base.errors import UserError
from starlabels.config import digests, paths

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from starlabels.base import hdf5
from starlabels.config import load
with hdf5.create_file("a.h5", "4_test", "d", load.load_config("config.yaml").text) as h5:
    h5["x"] = 2
    h5.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_while_writing_leaves_the_old_file_and_the_next_run_works(make_config):
    cfg = make_config()
    with hdf5.create_file("a.h5", "4_test", "d", cfg.text) as h5:
        h5["x"] = 1
    done = subprocess.run([sys.executable, "-c", KILLED, str(ROOT)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert Path("a.h5.tmp").exists()
    with hdf5.open_stage("a.h5", "4_test", "d") as h5:
        assert h5["x"][()] == 1
    with hdf5.create_file("a.h5", "4_test", "d", cfg.text) as h5:
        h5["x"] = 3
    with hdf5.open_stage("a.h5", "4_test", "d") as h5:
        assert h5["x"][()] == 3


def test_an_error_while_writing_leaves_no_file(make_config):
    cfg = make_config()
    with pytest.raises(ZeroDivisionError), hdf5.create_file("sub/a.h5", "4_test", "d", cfg.text):
        raise ZeroDivisionError
    assert os.listdir("sub") == []


def test_a_file_states_how_it_was_made(make_config):
    cfg = make_config()
    write_grid(cfg)
    with h5py.File(paths.run_paths(cfg).grid) as h5:
        assert {
            "schema",
            "stage",
            "digest",
            "config",
            "inputs",
            "command",
            "commit",
            "created",
            "versions",
        } <= set(h5.attrs)
        assert h5.attrs["config"] == Path("config.yaml").read_text()


def test_missing_truncated_foreign_and_stale_files_name_the_script(make_config):
    cfg = make_config()
    path = paths.run_paths(cfg).grid
    with (
        pytest.raises(UserError, match="afgk.h5 not found: run python grid.py"),
        hdf5.open_stage(path, "grid"),
    ):
        pass
    write_grid(cfg)
    with (
        pytest.raises(UserError, match="stage grid, expected 4_test: run python 4_test.py"),
        hdf5.open_stage(path, "4_test"),
    ):
        pass
    digest = digests.stage_digest(make_config({"grid.n_spectra": 61, "seed": 2}), "grid")
    message = "made with other settings of seed, grid: re-run python grid.py"
    with pytest.raises(UserError, match=message), hdf5.open_stage(path, "grid", digest):
        pass
    path.write_bytes(path.read_bytes()[:-1000])
    with (
        pytest.raises(UserError, match="afgk.h5 is truncated: run python grid.py"),
        hdf5.open_stage(path, "grid"),
    ):
        pass
    path.write_text("no HDF5")
    with (
        pytest.raises(UserError, match="is not a sound HDF5 file: run python x.py"),
        hdf5.open_stage(path, "grid", None, "x.py"),
    ):
        pass


def test_labels_are_in_the_requested_order_and_missing_ones_are_named(make_config):
    cfg = make_config()
    labels = write_grid(cfg)
    with hdf5.open_stage(paths.run_paths(cfg).grid, "grid") as h5:
        assert np.array_equal(
            hdf5_labels.read_labels(h5, ["mh", "teff"]),
            np.stack([labels["mh"], labels["teff"]], axis=1),
        )
        with pytest.raises(
            UserError, match=r"has labels \[teff, logg, mh, vmic, vsini\]; config also asks for feh"
        ):
            hdf5_labels.read_labels(h5, ["teff", "feh"])
        with pytest.raises(UserError, match=r"afgk.h5 has no dataset spectra/flux_err; there is"):
            hdf5.get_dataset(h5, "spectra/flux_err")


def test_rows_are_in_the_requested_order_and_may_repeat(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        data = h5.create_dataset("x", data=np.arange(40).reshape(20, 2))
        rows = [5, 3, 4, 19, 3, 0]
        assert np.array_equal(hdf5.read_rows(data, rows), data[:][rows])
        assert hdf5.read_rows(data, []).shape == (0, 2)


def test_text_is_read_from_any_storage(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        hdf5.write_text(h5, "fixed", ["a", "bcd"])
        h5["variable"], h5["numbers"] = ["a", "bcd"], [1, 22]
        assert (
            list(hdf5.read_text(h5["fixed"]))
            == list(hdf5.read_text(h5["variable"]))
            == [b"a", b"bcd"]
        )
        assert list(hdf5.read_text(h5["numbers"])) == [b"1", b"22"]


def test_compressed_spectra_of_half_precision_are_read(tmp_path):
    flux = np.linspace(0.5, 1, 12, dtype="f2").reshape(3, 4)
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        h5.create_dataset("flux", data=flux, chunks=(1, 4), **hdf5plugin.Blosc(cname="zstd"))
    code = f"""
from starlabels.base import hdf5
with hdf5.open_hdf5({str(tmp_path / "x.h5")!r}, "") as h5:
    print(h5["flux"][:].sum())
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert float(result.stdout) == float(flux.sum())


def test_new_files_are_on_the_disk_before_they_replace_old_ones(tmp_path, monkeypatch):
    events, flushed, replaced = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("sync"), flushed(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("replace"), replaced(a, b)))
    with hdf5.create_file(tmp_path / "a.h5", "grid", "d") as h5:
        h5["x"] = 1
    assert events == ["sync", "replace", "sync"]
    events.clear()
    with files.replace_file(tmp_path / "a.csv") as tmp:
        tmp.write_text("a")
    assert events == ["sync", "replace", "sync"]
    events.clear()
    with files.replace_file(tmp_path / "a.png", sync=False) as tmp:
        tmp.write_text("a")
    assert events == ["replace"]


def test_a_copy_that_the_user_keeps_next_to_a_folder_is_not_deleted(tmp_path):
    for name in ("model", "model.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("mine")
    with files.replace_folder(tmp_path / "model") as folder:
        (folder / "new.txt").write_text("new")
    files.remove_folder(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model.old"]
    assert (tmp_path / "model.old/notes.txt").read_text() == "mine"


def test_a_file_that_is_read_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("mine")
    Path("link.csv").symlink_to("a.csv")
    files.check_not_input("b.csv", ["a.csv", None])
    for out in ("a.csv", "./a.csv", tmp_path / "link.csv"):
        with pytest.raises(UserError, match="would be overwritten, but is read: give --out"):
            files.check_not_input(out, [None, "a.csv"])


def test_values_that_were_declared_but_never_written_are_not_made_up(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        data = h5.create_dataset("labels/value", (100, 2), "f4", chunks=(10, 2))
        data[:50] = 1
        with pytest.raises(UserError, match="labels/value: only 50.00% of .* values were written"):
            integrity.read_whole(data)
        data[:] = 1
        assert (integrity.read_whole(data) == 1).all()
        assert integrity.read_whole(h5.create_dataset("none", (0,), "f4")).shape == (0,)


def write_basis_parts(h5, n_blocks=2):
    """The datasets of principal components in a prepared file, without the rest."""
    sizes = {"train": 4, "validation": 3}
    for part, n in sizes.items():
        for name, shape in (("components", (n, 6)), ("outside", (n, 2)), ("level", (n,))):
            h5[f"{part}/{name}"] = np.ones(shape)
    for name, shape in (("mean", (50,)), ("components", (6, 50)), ("variance", (6,))):
        h5[f"basis/{name}"] = np.ones(shape)
    h5["basis/n_blocks"] = n_blocks


@pytest.mark.parametrize(
    ("n_blocks", "removed", "problem"),
    [
        (2, None, None),
        (2, "train/level", "train/level is not there"),
        (2, "validation/outside", "validation/outside is not there"),
        (2, "basis/mean", "basis/mean is not there"),
        (2, "basis/n_blocks", "basis/n_blocks is None"),
        (True, None, "basis/n_blocks is True"),
        (3, None, "basis/n_blocks is 3, expected 2 to 2"),
        (-(2**63), None, "basis/n_blocks is -9223372036854775808"),
    ],
)
def test_principal_components_are_complete_or_absent(tmp_path, n_blocks, removed, problem):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        write_basis_parts(h5, n_blocks)
        if removed:
            del h5[removed]
        found = integrity.find_inconsistency(h5, {"b": 2, "k": 6})
    assert (problem or "None") in str(found)
