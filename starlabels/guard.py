"""Flags on labels that are not to be trusted: beyond the ends of those learnt, or of a spectrum unlike those learnt.

A decoder learns the components of noise-free training spectra from their labels. Where a star's components differ from the
decoder's at the predicted labels by more than the noise and the decoder's own errors explain, no star in training was like
it. All thresholds come from validation stars. Labels are scaled here, errors are the network's own, before calibration.
"""

import math
from typing import NamedTuple

import numpy as np

from starlabels.models.mlp import residual_mlp
from starlabels.schedules import cosine

BITS = {"edge": 1, "unlike": 2, "limit": 4}
RULES = {
    "edge": "a label lies beyond the least or the greatest of the training stars",
    "unlike": "the spectrum differs from those of stars with its labels, or is a quarter noisier than any in training",
    "limit": "a label came out below the least that can be, and is given as that",
}
FALSE_ALARMS = 0.005  # of the validation stars, for each flag
WIDTH, BLOCKS, BATCH, RATE = 256, 3, 128, 2e-3  # of the decoder and its training
PASSES, SAMPLES = 30, 600_000  # each star is shown to the decoder so often, but no more in all: twice as many find no more
SOFTENING = 2e-4  # of the total variance: components below it weigh less in the decoder's training than above
HEAVY = 10  # the decoder's errors count as so many times their variance: a few stars have far larger ones than the others
BINS = 4  # of noise, a threshold each
STARS_A_BIN = 1000  # at least: the threshold is the 5th largest of so many
NOISIER = 1.25  # times the noisiest validation star: beyond, the labels' errors are extrapolated
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
    per_epoch, epochs = math.ceil(len(labels) / BATCH), max(1, min(PASSES, round(SAMPLES / len(labels))))
    rate = cosine(RATE, per_epoch * epochs)
    at_once = min(16, per_epoch)  # steps; one at a time takes a third longer
    network.compile(keras.optimizers.Adam(rate, beta_2=0.99), loss="mse", steps_per_execution=at_once)
    network.fit(np.asarray(labels, "f4"), components / scale, batch_size=BATCH, epochs=epochs, verbose=0)
    restore = keras.layers.Normalization(mean=np.zeros_like(scale), variance=scale**2, invert=True, name="components")
    return keras.Model(network.inputs, restore(network.outputs[0]), name="decoder")


def fit(decoder, labels, components, inputs, mean, err, least):
    """The Guard from noise-free training stars, labels (n, n_labels) and components (n, k), and noisy validation stars.

    inputs (m, k + 1): validation stars' components and ln noise per pixel; mean, err (m, n_labels): what the network says of
    them; those in several draws of noise count as so many more. least (n_labels,): of each label in nature, -inf if none.

    The table: `rotation` (k, k) to the principal axes of the decoder's errors and `variance` (k,), inflated, along them;
    `noise` (2,), least and greatest of validation; `log_noise` and `threshold` (n_bins,) of the misfit; `ends` (2, n_labels)
    of the labels; `margin` (), how many errors beyond an end a label may lie.
    """
    wrong = components - expected(decoder, labels)
    variance, rotation = np.linalg.eigh((wrong.T @ wrong).astype(float) / len(wrong))
    log_noise = inputs[:, -1].astype(float)
    table = {
        "rotation": rotation.astype("f4"),
        "variance": (HEAVY * np.maximum(variance, 1e-9 * variance[-1])).astype("f4"),
        "noise": np.exp([log_noise.min(), log_noise.max()]),
        "ends": label_ends(labels, least),
    }
    guard = Guard(decoder, table)
    size, order = misfit(guard, inputs, mean), np.argsort(log_noise, kind="stable")
    n_bins = int(np.clip(len(inputs) // STARS_A_BIN, 1, BINS)) if np.ptp(log_noise) > 0 else 1
    bins = np.array_split(order, n_bins)
    table["log_noise"] = np.array([log_noise[rows].mean() for rows in bins])
    table["threshold"] = np.array([np.quantile(size[rows], 1 - FALSE_ALARMS) for rows in bins])
    table["margin"] = max(0.0, np.quantile(beyond(table["ends"], mean, err), 1 - FALSE_ALARMS))
    return guard


def flags(guard, inputs, mean, err):
    """BITS (n,) u1 of stars with components and ln noise `inputs` (n, k + 1), predicted labels and errors (n, n_labels).

    What is not a number is unlike. Labels as the network gives them: one moved into its range cannot be beyond it.
    """
    table, log_noise = guard.table, inputs[:, -1]
    threshold = np.interp(log_noise, table["log_noise"], table["threshold"])
    like = (misfit(guard, inputs, mean) <= threshold) & (log_noise <= np.log(NOISIER * table["noise"][1]))
    edge = beyond(table["ends"], mean, err) > table["margin"]
    return (BITS["edge"] * edge + BITS["unlike"] * ~like).astype("u1")


def misfit(guard, inputs, mean):
    """Ln of the squared distance (n,) of components from the decoder's at labels `mean` (n, n_labels).

    In units of the noise and of the decoder's errors, along the axes on which those are independent. Noise beyond
    the least or the greatest of validation counts as that: there, nothing is known of the other errors.
    """
    table = guard.table
    difference = (inputs[:, :-1] - expected(guard.decoder, mean)) @ table["rotation"]  # (n, k)
    noise = np.clip(np.exp(inputs[:, -1:]), *table["noise"])
    return np.log(np.sum((difference / np.sqrt(noise**2 + table["variance"])) ** 2, axis=1))


def expected(decoder, labels):
    """Noise-free components (n, k) of stars with those labels (n, n_labels)."""
    return decoder.predict(np.asarray(labels, "f4"), batch_size=1024, verbose=0)


def label_ends(labels, least):
    """Least and greatest (2, n_labels) of the training labels (n, n_labels); -inf for a least that is nature's own."""
    low, high = labels.min(axis=0), labels.max(axis=0)
    return np.stack([np.where(low - least < OPEN_END * (high - low), -np.inf, low), high])


def beyond(ends, mean, err):
    """How many errors the label (n,) that is worst in this lies beyond its end, negative inside, of mean, err (n, n_labels)."""
    return np.max(np.maximum(ends[0] - mean, mean - ends[1]) / err, axis=1)
