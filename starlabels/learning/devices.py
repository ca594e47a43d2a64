"""Where and in what precision a network is trained: on one device, on all GPUs of this machine, or by several processes.

`keras.distribution` is for JAX only, and the `fit` of Keras 3 fails under TensorFlow's MultiWorkerMirroredStrategy. So a worker
trains a network of its own on its share of every batch, and averages the gradients with the others by a collective operation of
TensorFlow: the mean is the same to the last bit in all of them, and so the networks stay the same. Those of one device differ
by rounding only, but for dropout, and batch normalisation, which takes the moments of a share.
"""

import contextlib
import json
import os
import signal
import zlib
from typing import NamedTuple

import numpy as np

from starlabels.base.errors import UserError
from starlabels.learning.backend import list_accelerators, start_keras

EXAMPLE_TF_CONFIG = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)


class Devices(NamedTuple):
    """n devices with an equal share of every batch: of a MirroredStrategy, or processes of which this is number `worker`.

    cluster: what has to live as long as the processes talk. precision: that the network is trained in.
    """

    n: int = 1
    worker: int | None = None
    strategy: object = None
    cluster: object = None
    precision: str = "float32"

    @property
    def is_chief(self):
        """Whether this process is the one that writes files."""
        return not self.worker

    @property
    def share(self):
        """What `data.shared` takes to give each device its part of a batch; None where there is one device."""
        return (self.worker, self.n) if self.n > 1 else None

    def scope(self):
        """The context to make, compile and train a network in."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def freed(self, network, again):
        """The trained network, in float32 and on one device: itself, or its weights in what again() makes."""
        if not self.strategy and self.precision == "float32":
            return network
        other = again()
        other.set_weights(network.get_weights())
        return other

    def longest(self, clip_norm):
        """What a Keras optimiser that is to be given to `join` has to clip gradients at."""
        return clip_norm / self.n if self.strategy and clip_norm else clip_norm

    def join(self, optimizer):
        """Have a Keras optimiser apply, and clip, the mean of the gradients of all devices; the optimiser.

        By itself it would clip those of each device, of a loss divided by n, and sum what a MirroredStrategy has of them after
        that. So here each of these gives it the mean of all, clipped at 1 / n of the limit: n of those are that of the batch.
        """
        if self.n > 1:
            apply, mean = (
                optimizer.apply,
                self._mean_of_replicas if self.strategy else self._mean_of_workers,
            )
            optimizer.apply = lambda gradients, variables=None: apply(mean(gradients), variables)
        return optimizer

    def _mean_of_replicas(self, gradients):
        import tensorflow as tf

        return tf.distribute.get_replica_context().all_reduce("MEAN", gradients)

    def _mean_of_workers(self, gradients):
        """All gradients in one operation, for each costs a round through the network."""
        import tensorflow as tf

        gradients = [tf.convert_to_tensor(one) for one in gradients]  # an embedding's are sparse
        total = self._sum(tf.concat([tf.reshape(one, [-1]) for one in gradients], axis=0))
        parts = tf.split(total / self.n, [one.shape.num_elements() for one in gradients])
        return [tf.reshape(part, one.shape) for part, one in zip(parts, gradients)]

    def _sum(self, tensor):
        """The sum of the workers' tensors (k,), which all must ask for in the same order."""
        import tensorflow as tf

        own = 2 * tensor.shape[0] + (
            tensor.dtype == tf.float64
        )  # a key stands for one shape and type
        keys = {"group_size": self.n, "group_key": 1, "instance_key": own, "ordering_token": []}
        return tf.raw_ops.CollectiveReduceV2(input=tensor, merge_op="Add", final_op="Id", **keys)

    def mean(self, values):
        """The mean (k,) of the workers' values (k,), float64; the values where there are no workers."""
        if self.worker is None:
            return values
        import tensorflow as tf

        with self.together():
            return self._sum(tf.constant(values, tf.float64)).numpy() / self.n

    def from_chief(self, arrays):
        """The chief's arrays in place of this worker's, which have the same shapes; the arrays where there are no workers."""
        if self.worker is None:
            return arrays
        arrays = [np.asarray(one) for one in arrays]
        flat = np.concatenate(
            [one.ravel().astype(float) for one in arrays]
        )  # exact for float32, and integers below 2^53
        flat = self.mean(self.n * flat if self.is_chief else np.zeros_like(flat))
        parts = np.split(flat, np.cumsum([one.size for one in arrays])[:-1])
        return [part.reshape(one.shape).astype(one.dtype) for part, one in zip(parts, arrays)]

    def agree(self, digest):
        """UserError where the workers do not train the same recipe on the same spectra, which the text digest tells."""
        own = zlib.crc32(digest.encode())
        [chiefs] = self.from_chief([own])
        [share] = self.mean([float(own != chiefs)])
        if share:
            raise UserError(
                "the workers in TF_CONFIG have different recipes or spectra: give all the same config.yaml and data/"
            )

    @contextlib.contextmanager
    def together(self):
        """Where the workers wait for each other; UserError if one of them is gone."""
        if self.worker is None:
            yield
            return
        from tensorflow import errors

        try:
            yield
        except (
            errors.UnavailableError,
            errors.AbortedError,
            errors.CancelledError,
            errors.DeadlineExceededError,
        ) as error:
            what = f"worker {self.worker} of {self.n} lost another"
            raise UserError(
                f"{what}: start all of them again, and they go on after the last epoch"
            ) from error

    def wait(self):
        """Wait until all workers are here: one that leaves takes the others' connection along.

        The chief, which has written all by then, needs none of them any more.
        """
        with contextlib.suppress(UserError) if self.is_chief else contextlib.nullcontext():
            self.mean([0.0])


