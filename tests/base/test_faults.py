"""Faults of machines and folders: two runs at once, kills, full and read-only disks, damage."""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import ROOT, slow, write_grid

from benchmarks import same
from starlabels.base import checksums, hdf5
from starlabels.base.errors import UserError
from starlabels.base.files import replace_folder, restore_folder
from starlabels.config import digests, paths
from starlabels.config.run import Run
from starlabels.stages import join, label_study, locks, preprocess

HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from starlabels.stages import locks
with locks.hold_lock(Path("models/afgk.lock")):
    print("held", flush=True)
    time.sleep(60)
"""
REPLACE = """
import os, shutil, sys
sys.path.insert(0, sys.argv[1])
from starlabels.base.files import replace_folder
left = int(sys.argv[2])
def counted(function):
    def call(*args, **options):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*args, **options)
    return call
setattr(shutil, "rmtree", counted(shutil.rmtree))
for name in ("replace", "unlink", "rmdir", "mkdir", "open"):
    setattr(os, name, counted(getattr(os, name)))
with replace_folder("state") as folder:
    for name in "ab":
        (folder / name).write_text("new")
"""


@pytest.fixture
def grid(make_config):
    """A small recipe in an empty folder, with its toy database."""
    cfg = make_config()
    write_grid(cfg)
    return cfg


@pytest.fixture
def holder(grid):
    """A process that holds the lock of the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(ROOT)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_told_who_writes_and_a_killed_one_is_no_obstacle(grid, holder):
    with pytest.raises(
        UserError,
        match=rf"models/afgk.lock: afgk is being written by process {holder.pid} on \S+ \(.*wait",
    ):
        join.join_databases(Run(grid))
    assert not paths.run_paths(grid).joined.exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    join.join_databases(Run(grid))
    assert not paths.run_paths(grid).lock.exists()


def test_another_run_is_not_kept_waiting(make_config, holder):
    other = make_config({"run": "other"})
    join.join_databases(Run(other))
    assert paths.run_paths(other).joined.is_file() and holder.poll() is None


def test_a_lock_is_let_go_when_a_stage_fails(make_config):
    cfg = make_config()
    with pytest.raises(UserError, match="not found"):
        label_study.study_labels(Run(cfg))
    with locks.hold_lock(paths.run_paths(cfg).lock):
        assert f"process {os.getpid()} on" in locks.describe_holder(paths.run_paths(cfg).lock)


def test_a_folder_killed_at_any_step_of_its_replacement_is_the_old_or_the_new_one(tmp_path):
    for step in range(100):
        shutil.rmtree(tmp_path, ignore_errors=True)
        (tmp_path / "state").mkdir(parents=True)
        for name in "ab":
            (tmp_path / "state" / name).write_text("old")
        done = subprocess.run(
            [sys.executable, "-S", "-c", REPLACE, str(ROOT), str(step)], cwd=tmp_path, check=False
        )
        restore_folder(tmp_path / "state")
        content = [(tmp_path / "state" / name).read_text() for name in "ab"]
        assert content in (["old", "old"], ["new", "new"])
        with replace_folder(tmp_path / "state"):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["state"]
        if done.returncode == 0:
            break
    assert 8 < step < 99


def test_a_flipped_bit_is_noticed_wherever_it_lies_and_never_changes_a_number(grid):
    """But for provenance in words, which HDF5 keeps without checksums."""
    path, rng, noticed = paths.run_paths(grid).grid, np.random.default_rng(0), 0
    sound = path.read_bytes()
    with hdf5.open_hdf5(path, "") as h5:
        good = {name: item.get("data") for name, item in same.read_hdf5(h5).items()}
    for place in rng.integers(len(sound), size=200):
        spoilt = bytearray(sound)
        spoilt[place] ^= 1 << rng.integers(8)
        path.write_bytes(spoilt)
        try:
            with hdf5.open_hdf5(path, "run python grid.py") as h5:
                assert {name: item.get("data") for name, item in same.read_hdf5(h5).items()} == good
        except UserError as error:
            noticed += 1
            assert (
                str(path) in str(error)
                and str(error).endswith(": run python grid.py")
                and "\n" not in str(error)
            )
    assert noticed > 100


def flip(path, name):
    """Flip a bit in the first chunk of a dataset."""
    with h5py.File(path) as h5:
        place = h5[name].id.get_chunk_info(0).byte_offset
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def test_damage_found_in_the_middle_of_a_stage_names_the_file_among_several_and_the_script(grid):
    join.join_databases(Run(grid))
    files = paths.run_paths(grid)
    flip(files.joined, "spectra/flux")
    message = "data/afgk/0_joined.h5 is damaged, spectra/flux cannot be read: run python 0_join.py"
    with pytest.raises(UserError, match=message):
        preprocess.prepare_spectra(Run(grid))
    assert not files.prepared.exists() and not list(Path().rglob("*.tmp"))
    flip(files.grid, "spectra/flux")
    before = files.joined.read_bytes()
    with pytest.raises(
        UserError,
        match="data/grids/afgk.h5 is damaged, spectra/flux cannot be read: run python grid.py",
    ):
        join.join_databases(Run(grid))
    assert files.joined.read_bytes() == before


