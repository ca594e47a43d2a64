"""Rebuild data/lines/solar_log_gf.npz: log gf that fit an observed spectrum of the Sun.

`python -m starlabels.tools.rebuild.solar_lines SPECTRUM`. The packaged file is from the HARPS
spectrum of Ganymede in the FASMA-synthesis repository (Tsantaki et al. 2018, MIT), 3783-6914 A.

In each round the depth at the centre of every line is compared with the observed one, and log gf
moves towards it. Features that no line explains become lines of Fe I. Only lines between 4 % and
85 % deep move: weaker ones drown in errors of the continuum, the cores of stronger ones are not
formed in LTE.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d, minimum_filter1d

from starlabels.base import checksums
from starlabels.base.files import replace_file
from starlabels.spectra import readers, spectrum
from starlabels.synthesis import lines, sme
from starlabels.synthesis.broaden import FWHM, LIGHT, make_velocity_grid

SUN = {"teff": 5772.0, "logg": 4.44, "mh": 0.0, "vmic": 1.0}  # Gaia benchmark star; usual vmic
WIDTH = 5.2  # km/s, FWHM of instrument, rotation and macroturbulence
STEP = 1.0  # km/s
WINDOW, OVERLAP = 60.0, 4.0  # A
ROUNDS = 6
CONTINUUM_ORDER = 4  # of the polynomial that matches the continuum in a window
SHALLOW, DEEP = 0.04, 0.85  # line depths that are fitted
SOFT = 0.02  # line depth: smaller ones say little
GAP = 0.02  # of the median flux: pixels below were not observed
# A; oxygen and water of the Earth's atmosphere: as good as not observed
TELLURIC = ((5880.0, 5995.0), (6270.0, 6330.0), (6460.0, 6610.0), (6860.0, 7000.0))
LEAST_SEEN = 0.3  # of the pixels of a window: others are left as they are
FAINT = 1e-3  # opacity of the line over that of the continuum: fainter lines are left out
MOST_STEP, MOST_CHANGE = 0.3, 1.2  # dex in a round and in all
SAME_FEATURE = 2.5  # km/s: lines of a species this near share their change
HYDROGEN = (6562.8, 4861.3, 4340.5, 4101.7, 3970.1, 3889.1)  # A; cores not in LTE
HYDROGEN_CORE = 4.0  # A to either side
# Lines that are added: Fe I of the excitation that most weak lines of the Sun have
ADDED = {"number": 26, "ionization": 1, "excitation": 4.2, "log_gf": -2.0}
ADDED_DEPTH = 0.03  # observed depth that no line explains


class SolarWindow:
    """A window of the spectrum of the Sun, synthesised again and again with other log gf."""

    def __init__(self, engine, structure, low, high, observed):
        self.engine, self.structure = engine, structure
        self.wave = make_velocity_grid(low - OVERLAP, high + OVERLAP, STEP)
        self.inside = (self.wave > low) & (self.wave < high)
        wave, flux = observed
        width = np.median(np.diff(wave)) / np.mean(self.wave) * LIGHT  # km/s a pixel
        smooth = gaussian_filter1d(flux, 0.5 * STEP / width)
        self.observed = np.interp(self.wave, wave, smooth)
        seen = np.isfinite(flux) & (flux > GAP * np.nanmedian(flux))  # HARPS has a gap at 5320 A
        self.seen = np.interp(self.wave, wave, seen.astype(float)) > 0.99
        self.seen &= np.isfinite(self.observed)
        for first, last in TELLURIC:
            self.seen &= (self.wave < first) | (self.wave > last)

    def synthesise(self, line_list):
        """Model (n_pix,), and strengths (n_lines,) of lines relative to the continuum."""
        with sme.silence_output():
            self.engine.load_model(line_list, self.structure, SUN["mh"], SUN["vmic"])
            flux = self.engine.compute_spectrum(self.wave)
        return gaussian_filter1d(flux, WIDTH / FWHM / STEP), self.engine.line_strength

    def normalise(self, model):
        """Observed flux (n_pix,) on the continuum of the model; the model where not observed."""
        x = np.linspace(-1, 1, len(self.wave))
        ratio = self.observed / model
        good = self.seen
        for _ in range(8):
            curve = np.polynomial.chebyshev.chebfit(
                x[good], ratio[good], CONTINUUM_ORDER, w=model[good] ** 2
            )
            fitted = np.polynomial.chebyshev.chebval(x, curve)
            residual = ratio / fitted - 1
            scatter = 1.4826 * np.median(np.abs(residual[good]))
            good = self.seen & (np.abs(residual) < max(2.5 * scatter, 0.003))
        return np.where(self.seen, self.observed / fitted, model)


def find_changes(wave, model, observed, atomic, strength):
    """Changes (n_lines,) of log gf that bring the model nearer to the observed flux.

    A line takes part in the change at its centre by its species' share of the opacity there.
    """
    depth = np.interp(atomic[:, 2], wave, 1 - model)
    target = np.interp(
        atomic[:, 2], wave, gaussian_filter1d(1 - observed, 0.5 * WIDTH / FWHM / STEP)
    )
    depth_at_core = np.interp(
        atomic[:, 2], wave, gaussian_filter1d(1 - model, 0.5 * WIDTH / FWHM / STEP)
    )
    change = np.log10(optical_depth(target) / optical_depth(depth_at_core))
    fitted = (np.maximum(depth, target) > SHALLOW) & (np.maximum(depth, target) < DEEP)
    fitted &= (atomic[:, 0] > 2) & (atomic[:, 0] < 100)
    near_hydrogen = np.abs(atomic[:, 2, None] - np.array(HYDROGEN)).min(axis=1) < HYDROGEN_CORE
    share = compute_shares(atomic, np.minimum(strength, 10.0))
    change = np.where(fitted & ~near_hydrogen, change * share, 0)
    return np.clip(change, -MOST_STEP, MOST_STEP)


def optical_depth(depth):
    """A measure of line strength that grows linearly with gf, from line depths below 1."""
    return -np.log(1 - np.clip(depth, 0, 0.92)) + SOFT


def compute_shares(atomic, strength):
    """Share (n_lines,) of the opacity at each line's centre that its species contributes."""
    velocity = np.log(atomic[:, 2]) * LIGHT
    species = atomic[:, 0] * 10 + atomic[:, 1]
    share = np.zeros(len(atomic))
    for i, v in enumerate(velocity):
        low, high = np.searchsorted(velocity, [v - WIDTH, v + WIDTH])
        near = np.exp(-4 * np.log(2) * ((velocity[low:high] - v) / WIDTH) ** 2)
        amount = strength[low:high] * near
        own = (species[low:high] == species[i]) & (np.abs(velocity[low:high] - v) < SAME_FEATURE)
        share[i] = amount[own].sum() / max(amount.sum(), 1e-30)
    return share


