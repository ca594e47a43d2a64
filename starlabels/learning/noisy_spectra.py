"""Noisy spectra as a network reads them: pixels streamed from disk, or components in memory.

Memory does not grow with the size of the database.
"""

import functools
import math

import numpy as np
from scipy.special import ndtri

from starlabels.learning.networks.arguments import MISSING

# 65 536 equally likely values of N(0, 1)
NORMAL_QUANTILES = ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)).astype(np.float32)
COPY_CHUNK = 1 << 16  # spectra whose components are copied at a time
NOISE_LENGTH = 1 << 22  # numbers in the sequence that noise in components is cut from


def draw_standard_normal(rng, shape):
    """N(0, 1) float32 of that shape, with variance 1 - 2e-5; four times faster than numpy."""
    indices = rng.integers(len(NORMAL_QUANTILES), size=shape, dtype=np.uint16)
    return NORMAL_QUANTILES.take(indices)


@functools.cache  # shared by all parts of a run
def make_noise_windows(length):
    """View (NOISE_LENGTH - length + 1, length) of all windows on one sequence of N(0, 1)."""
    noise = draw_standard_normal(np.random.default_rng(length), NOISE_LENGTH)
    return np.lib.stride_tricks.sliding_window_view(noise, length)


def uniform_snr(low, high):
    """A function draw(rng, n) of S/N (n,), uniform between low and high."""
    return lambda rng, n: rng.uniform(low, high, n)


def log_uniform_snr(low, high):
    """A function draw(rng, n) of S/N (n,), uniform in ln S/N between low and high."""
    return lambda rng, n: np.exp(rng.uniform(math.log(low), math.log(high), n))


