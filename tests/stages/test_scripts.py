"""The scripts as a user runs them: in an empty folder, in order, and with mistakes."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import ROOT, STAGES, run_script

from benchmarks import same
from starlabels.base import provenance as provenance_2
from starlabels.config.load import load_config
from starlabels.tools import provenance

OUTPUT = {
    "grid.py": "data/grids/smoke.h5",
    "0_join.py": "data/smoke/0_joined.h5",
    "1_label_study.py": "figures/smoke/1_kiel.png",
    "2_preprocess.py": "data/smoke/2_prepared.h5",
    "3_train.py": "models/smoke/model.keras",
    "4_test.py": "models/smoke/metrics.json",
    "jacobian.py": "models/smoke/jacobian.h5",
}


def edit(old, new, path="config.yaml"):
    """Replace text in the configuration."""
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def test_every_stage_writes_its_file(finished_folder):
    assert all((finished_folder / path).is_file() for path in OUTPUT.values())
    figures = {path.name for path in (finished_folder / "figures/smoke").iterdir()}
    wanted = {
        "1_histograms.png",
        "1_kiel.png",
        "1_pairs.png",
        "3_loss.png",
        "4_error_vs_snr.png",
        "4_residuals.png",
    }
    wanted |= {
        "4_one_to_one_100_200.png",
        "4_pulls.png",
        "4_reliability.png",
        "4_error_over_bound.png",
        "jacobian.png",
    }
    assert wanted <= figures
    assert not list(finished_folder.rglob("*.tmp"))


@pytest.mark.slow
def test_scripts_in_processes_of_their_own_write_the_same_files(finished_folder, user_folder):
    lines = same.find_differences(user_folder, finished_folder)
    # the card states times, and figures are drawn smaller here
    different = ("different figures/", "different models/smoke/README.md")
    assert [line for line in lines if not line.startswith(different)] == []


def test_nothing_is_written_outside_data_models_and_figures(finished_folder):
    assert {path.name for path in finished_folder.iterdir()} == {
        "config.yaml",
        "data",
        "models",
        "figures",
    }


def test_metrics_have_the_agreed_keys(finished_folder):
    metrics = json.loads((finished_folder / "models/smoke/metrics.json").read_text())
    assert {"run", "labels", "n_test", "snr", "train_seconds", "versions"} <= set(metrics)
    assert set(metrics["snr"]) == {"20_100", "100_200", "200_400", "inf"}
    for scores in metrics["snr"].values():
        assert {"rmse", "sigma", "bias"} <= set(scores) and set(scores["rmse"]) == {
            "teff",
            "logg",
            "vsini",
            "mh",
        }
        assert {"coverage_68", "coverage_95", "pull_std"} <= set(scores)
    assert all(metrics["snr"]["100_200"][score]["teff"] > 0 for score in ("crlb", "ratio"))
    assert set(metrics["flagged"]["100_200"]) == {"edge", "unlike", "limit"}
    card = (finished_folder / "models/smoke/README.md").read_text()
    assert all(
        f"{value:.4g}" in card
        for scores in metrics["snr"].values()
        for value in scores["rmse"].values()
    )


@pytest.mark.parametrize(
    "name", ["models/smoke", "models/smoke/predictions.h5", "figures/smoke/4_pulls.png"]
)
def test_what_came_of_the_nodes_says_so(finished_folder, monkeypatch, name):
    monkeypatch.chdir(finished_folder)
    lines = [
        line.strip()
        for line in provenance.format_history(Path(name), provenance_2.read_record(name), set())
    ]
    inputs = [line for line in lines if line.startswith("from ") and ", digest " in line]
    assert any(line.startswith("from data/nodes/blue.h5, digest ") for line in inputs)
    assert len(inputs) >= 4 and all(": unchanged" in line for line in inputs)


def test_jacobian_file_holds_all_labels_and_the_physics(finished_folder):
    with h5py.File(finished_folder / "models/smoke/jacobian.h5") as h5:
        assert h5["network/mean"].shape == (4, 800) and h5["sensitivity/mean"].shape == (4, 800)


@pytest.mark.parametrize(
    ("stage", "old", "new", "message"),
    [
        ("0_join.py", "seed: 1", "sead: 1", "unknown key, did you mean seed?"),
        ("3_train.py", "batch_size: 32", "batch_size: many", "expected an integer"),
        ("grid.py", "teff: {min: 4000", "teff: {min: 2000", "expected within [2800, 50000] K"),
        ("0_join.py", "data/grids/smoke.h5", "data/grids/none.h5", "data/grids/none.h5 not found"),
        (
            "3_train.py",
            "labels: [teff, logg, vsini, mh]",
            "labels: [teff, logg]",
            "re-run python 2_preprocess.py",
        ),
        ("4_test.py", "max_epochs: 3", "max_epochs: 4", "re-run python 3_train.py"),
        (
            "0_join.py",
            "labels: [teff, logg, vsini, mh]",
            "labels: [teff, alpha_m]",
            "also asks for alpha_m",
        ),
        ("grid.py", "max: 4880.0", "max: 9300.0", "the line lists span 3680-9200 A"),
    ],
)
def test_a_mistake_is_one_line_exit_code_2_and_nothing_overwritten(
    finished_copy, stage, old, new, message
):
    before = {
        path: path.stat().st_mtime_ns
        for path in finished_copy.rglob("*.*")
        if path.name != "config.yaml"
    }
    edit(old, new)
    result = run_script(stage)
    assert result.returncode == 2 and message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 and result.stderr.startswith("error: ")
    assert before == {
        path: path.stat().st_mtime_ns
        for path in finished_copy.rglob("*.*")
        if path.name != "config.yaml"
    }


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_stage_before_its_input_names_the_script_to_run(tmp_path, monkeypatch, stage):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "recipes/smoke.yaml", "config.yaml")
    result = run_script(stage)
    assert result.returncode == 2 and "not found: run python" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_truncated_file_is_one_line(finished_copy):
    path = finished_copy / "data/smoke/2_prepared.h5"
    path.write_bytes(path.read_bytes()[:50_000])
    result = run_script("3_train.py")
    assert result.returncode == 2 and "is truncated: run python 2_preprocess.py" in result.stderr


def test_an_unwritable_folder_is_one_line(finished_copy):
    shutil.rmtree(finished_copy / "data/smoke")
    (finished_copy / "data/smoke").write_text("a file where the folder belongs")
    result = run_script("0_join.py")
    assert (
        result.returncode == 2
        and "data/smoke" in result.stderr
        and len(result.stderr.splitlines()) == 1
    )


def test_spectra_that_cannot_be_used_are_dropped_and_counted(finished_copy):
    with h5py.File(finished_copy / "data/grids/smoke.h5", "r+") as h5:
        h5["spectra/flux"][3, 5] = np.nan
        h5["spectra/flux"][7] = -1
    result = run_script("0_join.py")
    assert (
        "kept 379 of 381 spectra: 1 has NaN, infinite or absurd flux, 1 has negative continuum"
        in result.stdout
    )


def test_two_databases_in_the_published_layout_join_with_an_index(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, n in (("a.h5", 30), ("b.h5", 20)):
        with h5py.File(name, "w") as h5:
            h5["X"] = rng.uniform(0.5, 1, (n, 800)).astype("f4")
            for key, low, high in (("TEMP", 6000, 9000), ("LOGG", 2, 5), ("VROT", 0, 300)):
                h5[key] = rng.uniform(low, high, n)
            h5["META"] = np.where(np.arange(n) % 2, 0.5, 0.0)
    Path("config.yaml").write_text(load_config(ROOT / "recipes/smoke.yaml").text)
    edit(
        "[{path: data/grids/smoke.h5, where: null}]",
        '[{path: a.h5, where: "mh != 0"}, {path: b.h5, where: null}]',
    )
    result = run_script("0_join.py")
    assert (
        result.returncode == 0
        and "a.h5: kept 15 of 30 spectra: 15 excluded by where" in result.stdout
    )
    with (
        h5py.File("data/smoke/0_joined.h5") as joined,
        h5py.File("a.h5") as a,
        h5py.File("b.h5") as b,
    ):
        assert joined["source"].attrs["names"].tolist() == ["a.h5", "b.h5"]
        for row in (0, 7, 14, 15, 34):
            origin = (a, b)[joined["source"][row]]
            assert np.array_equal(
                joined["spectra/flux"][row], origin["X"][joined["source_row"][row]]
            )
