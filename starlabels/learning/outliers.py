"""Flags on unreliable labels: beyond the range of training, or of a spectrum unlike training.

A decoder is trained to predict the components of noise-free training spectra from their labels. If
a star's components differ from the decoder's at the predicted labels by more than the noise and
the decoder's own errors, no training star was like it. All thresholds come from validation stars.
Labels are scaled in this module.
"""

import math
from typing import NamedTuple

import numpy as np

from starlabels.learning.networks.arguments import MISSING
from starlabels.learning.networks.mlp import residual_mlp
from starlabels.learning.schedules import build_cosine_schedule

BITS = {"edge": 1, "unlike": 2, "limit": 4, "thin": 32}  # 8 and 16: see stages/predict_flags.py
RULES = {
    "edge": "the spectrum pulls a label beyond the least or the greatest of the training stars",
    "unlike": (
        "the spectrum differs from those of stars with its labels, "
        "or is a quarter noisier than any in training"
    ),
    "limit": "a label came out below the least that can be, and is given as that",
    "thin": "fewer training stars have labels like its own than of 99 in 100 stars",
}
FALSE_ALARMS = 0.005  # fraction of the validation stars, for each flag
# Of the decoder and its training
DECODER_WIDTH = 256
DECODER_BLOCKS = 3
DECODER_BATCH = 128
DECODER_RATE = 2e-3
# The decoder sees each star PASSES times, but at most SAMPLES stars: twice as many bring nothing
PASSES = 30
SAMPLES = 600_000
# Of the total variance: components below it weigh less in the decoder's training than above
SOFTENING = 2e-4
# Factor on the variance of the decoder's errors: a few stars have far larger ones than the others
HEAVY = 10
BINS = 4  # of noise, each with a threshold
STARS_PER_BIN = 1000  # at least: the threshold is then the 5th largest
# Times the noisiest validation star: above, the errors of the labels are extrapolated
NOISIER = 1.25
CHUNK = 2048  # stars compared at a time
DIFFERENCE = 0.05  # of a scaled label, for the decoder's derivatives
RIDGE = 1e-3  # on their Fisher information, for labels that the spectrum does not constrain
# Of the range of a label: training so close to its lowest possible value has no lower end
OPEN_END = 0.01


class OutlierDetector(NamedTuple):
    """A decoder with the thresholds of the flags.

    Attributes
    ----------
    decoder : keras.Model
        From scaled labels (n, n_labels) to components (n, k).
    table : dict
        Thresholds {name: array}, see `fit_detector`.
    """

    decoder: object
    table: dict


def train_decoder(labels, components, variance, seed):
    """Train the decoder on noise-free stars.

    Parameters
    ----------
    labels : array (n, n_labels)
        Scaled labels.
    components : array (n, k)
        Coefficients of the principal components.
    variance : array (k,)
        Variance of the stars along them.
    seed : int

    Returns
    -------
    keras.Model
        From labels (n, n_labels) to components (n, k).
    """
    import keras

    keras.utils.set_random_seed(seed)
    variance = np.asarray(variance, float)
    scale = np.sqrt(variance + SOFTENING * variance.sum()).astype("f4")
    network = residual_mlp(labels.shape[1], len(scale), width=DECODER_WIDTH, blocks=DECODER_BLOCKS)
    steps = math.ceil(len(labels) / DECODER_BATCH)
    epochs = max(1, min(PASSES, round(SAMPLES / len(labels))))
    rate = build_cosine_schedule(DECODER_RATE, steps * epochs)
    network.compile(
        keras.optimizers.Adam(rate, beta_2=0.99),
        loss="mse",
        steps_per_execution=min(16, steps),  # with 1 it takes a third longer
    )
    network.fit(
        np.asarray(labels, "f4"),
        components / scale,
        batch_size=DECODER_BATCH,
        epochs=epochs,
        verbose=0,
    )
    unscale = keras.layers.Normalization(
        mean=np.zeros_like(scale), variance=scale**2, invert=True, name="components"
    )
    return keras.Model(network.inputs, unscale(network.outputs[0]), name="decoder")


