"""Radial velocity by cross-correlation with node spectra."""

import itertools
from typing import NamedTuple

import numpy as np
import scipy.fft

from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.nodes import AXES

REACH = 700.0  # km/s searched to either side, if nothing else is asked for
DECIMATE = 4  # pixels averaged for the search through all templates
WEAK = 4.0  # peak over the spurious ones, r of Tonry & Davis: a velocity below it is not reliable
TEMPLATE_LABELS = {  # of spectra to correlate with, as far as the nodes hold them
    "teff": (5000, 5750, 6500, 7500, 8500, 9750),
    "logg": (2.5, 4.25),
    "mh": (-1.0, 0.0),
    "vsini": (5.0, 60.0, 180.0),
}


class RadialVelocity(NamedTuple):
    """Radial velocity and its error (km/s), peak height (0 to 1) and significance of the peak.

    The significance `r` is defined by Tonry & Davis (1979, AJ 84, 1511). A peak at the edge of the
    searched range is no velocity: rv and err are NaN, and `edge` (km/s) is the place of the peak.
    """

    rv: float
    err: float
    peak: float
    r: float
    edge: float | None = None

    @property
    def shift(self):
        """Velocity (km/s) that brings the spectrum nearest to rest: rv, or the edge."""
        return self.rv if self.edge is None else self.edge


class Correlator:
    """Cross-correlation with node spectra on a log-uniform grid of wavelengths.

    Parameters
    ----------
    sampler : Sampler
        Source of the node spectra.
    wave : ndarray (n_pix,)
        Log-uniform wavelengths (Angstrom).
    resolving_power : float
        Resolving power lambda / FWHM of the templates.
    reach : float
        Velocities searched to either side of 0 (km/s).
    """

    def __init__(self, sampler, wave, resolving_power, reach=REACH):
        self.reach = reach
        self.step = LIGHT * np.log(wave[1] / wave[0])  # km/s per pixel
        combinations = np.array(list(itertools.product(*TEMPLATE_LABELS.values()))).T
        labels = dict(zip(TEMPLATE_LABELS, combinations))
        labels["vmic"] = np.full(combinations.shape[1], 2.0)
        covered = sampler.covers(labels)
        labels = {name: values[covered] for name, values in labels.items()}
        if not covered.any():  # a narrow grid: take its central node
            labels = {name: axis[len(axis) // 2 :][:1] for name, axis in zip(AXES, sampler.axes)}
            labels["vsini"] = np.array([20.0])
        depth = 1 - sampler.sample_spectra(labels, wave, resolving_power)
        self.templates = depth - depth.mean(axis=1, keepdims=True)
        self.rough = _decimate(self.templates, DECIMATE)

    def measure(self, flux):
        """Measure the RadialVelocity of a spectrum, positive if the star recedes.

        Parameters
        ----------
        flux : ndarray (n_pix,)
            Normalised flux on the grid, NaN in missing pixels.
        """
        seen = np.isfinite(flux)
        depth = np.where(seen, 1 - flux, 0)
        depth = np.where(seen, np.clip(depth, -0.3, 1.2) - depth[seen].mean(), 0)
        weight = seen.astype(float)
        rough_depth = _decimate(depth, DECIMATE)
        rough_weight = _decimate(weight, DECIMATE)
        curves = _correlate(rough_depth, rough_weight, self.rough, self.reach, self.step * DECIMATE)
        best = curves.max(axis=1).argmax()
        template = self.templates[best : best + 1]
        curve = _correlate(depth, weight, template, self.reach, self.step)[0]
        return self._fit_peak(curve, seen.sum())

    def _fit_peak(self, curve, n_seen):
        """RadialVelocity of a correlation curve centred on 0 km/s, by a parabola at its maximum."""
        top = int(curve.argmax())
        if top in (0, len(curve) - 1):
            edge = float((top - len(curve) // 2) * self.step)
            return RadialVelocity(np.nan, np.nan, float(curve[top]), 0.0, edge)
        left, height, right = curve[top - 1 : top + 2]
        bend = min(left + right - 2 * height, -1e-12)
        rv = (top + 0.5 * (left - right) / bend - len(curve) // 2) * self.step
        height = min(height, 0.9999)
        n = n_seen / 5  # independent pixels: the grid has about five per resolution element
        err = np.inf
        if height > 0:  # Zucker (2003, MNRAS 342, 1291)
            err = self.step * np.sqrt(max((1 - height**2) / (n * height * -bend), 0))
        mirror = curve[np.clip(2 * top - np.arange(len(curve)), 0, len(curve) - 1)]
        spurious = np.std(curve - mirror) / np.sqrt(2)
        significance = height / (np.sqrt(2) * max(spurious, 1e-9))
        return RadialVelocity(float(rv), float(err), float(height), float(significance))


def _decimate(values, factor):
    """Means over `factor` pixels along the last axis."""
    n = values.shape[-1] // factor * factor
    return values[..., :n].reshape(*values.shape[:-1], -1, factor).mean(axis=-1)


def _correlate(depth, weight, templates, reach, step):
    """Correlation (n_templates, 2 k + 1) of depth (n_pix,) at shifts up to reach (km/s)."""
    k = int(reach / step)
    n = len(depth)
    size = scipy.fft.next_fast_len(n + k, real=True)

    def cross_correlate(values, others):
        """Sums of products (n_templates, 2 k + 1) at shifts of -k to k pixels."""
        product = scipy.fft.rfft(values, size) * np.conj(scipy.fft.rfft(others, size, axis=1))
        sums = scipy.fft.irfft(product, size, axis=1)
        return np.concatenate([sums[:, -k:], sums[:, : k + 1]], axis=1)

    overlap = np.maximum(cross_correlate(weight, templates**2), 1e-9)
    scale = np.sqrt(overlap * max(np.sum(depth**2), 1e-12))
    return cross_correlate(depth, templates) / scale
