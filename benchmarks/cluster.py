"""Compare nodes from dask workers, one of which is killed twice, with those of one process.

python -m benchmarks.cluster
"""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from starlabels.config.data_sections import Cluster
from starlabels.stages import command_line
from starlabels.synthesis import node_synthesis, nodes, sme

NODES = nodes.NodeGrid(
    5000.0,
    5020.0,
    (5500.0, 6000.0, 6500.0, 7000.0, 8000.0),
    (3.0, 3.5, 4.0, 4.5, 5.0),
    (-0.5, 0.0),
    (2.0,),
)
WORKERS = 2
KILLS = (10, 25)  # nodes finished before each


def synthesise_serially(grid):
    """Flux (n, n_pix) of the nodes of a NodeGrid, made one by one in one process without dask."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=sme.enter_sandbox) as pool:
        return pool.submit(synthesise_one_by_one, grid).result()


def synthesise_one_by_one(grid):
    """As `synthesise_serially`, in this process."""
    with sme.silence_output():
        engine, line_list = sme.Engine(), node_synthesis.load_lines(grid, has_molecules=True)
        synthesise = node_synthesis.synthesise_node
        return np.array([synthesise(engine, line_list, grid, *point) for point in grid.points])


def synthesise_with_kills(grid, cluster, kills):
    """Synthesise nodes while a worker is killed.

    cluster: a section without scheduler; kills: numbers of nodes finished before each kill. Returns
    ({index: (flux or None, reason)}, ids of the processes that were killed).
    """
    done, killed, others = {}, [], None
    for index, flux, reason in node_synthesis.synthesise_nodes(grid, grid.points, cluster):
        done[index] = (flux, reason)
        alive = sorted(
            child.pid for child in multiprocessing.active_children() if "Dask Worker" in child.name
        )
        others = alive[1:] if others is None else others
        back = [pid for pid in alive if pid not in others]
        if (
            len(killed) < len(kills)
            and len(done) >= kills[len(killed)]
            and back
            and back[0] not in killed
        ):
            os.kill(back[0], signal.SIGKILL)
            killed.append(back[0])
    return done, killed


def print_comparison(run, args):
    """Print the numbers of nodes, of nodes equal bit by bit, and the times."""
    start = time.perf_counter()
    expected = synthesise_serially(NODES)
    middle = time.perf_counter()
    done, killed = synthesise_with_kills(NODES, Cluster(scheduler=None, workers=WORKERS), KILLS)
    end = time.perf_counter()
    equal = sum(
        flux is not None and np.array_equal(flux, expected[i]) for i, (flux, _) in done.items()
    )
    print(f"{len(expected)} nodes by one process, {middle - start:.0f} s with its start")
    workers = f"{WORKERS} dask workers, one killed {len(killed)} times"
    print(f"{len(done)} nodes by {workers}, {end - middle:.0f} s with their start")
    n_failed = sum(flux is None for flux, _ in done.values())
    print(f"{n_failed} failed, {equal} of {len(expected)} equal bit by bit")


if __name__ == "__main__":
    command_line.run_command(print_comparison, __doc__, recipe=lambda args: None)
