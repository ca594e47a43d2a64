"""A stage that is killed loses nothing; the next run of it ends as if nothing had happened."""

import os
import shutil

import pytest
from conftest import STAGES, run_script, slow, write_blank_figures

from benchmarks import kills
from benchmarks.same import find_differences

# Files of the old model, which the new one replaces
OLD_MODEL = {
    f"missing models/smoke/{name}"
    for name in ("predictions.h5", "metrics.json", "jacobian.h5", "README.md")
}
MOMENTS = [0.4, 1.5, 3.0]  # seconds after the start


class Killed(BaseException):
    """The process is dead: no cleanup takes effect."""


def kill_at_replacement(patch, number):
    """Let a stage die when it replaces a file or folder for the time `number`, counted from 1."""
    left = number

    def stop(original, counts):
        def call(path, *args, **options):
            nonlocal left
            if str(path).endswith(".lock"):  # the kernel frees the locks of a dead process
                return original(path, *args, **options)
            left -= counts
            if left <= 0:
                raise Killed(str(path))
            return original(path, *args, **options)

        return call

    for name in ("replace", "unlink", "rmdir", "mkdir"):
        patch.setattr(os, name, stop(getattr(os, name), counts=name == "replace"))


def find_data_differences(folder, reference):
    """Differences between two runs in all but the content of figures, which is not drawn here."""
    lines = find_differences(folder, reference, kills.LEFT)
    return [
        line for line in lines if not line.startswith(("corrupt figures/", "different figures/"))
    ]


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        slow("grid.py", 1),
        ("0_join.py", 1),
        ("1_label_study.py", 2),  # between two figures
        ("2_preprocess.py", 1),
        slow("3_train.py", 2),  # between two checkpoints
        slow("3_train.py", 5),  # between the old and the new model
        slow("4_test.py", 2),
        slow("jacobian.py", 1),
    ],
)
def test_a_stage_that_dies_before_it_replaces_a_file_loses_nothing(
    finished_copy, finished_folder, monkeypatch, stage, number
):
    write_blank_figures(monkeypatch)
    before = set(kills.list_states(finished_copy))
    with pytest.MonkeyPatch.context() as patch:
        kill_at_replacement(patch, number)
        result = run_script(stage)
    assert result.returncode == 1 and "Killed" in result.stderr
    differences = find_data_differences(finished_copy, finished_folder)
    assert [line for line in differences if not line.startswith("missing")] == []
    assert before <= set(kills.list_states(finished_copy))
    assert run_script(stage).returncode == 0
    differences = find_data_differences(finished_copy, finished_folder)
    assert set(differences) == (OLD_MODEL if stage == "3_train.py" else set())
    assert kills.find_leftovers(finished_copy) == []


def check_kills(stage, folder, reference):
    """Kill a stage three times in a copy of a finished folder; then its files are the same."""
    found = kills.kill_repeatedly(stage.removesuffix(".py"), folder, MOMENTS, reference)["found"]
    assert set(found) == (OLD_MODEL if stage == "3_train.py" else set())


def test_a_join_killed_three_times_loses_nothing_and_then_ends_as_if_undisturbed(
    finished_copy, finished_folder
):
    check_kills("0_join.py", finished_copy, finished_folder)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_three_times_loses_nothing_and_then_ends_as_if_undisturbed(
    tmp_path, user_folder, stage
):
    shutil.copytree(user_folder, tmp_path / "run")
    check_kills(stage, tmp_path / "run", user_folder)
