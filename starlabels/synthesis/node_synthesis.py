"""Synthesis of nodes by worker processes."""

import functools
import socket
import threading
from collections import Counter

import numpy as np

from starlabels.base.errors import UserError
from starlabels.base.workers import LOST, connect_cluster, iterate_results
from starlabels.synthesis import broaden, lines, sme
from starlabels.synthesis.atmosphere_choice import choose_sources
from starlabels.synthesis.line_selection import group_metallicities, select_lines_of_group
from starlabels.synthesis.nodes import QUICK_HYDROGEN, QUICK_LAYERS

MOST_FLUX = 1.3  # of the continuum; more is stored as nonsense
# At least, of similar nodes, to select their lines first, which takes as long as two nodes
MANY_NODES = 15
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
    oversampling = grid.get_oversampling(teff, vmic)
    wave = grid.wave_in_air(oversampling)
    flux = 0.0
    for kind, share in choose_sources(grid.atmosphere, teff, logg, mh):
        structure = sme.make_atmosphere(kind, teff, logg, mh)
        if grid.quick:
            structure = sme.thin_structure(structure, QUICK_LAYERS)
        engine.load_model(line_list, structure, mh, vmic, teff, logg, abundances=abundances)
        flux = flux + share * engine.compute_spectrum(wave)
    sigma = grid.fwhm / broaden.FWHM / grid.step * oversampling
    reach = int(np.ceil(6 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    smooth = np.convolve(np.pad(flux, reach, mode="edge"), kernel / kernel.sum(), "valid")
    return check_flux(smooth[::oversampling]).astype("f4")


def check_flux(flux):
    """The flux (n_pix,) of a node; ValueError if it is not physical, as where SMElib diverges."""
    if not (np.isfinite(flux).all() and -0.001 < flux.min() and flux.max() < MOST_FLUX):
        raise ValueError(f"flux from {flux.min():.3g} to {flux.max():.3g} of the continuum")
    return np.maximum(flux, 0)


@functools.lru_cache(maxsize=1)
def load_engine(grid, digest):
    """SMElib, loaded once a process.

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
    try:
        return sme.Engine()
    except Exception as error:  # any reason why a library does not load
        reason = " ".join(str(error).split())
        raise UserError(f"cluster: SMElib does not start on {host}: {reason}") from None


@functools.lru_cache(maxsize=2)
def load_lines(grid, has_molecules):
    """LineList of a NodeGrid, loaded once a process."""
    hydrogen = {"hydrogen": QUICK_HYDROGEN} if grid.quick else {}
    ends = grid.wave_in_air()[[0, -1]]
    return lines.read_lines(*ends, molecules=has_molecules, **hydrogen)


def find_strong_lines(group, grid, digest):
    """The lines that matter in a group of nodes, as packed bits, or the reason (str) of a failure.

    Runs in a worker process, as `compute_node`. group: Teff (K) and a tuple of [M/H].
    """
    teff, mhs = group
    with ENGINE_LOCK, sme.silence_output():
        engine = load_engine(grid, digest)
        try:
            line_list = load_lines(grid, teff < lines.MOLECULE_TEFF)
            return np.packbits(select_lines_of_group(engine, line_list, grid, teff, mhs))
        except Exception as error:  # all lines are taken then
            return " ".join(str(error).split()) or type(error).__name__


def compute_node(task, grid, digest):
    """Flux (n_pix,) of a node, or the reason (str) why it failed.

    Runs in a worker process, which SMElib may end without a message. task: the labels of the node,
    and the lines that matter, see `find_strong_lines`; None takes all.
    """
    point, strong = task
    with ENGINE_LOCK, sme.silence_output():
        engine = load_engine(grid, digest)
        try:
            line_list = load_lines(grid, point[0] < lines.MOLECULE_TEFF)
            if strong is not None:
                line_list = line_list[np.unpackbits(strong, count=len(line_list)) > 0]
            return synthesise_node(engine, line_list, grid, *point)
        except Exception as error:  # any failure is recorded and the other nodes continue
            return " ".join(str(error).split()) or type(error).__name__


def select_lines(client, grid, points):
    """{(Teff, [M/H]): packed bits of `find_strong_lines`} of groups with many of the points."""
    groups = Counter()
    members = {mh: group for group in group_metallicities(grid.mh) for mh in group}
    for teff, _, mh, *_ in points:
        if mh in members:  # random labels, to check a library, are in no group
            groups[teff, members[mh]] += 1
    groups = [group for group, count in sorted(groups.items()) if count >= MANY_NODES]
    found = iterate_results(client, find_strong_lines, groups, grid, grid.digest)
    strong = {}
    for i, bits in found:
        teff, mhs = groups[i]
        if not isinstance(bits, str):
            strong |= {(teff, mh): bits for mh in mhs}
    return strong


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
    points = [tuple(map(float, point)) for point in points]
    with connect_cluster(cluster, len(points)) as client:
        strong = select_lines(client, grid, points)
        tasks = [(point, strong.get((point[0], point[2]))) for point in points]
        for index, result in iterate_results(client, compute_node, tasks, grid, grid.digest):
            if not isinstance(result, str):
                yield index, result, ""
            elif result is LOST:
                yield index, None, "SMElib ended its process"
            else:
                yield index, None, result
