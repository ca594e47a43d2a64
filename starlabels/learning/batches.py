"""Noisy spectra in batches, as pixels streamed from disk or as components in memory: memory does not grow with the database."""

import functools
import math

import keras
import numpy as np
from scipy.special import ndtri

from starlabels.learning.networks.arguments import MISSING

NORMAL = ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)).astype(
    np.float32
)  # 65 536 equally likely values of N(0, 1)
CHUNK = 1 << 16  # spectra whose components are copied at a time
POOL = (
    1 << 22
)  # numbers in the sequence that noise in components is cut from: ten thousand times a spectrum


def standard_normal(rng, shape):
    """N(0, 1) float32 of that shape; rng.standard_normal takes four times as long, this has variance 1 - 2e-5."""
    return NORMAL.take(rng.integers(len(NORMAL), size=shape, dtype=np.uint16))


@functools.cache  # one for all parts of a run
def noise_windows(length):
    """Windows (POOL - length + 1, length) on one sequence of N(0, 1), a view: numbers in memory are those of the sequence."""
    return np.lib.stride_tricks.sliding_window_view(
        standard_normal(np.random.default_rng(length), POOL), length
    )


def uniform(low, high):
    """A draw(rng, n) -> S/N (n,), uniform between low and high."""
    return lambda rng, n: rng.uniform(low, high, n)


def log_uniform(low, high):
    """A draw(rng, n) -> S/N (n,), uniform in log S/N between low and high."""
    return lambda rng, n: np.exp(rng.uniform(math.log(low), math.log(high), n))


