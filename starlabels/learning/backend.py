"""Start Keras and its backend quietly, and set how the process keeps freed memory."""

import ctypes
import os
import sys

M_MMAP_THRESHOLD = -3
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2


def keep_freed_memory():
    """Let glibc reuse the arrays of a batch: page faults on fresh memory cost 15 % of training."""
    if sys.platform == "linux":
        # musl has no mallopt
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda option, size: None)
        mallopt(M_MMAP_THRESHOLD, 1 << 25)  # the maximum
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
        mallopt(M_TOP_PAD, 1 << 26)


def start_keras(before_devices=lambda: None) -> str:
    """Import Keras and its backend without their log output.

    Parameters
    ----------
    before_devices : callable
        Called after the import and before the backend looks for devices.

    Returns
    -------
    str
        Version of Keras, its backend and the device, for the user.
    """
    keep_freed_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    # TensorFlow writes a dozen lines to descriptor 2 that no setting turns off
    os.dup2(null, 2)
    try:
        import keras

        before_devices()
        devices = list_accelerators()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
    device = ", ".join(devices) if devices else f"no GPU found, {os.cpu_count()} CPU cores"
    return f"Keras {keras.__version__} on {keras.backend.backend()}, {device}"


def list_accelerators():
    """Names of the GPUs and other accelerators that Keras finds."""
    import keras

    return [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]
