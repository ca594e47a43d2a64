"""Trained.predict in operations of Keras alone, so that a graph can be made of it: flux to labels and errors, without flags."""

import numpy as np
from keras import ops

from starlabels.base.labels import lowest
from starlabels.learning.networks.arguments import MISSING

HUGE = 80.0  # an ln S/N above is infinite: no float32 has it


def answers(stored):
    """A function(inputs (n, n_inputs), snr (n,) or None) -> {mean, err, ...} of a Trained, as its `predict` in float32.

    What it answers has no flags; errors grow with how unlike those of training a spectrum is, as there.
    """
    n, std, least = len(stored.names), single(stored.std), single(lowest(stored.names))

    def call(inputs, snr=None):
        output, read = stored.reader(inputs) if stored.guard else (stored.model(inputs), None)
        found = {"mean": ops.maximum(output[:, :n] * std + single(stored.mean), least)}
        if not stored.calibration:
            return found
        factor = factors(stored.calibration, snr)
        parts = [
            ops.exp(0.5 * output[:, i : i + n]) * std * factor for i in range(n, output.shape[1], n)
        ]
        err, *scatter = parts
        for one in scatter:
            found |= {
                "err_model": one,
                "err_predictive": ops.sqrt(ops.maximum(err**2 - one**2, 0.0)),
            }
        growth = growth_of(stored.guard, read, output[:, :n]) if stored.guard else 1.0
        return found | {"err": err * growth}

    return call


def single(values):
    """Numbers as float32, as the graph has them."""
    return np.asarray(values, "f4")


def needs_snr(stored):
    """Whether the errors depend on S/N: not where there are none, or all validation stars had the same."""
    return bool(stored.calibration) and len(stored.calibration["log_snr"]) > 1


def factors(table, snr):
    """As calibration.apply: the factors on the errors at S/N (n,): (n, n_labels), or (n_labels,) where S/N does not matter."""
    if len(table["log_snr"]) == 1:
        return single(table["factor"][0])
    return interpolated(ops.log(snr), table["log_snr"], table["factor"])


def interpolated(x, knots, values):
    """Values (k, m) at knots (k,), ascending, interpolated at x (n,): (n, m), constant beyond the ends, as np.interp."""
    total = single(values[0])
    for low, high, change in zip(knots, knots[1:], np.diff(values, axis=0)):
        if np.isinf(high):
            total = total + ops.where(x > HUGE, 1.0, 0.0)[:, None] * single(change)
        elif high > low:
            total = total + (ops.clip(x, float(low), float(high)) - float(low))[:, None] * single(
                change / (high - low)
            )
    return total + 0.0 * ops.zeros_like(x)[:, None]  # (n, m) also of one knot


def growth_of(guard, read, scaled):
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
        noise**2 + single(table["variance"])
    )
    residual = ops.matmul(read[:, :n] - guard.decoder(scaled), single(table["rotation"])) * weight
    threshold = interpolated(mean, table["log_noise"], table["threshold"][:, None])
    size = ops.log(ops.sum(ops.square(residual), axis=1, keepdims=True))
    return ops.exp(0.5 * ops.maximum(size - threshold, 0.0))
