"""Levels of overlapping spectra: arms of other scales, and echelle orders with their blaze."""

import itertools

import numpy as np
from numpy.polynomial import chebyshev

BINS = 12  # of an overlap
ALIKE = 0.02  # spectra that differ by less in their overlaps are left as they are
ORDERS = 4  # from so many spectra on, they may be orders with one blaze
DEGREE = 10  # of the logarithm of the blaze along an order
ENVELOPE = 30  # bins of an order, in which its upper flux shows the blaze
UPPER = 90  # percentile of the flux in a bin, mostly above the lines
ROUGH, EXACT = 0.05, 0.01  # relative errors of the envelope and of the ratio in an overlap
FREE = 0.3  # relative freedom of the level of an order
ROUNDS = 4  # the envelope of a flatter order is more exact


def match_levels(pieces):
    """Bring overlapping spectra to one level, if they differ in it.

    The logarithm of the ratio of two spectra in their overlap is the difference of their levels.
    From ORDERS spectra of similar length on, the level is a blaze that all share times a constant;
    else it is a constant.

    Parameters
    ----------
    pieces : list of Piece
        Sorted by wavelength.

    Returns
    -------
    list of Piece
    notes : list of str
    """
    rows = [row for pair in list_overlaps(pieces) for row in compare_pair(pieces, *pair)]
    ratios = np.array([row[4] for row in rows])
    if not len(ratios) or np.median(np.abs(ratios)) < ALIKE:
        return pieces, []
    lengths = [piece.wave[-1] - piece.wave[0] for piece in pieces]
    if len(pieces) >= ORDERS and max(lengths) < 4 * min(lengths):
        levels = fit_blaze(pieces)
        note = "orders were divided by their common blaze"
    else:
        levels = [np.full(len(p.wave), level) for p, level in zip(pieces, fit_levels(pieces, rows))]
        note = "their levels were matched in the overlaps"
    scaled = divide_by_levels(pieces, levels)
    rest = [row[4] for pair in list_overlaps(scaled) for row in compare_pair(scaled, *pair)]
    left = float(np.median(np.abs(rest))) if rest else 0.0
    return scaled, [f"{note} (differences before {np.expm1(np.median(np.abs(ratios))):.0%}, "
                    f"after {left:.1%})"]  # fmt: skip


def divide_by_levels(pieces, levels):
    """Spectra divided by exp(level), one array along the pixels of each."""
    scaled = []
    for piece, level in zip(pieces, levels):
        factor = np.exp(-level)
        error = None if piece.flux_err is None else piece.flux_err * factor
        scaled.append(piece._replace(flux=piece.flux * factor, flux_err=error))
    return scaled


def list_overlaps(pieces):
    """Pairs (i, j) of spectra that overlap, the next three of each at most."""
    for i in range(len(pieces)):
        for j in itertools.islice(range(i + 1, len(pieces)), 3):
            if pieces[i].wave[-1] > pieces[j].wave[0]:
                yield i, j


def compare_pair(pieces, i, j):
    """List of (i, place in i, j, place in j, ln of the ratio) in bins of an overlap."""
    low = max(pieces[i].wave[0], pieces[j].wave[0])
    high = min(pieces[i].wave[-1], pieces[j].wave[-1])
    edges = np.linspace(low, high, BINS + 1)
    first, second = (sum_bins(pieces[k], edges) for k in (i, j))
    rows = []
    for k in range(BINS):
        if first[k] > 0 and second[k] > 0:
            middle = 0.5 * (edges[k] + edges[k + 1])
            places = [compute_place(pieces[m].wave, middle) for m in (i, j)]
            rows.append((i, places[0], j, places[1], float(np.log(first[k] / second[k]))))
    return rows


def sum_bins(piece, edges):
    """Mean flux (BINS,) of a spectrum between edges; NaN where it has fewer than 3 pixels."""
    good = np.isfinite(piece.flux)
    wave, flux = piece.wave[good], piece.flux[good]
    if len(wave) < 3:
        return np.full(len(edges) - 1, np.nan)
    sums = np.concatenate([[0], np.cumsum(0.5 * (flux[1:] + flux[:-1]) * np.diff(wave))])
    count = np.diff(np.searchsorted(wave, edges))
    mean = np.diff(np.interp(edges, wave, sums)) / np.diff(edges)
    return np.where(count >= 3, mean, np.nan)


