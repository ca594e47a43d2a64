"""Predict the labels of many files of which some are poisoned: answers, reasons and memory.

    python -m benchmarks.batch --model models/observed_lowres --files 5000 --poisoned 50

Sound files are spectra of the recipe's nodes with noise, as FITS images. Poisoned ones are bombs,
bytes without meaning, and files without light, pixels or wavelengths. Every file must have a row:
labels for the sound ones, a reason in words for the others.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import fuzz_observations
from starlabels.config import load
from starlabels.config.data_sections import Range
from starlabels.stages.recipe_nodes import open_sampler
from tests.observed_files import write_image

ROOT = Path(__file__).parents[1]
CHUNK = 500  # spectra sampled at a time
SNR = 100
LABELS = ("teff", "logg", "mh", "vmic", "vsini")
FIXED = {"vmic": 2.0, "vsini": 10.0}  # of labels that the recipe does not draw


def write_sound(cfg, n, folder, rng):
    """Write n FITS images of spectra of a recipe; their paths."""
    sampler = open_sampler(cfg, build=False)
    wave = cfg.wave.grid()
    power = cfg.grid.resolving_power
    paths = []
    for start in range(0, n, CHUNK):
        m = min(CHUNK, n - start)
        labels = {name: draw_label(cfg.grid.labels.get(name), name, m, rng) for name in LABELS}
        for flux in sampler.sample_spectra(labels, wave, power):
            path = folder / f"star_{len(paths)}.fits"
            noise = rng.normal(0, 1 / SNR, len(wave))
            header = {"CRVAL1": wave[0], "CDELT1": wave[1] - wave[0], "CTYPE1": "AWAV"}
            header["SPEC_RP"] = power
            write_image(path, header, flux + noise, [("ERR", np.full(len(wave), 1 / SNR))])
            paths.append(path)
    return paths


def draw_label(entry, name, n, rng):
    """Values (n,) of a label in the middle of its range, or its constant."""
    if isinstance(entry, Range):
        margin = 0.2 * (entry.max - entry.min)
        return rng.uniform(entry.min + margin, entry.max - margin, n)
    return np.full(n, FIXED[name] if entry is None else float(entry))


def write_poisoned(n, folder, rng):
    """Write n files that hold no spectrum; their paths."""
    paths = []
    for i in range(n):
        kind = i % 8
        if kind < len(fuzz_observations.BOMBS):
            name, data = fuzz_observations.draw_bomb(fuzz_observations.BOMBS[kind])
            path = folder / f"poisoned_{i}{''.join(Path(name).suffixes)}"
        else:
            path = folder / f"poisoned_{i}.fits"
            data = rng.bytes(5000) if kind == 6 else b"SIMPLE  =                    T".ljust(2880)
        path.write_bytes(data)
        paths.append(path)
    return paths


def predict(paths, model, out):
    """Run predict.py; its exit code, seconds, and [(rows, memory in MB)] while it runs."""
    words = ["predict.py", "--model", model, "--out", out, "--figures", "0", *paths]
    command = [sys.executable, ROOT / words[0], *words[1:]]
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    memory = []
    while process.poll() is None:
        time.sleep(0.5)
        rows = count_rows(out / "results.csv")
        memory.append((rows, read_rss(process.pid)))
    return process.returncode, time.monotonic() - start, memory


def read_rss(pid):
    """Memory in MB that a process has now; 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def count_rows(path):
    """Number of rows in results.csv; 0 before it exists."""
    return max(path.read_bytes().count(b"\n") - 1, 0) if path.exists() else 0


def main():
    """Write the files, predict and print; the exit code is 1 if a row is missing or wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="models/<run>")
    parser.add_argument("--files", type=int, default=5000, help="files (default: 5000)")
    parser.add_argument("--poisoned", type=int, default=50, help="of them (default: 50)")
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    cfg = load.load_config(args.model / "config.yaml", is_trained=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = write_sound(cfg, args.files - args.poisoned, folder, rng)
        poisoned = write_poisoned(args.poisoned, folder, rng)
        paths = np.array([*sound, *poisoned], object)
        rng.shuffle(paths)
        code, seconds, memory = predict(paths, args.model, folder / "out")
        with open(folder / "out/results.csv", newline="", encoding="utf-8") as file:
            rows = {row["name"]: row for row in csv.DictReader(file)}
    answers = sum(rows[path.name]["status"] != "failed" for path in sound if path.name in rows)
    reasons = [rows[path.name]["reasons"] for path in poisoned if path.name in rows]
    n_words = sum(bool(reason) and "log.txt" not in reason for reason in reasons)
    print(f"exit code {code}, {len(rows)} rows in {seconds:.0f} s")
    print(f"{answers} answers of {len(sound)}, {n_words} reasons of {len(poisoned)}")
    for part in (0.25, 0.5, 0.75, 1.0):
        sizes = [size for count, size in memory if 0 < count <= part * len(paths)]
        print(f"memory up to {part:.0%} of the rows: {max(sizes, default=0):.0f} MB")
    sound_run = (answers, n_words, code) == (len(sound), len(poisoned), 0)
    return int(not sound_run)


if __name__ == "__main__":
    sys.exit(main())