class Pixels:
    """Spectra as pixels: flux (n, n_pix), an array or an open HDF5 dataset; with blocks missing, NaN, as in Components."""

    run = (
        8  # consecutive rows read at once: long enough for the disk, short enough that batches mix
    )

    def __init__(self, flux, n_blocks=1, missing=0.0):
        self.flux, self.n_blocks, self.missing = flux, n_blocks, missing
        self.n_inputs = flux.shape[1]

    def batch(self, rows, snr, rng):
        """Flux (n, n_pix) float32 of the rows (n,), with noise of sigma = mean flux / S/N (n,) unless that is None."""
        flux = np.empty((len(rows), self.n_inputs), np.float32)
        ends = np.flatnonzero(np.diff(rows) != 1) + 1
        for start, stop in zip(np.r_[0, ends], np.r_[ends, len(rows)]):  # runs of consecutive rows
            run, part = slice(rows[start], rows[stop - 1] + 1), flux[start:stop]
            if isinstance(self.flux, np.ndarray):
                part[:] = self.flux[run]
            else:
                self.flux.read_direct(part, run)  # in place: copies cost time
        if snr is not None:
            add_noise(flux, snr, rng)
        if self.missing:
            hidden = draw_missing(rng, len(flux), self.n_blocks, self.missing)
            flux[np.repeat(hidden, self.n_inputs // self.n_blocks, axis=1)] = np.nan
        return flux


def add_noise(flux, snr, rng):
    """Add Gaussian noise to flux (n, n_pix) float32, in place: sigma = mean flux / S/N (n,), as published. The flux."""
    for spectrum, sigma in zip(flux, (flux.mean(axis=1) / snr).astype(np.float32)):
        spectrum += sigma * standard_normal(rng, len(spectrum))
    return flux


class Components:
    """Spectra as components (n, k), sum of squares outside (n, n_blocks) and mean flux `level` (n,), see components.project.

    n_left dimensions of a block are outside. Noise is added here as it would be in the pixels; it is cut at random places from
    a long sequence drawn once, for drawing it anew would take a tenth of a training step. Of a share `missing` of the spectra
    blocks are missing.
    """

    run = 1

    def __init__(self, components, outside, level, n_left, missing=0.0):
        self.outside, self.level, self.n_left, self.missing = outside, level, n_left, missing
        self.n, self.n_blocks = components.shape[1], outside.shape[1]
        self.inputs = np.zeros(
            (len(level), self.n + self.n_blocks), np.float32
        )  # with room for ln noise
        for start in range(0, len(level), CHUNK):  # components may lie on disk
            part = slice(start, min(start + CHUNK, len(level)))
            self.inputs[part, : self.n] = components[part]
        self.n_inputs = self.inputs.shape[1]
        self.windows = noise_windows(self.n_inputs)

    @property
    def components(self):
        """Components (n, k) without noise."""
        return self.inputs[:, : self.n]

    def batch(self, rows, snr, rng):
        """Components and ln noise (n, k + n_blocks) float32 of the rows (n,), noisier by sigma = level / S/N unless None.

        rng None: no block is missing.
        """
        inputs, outside = self.inputs[rows], self.outside[rows]
        if snr is not None:
            sigma = (self.level[rows] / snr).astype(np.float32)[:, None]
            noise = self.windows[rng.integers(len(self.windows), size=len(rows))]
            noise *= sigma
            inputs += noise
            outside = sigma**2 * rng.noncentral_chisquare(self.n_left, outside / sigma**2)
        inputs[:, self.n :] = 0.5 * np.log(
            np.maximum(outside / self.n_left, 1e-10)
        )  # as models.layers.log_noise
        if self.missing and rng is not None:
            hidden = draw_missing(rng, len(rows), self.n_blocks, self.missing)
            inputs[:, self.n :][hidden] = MISSING
            inputs[:, : self.n][np.repeat(hidden, self.n // self.n_blocks, axis=1)] = 0
        return inputs


def draw_missing(rng, n, n_blocks, share):
    """Mask (n, n_blocks) of missing blocks: in a share of the spectra one run of up to two thirds of the blocks."""
    length = rng.integers(1, max(2, 2 * n_blocks // 3 + 1), n) * (rng.uniform(size=n) < share)
    start = rng.integers(-n_blocks // 2, n_blocks, n)  # as often at an end as inside
    block = np.arange(n_blocks)
    return (block >= start[:, None]) & (block < (start + length)[:, None])


def infer(spectra, labels):
    """What a network that infers labels reads and gives."""
    return spectra, labels


def generate(spectra, labels):
    """What a network that generates spectra reads and gives."""
    return labels, spectra


def shared(batch, part, n):
    """Of a batch (inputs, target) of b rows, one of n equal parts, or for part None all of them in turn; with weights (b / n,).

    Rows are repeated with weight 0 until n divides them, and the others weigh so much that the mean over the parts is that of
    the batch. Drawn whole, a batch has the same noise on however many devices.
    """
    rows = len(batch[0])
    each = math.ceil(rows / n)
    places = np.arange(n * each) if part is None else np.arange(part * each, (part + 1) * each)
    weights = np.where(places < rows, n * each / rows, 0).astype(np.float32)
    return (*(values[places % rows] for values in batch), weights)


class SpectrumBatches(keras.utils.PyDataset):
    """Batches (inputs (b, n_inputs), target (b, n_labels)), both float32, of rows that are in random order on disk.

    What of spectra and labels is input and target says `pair`, such as infer or generate.

    spectra: Pixels or Components, of which the first len(target) rows are used; draw_snr(rng, n) gives their S/N, None means
    noise-free. In training every epoch goes `passes` times through the rows, each time in a new order of short runs of rows,
    with new S/N and noise; else rows come in order and the noise stays the same, so that epochs and models compare. All
    follows from seed and epoch. share: None, or what `shared` takes beside a batch, which then has weights.
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
        pair=infer,
    ):
        super().__init__(
            workers=2
        )  # with one, tf.data tunes itself, and now and then ends an epoch seconds late
        self.spectra, self.target, self.draw_snr = spectra, np.asarray(target, np.float32), draw_snr
        self.seed, self.training, self.passes, self.epoch, self.pair = (
            seed,
            training,
            passes,
            0,
            pair,
        )
        self.run = math.gcd(batch_size, spectra.run)
        self.runs_per_batch = batch_size // self.run
        self._plan()

    def go_to(self, epoch):
        """Take the order, the S/N and the noise of that epoch."""
        self.epoch = epoch
        self._plan()

    def _plan(self):
        """Draw the order and the S/N of this epoch; snr (passes * n,) is that of the rows in order, pass by pass."""
        rng = np.random.default_rng((*self.seed, self.epoch, 0))
        n = len(self.target)
        starts = np.arange(0, n, self.run)
        orders = [rng.permutation(starts) if self.training else starts for _ in range(self.passes)]
        self.starts = np.concatenate([order + i * n for i, order in enumerate(orders)])
        self.snr = (
            self.draw_snr(rng, n * self.passes)
            if self.draw_snr
            else np.full(n * self.passes, np.inf)
        )

    def __len__(self):
        return math.ceil(len(self.starts) / self.runs_per_batch)

    def __getitem__(self, i):
        n = len(self.target)
        starts = self.starts[i * self.runs_per_batch : (i + 1) * self.runs_per_batch]
        places = (starts[:, None] + np.arange(self.run)).ravel()
        places = places[
            places // n == np.repeat(starts // n, self.run)
        ]  # the last run of a pass may be shorter
        rows, snr = places % n, self.snr[places] if self.draw_snr else None
        spectra = self.spectra.batch(
            rows, snr, np.random.default_rng((*self.seed, self.epoch, 1 + i))
        )
        batch = self.pair(spectra, self.target[rows])
        return shared(batch, *self.share) if self.share else batch

    def on_epoch_end(self):
        """Called by Keras after the last batch of an epoch."""
        if self.training:
            self.go_to(self.epoch + 1)


class Beside:
    """Spectra as data.Pixels or Components, or None, and beside them features (n, k), NaN where missing, as inputs.

    In training a share `hidden` of the values of the columns that they are made of is hidden, as uses (k, n_columns) tells:
    for stars that lack what those of training have.
    """

    def __init__(self, spectra, values, uses=None, hidden=0.0):
        self.spectra, self.values, self.uses, self.hidden = spectra, values, uses, hidden
        self.run = spectra.run if spectra else 1
        self.n_inputs = values.shape[1] + (spectra.n_inputs if spectra else 0)

    def batch(self, rows, snr, rng):
        """Inputs (n, n_inputs) float32 of the rows (n,); rng None: nothing is hidden."""
        values = self.values[rows]
        if self.hidden and rng is not None:
            gone = rng.uniform(size=(len(rows), self.uses.shape[1])) < self.hidden  # (n, n_columns)
            values = np.where(gone @ self.uses.T, np.float32(np.nan), values)
        return (
            np.concatenate([self.spectra.batch(rows, snr, rng), values], axis=1)
            if self.spectra
            else values
        )
