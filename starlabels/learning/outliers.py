"""Flags on labels that are not to be trusted: beyond the ends of those learnt, or of a spectrum unlike those learnt.

A decoder learns the components of noise-free training spectra from their labels. Where a star's components differ from the
decoder's at the predicted labels by more than the noise and the decoder's own errors explain, no star in training was like
it. All thresholds come from validation stars. Labels are scaled here.
"""

import math
from typing import NamedTuple

import numpy as np

from starlabels.learning.networks.arguments import MISSING
from starlabels.learning.networks.mlp import residual_mlp
from starlabels.learning.schedules import cosine

BITS = {"edge": 1, "unlike": 2, "limit": 4, "thin": 32}  # 8 and 16: observed/predict.py
RULES = {
    "edge": "the spectrum pulls a label beyond the least or the greatest of the training stars",
    "unlike": "the spectrum differs from those of stars with its labels, or is a quarter noisier than any in training",
    "limit": "a label came out below the least that can be, and is given as that",
    "thin": "fewer training stars have labels like its own than of 99 in 100 stars",
}
FALSE_ALARMS = 0.005  # of the validation stars, for each flag
WIDTH, BLOCKS, BATCH, RATE = 256, 3, 128, 2e-3  # of the decoder and its training
PASSES, SAMPLES = (
    30,
    600_000,
)  # each star is shown to the decoder so often, but no more in all: twice as many find no more
SOFTENING = 2e-4  # of the total variance: components below it weigh less in the decoder's training than above
HEAVY = 10  # the decoder's errors count as so many times their variance: a few stars have far larger ones than the others
BINS = 4  # of noise, a threshold each
STARS_A_BIN = 1000  # at least: the threshold is the 5th largest of so many
NOISIER = 1.25  # times the noisiest validation star: beyond, the labels' errors are extrapolated
CHUNK = 2048  # stars compared at a time
DIFFERENCE = 0.05  # of a scaled label, for the decoder's derivatives
RIDGE = 1e-3  # on their Fisher information, for labels that the spectrum does not tell
OPEN_END = 0.01  # of the range of a label: training that comes so close to its least value in nature has no lower end


class Guard(NamedTuple):
    """decoder: a Keras model from scaled labels (n, n_labels) to components (n, k); table: {name: array}, see `fit`."""

    decoder: object
    table: dict


def train_decoder(labels, components, variance, seed):
    """A Keras model from labels (n, n_labels) to components (n, k), trained on noise-free stars; variance (k,) is theirs."""
    import keras

    keras.utils.set_random_seed(seed)
    variance = np.asarray(variance, float)
    scale = np.sqrt(variance + SOFTENING * variance.sum()).astype("f4")
    network = residual_mlp(labels.shape[1], len(scale), width=WIDTH, blocks=BLOCKS)
    per_epoch, epochs = (
        math.ceil(len(labels) / BATCH),
        max(1, min(PASSES, round(SAMPLES / len(labels)))),
    )
    rate = cosine(RATE, per_epoch * epochs)
    at_once = min(16, per_epoch)  # steps; one at a time takes a third longer
    network.compile(
        keras.optimizers.Adam(rate, beta_2=0.99), loss="mse", steps_per_execution=at_once
    )
    network.fit(
        np.asarray(labels, "f4"), components / scale, batch_size=BATCH, epochs=epochs, verbose=0
    )
    restore = keras.layers.Normalization(
        mean=np.zeros_like(scale), variance=scale**2, invert=True, name="components"
    )
    return keras.Model(network.inputs, restore(network.outputs[0]), name="decoder")


