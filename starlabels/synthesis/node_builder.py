"""Building of node libraries: nodes are stored as they come, and gathered in one file."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from starlabels.base import hdf5, hdf5_spectra, provenance, untrusted
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.files import sync_to_disk
from starlabels.synthesis.atmosphere_choice import LABEL_RANGES, choose_sources
from starlabels.synthesis.compression import compress_low_rank, quantise_basis
from starlabels.synthesis.node_synthesis import synthesise_nodes
from starlabels.synthesis.nodes import AXES
from starlabels.synthesis.thinning import fill_thinned, find_thinned

FLUX_SCALE = 1 / 50000  # of the uint16 of finished nodes; a flux step of 2e-5
# rms error of the line depths in a library
LIBRARY_RESIDUAL = 2e-5
BASIS_STEP = 4e-6  # of the stored basis, in line depth: with it the mean error is 1.6e-5


def build_library(grid, path, cluster):
    """Synthesise the missing nodes of a library and write it.

    Every finished node is stored at once in `<path>.partial/<digest>`, so that a killed run
    continues where it stopped.

    Parameters
    ----------
    grid : NodeGrid
    path : path
        Library to write.
    cluster : Cluster
        Section `cluster` of the configuration.

    Raises
    ------
    UserError
        If all nodes fail.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".partial") / grid.digest
    partial.mkdir(parents=True, exist_ok=True)
    points = grid.points
    names = ["_".join(f"{value:g}" for value in point) for point in points]
    thinned = find_thinned(grid, refuse_nodes(grid, partial, names))
    finished = np.array([_is_finished(partial, name) for name in names])
    todo = np.flatnonzero(~finished & ~thinned)
    n_done = int(finished.sum())
    if n_done:
        print(f"{path}: {format_count(n_done)} of {format_count(len(points))} nodes exist already")
    nodes = synthesise_nodes(grid, points[todo], cluster)
    for k, flux, reason in show_progress(nodes, f"synthesising {path.name}", total=len(todo)):
        _store_node(partial, names[todo[k]], flux, reason)
    failures = sorted(partial.glob("*.failed"))
    if len(failures) == len(points):
        reason = failures[0].read_text()
        shutil.rmtree(partial.parent)  # nothing to keep: the next run tries again
        raise UserError(f"{path}: all {format_count(len(points))} nodes failed: {reason}")
    gather_nodes(grid, partial, names, path, thinned)
    shutil.rmtree(partial.parent)


def refuse_nodes(grid, partial, names):
    """Store the nodes without a model atmosphere as failed, and say how many they are.

    Returns an array (n,) of bool.
    """
    refused = np.zeros(len(names), bool)
    if grid.atmosphere not in LABEL_RANGES:
        return refused
    for i, (name, point) in enumerate(zip(names, grid.points)):
        try:
            choose_sources(grid.atmosphere, *point[:3])
        except ValueError as error:
            refused[i] = True
            if not _is_finished(partial, name):
                (partial / f"{name}.failed").write_text(str(error))
    if n_refused := int(refused.sum()):
        n_all = format_count(len(names))
        print(f"{format_count(n_refused)} of {n_all} nodes have no model atmosphere")
    return refused


def _is_finished(partial, name):
    """Whether a node is stored; an empty file, left by a power cut, is no node."""
    files = [partial / f"{name}.npy", partial / f"{name}.failed"]
    return any(file.is_file() and file.stat().st_size for file in files)


def _store_node(partial, name, flux, reason):
    """Store the flux (n_pix,) of a finished node, or the reason of its failure."""
    temporary = partial / f".{name}.tmp"
    if flux is None:
        temporary.write_text(reason)
        sync_to_disk(temporary)
        temporary.replace(partial / f"{name}.failed")
        print(f"node {name} failed: {reason}")
        return
    with temporary.open("wb") as file:
        np.save(file, np.round(flux / FLUX_SCALE).astype("u2"))
    sync_to_disk(temporary)
    temporary.replace(partial / f"{name}.npy")


def read_finished(partial, names, n_pix):
    """Line depths (n, n_pix) of finished nodes, 0 where they failed, and failed (n,)."""
    depth = np.zeros((len(names), n_pix), "f4")
    failed = np.zeros(len(names), bool)
    for i, name in enumerate(names):
        file = partial / f"{name}.npy"
        failed[i] = not file.exists()
        if not failed[i]:
            depth[i] = 1 - untrusted.read_arrays(file)[""] * np.float32(FLUX_SCALE)
    return depth, failed


def measure_minutes(partial):
    """Minutes that the nodes took: gaps of under a minute between the times of their files."""
    times = sorted(path.stat().st_mtime for path in partial.glob("*.npy"))
    gaps = np.diff(times)
    return float(gaps[gaps < 60].sum() / 60)


def gather_nodes(grid, partial, names, path, thinned=None):
    """Write the library `path` from the finished nodes `<name>.npy` in the folder `partial`.

    thinned: array (n,) of bool, see `find_thinned`; None: all nodes were synthesised.
    """
    wave = grid.wave()
    inputs = {
        provenance.get_portable_path(file): hdf5.compute_file_digest(file) for file in grid.files
    }
    depth, failed = read_finished(partial, names, len(wave))
    if thinned is not None:
        fill_thinned(depth, failed, thinned, grid)
    coefficient, basis = quantise_basis(*compress_low_rank(depth, LIBRARY_RESIDUAL), BASIS_STEP)
    del depth
    with hdf5.create_file(path, "nodes", grid.digest, json.dumps(asdict(grid)), inputs) as h5:
        hdf5_spectra.write_wave(h5, wave, grid.medium, grid.resolving_power)
        h5["spectra"].attrs["source"] = f"SMElib, {grid.atmosphere} atmospheres"
        storage = {"compression": 9, "shuffle": True, "fletcher32": True}
        stored = h5.create_dataset("nodes/basis", data=basis, chunks=(1, len(wave)), **storage)
        stored.attrs["scale"] = BASIS_STEP
        h5.create_dataset("nodes/coefficient", data=coefficient, **storage)
        h5["nodes/failed"] = failed
        for name, axis in zip(AXES, grid.axes):
            h5[f"nodes/{name}"] = axis
        h5["nodes"].attrs["minutes"] = measure_minutes(partial)
        h5["nodes"].attrs["window"] = [grid.wave_min, grid.wave_max]
        h5["nodes"].attrs["fwhm"] = grid.fwhm
        h5["nodes"].attrs["shape"] = grid.shape
        h5["nodes"].attrs["atmosphere"] = grid.atmosphere
        h5["nodes"].attrs["elements"] = ",".join(grid.elements)
        h5["nodes"].attrs["quick"] = grid.quick
    n_failed = int(failed.sum())
    print(
        f"{path}: {format_count(len(names) - n_failed)} nodes, {format_count(n_failed)} failed, "
        f"{path.stat().st_size / 1e6:.1f} MB"
    )
