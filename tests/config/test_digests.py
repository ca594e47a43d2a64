"""Digests: what makes the files of a stage stale, and what does not."""

import time
from pathlib import Path

import h5py
import pytest
from conftest import write_grid, write_published

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.config import digests, paths


@pytest.mark.parametrize(
    ("change", "first_stale"),
    [
        ({"train.max_epochs": 99}, "3_train"),
        ({"labels": ["teff"]}, "0_join"),
        ({"grid.n_spectra": 61}, "grid"),
        ({"wave.step": 0.2}, "grid"),
        ({"preprocess.split": {"train": 0.8, "validation": 0.1, "test": 0.1}}, "2_preprocess"),
        ({"test.snr": [[1, 2]]}, "4_test"),
        ({"test.generator": "models/rvs"}, "4_test"),
        ({"jacobian.n_stars": 5}, "jacobian"),
        ({"cluster.workers": 7, "cluster.scheduler": "tcp://host:8786"}, None),
        ({"preprocess.chunk_rows": 999}, None),
    ],
)
def test_a_change_makes_only_what_depends_on_it_stale(make_config, change, first_stale):
    before, after = make_config(), make_config(change)
    stages = ["grid", "0_join", "2_preprocess", "3_train", "4_test", "jacobian"]
    stale = [
        stage
        for stage in stages
        if digests.stage_digest(before, stage) != digests.stage_digest(after, stage)
    ]
    expected = stages[stages.index(first_stale) :] if first_stale else []
    if first_stale == "4_test":
        expected = ["4_test"]  # a sister of the Jacobians, not their input
    assert stale == expected


def test_running_grid_again_leaves_later_files_fresh(make_config):
    cfg = make_config()
    before = digests.stage_digest(cfg, "0_join")
    write_grid(cfg)
    assert digests.stage_digest(cfg, "0_join") == before


def test_a_foreign_database_that_changes_makes_the_joined_file_stale(make_config):
    cfg = make_config({"join.databases": [{"path": "a.h5"}]})
    labels = {name: [1.0, 2.0] for name in ("teff", "logg", "vsini", "mh")}
    write_published("a.h5", labels, [[1.0] * 200] * 2)
    before = digests.stage_digest(cfg, "0_join")
    write_published("a.h5", labels, [[1.0] * 199 + [0.5]] * 2)
    after = digests.stage_digest(cfg, "0_join")
    assert before != after
    assert after.changes(before.parts) == "a.h5"


def spoil(path, value=0.5):
    """Change one flux of a file in the middle; size and root attributes stay."""
    with h5py.File(path, "r+") as h5:
        flux = h5["spectra/flux"]
        flux[len(flux) // 2, flux.shape[1] // 2] = value


@pytest.mark.parametrize("n", [60, 6000])  # also larger than 2 MB, of which both ends are the same
def test_a_copy_of_our_grid_that_changes_makes_the_joined_file_stale(make_config, n):
    cfg = make_config({"join.databases": [{"path": "copy.h5"}]})
    write_grid(cfg, n, "copy.h5")
    before = digests.stage_digest(cfg, "0_join")
    assert digests.stage_digest(cfg, "0_join") == before
    spoil("copy.h5")
    after = digests.stage_digest(cfg, "0_join")
    assert before != after and after.changes(before.parts) == "copy.h5"


def test_a_node_library_a_table_and_a_generator_that_change_make_files_stale(make_config):
    table = Path("stars.csv")
    changes = {"grid.nodes.library": "lib.h5", "grid.labels_csv": str(table)}
    cfg = make_config(changes | {"test.generator": "models/g"})
    table.write_text("teff\n" + "6000\n" * 1_000_000)
    write_grid(cfg, path="lib.h5")
    write_grid(cfg, path="models/g/scaling.h5")
    grid, test = (digests.stage_digest(cfg, stage) for stage in ("grid", "4_test"))
    with table.open("r+") as file:
        file.seek(2_500_000)
        file.write("7")
    assert digests.stage_digest(cfg, "grid").changes(grid.parts) == "stars.csv"
    spoil("lib.h5")
    assert digests.stage_digest(cfg, "grid").changes(grid.parts) == "stars.csv, lib.h5"
    spoil("models/g/scaling.h5")
    assert "models/g" in digests.stage_digest(cfg, "4_test").changes(test.parts)


def test_a_large_file_is_read_once_unless_it_changes(tmp_path, monkeypatch):
    reads, hash_bytes = [], hdf5._hash_bytes
    monkeypatch.setattr(hdf5, "LARGE", 10)
    monkeypatch.setattr(hdf5, "_hash_bytes", lambda *a: (reads.append(a), hash_bytes(*a))[1])
    path = tmp_path / "a.csv"
    path.write_text("0" * 100)
    first = hdf5.compute_file_digest(path)
    assert hdf5.compute_file_digest(path) == first and len(reads) == 1
    time.sleep(0.02)
    path.write_text("0" * 99 + "1")
    assert hdf5.compute_file_digest(path) != first and len(reads) == 2


def test_files_made_before_contents_were_hashed_are_still_fresh(make_config):
    cfg = make_config({"join.databases": [{"path": "copy.h5"}]})
    write_grid(cfg, path="copy.h5")
    digest = digests.stage_digest(cfg, "0_join")
    former = dict(digest.parts) | {"copy.h5": hdf5.read_stated_digest("copy.h5")}
    assert digest.former == digests.short_hash(former) != digest
    path = paths.run_paths(cfg).joined
    with hdf5.create_file(path, "0_join", digest.former) as h5:
        h5["x"] = 1
    opened = hdf5.open_stage(path, "0_join", digest)
    with pytest.raises(UserError) as error, opened:
        pass
    assert "other settings" not in str(error.value)  # but another layout
