"""One case of benchmarks.fuzz: a child process in a sandbox folder, and its verdict."""

import contextlib
import csv
import functools
import os
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base import errors
from starlabels.stages import (
    command_line,
    generate,
    grid,
    join,
    label_study,
    preprocess,
    train_labels,
)

SECONDS, BYTES = 30, 4 << 30  # most processor time and address space of a case
PATIENCE = 240  # seconds by the clock, on a busy machine
MAY_CHANGE = ("data", "models", "figures", "results")  # folders of a run
FINDINGS = ("traceback", "hang", "memory", "outside", "unnamed", "noise")


class Case(NamedTuple):
    """Files {path: bytes} for a copy of the template folder, and the steps to run there.

    A step is a name or the words of a command. culprit: paths of which every message must name one.
    """

    kind: str
    number: int
    files: dict
    steps: tuple
    culprit: tuple = ("config.yaml",)


class Outcome(NamedTuple):
    """Verdict (`ran`, `refused` or one of FINDINGS), last step, text on stderr, and seconds."""

    verdict: str
    step: str
    stderr: str
    seconds: float


class ZeroNetwork:
    """Replaces a trained network, which would take seconds to load; it predicts 0."""

    def predict(self, flux, **options):
        """Zeros (n, 64)."""
        return np.zeros((len(flux), 64), "f4")


def get_stage(name):
    """(stage, arguments, recipe) of command_line.run_command for a script."""
    if name == "load":
        return (lambda run, args: None), None, None
    if name == "predict":
        from starlabels.stages import predict

        return predict.predict_labels, predict.add_arguments, predict.find_model_config
    if name == "survey":
        from starlabels.tools import survey

        return survey.write_survey, survey.add_arguments, lambda args: None
    if name == "generate":
        labels, table = ["teff", "logg", "mh", "vsini"], Path("inputs/labels.csv")
        return (
            (lambda run, args: generate.read_table(table, labels, Path("x.fits"))),
            None,
            lambda args: None,
        )
    if name == "ravelike":
        from starlabels.tools import mock_rave

        files = [Path(f"inputs/rave_{kind}.csv") for kind in ("labels", "photometry")]
        return (
            (lambda run, args: mock_rave.select_covered(mock_rave.read_stars(*files))),
            None,
            lambda args: None,
        )
    if name == "3_train":
        return train_labels.train_label_network, None, None
    if name == "grid":
        return make_small_grid, None, None
    stages = {
        "0_join": join.join_databases,
        "1_label_study": label_study.study_labels,
        "2_preprocess": preprocess.prepare_spectra,
    }
    return stages[name], None, None


def make_small_grid(run, args):
    """Run grid.py, except for sound grids that would take minutes."""
    cfg = run.cfg
    n_pixels = cfg.grid.n_spectra * cfg.wave.n_pix if cfg.grid and cfg.wave else 0
    if n_pixels > 1e6 and not cfg.grid.labels_csv:
        grid.check_disk_space(run)
        raise errors.UserError(f"{cfg.path}: sound, and too large to run here")
    grid.make_grid(run, args)


def refuse_synthesis(*args, **options):
    """Replaces build_library, which takes hours."""
    raise errors.UserError("config.yaml: would synthesise nodes")


def run_steps(case, report):
    """Run the steps of a case in this process; each is noted in the file `report` before."""
    for step in case.steps:
        name, *words = step.split()
        os.pwrite(report, name.ljust(20).encode(), 0)
        sys.argv = [f"{name}.py", *words]
        run, arguments, recipe = get_stage(name)
        command_line.run_command(run, "", arguments, recipe)
        if name == "predict":
            check_rows(words[0])


def check_rows(path):
    """Raise a RuntimeError unless predict.py gave the file a row, and foresaw every failure."""
    log = Path("results/log.txt")
    if log.exists():
        raise RuntimeError(log.read_text(encoding="utf-8"))
    with open("results/results.csv", newline="", encoding="utf-8") as file:
        if len(list(csv.reader(file))) < 2:
            raise RuntimeError(f"no row of {path}")


def run_child(case, folder, report):
    """Run a case in the child, with stdout and stderr in files; never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder / "box/run")
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), number)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  they last as long as the process
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, used + BYTES))
        seconds = SECONDS * (
            4 if "3_train" in case.steps else 1
        )  # a sound training takes 30 s of them
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        run_steps(case, report)
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def run_case(case, template):
    """The Outcome of a case, run in a child in a temporary copy of the template folder."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        shutil.copytree(template, folder / "box/run", symlinks=True)
        (folder / "box/untouched").write_text("must not change")
        for path, data in case.files.items():
            (folder / "box/run" / path).parent.mkdir(parents=True, exist_ok=True)
            place_file(folder / "box/run" / path, data)
        before, start = list_files(folder / "box"), time.monotonic()
        report = os.open(folder / "step", os.O_RDWR | os.O_CREAT)
        pid = os.fork()
        if pid == 0:
            run_child(case, folder, report)
        status = wait_for_child(pid)
        step = os.pread(report, 20, 0).decode().strip()
        os.close(report)
        stderr = (
            (folder / "stderr").read_text(errors="replace") if (folder / "stderr").exists() else ""
        )
        verdict = judge_case(case, status, stderr, before == list_files(folder / "box"))
        return Outcome(verdict, step, stderr, time.monotonic() - start)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place_file(path, data):
    """Write the bytes of a file, or a folder for None, in place of an existing file."""
    path.unlink(missing_ok=True)
    path.mkdir() if data is None else path.write_bytes(data)


def wait_for_child(pid):
    """Exit code of a child, negative for a signal; None if it exceeded its time."""
    with open(os.pidfd_open(pid), closefd=True) as watch:
        late = not select.select([watch], [], [], PATIENCE)[0]
    if late:
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if late else code


def list_files(folder):
    """{path: (size, time of change)} of everything below the folder that a run may not change."""
    files_found = {}
    for here, folders, files in os.walk(folder):
        if Path(here) == folder / "run":
            folders[:] = [name for name in folders if name not in MAY_CHANGE]
        for name in (*folders, *files):
            known = os.lstat(os.path.join(here, name))
            files_found[os.path.join(here, name)] = (
                (known.st_size, known.st_mtime_ns) if name in files else None
            )
    return files_found


def judge_case(case, code, stderr, untouched):
    """`ran`, `refused` or one of FINDINGS."""
    lines = stderr.splitlines()
    if not untouched:
        return "outside"
    if code in (None, -signal.SIGXCPU, -signal.SIGKILL):
        return "hang"
    if code not in (0, 2):
        return (
            "memory"
            if re.search(r"MemoryError|bad_alloc|Unable to allocate", stderr)
            else "traceback"
        )
    if any(not line.startswith("error: ") for line in lines):
        return "noise"
    if code == 0:
        return "ran"
    return (
        "refused"
        if lines and all(any(name in line for name in case.culprit) for line in lines)
        else "unnamed"
    )


def run_cases(cases, template, workers):
    """Yield (case, Outcome) of all cases, in their order, from a pool of processes."""
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from zip(
            cases, pool.imap(functools.partial(run_case, template=template), cases, chunksize=4)
        )