def fit_detector(decoder, labels, components, inputs, mean, least):
    """Fit the thresholds of the flags "edge" and "unlike".

    Parameters
    ----------
    decoder : keras.Model
        Output of `train_decoder`.
    labels, components : array (n, n_labels), (n, k)
        Noise-free training stars.
    inputs : array (m, k + n_blocks)
        Components and ln noise per pixel of validation stars, perhaps in several draws of noise.
    mean : array (m, n_labels)
        Labels that the network predicts for them.
    least : array (n_labels,)
        Lowest possible value of each label; -inf if there is none.

    Returns
    -------
    OutlierDetector
        Its table has `rotation` (k, k) to the principal axes of the decoder's errors, and
        `variance` (k,) along them, inflated; `noise` (2,), the range of validation in any block;
        `ends` (2, n_labels), the range of the labels; `log_noise`, `threshold` of the misfit and
        `margin` beyond an end (n_bins,).
    """
    n = components.shape[1]
    errors = components - predict_components(decoder, labels)
    variance, rotation = find_error_axes(errors, white=inputs.shape[1] == n + 1)
    seen = inputs[:, n:][inputs[:, n:] < MISSING]
    table = {
        "rotation": rotation.astype("f4"),
        "variance": (HEAVY * np.maximum(variance, 1e-9 * variance.max())).astype("f4"),
        "noise": np.exp([seen.min(), seen.max()]).astype(float),
        "ends": find_label_ends(labels, least),
    }
    detector = OutlierDetector(decoder, table)
    table |= fit_thresholds(detector, inputs, mean)
    return detector


def find_error_axes(errors, white):
    """Variance (k,) and rotation (k, k) of the principal axes of errors (n, k).

    Without rotation if the noise is not white: it differs from block to block, and mixes on
    other axes.
    """
    covariance = (errors.T @ errors).astype(float) / len(errors)
    if white:
        return np.linalg.eigh(covariance)
    return np.diag(covariance), np.eye(len(covariance))


