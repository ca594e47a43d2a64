"""Fit of the model discrepancy to stars with known labels, see discrepancy.py.

The labels of the literature have errors, whose effect on the spectra is known from derivatives.
The probable part of it is removed from what remains of each star; otherwise the errors of a network
trained with these remainders would contain those of the literature.
"""

import itertools

import numpy as np
from scipy.linalg import solve_triangular

from starlabels.spectra.discrepancy import (
    Discrepancy,
    Smoothness,
    compute_kernel,
    compute_noise,
    find_neighbours,
    measure_sizes,
    scale_labels,
)
from starlabels.spectra.pixels import estimate_noise
from starlabels.spectra.source_offsets import estimate_offsets

MOST_COMPONENTS = 80
HELD = 0.99  # of the variance of the differences, by the basis
LEAST_OUTSIDE = 0.1  # of the variance outside the basis that is not noise
FOLDS = 5  # of the stars, to measure what the basis does not hold
ROUNDS = 4  # of mean, weights and label errors in turn
EM_ROUNDS = 3  # of label errors and covariance of the remainders in turn
SHRINKAGE = 0.01  # of the covariance of remainders towards equal variances
TAIL = 5.0  # degrees of freedom of the distribution of stars: outliers lose weight
OTHER_SHARES = (0.05, 0.15, 0.3, 0.5, 0.7)  # tried, see `Discrepancy`
WHITE_SHARES = (0.01, 0.03, 0.1, 0.2, 0.4)
TRIED = {"linear": (0.03, 0.3, 3.0), "local": (0.0, 0.1, 0.3, 1.0), "length": (0.5, 1.0, 2.0)}


def fit_discrepancy(wave, labels, label_err, source, difference, derivatives):
    """Fit a Discrepancy.

    Parameters
    ----------
    wave : array (n_pix,)
        Wavelengths (A).
    labels : array (n, 3)
        Teff (K), log g, [M/H] of the stars, from the literature.
    label_err : array (n, m)
        Standard errors of the m labels that spectra depend on, those three or more.
    source : array (n,)
        Number of the source of the labels, 0 of the reference.
    difference : array (n, n_pix)
        Observed minus synthetic flux at these labels, NaN in missing pixels.
    derivatives : array (n, m, n_pix)
        d flux / d label of the synthetic spectra.

    Returns
    -------
    Discrepancy
    """
    basis, filled = fit_basis(difference)
    slopes = derivatives @ basis.T
    compressed = filled @ basis.T
    offsets = estimate_offsets(labels, source, compressed, slopes, label_err)
    labels = np.asarray(labels, float) - offsets
    compressed = compressed + np.einsum("nj,njk->nk", offsets, slopes[:, : offsets.shape[1]])
    effect = label_err[:, :, None] * slopes  # (n, m, k) of one standard error
    smoothness, weight, remainder, left = fit_remainders(labels, source, compressed, effect)
    outside = leave_one_out(labels, source, compressed, weight, smoothness)
    shares = choose_shares(labels, outside, effect, remainder, left)
    scatter, smear = measure_outside(wave, difference, measure_sizes(remainder, left))
    return Discrepancy(
        np.asarray(wave, float), labels, weight, source, basis, compressed,
        remainder, left, scatter, smear, np.array(smoothness), shares,
    )  # fmt: skip


def fit_basis(difference):
    """Components (k, n_pix) that hold HELD of the variance, and differences without gaps.

    All stars count alike, whether their differences are large or small.
    """
    seen = np.isfinite(difference)
    size = np.sqrt(np.nanmean(difference**2, axis=1, keepdims=True))
    scaled = difference / size
    filled = np.where(seen, scaled, 0.0)
    for _ in range(1 if seen.all() else 10):
        _, strength, components = np.linalg.svd(filled, full_matrices=False)
        share = np.cumsum(strength**2) / np.sum(strength**2)
        n = min(MOST_COMPONENTS, int(np.searchsorted(share, HELD)) + 1)
        basis = components[:n]
        filled = np.where(seen, scaled, filled @ basis.T @ basis)
    return basis, filled * size