def fit(decoder, labels, components, inputs, mean, least):
    """The Guard from noise-free training stars, labels (n, n_labels) and components (n, k), and noisy validation stars.

    inputs (m, k + n_blocks): validation stars' components and ln noise per pixel; mean (m, n_labels): their labels by the
    network; those in several draws of noise count as so many more. least (n_labels,): of each label in nature, -inf if none.

    The table: `rotation` (k, k) to the principal axes of the decoder's errors and `variance` (k,), inflated, along them;
    `noise` (2,), least and greatest of validation in any block; `ends` (2, n_labels) of the labels; `log_noise`, `threshold` of
    the misfit and `margin` beyond an end (n_bins,).
    """
    wrong = components - expected(decoder, labels)
    covariance, n = (wrong.T @ wrong).astype(float) / len(wrong), components.shape[1]
    if inputs.shape[1] == n + 1:
        variance, rotation = np.linalg.eigh(covariance)
    else:  # noise that differs from block to block is not white on other axes
        variance, rotation = np.diag(covariance), np.eye(n)
    seen, log_noise = inputs[:, n:][inputs[:, n:] < MISSING], mean_log_noise(inputs, n)
    table = {
        "rotation": rotation.astype("f4"),
        "variance": (HEAVY * np.maximum(variance, 1e-9 * variance.max())).astype("f4"),
        "noise": np.exp([seen.min(), seen.max()]).astype(float),
        "ends": label_ends(labels, least),
    }
    guard = Guard(decoder, table)
    size, beyond = compare(guard, inputs, mean)
    n_bins = int(np.clip(len(inputs) // STARS_A_BIN, 1, BINS)) if np.ptp(log_noise) > 0 else 1
    bins = np.array_split(np.argsort(log_noise, kind="stable"), n_bins)
    table["log_noise"] = np.array([log_noise[rows].mean() for rows in bins])
    table["threshold"] = np.array([np.quantile(size[rows], 1 - FALSE_ALARMS) for rows in bins])
    table["margin"] = np.array(
        [max(0.0, np.quantile(beyond[rows], 1 - FALSE_ALARMS)) for rows in bins]
    )
    return guard


def flags(guard, inputs, mean):
    """BITS (n,) u1 of stars with components and ln noise `inputs` (n, k + n_blocks) and predicted labels `mean` (n, n_labels).

    And how many times larger (n,) their errors must be: where the misfit exceeds its threshold by as much as its root, as one
    scales errors by that of a reduced chi-square. What is not a number is unlike. Labels as the network gives them: one moved
    into its range cannot be beyond it.
    """
    table = guard.table
    log_noise = mean_log_noise(inputs, len(table["variance"]))
    size, beyond = compare(guard, inputs, mean)
    threshold, margin = (
        np.interp(log_noise, table["log_noise"], table[name]) for name in ("threshold", "margin")
    )
    like = (size <= threshold) & (log_noise <= np.log(NOISIER * table["noise"][1]))
    growth = np.exp(0.5 * np.maximum(size - threshold, 0))
    return (BITS["edge"] * (beyond > margin) + BITS["unlike"] * ~like).astype("u1"), growth


def compare(guard, inputs, mean):
    """Misfit (n,) of stars to the decoder, and how far (n,) the worst of their labels lies beyond its end, negative inside.

    The misfit is the ln of the squared distance of their components from the decoder's at labels `mean`. A network seldom
    gives labels beyond those it has learnt, but such a spectrum differs from that at the end as the labels' derivatives do:
    so one Gauss-Newton step goes from `mean` to where the spectrum pulls the labels, and the farther of both counts.
    """
    parts = [slice(start, start + CHUNK) for start in range(0, len(mean), CHUNK)]
    found = [
        _compare(guard, inputs[part].astype(float), mean[part].astype(float)) for part in parts
    ]
    return tuple(np.concatenate(values) for values in zip(*found))


def _compare(guard, inputs, mean):
    """`compare` of a chunk. Distances are in units of the noise and of the decoder's errors, on the axes of the latter.

    Noise beyond the least or the greatest of validation counts as that: there, nothing is known of the other errors.
    """
    table, n_labels, n = guard.table, mean.shape[1], len(guard.table["variance"])
    shifts = np.concatenate(
        [np.zeros((1, n_labels)), DIFFERENCE * np.eye(n_labels), -DIFFERENCE * np.eye(n_labels)]
    )
    there = expected(guard.decoder, (shifts[:, None] + mean).reshape(-1, n_labels)).reshape(
        len(shifts), -1, n
    )
    log_noise = np.repeat(inputs[:, n:], n // (inputs.shape[1] - n), axis=1)  # (n, k)
    noise = np.clip(np.exp(log_noise), *table["noise"])
    weight = (log_noise < MISSING) / np.sqrt(noise**2 + table["variance"])  # (n, k)
    residual = (inputs[:, :n] - there[0]) @ table["rotation"] * weight
    slopes = (
        (there[1 : n_labels + 1] - there[n_labels + 1 :])
        / (2 * DIFFERENCE)
        @ table["rotation"]
        * weight
    )
    slopes = np.moveaxis(slopes, 0, 1)  # (n, n_labels, k)
    information = slopes @ np.swapaxes(slopes, 1, 2) + RIDGE * np.eye(n_labels)
    step = np.linalg.solve(information, slopes @ residual[:, :, None])[:, :, 0]
    beyond = [
        np.maximum(table["ends"][0] - labels, labels - table["ends"][1]).max(axis=1)
        for labels in (mean, mean + step)
    ]
    return np.log(np.sum(residual**2, axis=1)), np.maximum(*beyond)


def mean_log_noise(inputs, n):
    """Mean (n_stars,) of ln noise over the blocks that are not missing, of inputs (n_stars, n + n_blocks)."""
    log_noise = inputs[:, n:].astype(float)
    seen = log_noise < MISSING
    return np.where(
        seen.any(axis=1),
        np.sum(log_noise * seen, axis=1) / np.maximum(seen.sum(axis=1), 1),
        MISSING,
    )


def expected(decoder, labels):
    """Noise-free components (n, k) of stars with those labels (n, n_labels)."""
    return decoder.predict(np.asarray(labels, "f4"), batch_size=1024, verbose=0)


def label_ends(labels, least):
    """Least and greatest (2, n_labels) of the training labels (n, n_labels); -inf for a least that is nature's own."""
    low, high = labels.min(axis=0), labels.max(axis=0)
    return np.stack([np.where(low - least < OPEN_END * (high - low), -np.inf, low), high])
