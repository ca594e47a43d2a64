"""Kill each stage at random moments of its run, again and again, let it end, and compare all files with an undisturbed run's.

Half an hour for 140 kills on two idle cores; it goes on where it was stopped, for what it finds goes to <folder>/kills.jsonl.
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
from benchmarks.same import differences
from starlabels.stages import command_line

LEFT = (".tmp", ".old", ".partial", ".lock")  # endings of what only a run under way has
WHEN = ("before the first write", "in the middle", "after the end")
ONE_THREAD = dict.fromkeys(
    ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1"
)


def start(stage, folder):
    """The process of a stage in a folder, the first of a group of its own."""
    with (folder / "log").open("w") as log:
        command = [sys.executable, str(ROOT / f"{stage}.py")]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)


def finish(stage, folder):
    """Seconds that a stage takes to its end; RuntimeError with what it wrote if it fails."""
    begin, process = time.perf_counter(), start(stage, folder)
    if process.wait():
        raise RuntimeError(f"{stage} failed: {(folder / 'log').read_text()[-2000:]}")
    return time.perf_counter() - begin


def kill(stage, folder, seconds):
    """Start a stage and kill it, and all that it has started, after so many seconds; which of WHEN that was."""
    before, process = state(folder), start(stage, folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(
            process.pid, signal.SIGKILL
        )  # only now: once waited for, its number may be another's
    return WHEN[2] if process.wait() != -signal.SIGKILL else WHEN[state(folder) != before]


def state(folder):
    """{file: what changes when it is written}, without locks and logs."""
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name != "log"
    ]
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) for path in files
    }


def left(folder):
    """What lies in a folder that only a run under way should have."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(LEFT)
    ]


def chain(stage, folder, moments, reference):
    """Kill a stage at moments of the last run each time, then let it end.

    {kills: [(seconds, when)], seconds: of the last run, found: [what differs from `reference` after a kill or at the end]}
    """
    kills, found, there = [], [], set(state(folder))
    for moment in moments:
        kills.append((round(moment, 2), kill(stage, folder, moment)))
        wrong = [f"lost {path.relative_to(folder)}" for path in there if not path.exists()]
        wrong += [
            line for line in differences(folder, reference, LEFT) if not line.startswith("missing")
        ]
        found += [f"killed after {moment:.2f} s: {line}" for line in wrong]
    seconds = finish(stage, folder)
    found += differences(folder, reference, LEFT) + [f"left {name}" for name in left(folder)]
    return {"kills": kills, "seconds": seconds, "found": found}


def undisturbed(folder, recipe):
    """Run all stages, and keep a copy of all files after each: [seconds of each stage]. Does nothing if that was done."""
    times = folder / "seconds.json"
    if times.is_file():
        return json.loads(times.read_text())
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "work").mkdir(parents=True)
    shutil.copy(recipe, folder / "work/config.yaml")
    shutil.copytree(folder / "work", folder / "after_0")
    seconds = []
    for i, stage in enumerate(STAGES, start=1):
        seconds.append(finish(stage, folder / "work"))
        shutil.copytree(
            folder / "work", folder / f"after_{i}", ignore=shutil.ignore_patterns("log")
        )
    times.write_text(json.dumps(seconds))
    return seconds


def table(done):
    """Print kills and what was found, a line a stage."""
    print(
        f"{'stage':<15}{'seconds':>8}{'kills':>7}"
        + "".join(f"{when:>24}" for when in WHEN)
        + f"{'differences':>13}"
    )
    for stage in dict.fromkeys(one["stage"] for one in done):
        mine = [one for one in done if one["stage"] == stage]
        when = [when for one in mine for _, when in one["kills"]]
        seconds, found = (
            statistics.median(one["seconds"] for one in mine),
            sum(len(one["found"]) for one in mine),
        )
        counts = "".join(f"{when.count(kind):>24}" for kind in WHEN)
        print(f"{stage:<15}{seconds:>8.1f}{len(when):>7}{counts}{found:>13}")
    for line in dict.fromkeys(f"{one['stage']}: {line}" for one in done for line in one["found"]):
        print(line)


def run(cfg, args):
    """Kill all stages of the recipe, and print the table."""
    os.environ.update(ONE_THREAD)  # what it starts has these too
    folder, results = args.folder, args.folder / "kills.jsonl"
    seconds = undisturbed(folder, args.recipe)
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []
    )
    for i, stage in ((STAGES.index(stage), stage) for stage in args.stages):
        for number in range(-(-args.kills // args.chain)):
            if any((one["stage"], one["number"]) == (stage, number) for one in done):
                continue
            shutil.rmtree(folder / "work", ignore_errors=True)
            first = i + number % 2  # half begin with nothing, half with the files of a run before
            shutil.copytree(folder / f"after_{first}", folder / "work")
            last = [seconds[i], *(one["seconds"] for one in done if one["stage"] == stage)][
                -1
            ]  # other jobs come and go
            moments = np.random.default_rng((i, number)).uniform(0, last, args.chain)
            found = chain(stage, folder / "work", moments, folder / f"after_{i + 1}")
            done.append({"stage": stage, "number": number} | found)
            with results.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
        table(done)


def arguments(parser):
    """Command-line arguments."""
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
    command_line.run_command(run, __doc__, arguments, recipe=lambda args: args.recipe)