def measure_outside(wave, difference, size):
    """Measure what stars have outside a basis that was fitted without them.

    Parameters
    ----------
    wave : array (n_pix,)
        Wavelengths (A).
    difference : array (n, n_pix)
        NaN in missing pixels.
    size : array (n,)
        Of the remainders.

    Returns
    -------
    array (n_pix,)
        Rms without noise, relative to the size.
    array ()
        Sigma (A) of the Gaussian that gives white noise the same correlation of neighbours.
    """
    outside = np.empty_like(difference)
    for fold in range(FOLDS):
        chosen = np.arange(len(difference)) % FOLDS == fold
        basis, _ = fit_basis(difference[~chosen])
        filled = np.nan_to_num(difference[chosen])
        outside[chosen] = difference[chosen] - filled @ basis.T @ basis
    outside /= size[:, None]
    total = np.nanmean(outside**2, axis=0)
    noise = np.mean([estimate_noise(star) ** 2 for star in outside])
    scatter = np.sqrt(np.maximum(total - noise, LEAST_OUTSIDE * total))
    scaled = outside / np.sqrt(total)
    neighbours = np.nanmean(scaled[:, 1:] * scaled[:, :-1]) / np.nanmean(scaled**2)
    neighbours = np.clip(neighbours, 1e-3, 0.98)
    sigma = np.sqrt(-0.25 / np.log(neighbours)) if neighbours > 0.02 else 0.0
    return scatter, np.array(sigma * np.median(np.diff(wave)))


def fit_remainders(labels, source, difference, effect):
    """Fit mean, weights and label errors in turn.

    Parameters
    ----------
    labels : array (n, 3)
    source : array (n,)
    difference : array (n, k)
        In the basis.
    effect : array (n, m, k)
        Change of the spectrum by one standard error of each label.

    Returns
    -------
    Smoothness
    array (n,)
        Weights of the stars.
    array (n, k)
        Remainders without the probable effect of label errors.
    array (n, m, k)
        Effects of independent unit errors of the labels that are still possible.
    """
    weight = np.ones(len(labels))
    for _ in range(ROUNDS):
        smoothness = choose_smoothness(labels, source, difference, weight)
        outside = leave_one_out(labels, source, difference, weight, smoothness)
        amplitude = measure_amplitude(labels, outside)
        remainder, left = remove_label_errors(outside, effect, amplitude)
        weight = weigh_stars(labels, outside, effect, remainder, left)
    return smoothness, weight, remainder, left


def weigh_stars(labels, outside, effect, remainder, left):
    """Weights (n,): the variance of the remainders over that with label errors, less of outliers.

    Arguments as in `remove_label_errors`, and its output.
    """
    variance = measure_sizes(remainder, left) ** 2
    variance = np.median(variance[find_neighbours(labels, labels)], axis=1)
    expected = variance + np.sum(effect**2, axis=(1, 2))
    size = np.sum(outside**2, axis=1) / expected
    return variance / expected * np.minimum(1, (TAIL + 1) / (TAIL + size))


def choose_smoothness(labels, source, difference, weight):
    """The Smoothness of TRIED whose mean predicts left-out stars (n, k) best."""
    values = itertools.product(*TRIED.values())
    tried = [Smoothness(**dict(zip(TRIED, combination))) for combination in values]

    def score(smoothness):
        outside = leave_one_out(labels, source, difference, weight, smoothness)
        return np.sum(weight * np.log(np.sum(outside**2, axis=1)))

    return min(tried, key=score)


def leave_one_out(labels, source, difference, weight, smoothness):
    """Differences (n, k) from the mean of the other stars, with the variance of one star.

    Rasmussen & Williams (2006), eq. 5.12.
    """
    known = scale_labels(labels)
    smoothness = Smoothness(*smoothness)
    covariance = compute_kernel(known, known, smoothness) + compute_noise(weight, source)
    inverse = np.linalg.inv(covariance)
    variance = 1 / np.diag(inverse)  # of a star's difference from the mean of the others
    outside = variance[:, None] * (inverse @ difference)
    return outside * np.sqrt(1 / (weight * variance))[:, None]


def measure_amplitude(labels, outside):
    """Typical size (n,) of the remainders (n, k) of stars with similar labels."""
    size = np.linalg.norm(outside, axis=1)
    return np.median(size[find_neighbours(labels, labels)], axis=1)


