"""Radial velocity by cross-correlation with node spectra."""

import itertools
from typing import NamedTuple

import numpy as np
import scipy.fft
from scipy.ndimage import gaussian_filter1d

from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.nodes import AXES

REACH = 700.0  # km/s searched to either side, if nothing else is asked for
DECIMATE = 4  # pixels averaged for the search through all templates
WEAK = 4.0  # peak over the spurious ones, r of Tonry & Davis: a velocity below it is not reliable
NARROW = 120.0  # km/s: wider structure is not used to find a second star
END = 0.4  # of the height of a peak: there it counts as ended
PEAK_WIDTHS = 2.0  # a second star is this many half widths away from the first at least
# Its least height in that of the first star, with the least one in the scatter of the correlation.
# Of 301 single stars at R 1800 and of noisy synthetic ones, no other peak was as high
SECOND = ((0.3, 6.0), (0.5, 2.0))
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
    `companion` is the velocity (km/s) of a second star in the spectrum, None without a second peak.
    """

    rv: float
    err: float
    peak: float
    r: float
    edge: float | None = None
    companion: float | None = None

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

    def measure(self, flux, find_companion=True):
        """Measure the RadialVelocity of a spectrum, positive if the star recedes.

        Parameters
        ----------
        flux : ndarray (n_pix,)
            Normalised flux on the grid, NaN in missing pixels.
        find_companion : bool
            Also search for the lines of a second star, which takes as long again.
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
        velocity = self._fit_peak(curve, seen.sum())
        if velocity.edge is not None or not find_companion:
            return velocity
        shift = self._find_companion(depth, weight, template[0])
        return velocity._replace(companion=None if shift is None else velocity.rv + shift)

    def _find_companion(self, depth, weight, template):
        """Velocity (km/s) of a second star relative to the first; None if there is none.

        Narrow lines alone are correlated, as the wings of hydrogen lines of both stars blend.
        """
        size = NARROW / self.step
        depth = np.where(weight > 0, _sharpen(depth, size), 0)
        template = _sharpen(template, size)
        curve = _correlate(depth, weight, template[None], self.reach, self.step)[0]
        own = _correlate(template, weight, template[None], 2 * self.reach, self.step)[0]
        second = find_second_peak(curve, own)
        return None if second is None else float((second - curve.argmax()) * self.step)

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


def find_second_peak(curve, own):
    """Find the peak of a second star in a correlation curve.

    What the first star contributes is the correlation of its template with itself. A second peak
    must stand out of the rest, at a velocity where the first peak has ended.

    Parameters
    ----------
    curve : ndarray (n,)
        Correlation of the spectrum with the template.
    own : ndarray (m,)
        Correlation of the template with itself, at twice as many shifts or more; 1 in the middle.

    Returns
    -------
    int or None
        Index of the peak in `curve`.
    """
    top = int(curve.argmax())
    middle = len(own) // 2
    first = curve[top] * own[middle - top : middle - top + len(curve)]
    rest = curve - first
    width = np.flatnonzero(own[middle:] < END)  # of the first peak, to either side
    width = PEAK_WIDTHS * (width[0] if len(width) else len(curve))
    is_far = np.abs(np.arange(len(curve)) - top) > width
    is_peak = np.r_[False, (rest[1:-1] > rest[:-2]) & (rest[1:-1] >= rest[2:]), False]
    places = np.flatnonzero(is_far & is_peak)
    if not len(places):
        return None
    second = places[rest[places].argmax()]
    scatter = 1.4826 * np.median(np.abs(rest[is_far]))
    height, significance = rest[second] / curve[top], rest[second] / scatter
    is_real = any(height > h and significance > r for h, r in SECOND)
    return int(second) if is_real else None


def _sharpen(values, size):
    """Values (n,) without structure wider than a Gaussian of sigma `size` pixels."""
    return values - gaussian_filter1d(values, size)


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
