"""Equation of state and opacities from SMElib, tabulated in temperature and gas pressure.

Line opacity is stored as an opacity distribution function: in each wavelength bin the sorted
opacities at random wavelengths, averaged in sub-bins (Kurucz 1970, SAO Special Report 309). The
tables are the input of `equilibrium`; they are cached, not packaged.
"""

import numpy as np
from scipy.interpolate import PchipInterpolator

from starlabels.synthesis import sme
from starlabels.tools.rebuild.lines import read_full_range_lines

BOLTZMANN = 1.380649e-16  # erg/K
EV_PER_K = 8.617333e-5
LOG_T = np.linspace(np.log10(1900), np.log10(60000), 80)  # of the equation of state; T in K
LOG_P = np.arange(-3.0, 6.76, 0.25)  # gas pressure in dyn/cm2
ODF_T = np.r_[np.geomspace(2600, 14000, 17), np.geomspace(16000, 40000, 4)]
ODF_LOG_P = np.linspace(-1.0, 5.75, 11)
BIN_EDGES = np.r_[
    600, 912, 1000, 1100, 1240, 1444, 1682, 1850, 2076, 2250, 2514, 2750, 3000, 3250, 3450, 3646,
    3850, 4050, 4300, 4600, 5000, 5500, 6200, 7000, 7600, 8206, 9500, 11000, 13000, 14588, 17000,
    22784, 30000, 50000.0,
]  # A  # fmt: skip
N_SAMPLES = 60  # wavelengths per bin
SUB_BINS = np.array([6] * 9 + [4, 2])  # sorted samples per sub-bin: finest at the peaks
VMIC = 2.0  # km/s
# Lines that the public lists lack: predicted ones everywhere, and weak ones of neutral atoms and
# molecules that fill the gaps between strong lines. Chosen so that T(tau) and spectra agree with
# published models (ATLAS9 Sun and 8250 K, PHOENIX 5500 and 9600 K, MARCS 5000 K). Without them the
# Sun is 60 K too cool at tau = 0.3.
ALL_LINES = 1.6  # factor on every line opacity
GAP_LINES = 4.0  # factor on the weakest GAP_SUB_BINS below GAP_WAVE, where iron is neutral
GAP_SUB_BINS = 7
GAP_WAVE = 6200.0  # A
GAP_NEUTRAL = 0.1  # neutral fraction of iron at which half of the factor (in log) applies
IRON_IONISATION = 7.9  # eV
LINE_CUT = 1e-2  # line-to-continuum opacity


def is_convergent(temperature, pressure):
    """Boolean array: True where SMElib's equation of state converges; else it ends the process."""
    t = np.asarray(temperature)
    limit = np.select([t < 2400, t < 5000, t < 6000, t < 8500], [5.6, 6.26, 6.01, 5.51], 5.76)
    return np.log10(pressure) <= limit


def solve_saha_electrons(temperature, pressure, mh=0.0):
    """Electron density (cm^-3) of H, He and two mean metals, by bisection.

    temperature in K, pressure in dyn/cm2. It is a safe start for SMElib's equation of state.
    """
    kt = EV_PER_K * temperature
    total = pressure / (BOLTZMANN * temperature)
    thermal = 2.4147e15 * temperature**1.5  # 2 (2 pi m k T / h^2)^3/2 / 2
    # Abundance, ionisation energy (eV), ratio of statistical weights
    species = [
        (1.0, 13.598, 1.0),
        (0.085, 24.587, 4.0),
        (8e-5 * 10**mh, 7.8, 2.0),
        (5e-6 * 10**mh, 5.6, 2.0),
    ]
    low = np.full(temperature.shape, -12.0)
    high = np.full(temperature.shape, -0.301)
    for _ in range(60):
        middle = 0.5 * (low + high)
        electrons = 10**middle * total
        nuclei = (total - electrons) / 1.0852
        released = 0.0
        for abundance, ionisation, weight in species:
            saha = weight * thermal * np.exp(-ionisation / kt)
            released = released + abundance * nuclei * saha / (saha + electrons)
        is_too_low = released > electrons
        low = np.where(is_too_low, middle, low)
        high = np.where(is_too_low, high, middle)
    return 10 ** (0.5 * (low + high)) * total