def fit_thresholds(detector, inputs, mean):
    """{log_noise, threshold, margin: (n_bins,)} of validation stars, see `fit_detector`."""
    log_noise = average_log_noise(inputs, len(detector.table["variance"]))
    misfit, excess = compare_stars(detector, inputs, mean)
    n_bins = int(np.clip(len(inputs) // STARS_PER_BIN, 1, BINS)) if np.ptp(log_noise) > 0 else 1
    bins = np.array_split(np.argsort(log_noise, kind="stable"), n_bins)
    level = 1 - FALSE_ALARMS
    return {
        "log_noise": np.array([log_noise[rows].mean() for rows in bins]),
        "threshold": np.array([np.quantile(misfit[rows], level) for rows in bins]),
        "margin": np.array([max(0.0, np.quantile(excess[rows], level)) for rows in bins]),
    }


def flag_outliers(detector, inputs, mean):
    """Flag stars, and find how much larger their errors must be.

    Parameters
    ----------
    detector : OutlierDetector
    inputs : array (n, k + n_blocks)
        Components and ln noise per pixel. Stars with NaN are flagged "unlike".
    mean : array (n, n_labels)
        Predicted, scaled labels, not clipped to their range.

    Returns
    -------
    flags : array (n,) of uint8
        BITS "edge" and "unlike".
    growth : array (n,)
        Factor on the errors: the root of the misfit over its threshold if that is above 1, as
        errors are scaled by a reduced chi-square.
    """
    table = detector.table
    log_noise = average_log_noise(inputs, len(table["variance"]))
    misfit, excess = compare_stars(detector, inputs, mean)
    threshold = np.interp(log_noise, table["log_noise"], table["threshold"])
    margin = np.interp(log_noise, table["log_noise"], table["margin"])
    like = (misfit <= threshold) & (log_noise <= np.log(NOISIER * table["noise"][1]))
    growth = np.exp(0.5 * np.maximum(misfit - threshold, 0))
    return (BITS["edge"] * (excess > margin) + BITS["unlike"] * ~like).astype("u1"), growth


def compare_stars(detector, inputs, mean):
    """Misfit (n,) of stars to the decoder, and the greatest excess (n,) of a label over its end.

    The misfit is the ln of the squared distance of their components from the decoder's at labels
    `mean`. The excess is negative inside the range. A network seldom gives labels beyond those of
    training, but the spectrum of such a star differs from that at the end along the derivatives of
    the labels. So one Gauss-Newton step goes from `mean` to where the spectrum pulls the labels,
    and the larger excess counts.
    """
    results = []
    for start in range(0, len(mean), CHUNK):
        part = slice(start, start + CHUNK)
        results.append(
            compare_chunk(detector, inputs[part].astype(float), mean[part].astype(float))
        )
    misfit, excess = zip(*results)
    return np.concatenate(misfit), np.concatenate(excess)


def compare_chunk(detector, inputs, mean):
    """`compare_stars` of one chunk.

    Distances are in units of the noise and of the decoder's errors, on the axes of these errors.
    Noise is clipped to the range of validation: outside, the other errors are unknown.
    """
    table = detector.table
    n = len(table["variance"])
    n_labels = mean.shape[1]
    centre, slopes = differentiate_decoder(detector.decoder, mean, n)
    log_noise = np.repeat(inputs[:, n:], n // (inputs.shape[1] - n), axis=1)  # (n, k)
    noise = np.clip(np.exp(log_noise), *table["noise"])
    weight = (log_noise < MISSING) / np.sqrt(noise**2 + table["variance"])  # (n, k)
    residual = (inputs[:, :n] - centre) @ table["rotation"] * weight
    slopes = np.moveaxis(slopes @ table["rotation"] * weight, 0, 1)  # (n, n_labels, k)
    information = slopes @ np.swapaxes(slopes, 1, 2) + RIDGE * np.eye(n_labels)
    step = np.linalg.solve(information, slopes @ residual[:, :, None])[:, :, 0]
    low, high = table["ends"]
    excess = [np.maximum(low - labels, labels - high).max(axis=1) for labels in (mean, mean + step)]
    return np.log(np.sum(residual**2, axis=1)), np.maximum(*excess)


def differentiate_decoder(decoder, labels, n):
    """Components (n_stars, n) at labels (n_stars, n_labels), and derivatives (n_labels, ...)."""
    n_labels = labels.shape[1]
    steps = DIFFERENCE * np.eye(n_labels)
    shifts = np.concatenate([np.zeros((1, n_labels)), steps, -steps])
    shifted = (shifts[:, None] + labels).reshape(-1, n_labels)
    components = predict_components(decoder, shifted).reshape(len(shifts), -1, n)
    above = components[1 : n_labels + 1]
    below = components[n_labels + 1 :]
    return components[0], (above - below) / (2 * DIFFERENCE)


def average_log_noise(inputs, n):
    """Mean (n_stars,) of ln noise over the blocks present in inputs (n_stars, n + n_blocks)."""
    log_noise = inputs[:, n:].astype(float)
    seen = log_noise < MISSING
    mean = np.sum(log_noise * seen, axis=1) / np.maximum(seen.sum(axis=1), 1)
    return np.where(seen.any(axis=1), mean, MISSING)


def predict_components(decoder, labels):
    """Noise-free components (n, k) of stars with labels (n, n_labels)."""
    return decoder.predict(np.asarray(labels, "f4"), batch_size=1024, verbose=0)


def find_label_ends(labels, least):
    """Range (2, n_labels) of training labels (n, n_labels).

    The low end is -inf if it is close to `least` (n_labels,), the lowest possible value.
    """
    low = labels.min(axis=0)
    high = labels.max(axis=0)
    return np.stack([np.where(low - least < OPEN_END * (high - low), -np.inf, low), high])