def compute_place(wave, value):
    """Place of a wavelength along a spectrum, -1 to 1."""
    return 2 * (value - wave[0]) / (wave[-1] - wave[0]) - 1


def fit_levels(pieces, rows):
    """ln of the level of each spectrum, 0 on average, from the ratios in overlaps."""
    n = len(pieces)
    design = np.zeros((len(rows) + n, n))
    target = np.zeros(len(rows) + n)
    for k, (i, _, j, _, ratio) in enumerate(rows):
        design[k, i], design[k, j], target[k] = 1 / EXACT, -1 / EXACT, ratio / EXACT
    design[len(rows) :] = 1e-3 * np.eye(n)
    return np.linalg.lstsq(design, target, rcond=None)[0]


def fit_blaze(pieces):
    """ln of the level of each spectrum along its pixels: the common blaze and a constant."""
    levels = [np.zeros(len(piece.wave)) for piece in pieces]
    for _ in range(ROUNDS):
        change = fit_blaze_once(divide_by_levels(pieces, levels))
        levels = [level + more for level, more in zip(levels, change)]
    top = np.max([level.max() for level in levels])  # the tops of the orders keep their flux
    return [level - top for level in levels]


def fit_blaze_once(pieces):
    """One round of `fit_blaze`: by the ratios in the overlaps and by the upper envelope."""
    n = len(pieces)
    rows = [row for pair in list_overlaps(pieces) for row in compare_pair(pieces, *pair)]
    places, envelope = measure_envelope(pieces)
    overlap = np.zeros((len(rows), DEGREE + n))
    for k, (i, x_i, j, x_j, _) in enumerate(rows):
        overlap[k, :DEGREE] = evaluate_terms(x_i) - evaluate_terms(x_j)
        overlap[k, DEGREE + i] += 1
        overlap[k, DEGREE + j] -= 1
    upper = np.zeros((len(places), DEGREE + n))
    upper[:, :DEGREE] = evaluate_terms(places) - evaluate_terms(places).mean(axis=0)
    freedom = np.zeros((n, DEGREE + n))
    freedom[:, DEGREE:] = np.eye(n)
    ratios = np.array([row[4] for row in rows])
    design = np.concatenate([overlap / EXACT, upper / ROUGH, freedom / FREE])
    target = np.concatenate([ratios / EXACT, (envelope - envelope.mean()) / ROUGH, np.zeros(n)])
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    terms = [evaluate_terms(compute_place(piece.wave, piece.wave)) for piece in pieces]
    return [t @ solution[:DEGREE] + level for t, level in zip(terms, solution[DEGREE:])]


def evaluate_terms(place):
    """Chebyshev polynomials (..., DEGREE) of degrees 1 to DEGREE at places along an order."""
    return chebyshev.chebvander(np.asarray(place, float), DEGREE)[..., 1:]


def measure_envelope(pieces):
    """(places (m,), ln of the upper flux (m,)) along an order: the median over all orders."""
    edges = np.linspace(-1, 1, ENVELOPE + 1)
    tops = np.full((len(pieces), ENVELOPE), np.nan)
    for k, piece in enumerate(pieces):
        good = np.isfinite(piece.flux)
        place = compute_place(piece.wave, piece.wave[good])
        bins = np.clip(np.digitize(place, edges) - 1, 0, ENVELOPE - 1)
        for b in np.unique(bins):
            top = np.percentile(piece.flux[good][bins == b], UPPER)
            tops[k, b] = np.log(top) if top > 0 else np.nan
    tops -= np.nanmedian(tops, axis=1, keepdims=True)
    seen = np.isfinite(tops).sum(axis=0) > len(pieces) / 2
    return (0.5 * (edges[1:] + edges[:-1]))[seen], np.nanmedian(tops[:, seen], axis=0)
