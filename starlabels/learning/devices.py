"""Devices and precision of a training: one device, all GPUs of this machine, or several processes.

`keras.distribution` is for JAX only, and `fit` of Keras 3 fails under TensorFlow's
MultiWorkerMirroredStrategy. So each worker trains a network of its own on its share of every batch
and averages the gradients with the others by a collective operation of TensorFlow. The mean is the
same to the last bit in all workers, so the networks stay the same. They differ from the network of
one device by rounding only, except for dropout, and for batch normalisation, which uses the
moments of a share.
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
    """Devices that train one network, each on an equal share of every batch.

    Attributes
    ----------
    n : int
        Number of devices.
    worker : int or None
        Number of this process, if the devices are processes.
    strategy : tf.distribute.MirroredStrategy or None
        If the devices are GPUs of this machine.
    cluster : object
        Must live as long as the processes communicate.
    precision : str
        Keras's dtype policy of the training.
    """

    n: int = 1
    worker: int | None = None
    strategy: object = None
    cluster: object = None
    precision: str = "float32"

    @property
    def is_chief(self):
        """True in the process that writes files."""
        return not self.worker

    @property
    def share(self):
        """(part, n) for `batches.share_batch`; None if there is one device."""
        return (self.worker, self.n) if self.n > 1 else None

    def scope(self):
        """Context in which a network is built, compiled and trained."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def to_one_device(self, network, rebuild):
        """Trained network in float32 on one device: itself, or its weights in rebuild()."""
        if not self.strategy and self.precision == "float32":
            return network
        rebuilt = rebuild()
        rebuilt.set_weights(network.get_weights())
        return rebuilt

    def scale_clip_norm(self, clip_norm):
        """Gradient-norm limit to set on an optimiser before it is passed to `share_gradients`."""
        return clip_norm / self.n if self.strategy and clip_norm else clip_norm

    def share_gradients(self, optimizer):
        """Make a Keras optimiser apply the clipped mean of the gradients of all devices; return it.

        Otherwise it would clip the gradients of each device, of a loss divided by n, and sum those
        of a MirroredStrategy afterwards. Here each device gives it the mean of all, clipped at
        1 / n of the limit: the sum of n of them is the gradient of the batch.
        """
        if self.n > 1:
            apply = optimizer.apply
            mean = self._average_replicas if self.strategy else self._average_workers
            optimizer.apply = lambda gradients, variables=None: apply(mean(gradients), variables)
        return optimizer

    def _average_replicas(self, gradients):
        """Mean of the gradients over the GPUs of this machine."""
        import tensorflow as tf

        return tf.distribute.get_replica_context().all_reduce("MEAN", gradients)

    def _average_workers(self, gradients):
        """Mean of the gradients over the workers, in one operation: each costs a network delay."""
        import tensorflow as tf

        # those of an embedding are sparse
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        flat = [tf.reshape(gradient, [-1]) for gradient in gradients]
        total = self._sum_workers(tf.concat(flat, axis=0))
        sizes = [gradient.shape.num_elements() for gradient in gradients]
        parts = tf.split(total / self.n, sizes)
        return [tf.reshape(part, gradient.shape) for part, gradient in zip(parts, gradients)]

    def _sum_workers(self, tensor):
        """Sum of the workers' tensors (k,); all workers must call it in the same order."""
        import tensorflow as tf

        # a key identifies one shape and type
        instance_key = 2 * tensor.shape[0] + (tensor.dtype == tf.float64)
        keys = {"group_size": self.n, "group_key": 1, "instance_key": instance_key}
        return tf.raw_ops.CollectiveReduceV2(
            input=tensor, merge_op="Add", final_op="Id", ordering_token=[], **keys
        )

    def average(self, values):
        """Mean (k,) float64 of the workers' values (k,); the values if there are no workers."""
        if self.worker is None:
            return values
        import tensorflow as tf

        with self.report_lost_worker():
            return self._sum_workers(tf.constant(values, tf.float64)).numpy() / self.n

    def broadcast_from_chief(self, arrays):
        """The chief's arrays, of the same shapes; the arrays themselves without workers."""
        if self.worker is None:
            return arrays
        arrays = [np.asarray(array) for array in arrays]
        # float64 is exact for float32, and for integers below 2^53
        flat = np.concatenate([array.ravel().astype(float) for array in arrays])
        flat = self.average(self.n * flat if self.is_chief else np.zeros_like(flat))
        parts = np.split(flat, np.cumsum([array.size for array in arrays])[:-1])
        return [part.reshape(array.shape).astype(array.dtype) for part, array in zip(parts, arrays)]

    def check_agreement(self, digest):
        """UserError unless all workers have the same digest (text) of recipe and spectra."""
        checksum = zlib.crc32(digest.encode())
        [chief_checksum] = self.broadcast_from_chief([checksum])
        [disagreement] = self.average([float(checksum != chief_checksum)])
        if disagreement:
            raise UserError(
                "the workers in TF_CONFIG have different recipes or spectra: "
                "give all the same config.yaml and data/"
            )

    @contextlib.contextmanager
    def report_lost_worker(self):
        """Context in which the workers wait for each other; UserError if one of them is lost."""
        if self.worker is None:
            yield
            return
        from tensorflow import errors

        lost = (
            errors.UnavailableError,
            errors.AbortedError,
            errors.CancelledError,
            errors.DeadlineExceededError,
        )
        try:
            yield
        except lost as error:
            hint = "start all of them again, and they go on after the last epoch"
            raise UserError(f"worker {self.worker} of {self.n} lost another: {hint}") from error

    def wait(self):
        """Wait for all workers: one that exits would close the connection of the others.

        The chief has written everything by then and does not need the others.
        """
        with contextlib.suppress(UserError) if self.is_chief else contextlib.nullcontext():
            self.average([0.0])