def run_with(stage, before):
    """CompletedProcess of a script of the repository that calls `before()` in its process."""
    command = [sys.executable, str(ROOT / stage)]
    return subprocess.run(command, preexec_fn=before, check=False, capture_output=True, text=True)


def small_disk(size):
    """A function that limits the size of files (bytes) in a process, which acts as a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def no_superuser():
    """Make permissions bind a process of root: drop CAP_DAC_OVERRIDE (1) from its bounding set."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("stage", "size", "named"),
    [
        slow("grid.py", 100_000, "data/grids/smoke.h5"),
        ("0_join.py", 1_320_000, "data/smoke/0_joined.h5"),
        slow("1_label_study.py", 20_000, "figures/smoke/1_histograms.png"),
        slow("3_train.py", 20_000, "models/smoke.partial/state"),
    ],
)
def test_a_full_disk_is_one_line_and_loses_nothing(
    finished_copy, finished_folder, stage, size, named
):
    result = run_with(stage, small_disk(size))
    assert (result.returncode, result.stderr) == (2, f"error: {named}: File too large\n")
    shutil.rmtree("models/smoke.partial", ignore_errors=True)  # where a training goes on
    assert same.find_differences(finished_copy, finished_folder) == []


@pytest.mark.parametrize(
    ("stage", "folder"), [("0_join.py", "data/smoke"), slow("1_label_study.py", "figures/smoke")]
)
def test_a_read_only_folder_is_one_line_and_loses_nothing(
    finished_copy, finished_folder, stage, folder
):
    Path(folder).chmod(0o555)
    result = run_with(stage, no_superuser)
    Path(folder).chmod(0o755)
    assert result.returncode == 2 and result.stderr.startswith(f"error: {folder}/")
    assert result.stderr.endswith(": Permission denied\n") and result.stderr.count("\n") == 1
    assert same.find_differences(finished_copy, finished_folder) == []


def test_a_recipe_that_is_edited_while_a_stage_runs_counts_from_the_next_stage_on(
    grid, monkeypatch
):
    text, create = grid.text, hdf5.create_file
    wanted = {stage: digests.stage_digest(grid, stage) for stage in ("0_join", "2_preprocess")}

    def edited(*args):
        Path("config.yaml").write_text(text.replace("seed: 1", "seed: 2"))
        return create(*args)

    monkeypatch.setattr(hdf5, "create_file", edited)
    for stage, run_stage, path in (
        ("0_join", join.join_databases, "0_joined.h5"),
        ("2_preprocess", preprocess.prepare_spectra, "2_prepared.h5"),
    ):
        run_stage(Run(grid))
        with hdf5.open_stage(Path("data/afgk") / path, stage, wanted[stage]) as h5:
            assert h5.attrs["config"] == text


def test_a_database_that_is_replaced_while_it_is_joined_makes_the_joined_file_stale(
    make_config, monkeypatch
):
    cfg = make_config({"join.databases": [{"path": "a.h5", "where": None}]})
    write_grid(cfg, 60, "a.h5")
    original = join.write_spectra

    def replaced(*args):
        write_grid(
            make_config(
                {"grid.n_spectra": 70, "join.databases": [{"path": "a.h5", "where": None}]}
            ),
            70,
            "b.h5",
        )
        os.replace("b.h5", "a.h5")
        return original(*args)

    monkeypatch.setattr(join, "write_spectra", replaced)
    join.join_databases(Run(cfg))
    with pytest.raises(
        UserError, match="made with other settings of a.h5: re-run python 0_join.py"
    ):
        preprocess.prepare_spectra(Run(cfg))


def test_a_packaged_file_that_is_damaged_or_missing_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "DATA_FOLDER", tmp_path)
    path = tmp_path / "nodes/x.h5"
    path.parent.mkdir()
    path.write_bytes(b"sound")
    (tmp_path / checksums.SUMS_FILE).write_text("")
    checksums.record_checksum(path)
    assert (tmp_path / checksums.SUMS_FILE).read_text().endswith("  nodes/x.h5\n")
    assert checksums.verify_checksum(path) == path
    path.write_bytes(b"spoilt")
    checksums.verify_checksum.cache_clear()
    with pytest.raises(
        UserError,
        match="is damaged: it does not match .*: git checkout .*, or make nodes",
    ):
        checksums.verify_checksum(path)
    path.unlink()
    with pytest.raises(UserError, match="is missing, but listed in"):
        checksums.verify_checksum(path)
    assert checksums.verify_checksum(tmp_path / "mine.h5")  # not packaged


def test_the_packaged_files_are_those_that_SHA256SUMS_names():
    folder = checksums.DATA_FOLDER
    kinds = ("lines", "nodes", "atmospheres", "discrepancy", "models", "examples")
    paths = [path for name in kinds for path in (folder / name).rglob("*")]
    names = {str(path.relative_to(folder)) for path in paths if path.is_file()}
    assert checksums.read_checksums().keys() == names
    for name in names:
        checksums.verify_checksum(folder / name)
