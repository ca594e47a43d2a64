"""Calls distributed to the workers of a dask cluster.

Results come as they finish; calls that are lost with their worker are repeated.
"""

import asyncio
import contextlib
import functools
import logging
import pickle
import tempfile
import warnings
from operator import itemgetter

from starlabels.base.errors import UserError
from starlabels.base.install import CHECKOUT

PATIENCE = 10  # s that a scheduler may take to answer
DEATHS = 2  # local workers that may die of one call before it is put off to the end
# Time that a local worker may take to restart: dask forgets late ones, and then waits for ever for
# the last one
NEVER = "10000 days"
LOST = "lost"  # replaces the result of a call that kills its workers
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
    """Yield a dask Client of the configured scheduler, or of workers on this machine.

    Parameters
    ----------
    cluster : Cluster
        Section `cluster` of the configuration.
    n_calls : int
        Number of calls: no more workers than this are started.

    Raises
    ------
    UserError
        If the scheduler does not answer.
    """
    for name in LOGGERS:
        # Dead workers are expected; their consequences are reported by the caller
        logging.getLogger(name).setLevel(SILENT)
    warnings.filterwarnings("ignore", module=r"(dask|distributed)\.")
    with contextlib.ExitStack() as stack:
        if cluster.scheduler is not None:
            yield stack.enter_context(connect_scheduler(cluster.scheduler))
        else:
            n_workers = max(1, min(cluster.workers, n_calls))
            yield stack.enter_context(_start_workers(n_workers))


@contextlib.contextmanager
def _start_workers(n_workers):
    """Yield a dask Client of n_workers processes on this machine.

    Scheduler and workers speak TLS with keys made for this run: whoever can send calls to a worker
    runs code as its user, and a port of this machine is open to all its users.
    """
    import dask
    from dask.distributed import Client, LocalCluster, Security

    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": NEVER}),
        tempfile.TemporaryDirectory(
            prefix="starlabels-dask-", ignore_cleanup_errors=True
        ) as folder,
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            memory_limit=None,
            dashboard_address=None,
            local_directory=folder,
            silence_logs=SILENT,
            security=Security.temporary(),
            scheduler_kwargs={"allowed_failures": DEATHS - 1},
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def connect_scheduler(address):
    """The Client of a running scheduler; UserError if it does not answer."""
    from dask.distributed import Client

    kind = None
    try:
        # Asked first, because a Client waits for ever at a wrong port
        kind = asyncio.run(asyncio.wait_for(ask_server_kind(address), PATIENCE))
        answer = f"a dask {kind.lower()}"
    except TimeoutError:
        answer = f"nothing in {PATIENCE} s"
    except (OSError, ValueError, TypeError) as error:  # TypeError: tls:// without certificates
        answer = " ".join(str(error).split())
    if kind != "Scheduler":
        raise UserError(
            f"cluster.scheduler: {address}: expected the address of a dask scheduler, "
            f"found {answer}: start one with `dask scheduler`, "
            "or name none for workers on this machine"
        )
    client = Client(address, set_as_default=False)
    if not client.scheduler_info()["workers"]:
        print(f"{address} has no workers yet: waiting for them")
    return client


async def ask_server_kind(address):
    """Kind of the dask server at an address, such as Scheduler."""
    from distributed import rpc
    from distributed.security import Security

    async with rpc(address, connection_args=Security().get_connection_args("client")) as server:
        return (await server.identity())["type"]


def iterate_results(client, function, tasks, *shared):
    """Yield (index, function(task, *shared)) of each task as workers finish them.

    A call that is lost with its worker is repeated. A call that is lost as often as the scheduler
    allows is put off to the end and made while nothing else runs, so that it does not disturb
    others. If workers die then too, its result is LOST.
    """
    postponed = []
    for index, value in iterate_finished(client, function, tasks, shared):
        if value is LOST:
            postponed.append(index)
        else:
            yield index, value
    for index in postponed:
        [(_, value)] = iterate_finished(client, function, [tasks[index]], shared)
        yield index, value


def iterate_finished(client, function, tasks, shared):
    """Yield (index, result) as `iterate_results`; LOST for calls that were lost too often."""
    from dask.distributed import KilledWorker, as_completed

    # dask pickles a local function by value: a worker without starlabels then answers with an
    # ImportError at this import and does not die
    def call(task, packed):
        from starlabels.base.workers import unpack_call

        function, shared = unpack_call(packed)
        return function(task, *shared)

    # Submitted once, so that it is sent to each worker only once
    packed = client.submit(bytes, pickle.dumps((function, shared)), pure=False)
    futures = client.map(call, tasks, packed=packed, pure=False)
    indices = {future.key: i for i, future in enumerate(futures)}
    waiting = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
    del futures  # a result stays in the memory of its worker as long as its future exists
    for future, value in waiting:
        if future.status == "finished":
            yield indices[future.key], value
        elif future.status == "error" and isinstance(value[1], KilledWorker):
            yield indices[future.key], LOST
        else:
            raise translate_error(client, value[1] if future.status == "error" else None)


@functools.lru_cache(maxsize=1)
def unpack_call(packed):
    """The function of `iterate_results` and its shared arguments, unpickled once per worker."""
    return pickle.loads(packed)


def translate_error(client, error):
    """The exception to raise for an error in a call; None stands for a lost scheduler."""
    address = client.scheduler.address if client.scheduler else "cluster.scheduler"
    if error is None:
        return UserError(
            f"{address}: the dask scheduler went away: finished work is kept, "
            "run the same command again to continue"
        )
    if isinstance(error, ImportError):
        return UserError(
            f"the workers of {address} cannot run starlabels ({error}): "
            f"start them with this environment and PYTHONPATH={CHECKOUT}"
        )
    return error


@contextlib.contextmanager
def open_caller(cluster, n_calls):
    """Yield call(function, tasks, *shared) that returns the results in the order of the tasks.

    The calls are made by workers as in `connect_cluster`, or in this process if `cluster` is None.
    Results may be LOST.
    """
    if cluster is None:
        yield lambda function, tasks, *shared: [function(task, *shared) for task in tasks]
        return
    with connect_cluster(cluster, n_calls) as client:
        yield lambda *call: [
            value for _, value in sorted(iterate_results(client, *call), key=itemgetter(0))
        ]
