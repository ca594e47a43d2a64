"""Peak memory and time of each stage at a given number of spectra, each stage a process of its own, in a temporary folder."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STAGES = ["grid", "0_join", "1_label_study", "2_preprocess", "3_train", "4_test", "jacobian"]


def peaks(cfg, n_spectra):
    """{stage: (peak memory in GB, seconds)} of a recipe with n_spectra spectra and one epoch of training."""
    values = yaml.safe_load(cfg.text)
    values["grid"]["n_spectra"] = n_spectra
    values["train"] |= {"max_epochs": 1, "passes": 1}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(yaml.safe_dump(values))
        return {stage: measure([sys.executable, ROOT / f"{stage}.py"], folder) for stage in STAGES}


def measure(command, folder):
    """Peak memory in GB and seconds of a command; RuntimeError with what it wrote if it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"{command} failed: {log.read()[-2000:]}")
    return usage.ru_maxrss * 1024 / 1e9, time.perf_counter() - start