ONE_DEVICE = Devices()


def start_devices(train):
    """Start Keras on the devices of a recipe, and print what they are.

    Parameters
    ----------
    train : Train
        Section `train` of the recipe: `devices` and `precision` are used.

    Returns
    -------
    Devices

    Raises
    ------
    UserError
        If the workers of TF_CONFIG cannot be reached, or Keras does not run on TensorFlow.
    """
    if train.devices == "workers":
        devices = start_workers(train.precision)
    else:
        print(start_keras())
        is_all = train.devices == "all"
        devices = mirror_gpus(train.precision) if is_all else Devices(precision=train.precision)
    if train.precision != "float32" and not list_accelerators():
        print(f"train.precision {train.precision}: without a GPU it is slower than float32")
    return devices


def mirror_gpus(precision, names=None):
    """Devices of all GPUs of this machine, or of those TensorFlow names; else of one device."""
    import_tensorflow("all")
    names = names or [f"GPU:{i}" for i in range(len(list_accelerators()))]
    if len(names) < 2:
        words = "one GPU found" if names else "no GPU found, the network trains on the CPU"
        print(f"train.devices all: {words}")
        return Devices(precision=precision)
    import tensorflow as tf

    print(f"train.devices all: each of {len(names)} takes its share of every batch")
    return Devices(len(names), strategy=tf.distribute.MirroredStrategy(names), precision=precision)


def start_workers(precision):
    """Devices of the processes that TF_CONFIG lists, once all have started; UserError if not."""
    addresses, index = read_tf_config()
    n = len(addresses)
    place = f"worker {index} of {n}, {addresses[index]}"
    clusters = []
    print(f"{place}: waiting for the others")
    # TensorFlow waits without checking for Python's own signal handler
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        print(start_keras(lambda: clusters.append(connect_workers())))
    except Exception as error:
        from tensorflow import errors

        if not isinstance(error, (errors.OpError, RuntimeError)):
            raise
        reason = str(error).splitlines()[0]
        raise UserError(f"TF_CONFIG: {place}, cannot be reached: {reason}") from error
    finally:
        signal.signal(signal.SIGINT, handler)
    is_chief = index == 0
    role = "the chief, which writes the model" if is_chief else "worker 0 writes the model"
    print(f"{place}: {role}")
    return Devices(n, index if n > 1 else None, cluster=clusters[0], precision=precision)


def is_follower(devices):
    """True if another process writes the model of this training.

    Parameters
    ----------
    devices : str
        `train.devices` of the recipe.
    """
    return devices == "workers" and read_tf_config()[1] > 0


def connect_workers():
    """Connect to the processes of TF_CONFIG, with this process's first GPU.

    TensorFlow must not have done anything before.
    """
    tf = import_tensorflow("workers")
    if gpus := tf.config.list_physical_devices("GPU"):
        tf.config.set_visible_devices(gpus[:1], "GPU")
    return tf.distribute.MultiWorkerMirroredStrategy()  # only its connection is used


def import_tensorflow(choice):
    """The module tensorflow; UserError, naming train.devices, if Keras runs on another backend."""
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        needs = f"train.devices: {choice} needs Keras on TensorFlow"
        raise UserError(f"{needs}, found {backend}: unset KERAS_BACKEND")
    import tensorflow as tf

    return tf


def read_tf_config():
    """Addresses of all workers and the index of this one, from TF_CONFIG; UserError if absent."""
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        addresses = config["cluster"]["worker"]
        index = config["task"]["index"]
        are_workers = list(config["cluster"]) == ["worker"] and config["task"]["type"] == "worker"
        if are_workers and addresses[index] and index >= 0:
            return addresses, index
    except (KeyError, IndexError, TypeError, ValueError):
        pass
    raise UserError(
        "train.devices: workers needs the environment variable TF_CONFIG, "
        f"another index for each process: e.g. TF_CONFIG='{EXAMPLE_TF_CONFIG}'"
    )