def _fill_table(log_values, valid):
    """Table (n_T, n_P) of values where valid; elsewhere extrapolated along pressure."""
    table = np.full(valid.shape, np.nan)
    table[valid] = log_values
    for row in table:
        last = np.flatnonzero(np.isfinite(row))[-1]
        slope = np.clip(row[last] - row[last - 1], -0.25, 0.4)
        row[last + 1 :] = row[last] + slope * np.arange(1, len(row) - last)
    return table


def tabulate_equation_of_state(engine, mh, batch=250):
    """Tables {name: (n_T, n_P)} on LOG_T, LOG_P.

    log10 of electron, atom and mass density (cgs) and of the opacity at 5000 A (cm2/g).
    """
    temperature, pressure = np.meshgrid(10**LOG_T, 10**LOG_P, indexing="ij")
    valid = is_convergent(temperature, pressure)
    t, p = temperature[valid], pressure[valid]
    one_line = read_full_range_lines()[[0]]
    columns = []
    for start in range(0, len(t), batch):
        rows = slice(start, start + batch)
        total = p[rows] / (BOLTZMANN * t[rows])
        electrons = solve_saha_electrons(t[rows], p[rows])
        depth = np.linspace(1, 2, len(total))  # a list of points, not an atmosphere
        points = sme.make_structure(depth, t[rows], electrons, total - electrons, total * 2e-24)
        engine.load_model(one_line, points, mh, 1.0, adopt_eos=True)
        densities = engine.get_densities()
        engine.lib.InputWaveRange(4000.0, 6000.0)
        engine.lib.Opacity()
        columns.append(np.array([*densities, engine.get_continuum_opacity(5000.0)[2]]))
    logs = np.log10(np.maximum(np.hstack(columns), 1e-30))
    names = ("n_electron", "n_atom", "density", "kappa_5000")
    return {name: _fill_table(column, valid) for name, column in zip(names, logs)}


def tabulate_distribution_functions(engine, mh, eos):
    """log10 opacity (cm2/g) of one metallicity: {"line", "absorption", "scattering"}.

    Lines (n_bin, n_sub, n_T, n_P), continuum absorption and scattering (n_bin, n_T, n_P).
    """
    lines = read_full_range_lines()
    rng = np.random.default_rng(1)
    temperature, pressure = np.meshgrid(ODF_T, 10**ODF_LOG_P, indexing="ij")
    valid = is_convergent(temperature, pressure)
    t, p = temperature[valid], pressure[valid]
    densities = [look_up(eos[name], t, p) for name in ("n_electron", "n_atom", "density")]
    points = sme.make_structure(np.linspace(1, 2, len(t)), t, *densities)
    line, absorption, scattering = [], [], []
    for low, high in zip(BIN_EDGES[:-1], BIN_EDGES[1:]):
        margin = min(20.0, 0.01 * low) + 5
        engine.load_model(_select_bin_lines(lines, low, high, margin, mh), points, mh, VMIC)
        engine.select_lines(low - margin, high + margin, LINE_CUT)
        middle = np.sqrt(low * high)
        # Prepares the lines
        wave = np.array([middle, middle + 0.1])
        engine.lib.Transf(np.array([1.0]), wave=wave, accrt=LINE_CUT)
        samples = low + (high - low) * (np.arange(N_SAMPLES) + rng.random(N_SAMPLES)) / N_SAMPLES
        opacity = [np.maximum(engine.get_line_opacity(wave), 1e-30) for wave in samples]
        parts = np.split(np.sort(opacity, axis=0), np.cumsum(SUB_BINS)[:-1])
        line.append([_fill_table(np.log10(part.mean(axis=0)), valid) for part in parts])
        continuum = np.log10(np.maximum(engine.get_continuum_opacity(middle), 1e-30))
        absorption.append(_fill_table(continuum[0], valid))
        scattering.append(_fill_table(continuum[1], valid))
    return {
        "line": np.array(line),
        "absorption": np.array(absorption),
        "scattering": np.array(scattering),
    }


def _select_bin_lines(lines, low, high, margin, mh):
    """The lines that matter between two wavelengths (A); at least one."""
    number, wave, excitation, log_gf = lines.atomic[:, [0, 2, 3, 4]].T
    strong = log_gf + mh - excitation * 5040 / 9000 > -5.5
    metal = (number != 1) & (wave > low - margin) & (wave < high + margin) & strong
    hydrogen = (number == 1) & (wave > low * 0.93) & (wave < high * 1.07)
    keep = metal | hydrogen
    if not keep.any():
        keep[np.argmin(np.abs(wave - np.sqrt(low * high)))] = True
    return lines[keep]


