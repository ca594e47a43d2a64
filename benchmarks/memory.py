"""Peak memory and time of the stages of a recipe, each in its own process."""

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


def measure_stages(values, stages, folder):
    """{stage: (peak memory in GB, seconds)} of the stages of a recipe's values, run in a folder."""
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return {stage: measure_command([ROOT / f"{stage}.py"], folder) for stage in stages}


def measure_spectra(cfg, n_spectra):
    """As `measure_stages`, of a recipe with n_spectra spectra and one epoch of training."""
    values = yaml.safe_load(cfg.text)
    values["grid"]["n_spectra"] = n_spectra
    values["train"] |= {"max_epochs": 1, "passes": 1}
    with tempfile.TemporaryDirectory() as folder:
        return measure_stages(values, STAGES, folder)


def measure_command(command, folder):
    """(Peak memory in GB, seconds) of Python with a command; RuntimeError if it fails.

    A small process starts it, because Linux adds the memory of the parent to the peak of the child.
    """
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, *map(str, command)]
    process = subprocess.run(
        command, cwd=folder, env=path, capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {process.stderr[-2000:]}")
    return tuple(json.loads(process.stdout))


if __name__ == "__main__":
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    print(json.dumps([usage.ru_maxrss * 1024 / 1e9, time.perf_counter() - start]))
    sys.exit(os.waitstatus_to_exitcode(status))
