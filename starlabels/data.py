"""Spectra streamed in batches from 2_prepared.h5, with noise: memory does not grow with the database."""

import math

import keras
import numpy as np
from scipy.special import ndtri

NORMAL = ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)).astype(np.float32)  # 65 536 equally likely values of N(0, 1)
RUN = 8  # consecutive rows read at once: long enough for the disk, short enough that batches mix


def add_noise(flux, snr, rng):
    """Add Gaussian noise to flux (n, n_pix) float32, in place: sigma = mean flux / S/N (n,), as published. The flux."""
    for spectrum, sigma in zip(flux, (flux.mean(axis=1) / snr).astype(np.float32)):
        # rng.standard_normal takes four times as long, a tenth of a training step; this has variance 1 - 2e-5
        spectrum += sigma * NORMAL[rng.integers(len(NORMAL), size=len(spectrum), dtype=np.uint16)]
    return flux


def gather(flux, runs, n):
    """The n rows (n, n_pix) float32 in runs (slices) of an array or HDF5 dataset, read in place: copies cost time."""
    out = np.empty((n, flux.shape[1]), np.float32)
    filled = 0
    for run in runs:
        part = out[filled : filled + run.stop - run.start]
        if isinstance(flux, np.ndarray):
            part[:] = flux[run]
        else:
            flux.read_direct(part, run)
        filled += len(part)
    return out


def uniform(low, high):
    """A draw(rng, n) -> S/N (n,), uniform between low and high."""
    return lambda rng, n: rng.uniform(low, high, n)


def log_uniform(low, high):
    """A draw(rng, n) -> S/N (n,), uniform in log S/N between low and high."""
    return lambda rng, n: np.exp(rng.uniform(math.log(low), math.log(high), n))


class SpectrumBatches(keras.utils.PyDataset):
    """Batches (flux (b, n_pix), target (b, n_labels)), both float32, of rows that are in random order on disk.

    flux is an array or an open HDF5 dataset, of which the first len(target) rows are used; draw_snr(rng, n) gives their
    S/N, None means noise-free. In training every epoch has its own order of short runs of rows, its own S/N and noise;
    else rows come in order and the noise stays the same, so that epochs and models compare. All follows from seed.
    """

    def __init__(self, flux, target, batch_size, draw_snr=None, seed=(0,), training=False):
        super().__init__(workers=1)
        self.flux, self.target, self.draw_snr = flux, np.asarray(target, np.float32), draw_snr
        self.seed, self.training, self.epoch = seed, training, 0
        self.run = math.gcd(batch_size, RUN)
        self.runs_per_batch = batch_size // self.run
        self._plan()

    def _plan(self):
        """Draw the order and the S/N of this epoch."""
        rng = np.random.default_rng((*self.seed, self.epoch, 0))
        n = len(self.target)
        self.starts = np.arange(0, n, self.run)
        if self.training:
            rng.shuffle(self.starts)
        self.snr = self.draw_snr(rng, n) if self.draw_snr else np.full(n, np.inf)

    def __len__(self):
        return math.ceil(len(self.starts) / self.runs_per_batch)

    def __getitem__(self, i):
        starts = self.starts[i * self.runs_per_batch : (i + 1) * self.runs_per_batch]
        runs = [slice(start, min(start + self.run, len(self.target))) for start in starts]
        target, snr = (np.concatenate([data[run] for run in runs]) for data in (self.target, self.snr))
        flux = gather(self.flux, runs, len(target))
        if self.draw_snr:
            add_noise(flux, snr, np.random.default_rng((*self.seed, self.epoch, 1 + i)))
        return flux, target

    def on_epoch_end(self):
        """Called by Keras after the last batch of an epoch."""
        if self.training:
            self.epoch += 1
            self._plan()
