"""Several spectra of one star, such as arms, orders and exposures, combined into one."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import percentile_filter

from starlabels.base.errors import UserError
from starlabels.spectra.levels import match_levels
from starlabels.spectra.pixels import rebin_spectrum

LEAST_PIXELS = 20  # of an order within a list of wavelengths
CLOSE = 0.5  # of the local step: nearer pixels are of several spectra
IRREGULAR = 0.7  # of the local step: nearer pixels may be of several spectra
UNLIKE = 0.05  # relative difference of close pixels that no star has
NEIGHBOURS = 51  # pixels to either side of which the local step is the 90th percentile


class Piece(NamedTuple):
    """Spectrum with ascending wavelengths (n,) in Angstrom; NaN in masked pixels."""

    wave: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray | None


def combine_spectra(pieces):
    """Combine spectra of one star, which may overlap.

    Each is rebinned to common pixels, so that flux is conserved, and weighted by inverse variance.
    Orders with a blaze are brought to one level first.

    Parameters
    ----------
    pieces : list of Piece

    Returns
    -------
    Piece
    notes : tuple of str
        What was combined and how.
    """
    merged = [merge_close_pixels(piece) for piece in pieces]
    notes = (
        ["close pixels were averaged"] if any(m is not p for m, p in zip(merged, pieces)) else []
    )
    if len(merged) == 1:
        return merged[0], tuple(notes)
    merged = sorted(merged, key=lambda piece: piece.wave[0])
    if not any(a.wave[-1] >= b.wave[0] for a, b in zip(merged, merged[1:])):
        notes.append(f"{len(merged)} spectra without overlap were joined")
        return join_pieces(merged), tuple(notes)
    merged, level_notes = match_levels(merged)
    notes += [f"{len(merged)} spectra were combined by inverse variance", *level_notes]
    return average_pieces(merged), tuple(notes)


def join_pieces(pieces):
    """Piece of spectra in ascending order without overlap; no errors unless all have them."""
    wave, flux = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("wave", "flux"))
    if any(piece.flux_err is None for piece in pieces):
        return Piece(wave, flux, None)
    return Piece(wave, flux, np.concatenate([piece.flux_err for piece in pieces]))


def average_pieces(pieces):
    """Average spectra on common pixels, weighted by inverse variance; alike without errors."""
    grid = make_common_pixels([piece.wave for piece in pieces])
    known = all(piece.flux_err is not None for piece in pieces)
    total, weighted = np.zeros(len(grid)), np.zeros(len(grid))
    for piece in pieces:
        first, last = np.searchsorted(grid, [piece.wave[0], piece.wave[-1]])
        part = slice(max(first - 1, 0), last + 1)
        if part.stop - part.start < 2:
            continue
        flux_err = piece.flux_err if known else np.ones(len(piece.wave))
        flux, flux_err = rebin_to_pixels(piece._replace(flux_err=flux_err), grid[part])
        with np.errstate(divide="ignore"):
            weight = np.where(np.isfinite(flux) & (flux_err > 0), flux_err**-2.0, 0)
        total[part] += weight
        weighted[part] += weight * np.nan_to_num(flux)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(total > 0, weighted / total, np.nan)
        error = np.where(total > 0, total**-0.5, np.nan)
    return Piece(grid, mean, error if known else None)


def rebin_to_pixels(piece, grid):
    """Flux and error (m,) on a part of the common pixels, unchanged where they are its own."""
    flux, flux_err = rebin_spectrum(piece.wave, piece.flux, piece.flux_err, grid)
    place = np.clip(np.searchsorted(piece.wave, grid), 0, len(piece.wave) - 1)
    own = piece.wave[place] == grid
    flux[own], flux_err[own] = piece.flux[place[own]], piece.flux_err[place[own]]
    return flux, flux_err


def make_common_pixels(waves):
    """Wavelengths (m,) of the first spectrum, continued by those of the next ones, without pairs.

    waves: list of ascending wavelengths, in the order of their first pixel.
    """
    grid = waves[0]
    for wave in waves[1:]:
        inside = (wave > grid[0]) & (wave < grid[-1])
        step = min(grid[-1] - grid[-2], wave[-1] - wave[-2])
        gap = fill_gap(grid, wave[inside])
        grid = np.concatenate([grid, gap, wave[wave > grid[-1] + CLOSE * step]])
        grid = np.sort(grid)
    return grid


def fill_gap(grid, wave):
    """Pixels of `wave` (n,) that lie in gaps of `grid` (m,), as between joined detectors."""
    if not len(wave):
        return wave
    steps = np.diff(grid)
    wide = steps > 20 * np.median(steps)
    place = np.clip(np.searchsorted(grid, wave) - 1, 0, len(steps) - 1)
    room = np.minimum(wave - grid[place], grid[place + 1] - wave)
    return wave[wide[place] & (room > np.median(steps))]


def split_at_jumps(wave):
    """Slices of a list of wavelengths (n,) at the places where it jumps back.

    A list in order is one slice, and so is one without order.
    """
    step = np.diff(wave)
    direction = 1 if (step > 0).sum() >= (step < 0).sum() else -1
    jumps = np.flatnonzero(step * direction < 0) + 1
    edges = [0, *jumps.tolist(), len(wave)]
    if not len(jumps) or np.median(np.diff(edges)) < LEAST_PIXELS:
        return [slice(0, len(wave))]
    return [slice(low, high) for low, high in zip(edges, edges[1:])]


def merge_close_pixels(piece):
    """Piece whose pixels nearer than CLOSE of the local step are averaged; itself if none are.

    A spline through such pairs would follow their noise.
    """
    wave, flux, flux_err = piece
    step = np.diff(wave)
    if len(step) < 2 * NEIGHBOURS:
        return piece
    reach = CLOSE * measure_local_step(step)
    close = step < reach
    if not close.any():
        return piece
    return average_groups(piece, number_groups(wave, close, reach))


def check_interleaved(wave, flux, flux_err):
    """UserError if close pixels (n,) alternate in flux like orders with their blaze."""
    order = np.argsort(wave, kind="stable")
    step = np.diff(wave[order])
    if len(step) < 2 * NEIGHBOURS:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.diff(np.log(flux[order]))
        noise = 0 if flux_err is None else (flux_err / np.abs(flux))[order][1:]
    close = (step < IRREGULAR * measure_local_step(step)) & np.isfinite(change)
    jump = np.abs(change) > np.maximum(UNLIKE, 6 * noise)
    back = np.append(change[1:] * change[:-1] < 0, False)
    if close.sum() > 50 and (jump & back)[close].mean() > 0.3:
        share = f"{np.expm1(np.median(np.abs(change[close]))):.0%}"
        found = f"neighbouring pixels, of several orders in one list, differ by {share} in flux"
        raise UserError(f"{found}: divide the orders by their blaze, or write one after another")


def measure_local_step(step):
    """Usual step (n,) near each of the steps (n,): of the denser side, where it changes."""
    half = NEIGHBOURS // 2
    sides = [percentile_filter(step, 90, NEIGHBOURS, origin=shift) for shift in (-half, half)]
    return np.minimum(*sides)


def number_groups(wave, close, reach):
    """Number (n,) of the group of each pixel: close ones up to `reach` (n - 1,) from its first."""
    group = np.zeros(len(wave), int)
    start, number = 0, 0
    for i in range(1, len(wave)):
        if not close[i - 1] or wave[i] - wave[start] > reach[i - 1]:
            start, number = i, number + 1
        group[i] = number
    return group


def average_groups(piece, group):
    """Piece with one pixel for each group (n,), weighted by 1 / flux_err^2 if it is known."""
    wave, flux, flux_err = piece
    n = group[-1] + 1
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weight = np.isfinite(flux) / (1.0 if flux_err is None else flux_err**2)
    weight = np.nan_to_num(weight, posinf=0.0)
    total = np.bincount(group, weight, n)
    count = np.bincount(group, minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(group, weight * np.nan_to_num(flux), n) / total  # NaN: all masked
        place = np.bincount(group, weight * wave, n) / total
        place = np.where(total > 0, place, np.bincount(group, wave, n) / count)
        alone = (count == 1)[group]
        place[group[alone]] = wave[alone]
        if flux_err is None:
            return type(piece)(place, mean, None)
        return type(piece)(place, mean, np.where(total > 0, total**-0.5, np.nan))
