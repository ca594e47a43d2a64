"""Trained.predict in operations of Keras alone, so that a graph can be made of it: flux to labels and errors, without flags."""

import numpy as np
from keras import ops

from starlabels.base.labels import get_lowest
from starlabels.learning.networks.arguments import MISSING

MAX_LOG_SNR = 80.0  # an ln S/N above is infinite: no float32 has it


def build_predictor(stored):
    """A function(inputs (n, n_inputs), snr (n,) or None) -> {mean, err, ...} of a Trained, as its `predict` in float32.

    What it answers has no flags; errors grow with how unlike those of training a spectrum is, as there.
    """
    n, std, least = len(stored.names), to_float32(stored.std), to_float32(get_lowest(stored.names))

    def call(inputs, snr=None):
        output, read = stored.reader(inputs) if stored.guard else (stored.model(inputs), None)
        found = {"mean": ops.maximum(output[:, :n] * std + to_float32(stored.mean), least)}
        if not stored.calibration:
            return found
        factor = interpolate_factors(stored.calibration, snr)
        parts = [
            ops.exp(0.5 * output[:, i : i + n]) * std * factor for i in range(n, output.shape[1], n)
        ]
        err, *scatter = parts
        for one in scatter:
            found |= {
                "err_model": one,
                "err_predictive": ops.sqrt(ops.maximum(err**2 - one**2, 0.0)),
            }
        growth = compute_error_growth(stored.guard, read, output[:, :n]) if stored.guard else 1.0
        return found | {"err": err * growth}

    return call


def to_float32(values):
    """Numbers as float32, as the graph has them."""
    return np.asarray(values, "f4")


def needs_snr(stored):
    """Whether the errors depend on S/N: not where there are none, or all validation stars had the same."""
    return bool(stored.calibration) and len(stored.calibration["log_snr"]) > 1


def interpolate_factors(table, snr):
    """As calibration.apply: the factors on the errors at S/N (n,): (n, n_labels), or (n_labels,) where S/N does not matter."""
    if len(table["log_snr"]) == 1:
        return to_float32(table["factor"][0])
    return interpolate_linearly(ops.log(snr), table["log_snr"], table["factor"])


def interpolate_linearly(x, knots, values):
    """Values (k, m) at knots (k,), ascending, interpolated at x (n,): (n, m), constant beyond the ends, as np.interp."""
    total = to_float32(values[0])
    for low, high, change in zip(knots, knots[1:], np.diff(values, axis=0)):
        if np.isinf(high):
            total = total + ops.where(x > MAX_LOG_SNR, 1.0, 0.0)[:, None] * to_float32(change)
        elif high > low:
            total = total + (ops.clip(x, float(low), float(high)) - float(low))[:, None] * to_float32(
                change / (high - low)
            )
    return total + 0.0 * ops.zeros_like(x)[:, None]  # (n, m) also of one knot


def compute_error_growth(guard, read, scaled):
    """How many times larger (n, 1) the errors must be, as guard.flags says; read (n, k + n_blocks), scaled (n, n_labels)."""
    table, n = guard.table, len(guard.table["variance"])
    log_noise = read[:, n:]
    seen = ops.cast(log_noise < MISSING, "float32")
    total = ops.sum(seen, axis=1)
    mean = ops.where(
        total > 0, ops.sum(log_noise * seen, axis=1) / ops.maximum(total, 1.0), MISSING
    )  # (n,)
    own = ops.repeat(log_noise, n // log_noise.shape[1], axis=1)
    noise = ops.clip(ops.exp(own), *map(float, table["noise"]))
    weight = ops.repeat(seen, n // log_noise.shape[1], axis=1) / ops.sqrt(
        noise**2 + to_float32(table["variance"])
    )
    residual = ops.matmul(read[:, :n] - guard.decoder(scaled), to_float32(table["rotation"])) * weight
    threshold = interpolate_linearly(mean, table["log_noise"], table["threshold"][:, None])
    size = ops.log(ops.sum(ops.square(residual), axis=1, keepdims=True))
    return ops.exp(0.5 * ops.maximum(size - threshold, 0.0))
