"""Compare ways to store spectra in HDF5. Run grid.py before.

    python -m benchmarks.storage

The table has bytes per pixel and spectra per second: written in blocks, read in blocks, and read in
short runs of rows in random order, as in training from pixels. Spectra are without noise, and at
S/N 100. float16 rounds a continuum of 1 by up to 0.0005.
"""

import tempfile
import time
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from starlabels.base import hdf5, hdf5_spectra
from starlabels.config import paths
from starlabels.learning.noisy_spectra import add_noise
from starlabels.stages import command_line

N, RUN = 2048, 8  # spectra; rows of a run
BLOSC = {
    name: hdf5plugin.Blosc(cname=name, clevel=3, shuffle=hdf5plugin.Blosc.BITSHUFFLE)
    for name in ("lz4", "zstd")
}
KINDS = {  # type, filters
    "float32": ("f4", {}),
    "float32, checksums": ("f4", {"fletcher32": True}),
    "float32, gzip": ("f4", {"compression": "gzip", "shuffle": True}),
    "float32, blosc lz4": ("f4", BLOSC["lz4"]),
    "float32, blosc zstd": ("f4", BLOSC["zstd"]),
    "float16": ("f2", {}),
    "float16, blosc zstd": ("f2", BLOSC["zstd"]),
}


def measure_storage(flux, kind, rows, filters, path):
    """Store flux in chunks of some rows, and read it.

    Returns (bytes per pixel, spectra per second: written, read, read in random runs).
    """
    n = len(flux)
    starts, starts_of_runs = (
        range(0, n, 97),
        np.random.default_rng(0).permutation(n // RUN)[: n // RUN // 4],
    )
    with h5py.File(path, "w") as h5:
        data = h5.create_dataset("flux", flux.shape, kind, chunks=(rows, flux.shape[1]), **filters)
        blocks = (
            (i, flux[i : i + 97].astype(kind)) for i in starts
        )  # HDF5 would convert float16 far slower
        written = time_function(
            lambda: [data.write_direct(block, dest_sel=np.s_[i : i + 97]) for i, block in blocks]
        )
    with h5py.File(path) as h5:
        read = time_function(lambda: [h5["flux"][i : i + 97] for i in starts])
        runs = time_function(lambda: [h5["flux"][i * RUN : (i + 1) * RUN] for i in starts_of_runs])
    return path.stat().st_size / flux.size, n / written, n / read, len(starts_of_runs) * RUN / runs


def time_function(function):
    """Seconds that a function takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def print_storage(run, args):
    """Print the table."""
    cfg = run.cfg
    with hdf5.open_stage(paths.run_paths(cfg).grid, "grid") as h5:
        clean = h5["spectra/flux"][:N]
    noisy = add_noise(clean.copy(), np.full(len(clean), 100.0), np.random.default_rng(1))
    heads = f"{'rows per chunk':>14}{'bytes/pixel':>14}{'written':>12}{'read':>12}"
    print(f"{'':<24}{heads}{'random runs':>14}")
    for title, flux in (("without noise", clean), ("S/N 100", noisy)):
        print(title)
        for name, (kind, filters) in KINDS.items():
            for rows in (hdf5_spectra.CHUNK_BYTES // (4 * flux.shape[1]), RUN):
                with tempfile.TemporaryDirectory() as folder:
                    size, *rates = measure_storage(flux, kind, rows, filters, Path(folder) / "x.h5")
                print(
                    f"{name:<24}{rows:>14}{size:>14.2f}"
                    + "".join(f"{rate:>10.0f}/s" for rate in rates)
                )


if __name__ == "__main__":
    command_line.run_command(print_storage, __doc__)
