"""Synthesis of node libraries by worker processes."""

import functools
import json
import shutil
import socket
import threading
from dataclasses import asdict
from pathlib import Path

import numpy as np

from starlabels.base import hdf5, hdf5_spectra, provenance, untrusted
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.files import sync_to_disk
from starlabels.base.workers import LOST, connect_cluster, iterate_results
from starlabels.synthesis import atmosphere, broaden, lines, sme
from starlabels.synthesis.nodes import AXES, OVERSAMPLING, QUICK_HYDROGEN, QUICK_LAYERS

FLUX_SCALE = 1 / 60000  # of the stored uint16; a flux step of 1.7e-5
# SMElib keeps its state in globals: one call at a time, however many threads a worker has
ENGINE_LOCK = threading.Lock()


def synthesise_node(engine, line_list, grid, teff, logg, mh, vmic, pattern=0):
    """Flux (n_pix,) of one node on grid.wave(), continuum 1, broadened to grid.fwhm.

    pattern: number of the abundance pattern, see `NodeGrid.patterns`.
    """
    abundances = grid.patterns[int(pattern)]
    return synthesise_pattern(engine, line_list, grid, teff, logg, mh, vmic, abundances)


def synthesise_pattern(engine, line_list, grid, teff, logg, mh, vmic, abundances):
    """As `synthesise_node`, with abundances {element: [X/M] in dex}.

    The atmosphere has scaled solar abundances.
    """
    structure = sme.make_atmosphere(grid.atmosphere, teff, logg, mh)
    if grid.quick:
        structure = sme.thin_structure(structure, QUICK_LAYERS)
    engine.load_model(line_list, structure, mh, vmic, teff, logg, abundances=abundances)
    flux = engine.compute_spectrum(grid.fine_wave())
    sigma = grid.fwhm / broaden.FWHM / grid.step * OVERSAMPLING
    reach = int(np.ceil(6 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    smooth = np.convolve(np.pad(flux, reach, mode="edge"), kernel / kernel.sum(), "valid")
    return smooth[::OVERSAMPLING].astype("f4")


@functools.lru_cache(maxsize=1)
def load_engine(grid, digest):
    """SMElib and the LineList of a NodeGrid, loaded once per worker process.

    UserError if they cannot be loaded, or if the packaged data of the worker give another digest.
    """
    from dask.distributed import get_worker

    host = socket.gethostname()
    if grid.digest != digest:
        raise UserError(
            f"cluster: the worker on {host} has other lines or atmospheres in data/: "
            "start it in this same folder"
        )
    sme.enter_sandbox(keep_home=grid.atmosphere != "builtin", inside=get_worker().local_directory)
    hydrogen = {"hydrogen": QUICK_HYDROGEN} if grid.quick else {}
    try:
        return sme.Engine(), lines.read_lines(grid.wave_min, grid.wave_max, **hydrogen)
    except Exception as error:  # any reason why a library does not load
        reason = " ".join(str(error).split())
        raise UserError(f"cluster: SMElib does not start on {host}: {reason}") from None


def compute_node(point, grid, digest):
    """Flux (n_pix,) of a node, or the reason (str) why it failed.

    Runs in a worker process, which SMElib may end without a message.
    """
    with ENGINE_LOCK, sme.silence_output():
        engine, line_list = load_engine(grid, digest)
        try:
            return synthesise_node(engine, line_list, grid, *point)
        except Exception as error:  # any failure is recorded and the other nodes continue
            return " ".join(str(error).split()) or type(error).__name__


def synthesise_nodes(grid, points, cluster):
    """Yield (index, flux or None, reason of failure) per node as the workers finish them.

    Parameters
    ----------
    grid : NodeGrid
    points : array (n, 4) or (n, 5)
        Labels as in `NodeGrid.points`.
    cluster : Cluster
        Section `cluster` of the configuration.
    """
    if not len(points):
        return
    tasks = [tuple(map(float, point)) for point in points]
    with connect_cluster(cluster, len(points)) as client:
        for index, result in iterate_results(client, compute_node, tasks, grid, grid.digest):
            if not isinstance(result, str):
                yield index, result, ""
            elif result is LOST:
                yield index, None, "SMElib ended its process"
            else:
                yield index, None, result


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
    todo = [i for i, name in enumerate(names) if not _is_finished(partial, name)]
    n_done = len(points) - len(todo)
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
    gather_nodes(grid, partial, names, path)
    shutil.rmtree(partial.parent)


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


def gather_nodes(grid, partial, names, path):
    """Write the library `path` from the finished nodes `<name>.npy` in the folder `partial`."""
    wave = grid.wave()
    files = (lines.LINE_FILE, atmosphere.TABLE_FILE)
    inputs = {provenance.get_portable_path(file): hdf5.compute_file_digest(file) for file in files}
    failed = np.zeros(len(names), bool)
    with hdf5.create_file(path, "nodes", grid.digest, json.dumps(asdict(grid)), inputs) as h5:
        hdf5_spectra.write_wave(h5, wave, resolving_power=grid.resolving_power)
        h5["spectra"].attrs["source"] = f"SMElib, Gaia-ESO lines, {grid.atmosphere} atmospheres"
        storage = {"chunks": (1, len(wave)), "compression": 9, "shuffle": True}
        flux = h5.create_dataset("nodes/flux", (len(names), len(wave)), "u2", **storage)
        flux.attrs["scale"] = FLUX_SCALE
        flux.attrs["fwhm"] = grid.fwhm
        flux.attrs["window"] = [grid.wave_min, grid.wave_max]
        flux.attrs["shape"] = [len(axis) for axis in grid.axes]
        for i, name in enumerate(names):
            failed[i] = not (partial / f"{name}.npy").exists()
            if not failed[i]:
                flux[i] = untrusted.read_arrays(partial / f"{name}.npy")[""]
        h5["nodes/failed"] = failed
        for name, axis in zip(AXES, grid.axes):
            h5[f"nodes/{name}"] = axis
        h5["nodes"].attrs["atmosphere"] = grid.atmosphere
        h5["nodes"].attrs["elements"] = ",".join(grid.elements)
        h5["nodes"].attrs["quick"] = grid.quick
    n_failed = int(failed.sum())
    print(
        f"{path}: {format_count(len(names) - n_failed)} nodes, {format_count(n_failed)} failed, "
        f"{path.stat().st_size / 1e6:.1f} MB"
    )
