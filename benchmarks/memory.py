"""Peak memory and time of the stages of a recipe, each a process of its own, in a temporary folder."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STAGES = ["grid", "0_join", "1_label_study", "2_preprocess", "3_train", "4_test", "jacobian"]


def peaks(values, stages, folder):
    """{stage: (peak memory in GB, seconds)} of the stages of a recipe's values, run in a folder."""
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return {stage: measure([ROOT / f"{stage}.py"], folder) for stage in stages}


def of_spectra(cfg, n_spectra):
    """`peaks` of a recipe with n_spectra spectra and one epoch of training."""
    values = yaml.safe_load(cfg.text)
    values["grid"]["n_spectra"] = n_spectra
    values["train"] |= {"max_epochs": 1, "passes": 1}
    with tempfile.TemporaryDirectory() as folder:
        return peaks(values, STAGES, folder)


def measure(command, folder):
    """Peak memory in GB and seconds of Python with a command; RuntimeError with what it wrote if it fails.

    By way of a small process: Linux counts the memory of the one that starts another to the latter's peak.
    """
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, *map(str, command)]
    found = subprocess.run(
        command, cwd=folder, env=path, capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {found.stderr[-2000:]}")
    return tuple(json.loads(found.stdout))


if __name__ == "__main__":
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    print(json.dumps([usage.ru_maxrss * 1024 / 1e9, time.perf_counter() - start]))
    sys.exit(os.waitstatus_to_exitcode(status))