def remove_label_errors(outside, effect, amplitude):
    """Remove the probable effect of errors of the labels from differences.

    A difference is the effect of label errors plus a remainder. Both are normal, the covariance of
    remainders is that of the other stars, so that the label errors have a posterior distribution.

    Parameters
    ----------
    outside : array (n, k)
        Differences from the mean.
    effect : array (n, m, k)
        Change by one standard error of each label.
    amplitude : array (n,)
        Typical size of the differences.

    Returns
    -------
    array (n, k), array (n, m, k)
        Remainders at the mean of the posterior, and effects of its unit errors.
    """
    scaled = outside / amplitude[:, None]
    effect = effect / amplitude[:, None, None]
    covariances = itertools.repeat(subtract_label_errors(scaled, effect))
    for _ in range(EM_ROUNDS):
        stars = zip(scaled, effect, covariances)
        remainder, left = map(np.array, zip(*itertools.starmap(split_difference, stars)))
        covariances = iterate_covariances(remainder, left)
    return remainder * amplitude[:, None], left * amplitude[:, None, None]


def subtract_label_errors(scaled, effect):
    """Covariance (k, k) of remainders: that of differences (n, k) less that of label errors."""
    n, k = scaled.shape
    total = (scaled.T @ scaled - np.einsum("nmi,nmj->ij", effect, effect)) / n
    value, vector = np.linalg.eigh(total)
    floor = SHRINKAGE * np.trace(scaled.T @ scaled) / (n * k)
    return (vector * np.maximum(value, floor)) @ vector.T


def iterate_covariances(remainder, left):
    """Yield the covariance (k, k) of the remainders of the other stars, for each star."""
    n, k = remainder.shape
    total = remainder.T @ remainder + np.einsum("nmi,nmj->ij", left, left)
    for i in range(n):
        own = np.outer(remainder[i], remainder[i]) + left[i].T @ left[i]
        covariance = (total - own) / (n - 1)
        floor = np.trace(covariance) / k * np.eye(k)
        yield (1 - SHRINKAGE) * covariance + SHRINKAGE * floor


def split_difference(outside, effect, covariance):
    """Remainder (k,) of a difference, and effects (m, k) of unit errors of the posterior."""
    weighted = np.linalg.solve(covariance, effect.T)  # (k, m)
    posterior = np.linalg.inv(np.eye(len(effect)) + effect @ weighted)
    error = posterior @ (weighted.T @ outside)
    return outside - error @ effect, np.linalg.cholesky(posterior).T @ effect


def iterate_sources(labels, remainder, left):
    """Yield, for each star, covariances (3, k, k) of its remainder, known from the other stars.

    They are those of stars with similar labels, of all stars, and equal in all components; the
    last two with the size of the former. Arguments as the output of `remove_label_errors`.
    """
    size = measure_sizes(remainder, left)
    near = find_neighbours(labels, labels)
    variance = np.median(size[near] ** 2, axis=1)
    k = remainder.shape[1]
    others = iterate_covariances(remainder / size[:, None], left / size[:, None, None])
    for i, other in enumerate(others):
        stars = near[i][near[i] != i]
        spread = np.concatenate([remainder[stars], left[stars].reshape(-1, k)])
        similar = spread.T @ spread / len(stars)
        yield np.stack([similar, variance[i] * other, variance[i] / k * np.eye(k)])


def choose_shares(labels, outside, effect, remainder, left):
    """`Discrepancy.shares` that make the differences (n, k) of left-out stars most probable.

    Arguments as in `remove_label_errors`, and its output.
    """
    shares = [(1 - a - b, a, b) for a in OTHER_SHARES for b in WHITE_SHARES if a + b < 1]
    total = np.zeros(len(shares))
    for i, sources in enumerate(iterate_sources(labels, remainder, left)):
        label_errors = effect[i].T @ effect[i]
        for j, parts in enumerate(shares):
            covariance = np.tensordot(parts, sources, 1) + label_errors
            factor = np.linalg.cholesky(covariance)
            scaled = solve_triangular(factor, outside[i], lower=True)
            total[j] -= 0.5 * scaled @ scaled + np.log(np.diag(factor)).sum()
    return np.array(shares[total.argmax()])