def find_unexplained(wave, model, observed):
    """Wavelengths (n,) of observed features that the model lacks."""
    missing = gaussian_filter1d(model - observed, 0.3 * WIDTH / FWHM / STEP)
    reach = int(1.2 * WIDTH / STEP)
    is_peak = (missing > ADDED_DEPTH) & (-missing == minimum_filter1d(-missing, reach))
    is_peak &= np.abs(wave[:, None] - np.array(HYDROGEN)).min(axis=1) > 2 * HYDROGEN_CORE
    return wave[is_peak & (model > 1 - DEEP)]


def make_added(wave):
    """Lines (n, 8) of Fe I at wavelengths (n,)."""
    atomic = np.zeros((len(wave), len(lines.COLUMNS)))
    atomic[:, 0], atomic[:, 1], atomic[:, 2] = ADDED["number"], ADDED["ionization"], wave
    atomic[:, 3], atomic[:, 4] = ADDED["excitation"], ADDED["log_gf"]
    return atomic


def fit_window(window, atomic):
    """Fit a window.

    Parameters
    ----------
    window : SolarWindow
    atomic : array (n, 8)
        Lines sorted by wavelength.

    Returns
    -------
    change : array (n,)
        Changes of log gf.
    added : array (m, 8)
        New lines inside the window.
    before, after : float
        Mean |observed - model| inside.
    """
    change = np.zeros(len(atomic))
    added = np.zeros((0, atomic.shape[1]))
    errors = []
    for turn in range(ROUNDS + 1):
        moved = atomic.copy()
        moved[:, 4] += change
        everything = np.vstack([moved, added])
        order = np.argsort(everything[:, 2], kind="stable")
        everything = everything[order]
        names = lines.species_names(everything)
        model, strength = window.synthesise(lines.LineList(names, everything))
        observed = window.normalise(model)
        errors.append(np.abs(observed - model)[window.inside].mean())
        if turn == ROUNDS:
            break
        steps = np.empty(len(everything))
        steps[order] = find_changes(window.wave, model, observed, everything, strength)
        change = np.clip(change + steps[: len(atomic)], -MOST_CHANGE, MOST_CHANGE)
        added[:, 4] += steps[len(atomic) :]
        if turn in (2, 4):
            found = find_unexplained(window.wave, model, observed)
            low, high = window.wave[window.inside][[0, -1]]
            new = make_added(found[(found > low) & (found < high)])
            added = np.vstack([added, new])
    return change, added, errors[0], errors[-1]


