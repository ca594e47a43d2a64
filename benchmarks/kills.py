"""Kill each stage at random moments, let it finish, and compare its files with those of a full run.

    python -m benchmarks.kills

140 kills take half an hour on two idle cores. Results are appended to <folder>/kills.jsonl, from
where an interrupted run continues.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import ROOT, STAGES
from benchmarks.same import find_differences
from starlabels.stages import command_line

LEFT = (".tmp", ".old", ".partial", ".lock")  # endings of what only a run under way has
MOMENTS = ("before the first write", "in the middle", "after the end")
ONE_THREAD = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1"
)


def start_stage(stage, folder):
    """The process of a stage in a folder, the first of its own process group."""
    with (folder / "log").open("w") as log:
        command = [sys.executable, str(ROOT / f"{stage}.py")]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def finish_stage(stage, folder):
    """Seconds that a stage takes; RuntimeError with its output if it fails."""
    begin, process = time.perf_counter(), start_stage(stage, folder)
    if process.wait():
        raise RuntimeError(f"{stage} failed: {(folder / 'log').read_text()[-2000:]}")
    return time.perf_counter() - begin


def kill_stage(stage, folder, seconds):
    """Start a stage and kill its process group after some seconds; which of MOMENTS that was."""
    before, process = list_states(folder), start_stage(stage, folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(
            process.pid, signal.SIGKILL
        )  # only now: once waited for, its number may be another's
    return (
        MOMENTS[2] if process.wait() != -signal.SIGKILL else MOMENTS[list_states(folder) != before]
    )


def list_states(folder):
    """{file: inode, time and size}, without locks and logs."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name != "log"
    ]
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) for path in files
    }


def find_leftovers(folder):
    """Files in a folder that should exist during a run only."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(LEFT)
    ]


def kill_repeatedly(stage, folder, moments, reference):
    """Kill a stage at each of the moments (s), then let it finish.

    Returns {kills: [(seconds, moment)], seconds: of the last run, found: differences from the
    folder `reference`}.
    """
    kills, differences, finished = [], [], set(list_states(folder))
    for moment in moments:
        kills.append((round(moment, 2), kill_stage(stage, folder, moment)))
        wrong = [f"lost {path.relative_to(folder)}" for path in finished if not path.exists()]
        wrong += [
            line
            for line in find_differences(folder, reference, LEFT)
            if not line.startswith("missing")
        ]
        differences += [f"killed after {moment:.2f} s: {line}" for line in wrong]
    seconds = finish_stage(stage, folder)
    differences += find_differences(folder, reference, LEFT) + [
        f"left {name}" for name in find_leftovers(folder)
    ]
    return {"kills": kills, "seconds": seconds, "found": differences}


def run_undisturbed(folder, recipe):
    """Run all stages once, with a copy of all files after each: [seconds of each stage]."""
    times = folder / "seconds.json"
    if times.is_file():
        return json.loads(times.read_text())
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "work").mkdir(parents=True)
    shutil.copy(recipe, folder / "work/config.yaml")
    shutil.copytree(folder / "work", folder / "after_0")
    seconds = []
    for i, stage in enumerate(STAGES, start=1):
        seconds.append(finish_stage(stage, folder / "work"))
        shutil.copytree(
            folder / "work", folder / f"after_{i}", ignore=shutil.ignore_patterns("log")
        )
    times.write_text(json.dumps(seconds))
    return seconds


def print_table(done):
    """Print kills and differences, one line per stage."""
    print(
        f"{'stage':<15}{'seconds':>8}{'kills':>7}"
        + "".join(f"{when:>24}" for when in MOMENTS)
        + f"{'differences':>13}"
    )
    for stage in dict.fromkeys(chain["stage"] for chain in done):
        chains = [chain for chain in done if chain["stage"] == stage]
        when = [when for chain in chains for _, when in chain["kills"]]
        seconds, differences = (
            statistics.median(chain["seconds"] for chain in chains),
            sum(len(chain["found"]) for chain in chains),
        )
        counts = "".join(f"{when.count(kind):>24}" for kind in MOMENTS)
        print(f"{stage:<15}{seconds:>8.1f}{len(when):>7}{counts}{differences:>13}")
    for line in dict.fromkeys(
        f"{chain['stage']}: {line}" for chain in done for line in chain["found"]
    ):
        print(line)


def run_kills(run, args):
    """Kill all stages of the recipe, and print the table."""
    os.environ.update(ONE_THREAD)  # what it starts has these too
    folder, results = args.folder, args.folder / "kills.jsonl"
    seconds = run_undisturbed(folder, args.recipe)
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []
    )
    for i, stage in ((STAGES.index(stage), stage) for stage in args.stages):
        for number in range(-(-args.kills // args.chain)):
            if any((chain["stage"], chain["number"]) == (stage, number) for chain in done):
                continue
            shutil.rmtree(folder / "work", ignore_errors=True)
            first = i + number % 2  # half begin with nothing, half with the files of a run before
            shutil.copytree(folder / f"after_{first}", folder / "work")
            last = [seconds[i], *(chain["seconds"] for chain in done if chain["stage"] == stage)][
                -1
            ]  # other jobs come and go
            moments = np.random.default_rng((i, number)).uniform(0, last, args.chain)
            outcome = kill_repeatedly(stage, folder / "work", moments, folder / f"after_{i + 1}")
            done.append({"stage": stage, "number": number} | outcome)
            with results.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
        print_table(done)


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument(
        "--recipe",
        type=Path,
        default=ROOT / "recipes/smoke.yaml",
        help="(default: recipes/smoke.yaml)",
    )
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=STAGES,
        default=STAGES,
        metavar="STAGE",
        help="(default: all)",
    )
    parser.add_argument("--kills", type=int, default=20, help="of each stage (default: 20)")
    parser.add_argument(
        "--chain", type=int, default=4, help="kills before the stage may end (default: 4)"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("data/kills"), help="to work in (default: data/kills)"
    )


if __name__ == "__main__":
    command_line.run_command(run_kills, __doc__, add_arguments, recipe=lambda args: args.recipe)