def look_up(table, temperature, pressure):
    """10**table at temperatures (K) and gas pressures (dyn/cm2).

    Bilinear in the logarithms on the grid of the equation of state; constant beyond its edges.
    """
    x = np.clip((np.log10(temperature) - LOG_T[0]) / (LOG_T[1] - LOG_T[0]), 0, len(LOG_T) - 1.001)
    y = np.clip((np.log10(pressure) - LOG_P[0]) / (LOG_P[1] - LOG_P[0]), 0, len(LOG_P) - 1.001)
    i, j = x.astype(int), y.astype(int)
    f, g = x - i, y - j
    low = (1 - f) * table[i, j] + f * table[i + 1, j]
    high = (1 - f) * table[i, j + 1] + f * table[i + 1, j + 1]
    return 10 ** ((1 - g) * low + g * high)


def tabulate_metallicity(mh):
    """All tables {name: array} of one metallicity; takes about a minute."""
    engine = sme.Engine()
    eos = tabulate_equation_of_state(engine, mh)
    return eos | tabulate_distribution_functions(engine, mh, eos)


def add_missing_lines(tables):
    """log10 line opacity (n_bin, n_sub, n_T, n_P) of the tables with the missing lines added."""
    temperature, pressure = np.meshgrid(ODF_T, 10**ODF_LOG_P, indexing="ij")
    electrons = look_up(tables["n_electron"], temperature, pressure)
    saha = 2 * 2.4147e15 * temperature**1.5 * np.exp(-IRON_IONISATION / (EV_PER_K * temperature))
    neutral = electrons / (electrons + saha)
    gaps = np.log10(GAP_LINES) * neutral / (neutral + GAP_NEUTRAL)  # (n_T, n_P)
    line = tables["line"] + np.log10(ALL_LINES)
    line[BIN_EDGES[1:] <= GAP_WAVE, :GAP_SUB_BINS] += gaps
    return line


class Opacities:
    """Opacities of one metallicity, for fast look-up along an atmosphere."""

    # Finer temperature steps by monotone cubics: a smooth derivative for Newton's method
    REFINE = 5

    def __init__(self, tables):
        log_t = np.log10(ODF_T)
        fine = np.linspace(log_t[0], log_t[-1], self.REFINE * len(log_t))
        line = add_missing_lines(tables)
        n_bin, n_sub = line.shape[:2]
        line = line.reshape(n_bin * n_sub, *line.shape[2:])
        flat = np.concatenate([line, tables["absorption"], tables["scattering"]])
        spline = PchipInterpolator(log_t, np.moveaxis(flat, 0, -1), axis=0)
        self.table = np.ascontiguousarray(spline(fine))
        self.log_t = fine
        self.n_bin = n_bin
        self.n_sub = n_sub

    def __call__(self, temperature, pressure):
        """Absorption and scattering (n_bin, n_sub, ...) in cm2/g.

        temperature in K, gas pressure in dyn/cm2.
        """
        dt = self.log_t[1] - self.log_t[0]
        dp = ODF_LOG_P[1] - ODF_LOG_P[0]
        x = np.clip((np.log10(temperature) - self.log_t[0]) / dt, 0, len(self.log_t) - 1.001)
        y = np.clip((np.log10(pressure) - ODF_LOG_P[0]) / dp, 0, len(ODF_LOG_P) - 1.001)
        i, j = x.astype(int), y.astype(int)
        f, g = (x - i)[..., None], (y - j)[..., None]
        low = (1 - f) * self.table[i, j] + f * self.table[i + 1, j]
        high = (1 - f) * self.table[i, j + 1] + f * self.table[i + 1, j + 1]
        values = np.moveaxis(10 ** ((1 - g) * low + g * high), -1, 0)
        n_line = self.n_bin * self.n_sub
        line = values[:n_line].reshape(self.n_bin, self.n_sub, *values.shape[1:])
        absorption = values[n_line : n_line + self.n_bin]
        scattering = values[n_line + self.n_bin :]
        return line + absorption[:, None], np.broadcast_to(scattering[:, None], line.shape)