def read_sun(path):
    """Wavelengths in air (n,) and flux (n,) of the Sun in a file."""
    [sun] = readers.read_spectra(path, spectrum.ReadOptions())
    return np.asarray(sun.wave, float), np.asarray(sun.flux, float)


def main(path):
    """Measure the corrections on the spectrum of the Sun in a file and write SOLAR_FILE."""
    wave, flux = read_sun(Path(path).resolve())
    sme.enter_sandbox()
    engine = sme.Engine()
    structure = sme.make_atmosphere("marcs", SUN["teff"], SUN["logg"], SUN["mh"])
    atomic = lines.read_atomic_lists()
    change = np.zeros(len(atomic))
    added = []
    edges = np.arange(max(wave[0], lines.COVERAGE[0][0]) + OVERLAP, wave[-1] - OVERLAP, WINDOW)
    for low, high in zip(edges[:-1], edges[1:]):
        line_list, rows = lines.select_lines(atomic, low - OVERLAP, high + OVERLAP)
        window = SolarWindow(engine, structure, low, high, (wave, flux))
        if window.seen.mean() < LEAST_SEEN:
            print(f"{low:.0f}-{high:.0f} A: not observed")
            continue
        _, strength = window.synthesise(line_list)
        rows, line_list = rows[strength > FAINT], line_list[strength > FAINT]
        moved, new, before, after = fit_window(window, line_list.atomic)
        inside = (rows >= 0) & (line_list.atomic[:, 2] >= low) & (line_list.atomic[:, 2] < high)
        change[rows[inside]] = moved[inside]
        added.append(new)
        print(
            f"{low:.0f}-{high:.0f} A: mean |dF| {before:.4f} before, {after:.4f} after, "
            f"{len(new)} lines added",
            flush=True,
        )
    added = np.vstack(added)
    with replace_file(lines.SOLAR_FILE) as tmp, tmp.open("wb") as file:
        np.savez_compressed(file, change=change.astype("f2"), added=added.astype("f8"))
    checksums.record_checksum(lines.SOLAR_FILE)
    print(f"{lines.SOLAR_FILE}: {np.count_nonzero(change)} lines moved, {len(added)} added")


if __name__ == "__main__":
    main(*sys.argv[1:])