ONE_DEVICE = Devices()


def start_devices(train):
    """The Devices that the recipe's section `train` names, with Keras started; says what they are."""
    if train.devices == "workers":
        devices = start_workers(train.precision)
    else:
        print(start_keras())
        devices = (
            mirror_gpus(train.precision)
            if train.devices == "all"
            else Devices(precision=train.precision)
        )
    if train.precision != "float32" and not list_accelerators():
        print(f"train.precision {train.precision}: without a GPU it is slower than float32")
    return devices


def mirror_gpus(precision, names=None):
    """The Devices of all GPUs of this machine, or of those TensorFlow names; of one, or of the CPU, where there are no more."""
    import_tensorflow("all")
    names = names or [f"GPU:{i}" for i in range(len(list_accelerators()))]
    if len(names) < 2:
        print(
            f"train.devices all: {'one GPU found' if names else 'no GPU found, the network trains on the CPU'}"
        )
        return Devices(precision=precision)
    import tensorflow as tf

    print(f"train.devices all: each of {len(names)} takes its share of every batch")
    return Devices(len(names), strategy=tf.distribute.MirroredStrategy(names), precision=precision)


def start_workers(precision):
    """The Devices of the processes that TF_CONFIG lists, once all of them are there; UserError if that says nothing of use."""
    addresses, own = read_tf_config()
    place, made = f"worker {own} of {len(addresses)}, {addresses[own]}", []
    print(f"{place}: waiting for the others")
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # TensorFlow waits deaf to Python's own
    try:
        print(start_keras(lambda: made.append(connect_workers())))
    except Exception as error:
        from tensorflow import errors

        if not isinstance(error, (errors.OpError, RuntimeError)):
            raise
        raise UserError(
            f"TF_CONFIG: {place}, cannot be reached: {str(error).splitlines()[0]}"
        ) from error
    finally:
        signal.signal(signal.SIGINT, before)
    print(
        f"{place}: {'the chief, which writes the model' if own == 0 else 'trains; the model is written by worker 0'}"
    )
    return Devices(
        len(addresses), own if len(addresses) > 1 else None, cluster=made[0], precision=precision
    )


def is_follower(cfg):
    """Whether this process trains with others of which another writes the model."""
    return cfg.train.devices == "workers" and read_tf_config()[1] > 0


def connect_workers():
    """Join the processes that TF_CONFIG lists, with the first GPU of this one; before TensorFlow does anything else."""
    tf = import_tensorflow("workers")
    if gpus := tf.config.list_physical_devices("GPU"):
        tf.config.set_visible_devices(gpus[:1], "GPU")
    return tf.distribute.MultiWorkerMirroredStrategy()  # of which only the connection is used


def import_tensorflow(asked):
    """The module tensorflow; UserError where Keras runs on something else."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"train.devices: {asked} needs Keras on TensorFlow, found {keras.backend.backend()}: unset KERAS_BACKEND"
        )
    import tensorflow as tf

    return tf


def read_tf_config():
    """Addresses of all workers and the number of this one, of the environment variable TF_CONFIG; UserError if it has none."""
    try:
        found = json.loads(os.environ["TF_CONFIG"])
        addresses, index = found["cluster"]["worker"], found["task"]["index"]
        if (
            list(found["cluster"]) == ["worker"]
            and found["task"]["type"] == "worker"
            and addresses[index]
            and index >= 0
        ):
            return addresses, index
    except (KeyError, IndexError, TypeError, ValueError):
        pass
    what = "train.devices: workers needs the environment variable TF_CONFIG, another index for each process"
    raise UserError(f"{what}: e.g. TF_CONFIG='{EXAMPLE_TF_CONFIG}'")
