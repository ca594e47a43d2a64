"""Labels of observed spectra by generalised least squares, from the labels of a network.

The nodes give the spectrum and its derivatives at any labels; the model discrepancy gives its mean
difference from observed stars and the covariance of what remains. A few Gauss-Newton steps from the
network's labels lead to the most probable ones, with their covariance.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import block_diag

from starlabels.spectra.discrepancy import NAMES
from starlabels.spectra.discrepancy_covariance import RemainderCovariance, Weighting
from starlabels.spectra.nuisances import POWER_ERROR, VARIED, choose_rotation, choose_vmic
from starlabels.synthesis.sampler import compute_derivatives

STEPS = 4  # at most
HALVINGS = 3  # of steps out of the nodes
FINE = 0.02  # of a standard error: smaller steps are the last
LONGEST_STEP = {"teff": 0.06, "logg": 0.6, "mh": 0.5}  # teff: relative
# Prior standard deviations of labels that are asked for: so wide that they are free
FREE = {"teff": 1000.0, "logg": 2.0, "mh": 1.0, "vmic": 1.5, "vsini": 100.0}
# Rms of differences between the continua of instruments, and their shortest wave (A)
CONTINUUM_ERROR, CONTINUUM_SCALE = 0.004, 40.0
# Of others, about their usual values
USUAL = {"vmic": 0.3, "rv": 5.0}


class Refined(NamedTuple):
    """Labels of stars, and their spectra.

    Attributes
    ----------
    labels : array (n, m)
        Of VARIED.
    covariance : array (n, m, m)
    chi2 : array (n,)
        Reduced chi-square.
    flux : array (n, n_pix)
        Synthetic normalised flux at these labels, with the mean difference.
    scatter : array (n, n_pix)
        Standard deviation of observed stars about that flux, without noise.
    velocity : array (n,)
        Velocity (km/s) in the mean difference: the zero point of the discrepancy's stars, which
        the label rv lacks.
    """

    labels: np.ndarray
    covariance: np.ndarray
    chi2: np.ndarray
    flux: np.ndarray
    scatter: np.ndarray
    velocity: np.ndarray


class Refiner:
    """Refinement of labels.

    Parameters
    ----------
    discrepancy : Discrepancy
        On the pixels of the model.
    sampler : Sampler
    continuum : ContinuumModel
    resolving_power : float
        Largest one of prepared spectra.
    """

    def __init__(self, discrepancy, sampler, continuum, resolving_power):
        self.discrepancy = discrepancy
        self.remainders = RemainderCovariance(discrepancy)
        self.sampler = sampler
        self.continuum = continuum
        self.power = resolving_power
        self.limits = sampler.find_limits(VARIED)
        self.waves = build_waves(discrepancy.wave)
        self.basis = np.vstack([discrepancy.basis, self.waves])

    def refine(self, flux, flux_err, start, power):
        """Labels of prepared spectra.

        Parameters
        ----------
        flux, flux_err : array (n, n_pix)
            Normalised flux and its errors, NaN in missing pixels.
        start : dict
            {label: (n,)} to start from, teff, logg and mh at least. Those of VARIED are free.
        power : array (n,)
            Resolving powers of the spectra before they were prepared.

        Returns
        -------
        Refined
            NaN where the nodes do not cover the labels.
        """
        n, n_pix = flux.shape
        m = len(VARIED)
        shapes = (n, m), (n, m, m), (n,), (n, n_pix), (n, n_pix), (n,)
        found = Refined(*(np.full(shape, np.nan) for shape in shapes))
        labels, width = self.choose_prior(start, power)
        rows = np.flatnonzero(self.sampler.covers(labels))
        if len(rows):
            centre = np.column_stack([labels[name][rows] for name in VARIED])
            some = self._refine(flux[rows], flux_err[rows], centre, width[rows])
            for all_stars, part in zip(found, some):
                all_stars[rows] = part
        return found

    def choose_prior(self, start, power):
        """Labels {name: (n,)} of VARIED to start from, and their prior widths (n, m)."""
        teff = start["teff"].astype(float)
        power = np.minimum(power, self.power)
        rotation, scatter = choose_rotation(teff)
        usual = {"vmic": choose_vmic(teff, start["logg"]), "vsini": rotation, "rv": 0 * teff}
        labels = usual | {"resolving_power": power} | start
        widths = USUAL | {"vsini": scatter, "resolving_power": POWER_ERROR * power}
        widths |= {name: FREE[name] for name in start if name in FREE}
        labels = {name: np.clip(labels[name], *self.limits[name]).astype(float) for name in VARIED}
        return labels, np.column_stack([widths[name] + 0 * teff for name in VARIED])

    def _refine(self, flux, flux_err, centre, width):
        """Refined of stars whose prior labels (n, m) are inside the nodes."""
        values, rows = centre.copy(), np.arange(len(centre))
        for _ in range(STEPS):
            fit = self._fit(flux[rows], flux_err[rows], values[rows], centre[rows], width[rows])
            values[rows] = self._move(values[rows], fit.step)
            error = np.sqrt(np.einsum("nii->ni", fit.covariance))
            rows = rows[(np.abs(fit.step) > FINE * error)[:, : len(NAMES)].any(axis=1)]
            if not len(rows):
                break
        fit = self._fit(flux, flux_err, values, centre, width)
        return Refined(values, *fit[1:])

    def _move(self, values, step):
        """Values (n, m) after a step, shortened where it is long or leaves the nodes."""
        longest = np.tile([LONGEST_STEP.get(name, np.inf) for name in VARIED], (len(values), 1))
        longest[:, 0] *= values[:, 0]
        share = np.min(longest / np.maximum(np.abs(step), 1e-9), axis=1, keepdims=True)
        step = step * np.minimum(1, share)
        low, high = np.array([self.limits[name] for name in VARIED]).T
        for _ in range(HALVINGS):
            moved = np.clip(values + step, low, high)
            outside = ~self.sampler.covers(dict(zip(VARIED, moved.T)))
            step[outside] /= 2
        return np.where(outside[:, None], values, moved)

    def _fit(self, flux, flux_err, values, centre, width):
        """Linear fits about labels (n, m), with a normal prior of a centre and a width (n, m)."""
        observed = np.isfinite(flux) & np.isfinite(flux_err)

        def find_mean(labels):
            asked = np.column_stack([labels[name] for name in NAMES])
            return self.discrepancy.predict_mean(asked)[0]

        def sample_nodes(labels):
            wave = self.discrepancy.wave
            part = self.sampler.sample_spectra(labels, wave, self.power, check=False)
            return part / self.continuum.fit(np.where(observed, part, np.nan))

        def sample(labels):
            return sample_nodes(labels) + find_mean(labels)

        labels = dict(zip(VARIED, values.T))
        mean = find_mean(labels)
        model = sample_nodes(labels) + mean
        slopes = compute_derivatives(sample, labels, list(VARIED), self.limits)
        remainders = self.remainders.iterate(values[:, : len(NAMES)])
        continuum = np.eye(len(self.waves))
        usual, basis = self.discrepancy.basis, self.basis
        fits = []
        for i, (covariance, outside) in enumerate(remainders):
            variance = np.where(observed[i], flux_err[i] ** 2, np.inf)
            correlation = self.remainders.correlation
            scatter = np.sqrt(np.sum((covariance @ usual) * usual, axis=0) + outside**2)
            covariance = block_diag(covariance, continuum)
            weighting = Weighting(basis, covariance, outside, correlation, variance)
            residual = np.where(observed[i], flux[i] - model[i], 0.0)
            offset = centre[i] - values[i]
            *fit, shift = fit_star(residual, mean[i], slopes[i], weighting, offset, width[i])
            fits.append((*fit, model[i], scatter, shift[VARIED.index("rv")]))
        return LinearFit(*map(np.array, zip(*fits)))


def build_waves(wave):
    """Waves (n, n_pix) over a window, as the continua of instruments differ."""
    place = np.linspace(0, np.pi, len(wave))
    n = max(1, int(2 * (wave[-1] - wave[0]) / CONTINUUM_SCALE))
    amplitude = CONTINUUM_ERROR * np.sqrt(2 / n)
    return amplitude * np.cos(np.arange(1, n + 1)[:, None] * place)


class LinearFit(NamedTuple):
    """Fits of stars: arrays as in `Refined`, and the step (n, m) to the best labels."""

    step: np.ndarray
    covariance: np.ndarray
    chi2: np.ndarray
    model: np.ndarray
    scatter: np.ndarray
    velocity: np.ndarray


def fit_star(residual, mean, slopes, weighting, offset, width):
    """Linear fits of a residual (n_pix,) and of a mean difference (n_pix,) by slopes (m, n_pix).

    Parameters
    ----------
    weighting : Weighting
    offset, width : array (m,)
        Of the prior of the residual's coefficients; that of the mean has no offset.

    Returns
    -------
    array (m,), array (m, m), float, array (m,)
        Coefficients of the residual, their covariance, its chi-square per degree of freedom, and
        coefficients of the mean.
    """
    weighted = weighting(np.vstack([slopes, residual]))
    precision = np.diag(width**-2.0)
    covariance = np.linalg.inv(precision + weighted[:-1] @ slopes.T)
    step = covariance @ (weighted[:-1] @ residual + precision @ offset)
    n_free = max(1, np.count_nonzero(weighting.seen) - len(NAMES))
    of_mean = covariance @ (weighted[:-1] @ mean)
    return step, covariance, weighted[-1] @ residual / n_free, of_mean
