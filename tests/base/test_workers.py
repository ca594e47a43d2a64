"""Nodes made by dask workers: identical results after kills, one line without a scheduler."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.cluster import synthesise_serially, synthesise_with_kills
from starlabels.base import workers
from starlabels.base.errors import UserError
from starlabels.config.data_sections import Cluster
from starlabels.stages import predict
from starlabels.synthesis import node_synthesis, nodes

NODES = nodes.NodeGrid(5000.0, 5002.0, (6000.0, 6250.0, 6500.0), (4.0, 4.5), (0.0,), (2.0,))
TWO = Cluster(scheduler=None, workers=2)


@pytest.fixture(scope="module")
def expected():
    """Flux (n, n_pix) of NODES by one process without dask."""
    return synthesise_serially(NODES)


@pytest.fixture(scope="module")
def scheduler():
    """Address of a running cluster: one worker, two threads; a call is put off after one death."""
    import dask
    from dask.distributed import LocalCluster

    dask.config.set({"distributed.deploy.lost-worker-timeout": workers.NEVER})
    options = {
        "dashboard_address": None,
        "memory_limit": None,
        "scheduler_kwargs": {"allowed_failures": 0},
    }
    with LocalCluster(n_workers=1, threads_per_worker=2, **options) as local:
        yield local.scheduler_address


@pytest.mark.slow
def test_a_worker_killed_from_outside_costs_no_node_and_no_bit(
    expected, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    done, killed = synthesise_with_kills(NODES, TWO, kills=(1,))
    assert len(killed) == 1 and sorted(done) == list(range(6))
    assert all(np.array_equal(done[i][0], expected[i]) for i in done)
    assert (
        not list(tmp_path.iterdir()) and "".join(capfd.readouterr()) == ""
    )  # neither dask nor SMElib leaves files or prints anything


@pytest.mark.slow
def test_the_workers_of_a_running_scheduler_make_the_same_nodes(expected, scheduler):
    made = {
        i: flux
        for i, flux, _ in node_synthesis.synthesise_nodes(
            NODES, NODES.points, Cluster(scheduler=scheduler, workers=1)
        )
    }
    assert all(np.array_equal(made[i], expected[i]) for i in range(6))


def ending(task, grid, digest):
    """Stands in for compute_node: SMElib ends the process of one node; the others succeed."""
    if task[0] == (6000.0, 4.0, 0.0, 2.0):
        os._exit(0)
    return np.ones(3)


@pytest.mark.slow
def test_a_node_that_ends_its_worker_fails_and_takes_no_other_with_it(scheduler, monkeypatch):
    monkeypatch.setattr(node_synthesis, "compute_node", ending)
    made = node_synthesis.synthesise_nodes(
        NODES, NODES.points, Cluster(scheduler=scheduler, workers=1)
    )
    done = {i: (flux is None, reason) for i, flux, reason in made}
    assert done == {0: (True, "SMElib ended its process")} | dict.fromkeys(range(1, 6), (False, ""))


@pytest.mark.slow
def test_workers_with_other_data_are_refused(scheduler):
    calls = node_synthesis.compute_node, [(tuple(NODES.points[0]), None)], NODES, "another digest"
    with (
        workers.connect_cluster(Cluster(scheduler=scheduler, workers=1), 1) as client,
        pytest.raises(UserError, match="other lines"),
    ):
        list(workers.iterate_results(client, *calls))


@pytest.mark.parametrize("address", ["tcp://localhost:1", "localhost", "ftp://a:1", ""])
def test_without_a_scheduler_there_is_one_line(address, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.3)
    with pytest.raises(UserError, match="expected the address of a dask scheduler, found") as error:
        next(
            node_synthesis.synthesise_nodes(
                NODES, NODES.points, Cluster(scheduler=address, workers=1)
            )
        )
    assert "\n" not in str(error.value)


def test_nothing_to_synthesise_starts_no_worker():
    cluster = Cluster(scheduler="tcp://localhost:1", workers=1)
    assert not list(node_synthesis.synthesise_nodes(NODES, [], cluster))


def test_a_number_of_workers_out_of_range_is_one_line():
    with pytest.raises(UserError, match=r"--workers: found 0, expected an integer in \[1, 256\]"):
        predict.read_cluster_options(SimpleNamespace(workers=0, scheduler=None))


def test_no_one_without_the_keys_of_a_run_reaches_its_workers():
    from dask.distributed import Client

    with workers.connect_cluster(TWO, 2) as client:
        address = client.scheduler_info()["address"]
        assert address.startswith("tls://")
        assert client.submit(os.getpid).result() != os.getpid()
        for stranger in (address, address.replace("tls://", "tcp://")):
            with pytest.raises((OSError, TypeError, ValueError)):
                Client(stranger, timeout=2, set_as_default=False)
