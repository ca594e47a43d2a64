"""Air or vacuum, by the lines of the spectrum itself, where its file does not say.

Vacuum wavelengths taken for air shift all lines by 83 km/s, as a radial velocity would. The shift
falls with wavelength by 0.5 km/s from 4400 to 5000 A, and by 2 km/s from 4400 to 9000 A. Many sharp
lines show this; else the lines of a star at rest lie at the positions of one medium.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from starlabels.base import untrusted
from starlabels.base.checksums import verify_checksum
from starlabels.base.wavelengths import convert_air_to_vacuum
from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.lines import LINE_FILE

# Elements with many sharp lines in stars: atomic number -> logarithmic abundance in the Sun
ABUNDANCES = {12: 7.6, 14: 7.5, 20: 6.3, 22: 5.0, 24: 5.6, 26: 7.5, 28: 6.2}
THETA = 0.9  # 5040 K / temperature of the atoms
NEUTRAL = -1.3  # dex: share of neutral atoms
N_LINES = 1500
REACH = 700.0  # km/s searched to either side
STEP = 1.5  # km/s
CLEAR = 6.0  # peak over the scatter of the correlation
SURE = 5.0  # standard errors between the two media
BLENDS = 0.1  # error of the slope, of which 1 is the difference between the media, by blends
REST = 30.0  # km/s: lines this near to rest in one medium only suggest it
LEAST_LINES = 30
LEAST_PIXELS = 200


class Verdict(NamedTuple):
    """A medium or None, how it was found ("spectrum itself" or "assumed"), and a remark."""

    medium: str | None
    source: str
    note: str


@lru_cache(maxsize=1)
def read_strong_lines():
    """(wavelengths in air (m,), weights (m,)) of the strongest lines of common elements."""
    table = untrusted.read_arrays(verify_checksum(LINE_FILE))
    number, ion = table["number"], table["ionization"]
    abundance = np.array([ABUNDANCES.get(int(z), -np.inf) for z in number])
    strength = table["log_gf"] + abundance - THETA * table["excitation"]
    strength = strength + np.where(ion == 1, NEUTRAL, 0.0)
    best = np.argsort(-strength)[:N_LINES]
    best = best[np.argsort(table["wave"][best])]
    return np.array(table["wave"][best], "f8"), np.clip(
        strength[best] - strength[best].min(), 0.2, 2
    )


def find_medium_by_lines(wave, flux, rest=False):
    """Find the medium of a spectrum from its lines.

    Parameters
    ----------
    wave, flux : ndarray (n,)
        Ascending wavelengths (Angstrom), and flux with NaN in missing pixels.
    rest : bool
        The spectrum is in the rest frame of the star.

    Returns
    -------
    Verdict
        Its medium is None if the lines do not tell.
    """
    lines, weight = read_strong_lines()
    good = np.isfinite(flux)
    if good.sum() < LEAST_PIXELS:
        return Verdict(None, "assumed", "")
    wave, flux = wave[good], np.asarray(flux, "f8")[good]
    inside = (lines > wave[0] * (1 + REACH / LIGHT)) & (lines < wave[-1] * (1 - REACH / LIGHT))
    lines, weight = lines[inside], weight[inside]
    if len(lines) < LEAST_LINES or np.median(np.diff(wave)) > 3:
        return Verdict(None, "assumed", "")
    depth = measure_depth(wave, flux)
    velocity, width = correlate_with_lines(wave, depth, lines, weight)
    if velocity is None:
        return Verdict(None, "assumed", "")
    if not rest:
        verdict = compare_pattern(wave, depth, lines, velocity, width)
        if verdict.medium:
            return verdict
    shift = LIGHT * float(np.median(convert_air_to_vacuum(lines) / lines - 1))
    offsets = {"air": abs(velocity), "vacuum": abs(velocity - shift)}
    medium = min(offsets, key=offsets.get)
    if offsets[medium] > REST:
        return Verdict(None, "assumed", "")
    if rest:
        return Verdict(medium, "spectrum itself", f"its lines lie at rest in {medium}")
    return Verdict(medium, "assumed", f"its lines lie near rest in {medium}")


def measure_depth(wave, flux):
    """Depth (n,) of the lines below an upper envelope about 10 Angstrom wide."""
    n = max(3, int(10 / np.median(np.diff(wave))))
    top = gaussian_filter1d(maximum_filter1d(gaussian_filter1d(flux, 1.0), n), n)
    return np.clip(1 - flux / np.where(top > 0, top, np.inf), 0, 1)


def correlate_with_lines(wave, depth, lines, weight):
    """(velocity, width) in km/s of the peak of the correlation; (None, None) if it is not clear."""
    velocities = np.arange(-REACH, REACH + STEP, STEP)
    curve = np.array([weight @ np.interp(lines * (1 + v / LIGHT), wave, depth) for v in velocities])
    curve = curve - np.median(curve)
    top = int(curve.argmax())
    half = curve > curve[top] / 2
    left = top - int(np.argmin(half[top::-1]))
    right = top + int(np.argmin(half[top:]))
    width = velocities[right] - velocities[left]
    away = np.abs(velocities - velocities[top]) > 2 * width
    if width > 200 or away.sum() < 50 or curve[top] < CLEAR * np.std(curve[away]):
        return None, None
    return float(velocities[top]), float(width)


def compare_pattern(wave, depth, lines, velocity, width):
    """Verdict by the change of the lines' velocities with wavelength."""
    kept, velocities = measure_line_velocities(wave, depth, lines, velocity, width)
    shift = LIGHT * (convert_air_to_vacuum(kept) / kept - 1)  # km/s, if the medium is vacuum
    for _ in range(5):
        if len(kept) < LEAST_LINES:
            return Verdict(None, "assumed", "")
        place = shift - shift.mean()
        slope = place @ velocities / (place @ place)
        residual = velocities - velocities.mean() - slope * place
        scatter = 1.4826 * np.median(np.abs(residual))
        good = np.abs(residual) < 2.5 * scatter
        if good.all():
            break
        kept, velocities, shift = kept[good], velocities[good], shift[good]
    error = np.hypot(residual.std() / np.sqrt(place @ place), BLENDS)
    medium, other = ("air", 1 - slope) if slope < 0.5 else ("vacuum", slope)
    miss = min(abs(slope), abs(1 - slope))
    if error * SURE < other and miss < 2.5 * error + 0.2:
        text = f"{len(kept)} lines fit {medium} {other / error:.0f} sigma better"
        return Verdict(medium, "spectrum itself", text)
    return Verdict(None, "assumed", "")


def measure_line_velocities(wave, depth, lines, velocity, width):
    """(lines (m,), velocities (m,) in km/s) of the lines with a clear minimum near a velocity."""
    places = np.searchsorted(wave, lines * (1 + velocity / LIGHT))
    step = np.median(np.diff(wave))
    kept, velocities = [], []
    for line, place in zip(lines, places):
        reach = max(2, int(0.5 * width / LIGHT * line / step))
        low, high = place - reach, place + reach + 1
        if low < 1 or high > len(wave) - 1:
            continue
        top = low + int(depth[low:high].argmax())
        left, height, right = depth[top - 1 : top + 2]
        bend = left + right - 2 * height
        if height < 0.05 or top in (low, high - 1) or bend >= 0:
            continue
        offset = 0.5 * (left - right) / bend
        position = wave[top] + offset * 0.5 * (wave[top + 1] - wave[top - 1])
        kept.append(line)
        velocities.append(LIGHT * (position / line - 1))
    return np.array(kept), np.array(velocities)