class PixelSpectra:
    """Spectra as pixels.

    Parameters
    ----------
    flux : array or h5py.Dataset (n, n_pix)
        Noise-free flux, continuum 1.
    n_blocks : int
        Number of equal blocks of the window.
    missing : float
        Fraction of spectra of which some blocks are replaced by NaN.
    """

    # Consecutive rows read at once: long enough for the disk, short enough that batches mix
    run_length = 8

    def __init__(self, flux, n_blocks=1, missing=0.0):
        self.flux = flux
        self.n_blocks = n_blocks
        self.missing = missing
        self.n_inputs = flux.shape[1]

    def batch(self, rows, snr, rng):
        """Flux (n, n_pix) float32 of rows (n,), with noise of sigma = mean flux / S/N (n,).

        Without noise if snr is None.
        """
        flux = np.empty((len(rows), self.n_inputs), np.float32)
        ends = np.flatnonzero(np.diff(rows) != 1) + 1
        for start, stop in zip(np.r_[0, ends], np.r_[ends, len(rows)]):
            source = slice(rows[start], rows[stop - 1] + 1)
            target = flux[start:stop]
            if isinstance(self.flux, np.ndarray):
                target[:] = self.flux[source]
            else:
                self.flux.read_direct(target, source)  # in place: copies cost time
        if snr is not None:
            add_noise(flux, snr, rng)
        if self.missing:
            hidden = draw_missing_blocks(rng, len(flux), self.n_blocks, self.missing)
            flux[np.repeat(hidden, self.n_inputs // self.n_blocks, axis=1)] = np.nan
        return flux


def add_noise(flux, snr, rng):
    """Add white Gaussian noise to spectra, in place.

    Parameters
    ----------
    flux : array (n, n_pix) of float32
        Noise-free flux.
    snr : array (n,)
        S/N: sigma is the mean flux of a spectrum over its S/N.
    rng : numpy.random.Generator

    Returns
    -------
    array (n, n_pix)
        The flux.
    """
    for spectrum, sigma in zip(flux, (flux.mean(axis=1) / snr).astype(np.float32)):
        spectrum += sigma * draw_standard_normal(rng, len(spectrum))
    return flux


class ComponentSpectra:
    """Spectra as principal components and ln noise, see `components.project_flux`.

    Noise is added as it would be in the pixels. It is cut at random places from one long sequence:
    new random numbers would take 10 % of the time of a training step.

    Parameters
    ----------
    components : array or h5py.Dataset (n, k)
        Coefficients of noise-free spectra.
    outside : array (n, n_blocks)
        Sum of squares of the residual in each block.
    level : array (n,)
        Mean flux.
    n_left : int
        Number of dimensions of the residual in each block.
    missing : float
        Fraction of spectra of which some blocks are missing.
    redraw : callable, optional
        redraw(rows, rng) gives changes (n, k) of the components, other ones in each epoch.
    """

    run_length = 1

    def __init__(self, components, outside, level, n_left, missing=0.0, redraw=None):
        self.outside = outside
        self.level = level
        self.n_left = n_left
        self.missing = missing
        self.redraw = redraw
        self.n = components.shape[1]
        self.n_blocks = outside.shape[1]
        self.n_inputs = self.n + self.n_blocks
        # with columns for the ln noise of each block
        self.inputs = np.zeros((len(level), self.n_inputs), np.float32)
        for start in range(0, len(level), COPY_CHUNK):  # components may be on disk
            part = slice(start, min(start + COPY_CHUNK, len(level)))
            self.inputs[part, : self.n] = components[part]
        self.windows = make_noise_windows(self.n_inputs)

    @property
    def components(self):
        """Components (n, k) without noise."""
        return self.inputs[:, : self.n]

    def batch(self, rows, snr, rng):
        """Components and ln noise (n, k + n_blocks) float32 of rows (n,), at S/N (n,).

        Without noise if snr is None; without missing blocks if rng is None.
        """
        inputs = self.inputs[rows]
        outside = self.outside[rows]
        if self.redraw and rng is not None:
            inputs[:, : self.n] += self.redraw(rows, rng)
        if snr is not None:
            sigma = (self.level[rows] / snr).astype(np.float32)[:, None]
            noise = self.windows[rng.integers(len(self.windows), size=len(rows))]
            noise *= sigma
            inputs += noise
            outside = sigma**2 * rng.noncentral_chisquare(self.n_left, outside / sigma**2)
        # as layers.compute_log_noise
        inputs[:, self.n :] = 0.5 * np.log(np.maximum(outside / self.n_left, 1e-10))
        if self.missing and rng is not None:
            hidden = draw_missing_blocks(rng, len(rows), self.n_blocks, self.missing)
            inputs[:, self.n :][hidden] = MISSING
            inputs[:, : self.n][np.repeat(hidden, self.n // self.n_blocks, axis=1)] = 0
        return inputs


def draw_missing_blocks(rng, n, n_blocks, share):
    """Mask (n, n_blocks): a fraction `share` of the spectra lacks one run of blocks.

    The run is up to two thirds of the blocks long.
    """
    length = rng.integers(1, max(2, 2 * n_blocks // 3 + 1), n) * (rng.uniform(size=n) < share)
    start = rng.integers(-n_blocks // 2, n_blocks, n)  # as often at an end as inside
    block = np.arange(n_blocks)
    return (block >= start[:, None]) & (block < (start + length)[:, None])


class SpectraWithFeatures:
    """Spectra together with features of a table, or features alone.

    Parameters
    ----------
    spectra : PixelSpectra, ComponentSpectra or None
    values : array (n, k)
        Features, NaN where missing.
    uses : array (k, n_columns), optional
        Which columns of the table each feature is made of.
    hidden : float
        Fraction of the columns' values that is hidden in training, for stars that lack values
        which all training stars have.
    """

    def __init__(self, spectra, values, uses=None, hidden=0.0):
        self.spectra = spectra
        self.values = values
        self.uses = uses
        self.hidden = hidden
        self.run_length = spectra.run_length if spectra else 1
        self.n_inputs = values.shape[1] + (spectra.n_inputs if spectra else 0)

    def batch(self, rows, snr, rng):
        """Inputs (n, n_inputs) float32 of rows (n,); nothing is hidden if rng is None."""
        values = self.values[rows]
        if self.hidden and rng is not None:
            # (n, n_columns)
            is_hidden = rng.uniform(size=(len(rows), self.uses.shape[1])) < self.hidden
            values = np.where(is_hidden @ self.uses.T, np.float32(np.nan), values)
        if not self.spectra:
            return values
        return np.concatenate([self.spectra.batch(rows, snr, rng), values], axis=1)
