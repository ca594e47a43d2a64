"""Calls spread over the workers of a dask cluster, results as they finish; what is lost with a worker is called again."""

import asyncio
import contextlib
import functools
import logging
import pickle
import tempfile
import warnings
from operator import itemgetter
from pathlib import Path

from starlabels.base.errors import UserError

PATIENCE = 10  # s that a scheduler may take to answer
DEATHS = 2  # of workers of our own with the same call, before it is put off to the end
NEVER = "10000 days"  # that a worker of our own may take to come back: dask forgets late ones, and waits for ever for the last
LOST = "lost"  # in the place of a result: workers die of this call
SILENT = logging.CRITICAL + 1
LOGGERS = (
    "distributed",
    "distributed.client",
    "distributed.scheduler",
    "distributed.nanny",
    "tornado.application",
    "asyncio",
)


@contextlib.contextmanager
def connect_cluster(cluster, n_calls):
    """A dask Client of the section `cluster` of the configuration: of its scheduler, else of workers on this machine.

    n_calls: more workers than that are not started. UserError if no scheduler answers.
    """
    import dask
    from dask.distributed import Client, LocalCluster

    for name in LOGGERS:
        logging.getLogger(name).setLevel(
            SILENT
        )  # a worker that dies is no news, what it cost is told by us
    warnings.filterwarnings("ignore", module=r"(dask|distributed)\.")
    with contextlib.ExitStack() as stack:
        if cluster.scheduler is not None:
            client = stack.enter_context(connect_scheduler(cluster.scheduler))
        else:
            stack.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": NEVER}))
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="starlabels-dask-", ignore_cleanup_errors=True)
            )
            options = {
                "threads_per_worker": 1,
                "memory_limit": None,
                "dashboard_address": None,
                "local_directory": folder,
            }
            options |= {
                "silence_logs": SILENT,
                "scheduler_kwargs": {"allowed_failures": DEATHS - 1},
            }
            local = stack.enter_context(
                LocalCluster(n_workers=max(1, min(cluster.workers, n_calls)), **options)
            )
            client = stack.enter_context(Client(local, set_as_default=False))
        yield client


def connect_scheduler(address):
    """The Client of a scheduler that somebody started; UserError if none answers."""
    from dask.distributed import Client

    try:
        kind = asyncio.run(
            asyncio.wait_for(kind_of(address), PATIENCE)
        )  # a Client itself waits for ever at a wrong port
        found = f"a dask {kind.lower()}"
    except TimeoutError:
        kind, found = None, f"nothing in {PATIENCE} s"
    except (OSError, ValueError, TypeError) as error:  # TypeError: tls:// without certificates
        kind, found = None, " ".join(str(error).split())
    if kind != "Scheduler":
        mend = "start one with `dask scheduler`, or name none for workers on this machine"
        raise UserError(
            f"cluster.scheduler: {address}: expected the address of a dask scheduler, found {found}: {mend}"
        )
    client = Client(address, set_as_default=False)
    if not client.scheduler_info()["workers"]:
        print(f"{address} has no workers yet: waiting for them")
    return client


async def kind_of(address):
    """What the dask server at an address calls itself, such as Scheduler."""
    from distributed import rpc
    from distributed.security import Security

    async with rpc(address, connection_args=Security().get_connection_args("client")) as server:
        return (await server.identity())["type"]


def iterate_results(client, function, tasks, *shared):
    """Yield (index, function(task, *shared)) of each task as workers finish them.

    A call that is lost with its worker is made again. One that was lost as often as the scheduler allows is put off to the end
    and made while nothing else runs, so that others do not suffer for it; if workers die then too, its result is LOST.
    """
    put_off = []
    for index, value in iterate_finished(client, function, tasks, shared):
        if value is LOST:
            put_off.append(index)
        else:
            yield index, value
    for index in put_off:
        [(_, value)] = iterate_finished(client, function, [tasks[index]], shared)
        yield index, value


def iterate_finished(client, function, tasks, shared):
    """Yield (index, result) as `results`, LOST for calls that were lost as often as the scheduler allows."""
    from dask.distributed import KilledWorker, as_completed

    def call(
        task, packed
    ):  # dask carries it whole: a worker that lacks starlabels answers with an ImportError, not by its end
        pass

        function, shared = unpack_call(packed)
        return function(task, *shared)

    packed = client.submit(
        bytes, pickle.dumps((function, shared)), pure=False
    )  # as a result it goes to each worker once
    futures = client.map(call, tasks, packed=packed, pure=False)
    places = {future.key: i for i, future in enumerate(futures)}
    waiting = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
    del futures  # a result whose future is kept stays in the memory of its worker
    for future, value in waiting:
        if future.status == "finished":
            yield places[future.key], value
        elif future.status == "error" and isinstance(value[1], KilledWorker):
            yield places[future.key], LOST
        else:
            raise translate_error(client, value[1] if future.status == "error" else None)


@functools.lru_cache(maxsize=1)
def unpack_call(packed):
    """The function of `results` and what its calls share, opened once for all calls of a worker."""
    return pickle.loads(packed)


def translate_error(client, error):
    """What to raise for an error of a call that is not the death of its worker; None where the scheduler itself is gone."""
    address = client.scheduler.address if client.scheduler else "cluster.scheduler"
    if error is None:
        return UserError(
            f"{address}: the dask scheduler went away: what is finished is kept, run again to go on"
        )
    if isinstance(error, ImportError):
        mend = f"start them with this environment and PYTHONPATH={Path(__file__).parents[2]}"
        return UserError(f"the workers of {address} cannot run starlabels ({error}): {mend}")
    return error


@contextlib.contextmanager
def open_caller(cluster, n_calls):
    """call(function, tasks, *shared) -> results in the order of the tasks, LOST among them, by workers as in `connect`.

    In this process if cluster is None.
    """
    if cluster is None:
        yield lambda function, tasks, *shared: [function(task, *shared) for task in tasks]
        return
    with connect_cluster(cluster, n_calls) as client:
        yield lambda *call: [
            value for _, value in sorted(iterate_results(client, *call), key=itemgetter(0))
        ]
