"""Radial velocity by cross-correlation with node spectra."""

import itertools
from typing import NamedTuple

import numpy as np
import scipy.fft

from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.nodes import AXES

REACH = 700.0  # km/s searched to either side
DECIMATE = 4  # pixels averaged for the search through all templates
WEAK = 4.0  # Tonry & Davis's r, the peak over the spurious ones: below, the velocity is not to be trusted
TEMPLATE_LABELS = {  # of spectra to correlate with, where the nodes hold them
    "teff": (5000, 5750, 6500, 7500, 8500, 9750),
    "logg": (2.5, 4.25),
    "mh": (-1.0, 0.0),
    "vsini": (5.0, 60.0, 180.0),
}


class RadialVelocity(NamedTuple):
    """Radial velocity and its error (km/s), height of the peak (0 to 1) and its significance r (Tonry & Davis 1979)."""

    rv: float
    err: float
    peak: float
    r: float


class Correlator:
    """Templates on a log-uniform grid `wave` (n_pix,) in A, at the resolving power of the recipe."""

    def __init__(self, sampler, wave, resolving_power):
        self.step = LIGHT * np.log(wave[1] / wave[0])  # km/s a pixel
        sets = np.array(list(itertools.product(*TEMPLATE_LABELS.values()))).T
        labels = dict(zip(TEMPLATE_LABELS, sets)) | {"vmic": np.full(sets.shape[1], 2.0)}
        sound = sampler.covers(labels)
        labels = {name: values[sound] for name, values in labels.items()}
        if not sound.any():  # a narrow grid: the node in its middle
            labels = {
                name: axis[len(axis) // 2 :][:1] for name, axis in zip(AXES, sampler.axes)
            } | {"vsini": np.array([20.0])}
        depth = 1 - sampler.sample_spectra(labels, wave, resolving_power)
        self.templates = depth - depth.mean(axis=1, keepdims=True)
        self.rough = _decimate(self.templates, DECIMATE)

    def measure(self, flux):
        """The Velocity of normalised flux (n_pix,) on the grid, NaN where missing: positive where the star recedes."""
        seen = np.isfinite(flux)
        depth = np.where(seen, 1 - flux, 0)
        depth = np.where(seen, np.clip(depth, -0.3, 1.2) - depth[seen].mean(), 0)
        rough = [_decimate(values, DECIMATE) for values in (depth, seen.astype(float))]
        found = _correlate(*rough, self.rough, REACH, self.step * DECIMATE)
        best = found.max(axis=1).argmax()
        curve = _correlate(
            depth, seen.astype(float), self.templates[best : best + 1], REACH, self.step
        )[0]
        return self._peak(curve, seen.sum())

    def _peak(self, curve, n_seen):
        """The Velocity from a correlation curve, symmetric about 0 km/s, by a parabola through its top."""
        top = int(np.clip(curve.argmax(), 1, len(curve) - 2))
        left, height, right = curve[top - 1 : top + 2]
        bend = min(left + right - 2 * height, -1e-12)
        rv = (top + 0.5 * (left - right) / bend - len(curve) // 2) * self.step
        height = min(height, 0.9999)
        n = n_seen / 5  # independent pixels: the grid has five or so a resolution element
        err = (
            self.step * np.sqrt(max((1 - height**2) / (n * height * -bend), 0))
            if height > 0
            else np.inf
        )  # Zucker (2003)
        mirror = curve[np.clip(2 * top - np.arange(len(curve)), 0, len(curve) - 1)]
        spurious = np.std(curve - mirror) / np.sqrt(2)
        return RadialVelocity(
            float(rv), float(err), float(height), float(height / (np.sqrt(2) * max(spurious, 1e-9)))
        )


def _decimate(values, factor):
    """Means over `factor` pixels along the last axis."""
    n = values.shape[-1] // factor * factor
    return values[..., :n].reshape(*values.shape[:-1], -1, factor).mean(axis=-1)


def _correlate(depth, seen, templates, reach, step):
    """Correlation coefficients (n_templates, 2 k + 1) of depth (n_pix,) with templates at shifts up to reach km/s."""
    k, n = int(reach / step), len(depth)
    size = scipy.fft.next_fast_len(n + k, real=True)

    def shifted(values, others):
        product = scipy.fft.rfft(values, size) * np.conj(scipy.fft.rfft(others, size, axis=1))
        found = scipy.fft.irfft(product, size, axis=1)
        return np.concatenate([found[:, -k:], found[:, : k + 1]], axis=1)

    overlap = np.maximum(shifted(seen, templates**2), 1e-9)
    return shifted(depth, templates) / np.sqrt(overlap * max(np.sum(depth**2), 1e-12))
