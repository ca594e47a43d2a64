"""Batches of noisy spectra and their labels, for Keras.

This module imports Keras: import it inside functions, after `backend.start_keras`.
"""

import math

import keras
import numpy as np


def spectra_to_labels(spectra, labels):
    """(inputs, target) of a network that predicts labels."""
    return spectra, labels


def labels_to_spectra(spectra, labels):
    """(inputs, target) of a network that generates spectra."""
    return labels, spectra


def share_batch(batch, part, n):
    """Split a batch into n equal parts, with weights, so that n devices see the same noise.

    Rows are repeated with weight 0 until n divides them. The other weights are such that the mean
    over all parts equals that of the batch.

    Parameters
    ----------
    batch : tuple of arrays (b, ...)
        Inputs and target.
    part : int or None
        Number of the part; None for all parts, one after the other.
    n : int
        Number of parts.

    Returns
    -------
    tuple of arrays
        Inputs, target and weights.
    """
    n_rows = len(batch[0])
    size = math.ceil(n_rows / n)
    indices = np.arange(n * size)
    if part is not None:
        indices = indices[part * size : (part + 1) * size]
    weights = np.where(indices < n_rows, n * size / n_rows, 0).astype(np.float32)
    return (*(values[indices % n_rows] for values in batch), weights)


class SpectrumBatches(keras.utils.PyDataset):
    """Batches (inputs, target), float32, of rows that are in random order on disk.

    In training each epoch goes `passes` times through the rows, each time in a new order of short
    runs of rows, with new S/N and noise. Otherwise rows come in order and the noise stays the same,
    so that epochs and models can be compared. Everything is determined by seed and epoch.

    Parameters
    ----------
    spectra : PixelSpectra, ComponentSpectra or SpectraWithFeatures
        The first len(target) rows are used.
    target : array (n, n_labels)
        Labels, in units of the network.
    batch_size : int
    draw_snr : callable, optional
        draw_snr(rng, n) gives S/N (n,); None for no noise.
    seed : tuple of int
    training : bool
    passes : int
    pair : callable
        `spectra_to_labels` or `labels_to_spectra`: which of spectra and labels is input and which
        is target.

    Attributes
    ----------
    snr : array (passes * n,)
        S/N of the rows in order, pass by pass.
    share : None or (part, n)
        Arguments of `share_batch`; batches have weights then.
    """

    share = None

    def __init__(
        self,
        spectra,
        target,
        batch_size,
        draw_snr=None,
        seed=(0,),
        training=False,
        passes=1,
        pair=spectra_to_labels,
    ):
        # with one worker, tf.data tunes itself and sometimes ends an epoch seconds late
        super().__init__(workers=2)
        self.spectra = spectra
        self.target = np.asarray(target, np.float32)
        self.draw_snr = draw_snr
        self.seed = seed
        self.training = training
        self.passes = passes
        self.pair = pair
        self.epoch = 0
        self.run_length = math.gcd(batch_size, spectra.run_length)
        self.runs_per_batch = batch_size // self.run_length
        self._draw_plan()

    def go_to(self, epoch):
        """Set the order, the S/N and the noise to those of an epoch."""
        self.epoch = epoch
        self._draw_plan()

    def _draw_plan(self):
        """Draw the order of the runs and the S/N of this epoch."""
        rng = np.random.default_rng((*self.seed, self.epoch, 0))
        n = len(self.target)
        starts = np.arange(0, n, self.run_length)
        orders = [rng.permutation(starts) if self.training else starts for _ in range(self.passes)]
        self.starts = np.concatenate([order + i * n for i, order in enumerate(orders)])
        if self.draw_snr:
            self.snr = self.draw_snr(rng, n * self.passes)
        else:
            self.snr = np.full(n * self.passes, np.inf)

    def __len__(self):
        return math.ceil(len(self.starts) / self.runs_per_batch)

    def __getitem__(self, i):
        n = len(self.target)
        starts = self.starts[i * self.runs_per_batch : (i + 1) * self.runs_per_batch]
        indices = (starts[:, None] + np.arange(self.run_length)).ravel()
        # the last run of a pass may be shorter
        indices = indices[indices // n == np.repeat(starts // n, self.run_length)]
        rows = indices % n
        snr = self.snr[indices] if self.draw_snr else None
        rng = np.random.default_rng((*self.seed, self.epoch, 1 + i))
        batch = self.pair(self.spectra.batch(rows, snr, rng), self.target[rows])
        return share_batch(batch, *self.share) if self.share else batch

    def on_epoch_end(self):
        """Go to the next epoch in training; Keras calls it after the last batch."""
        if self.training:
            self.go_to(self.epoch + 1)
