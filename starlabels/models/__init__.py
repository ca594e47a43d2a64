"""The networks, by name. A builder is called with (n_inputs, n_outputs, **arguments) and returns an uncompiled Keras model.

A builder's keyword-only arguments, with their defaults, are the schema of the `model:` section of the configuration; of others
it is given those that it has, see training.build. Layers that give the outputs are of float32 whatever Keras's policy.
Builders import Keras when called: this package costs nothing to import, so mistakes in the configuration show at once.
"""

import ctypes
import os
import sys

import numpy as np

from starlabels.models import censored, cnn, mlp

MISSING = float(np.float32(2.3))  # ln noise of a block without flux: ten times the continuum
BUILDERS = {
    "seed_cnn": cnn.seed_cnn,
    "bayesian_cnn": cnn.bayesian_cnn,
    "censored_cnn": censored.censored_cnn,
    "residual_mlp": mlp.residual_mlp,
    "mlp": mlp.mlp,
    "spectrum_table_cnn": cnn.spectrum_table_cnn,
}


def predictor(network, errors=True, **arguments):
    """The model that answers for a trained network, built with those arguments: itself, or the mean of passes or members.

    errors: whether it tells variances beside the labels, as those two do.
    """
    if "passes" in arguments:
        from starlabels.models import bayesian

        return bayesian.predictor(network, arguments["passes"])
    if arguments.get("members", 1) == 1:
        return network
    import keras

    from starlabels.models.bayesian import Passes

    merged = Passes()(network.outputs[0]) if errors else keras.ops.mean(network.outputs[0], axis=1)
    return keras.Model(network.inputs, merged, name=network.name)


def keep_freed_memory():
    """Have glibc keep the arrays of a batch for the next: page faults on fresh memory cost a tenth of training."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda option, size: None)  # musl has none
        mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD, the most there is
        mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def start_keras(first=lambda: None) -> str:
    """Import Keras and its backend in silence, with a call of first() between; return the backend and the device in words."""
    keep_freed_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # TensorFlow writes a dozen lines to descriptor 2 that no setting turns off
    try:
        import keras

        first()
        devices = accelerators()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
    device = ", ".join(devices) if devices else f"no GPU found, {os.cpu_count()} CPU cores"
    return f"Keras {keras.__version__} on {keras.backend.backend()}, {device}"


def accelerators():
    """Names of the GPUs, or the like, that Keras found."""
    import keras

    return [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]
