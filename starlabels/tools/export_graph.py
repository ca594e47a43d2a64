"""TrainedModel.predict in operations of Keras alone, so that it can be exported as a graph.

The graph maps flux to labels and errors, without flags.
"""

import numpy as np
from keras import ops

from starlabels.base.labels import get_lowest
from starlabels.learning.networks.arguments import MISSING

MAX_LOG_SNR = 80.0  # a larger ln S/N is infinite: float32 does not hold it


def build_predictor(model):
    """Build the function that becomes the graph.

    Parameters
    ----------
    model : TrainedModel.

    Returns
    -------
    function(inputs (n, n_inputs), snr (n,) or None) -> {mean, err, ...}
        In float32, as `model.predict` without flags. Errors grow with the distance of a spectrum
        from those of training, as there.
    """
    n = len(model.names)
    std = to_float32(model.std)
    mean = to_float32(model.mean)
    least = to_float32(get_lowest(model.names))

    def predict(inputs, snr=None):
        if model.detector:
            output, components = model.component_model(inputs)
        else:
            output = model.model(inputs)
        prediction = {"mean": ops.maximum(output[:, :n] * std + mean, least)}
        if not model.calibration:
            return prediction
        factor = interpolate_factors(model.calibration, snr)
        err, *scatter = (
            ops.exp(0.5 * output[:, i : i + n]) * std * factor for i in range(n, output.shape[1], n)
        )
        if scatter:
            variance = err**2 - scatter[0] ** 2
            prediction["err_model"] = scatter[0]
            prediction["err_predictive"] = ops.sqrt(ops.maximum(variance, 0.0))
        growth = 1.0
        if model.detector:
            growth = compute_error_growth(model.detector, components, output[:, :n])
        return prediction | {"err": err * growth}

    return predict


def to_float32(values):
    """Numbers as float32, as the graph holds them."""
    return np.asarray(values, "f4")


def needs_snr(model):
    """True if the errors depend on S/N: they exist, and validation stars had more than one S/N."""
    return bool(model.calibration) and len(model.calibration["log_snr"]) > 1


def interpolate_factors(table, snr):
    """Factors on the errors at S/N (n,), as calibration.apply_calibration.

    (n, n_labels), or (n_labels,) if they do not depend on S/N.
    """
    if len(table["log_snr"]) == 1:
        return to_float32(table["factor"][0])
    return interpolate_linearly(ops.log(snr), table["log_snr"], table["factor"])


def interpolate_linearly(x, knots, values):
    """Values (n, m) at x (n,), as np.interp: of values (k, m) at ascending knots (k,)."""
    total = to_float32(values[0])
    for low, high, change in zip(knots, knots[1:], np.diff(values, axis=0)):
        if np.isinf(high):
            total = total + ops.where(x > MAX_LOG_SNR, 1.0, 0.0)[:, None] * to_float32(change)
        elif high > low:
            distance = ops.clip(x, float(low), float(high)) - float(low)
            total = total + distance[:, None] * to_float32(change / (high - low))
    return total + 0.0 * ops.zeros_like(x)[:, None]  # (n, m) with one knot too


def compute_error_growth(detector, components, scaled):
    """Factor (n, 1) by which errors grow, as in outliers.flag_outliers.

    Parameters
    ----------
    detector : OutlierDetector.
    components : components and ln noise (n, k + n_blocks) that the network reads.
    scaled : predicted, scaled labels (n, n_labels).
    """
    table = detector.table
    n = len(table["variance"])
    log_noise = components[:, n:]
    n_per_block = n // log_noise.shape[1]
    seen = ops.cast(log_noise < MISSING, "float32")
    n_seen = ops.sum(seen, axis=1)
    mean = ops.sum(log_noise * seen, axis=1) / ops.maximum(n_seen, 1.0)
    mean = ops.where(n_seen > 0, mean, MISSING)  # (n,)
    noise = ops.exp(ops.repeat(log_noise, n_per_block, axis=1))
    noise = ops.clip(noise, *map(float, table["noise"]))
    sigma = ops.sqrt(noise**2 + to_float32(table["variance"]))
    weight = ops.repeat(seen, n_per_block, axis=1) / sigma
    residual = components[:, :n] - detector.decoder(scaled)
    residual = ops.matmul(residual, to_float32(table["rotation"])) * weight
    threshold = interpolate_linearly(mean, table["log_noise"], table["threshold"][:, None])
    misfit = ops.log(ops.sum(ops.square(residual), axis=1, keepdims=True))
    return ops.exp(0.5 * ops.maximum(misfit - threshold, 0.0))
