"""Runs that several tests share, among files of tests and the workers of pytest-xdist."""

import os
from pathlib import Path

from filelock import FileLock

RUNS = {  # test files by the run that they share
    **dict.fromkeys(
        ("test_scripts", "test_predict", "test_predict_batch", "test_faults", "test_interface"),
        "finished_folder",
    ),
    **dict.fromkeys(
        ("test_generator", "test_generate", "test_generate_mistakes", "test_score_flux"),
        "generator_folder",
    ),
}
LONG = (
    "test_real_stars",
    "test_real_physics",
    "test_documentation_runs",
    "test_fuzz",
    "test_outliers",
    "test_resume",
    "test_training",
    "test_kills",
)
ORDER = {stem: i for i, stem in enumerate([*RUNS, *LONG])}


def get_place(stem):
    """Place of a test file in the order of all: first those that share a run, then long ones."""
    return ORDER.get(stem, len(ORDER))


def make_scheduler(config, log):
    """Scheduler that gives each worker the files that share a run, or one file."""
    from xdist.scheduler import LoadScopeScheduling

    class FileScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            stem = Path(nodeid.partition("::")[0]).stem
            return RUNS.get(stem, stem)

    return FileScheduling(config, log)


def make_once(tmp_path_factory, name, make):
    """The folder `name` that make(folder) fills; the workers of a session share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
