"""Start Keras and its backend quietly, and set how the process keeps freed memory."""

import ctypes
import os
import sys


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
