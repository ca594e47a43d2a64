"""Rebuild data/atmospheres, in about 1.5 hours on 2 cores.

`python -m starlabels.tools.rebuild.atmospheres [WORKERS]`. Resumable: finished opacity tables (one
per metallicity, 1 min) and sequences of models (one per metallicity and gravity, 1-2 min) are
stored in data/downloads. Along a sequence each model starts from the previous ones.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from starlabels.base import checksums
from starlabels.synthesis import sme
from starlabels.synthesis.atmosphere import TABLE_FILE
from starlabels.tools.rebuild import equilibrium, opacity

CACHE = Path("data/downloads").absolute()
MH = np.arange(-2.0, 1.51, 0.5)  # dex
# dex(cm/s2); closer where the convection zone of A and F stars ends
LOGG = np.array([1.5, 2.5, 3.0, 3.5, 4.0, 4.5, 5.5])
TEFF = np.arange(4500.0, 11001.0, 250.0)  # K
# Hot models converge from a grey guess, cool ones need a neighbour
START = (9500.0, 9000.0, 10000.0, 8500.0, 8000.0)
LOG_TAU = np.linspace(-6, 2, 64)  # of tau_5000
ACCEPT = 0.05  # largest relative flux error of a model that others may start from
WIDEST_GAP = 1500.0  # K
# log tau: deeper, convection makes T(tau) too curved to extrapolate from two models
EXTRAPOLATE_BELOW = 0.5


def interpolate_linear(x, known_x, values):
    """Interpolate, and extrapolate from the two points at either end."""
    result = np.interp(x, known_x, values)
    low = x < known_x[0]
    high = x > known_x[-1]
    rise, run = values[1] - values[0], known_x[1] - known_x[0]
    result[low] = values[0] + (x[low] - known_x[0]) * rise / run
    rise, run = values[-1] - values[-2], known_x[-1] - known_x[-2]
    result[high] = values[-1] + (x[high] - known_x[-1]) * rise / run
    return result


def integrate_hydrostatic(kappa_5000, temperature, gravity, radiation_pressure):
    """Column mass (g/cm2) on LOG_TAU at given temperatures.

    Fixed-point steps of dm = dtau / kappa_5000.
    """
    tau = 10**LOG_TAU
    column = np.empty(len(LOG_TAU))
    pressure = equilibrium.solve_top_pressure(kappa_5000, temperature[0], gravity, tau[0])
    column[0] = pressure / gravity
    above = opacity.look_up(kappa_5000, temperature[0], pressure)
    for i in range(1, len(tau)):
        mass = column[i - 1] * tau[i] / tau[i - 1]
        for _ in range(15):
            lowest = equilibrium.FEWEST_PRESSURE * gravity * mass
            gas = max(gravity * mass - radiation_pressure[i], lowest)
            here = opacity.look_up(kappa_5000, temperature[i], gas)
            mass = 0.5 * (mass + column[i - 1] + (tau[i] - tau[i - 1]) / (0.5 * (above + here)))
        column[i] = mass
        above = here
    return column


def resample_on_log_tau(model, kappa_5000):
    """The structure (4, n_layer) of a solved model on LOG_TAU.

    Natural logs of column mass, temperature, gas and radiation pressure.
    """
    kappa = opacity.look_up(kappa_5000, model.temperature, model.pressure)
    steps = 0.5 * (kappa[1:] + kappa[:-1]) * np.diff(model.column)
    log_tau = np.log10(kappa[0] * model.column[0] + np.r_[0.0, np.cumsum(steps)])
    radiation = np.maximum(model.radiation_pressure, 1e-10)
    quantities = (model.column, model.temperature, model.pressure, radiation)
    return np.array(
        [interpolate_linear(LOG_TAU, log_tau, np.log(quantity)) for quantity in quantities]
    )


def solve_from_neighbours(neighbours, opacities, kappa_5000, teff, logg):
    """Solve one model from up to two (teff, structure) neighbours, or from a grey guess.

    Returns its structure (4, n_layer) and flux error.
    """
    if not neighbours:
        column, temperature = equilibrium.guess_structure(
            opacities, kappa_5000, teff, logg, LOG_TAU
        )
        radiation = np.zeros_like(column)
    else:
        nearest, structure = neighbours[-1]
        theta = structure[1] - np.log(nearest)
        if len(neighbours) > 1:
            before, older = neighbours[-2]
            slope = (theta - older[1] + np.log(before)) / (nearest - before)
            theta = theta + np.where(LOG_TAU < EXTRAPOLATE_BELOW, slope * (teff - nearest), 0.0)
        temperature = np.maximum.accumulate(teff * np.exp(theta))
        temperature = temperature * np.linspace(1, 1.001, len(LOG_TAU))
        radiation = np.exp(structure[3]) * (teff / nearest) ** 4
        column = integrate_hydrostatic(kappa_5000, temperature, 10**logg, radiation)
    model = equilibrium.AtmosphereModel(opacities, teff, logg, column, temperature, radiation)
    error = equilibrium.solve_model(model)
    return resample_on_log_tau(model, kappa_5000), error


def solve_sequence(logg, mh):
    """Solve the models of all TEFF at one gravity and metallicity and store them.

    Structures (n_teff, 4, n_layer) and flux errors (n_teff,).
    """
    path = sequence_file(logg, mh)
    if path.exists():
        return
    kappa_5000, opacities = load_opacities(mh)
    solved = {}
    for start in START:
        solved[start] = solve_from_neighbours([], opacities, kappa_5000, start, logg)
        if solved[start][1] < ACCEPT:
            break
    for teffs in (TEFF[TEFF > start], TEFF[TEFF < start][::-1]):
        neighbours = [(start, solved[start][0])]
        for teff in teffs:
            solved[teff] = solve_from_neighbours(neighbours, opacities, kappa_5000, teff, logg)
            if solved[teff][1] < ACCEPT:
                neighbours.append((teff, solved[teff][0]))
    structures, errors = zip(*(solved[teff] for teff in TEFF))
    _save_arrays(path, structures=np.array(structures), errors=np.array(errors))


def sequence_file(logg, mh):
    """Path of the models of one gravity and metallicity."""
    return CACHE / f"models_{logg:.2f}_{mh:+.2f}.npz"


def opacity_file(mh):
    """Path of the opacity tables of one metallicity."""
    return CACHE / f"opacity_{mh:+.2f}.npz"


def load_opacities(mh):
    """The table of the opacity at 5000 A and the Opacities of one metallicity."""
    with np.load(opacity_file(mh)) as tables:
        return tables["kappa_5000"], opacity.Opacities({key: tables[key] for key in tables})


def tabulate_opacity(mh):
    """Tabulate one metallicity unless it is on disk; in a worker process, because of SMElib."""
    if not opacity_file(mh).exists():
        sme.enter_sandbox()
        _save_arrays(opacity_file(mh), **opacity.tabulate_metallicity(mh))


def _save_arrays(path, **arrays):
    """Write an .npz file completely or not at all."""
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    temporary.replace(path)


def rescue_models(metallicities):
    """Solve again the models that did not converge.

    The metallicities are ordered from solar outwards; each starts from the previous one.
    """
    inner = None
    for mh in metallicities:
        if not rescued_file(mh).exists():
            structures, errors = load_models([sequence_file(logg, mh) for logg in LOGG])
            for _ in range(2):
                solve_failed_models(structures, errors, mh, inner)
            _save_arrays(rescued_file(mh), structures=structures, errors=errors)
        with np.load(rescued_file(mh)) as models:
            inner = models["structures"], models["errors"]


def load_models(paths):
    """Structures (n_file, ..., 4, n_layer) and flux errors (n_file, ...) of files of models."""
    files = [np.load(path) for path in paths]
    structures = np.array([file["structures"] for file in files])
    errors = np.array([file["errors"] for file in files])
    return structures, errors


def solve_failed_models(structures, errors, mh, inner):
    """Solve each model (n_logg, n_teff) above ACCEPT from its neighbours, in place.

    Neighbours in metallicity (`inner`: structures and errors), temperature and gravity.
    """
    kappa_5000, opacities = load_opacities(mh)
    # Hot and dense ones converge most easily
    for k, j in product(range(len(TEFF))[::-1], range(len(LOGG))[::-1]):
        starts = [(*inner, (j, k))] if inner else []
        for near in ((j, k + 1), (j + 1, k), (j - 1, k), (j, k - 1)):
            if near[0] in range(len(LOGG)) and near[1] in range(len(TEFF)):
                starts.append((structures, errors, near))
        for start_structures, start_errors, near in starts:
            if errors[j, k] < ACCEPT:
                break
            if start_errors[near] < ACCEPT:
                neighbours = [(TEFF[near[1]], start_structures[near])]
                structure, error = solve_from_neighbours(
                    neighbours, opacities, kappa_5000, TEFF[k], LOGG[j]
                )
                if error < errors[j, k]:
                    structures[j, k] = structure
                    errors[j, k] = error


def rescued_file(mh):
    """Path of all models of one metallicity, after `rescue`."""
    return CACHE / f"rescued_{mh:+.2f}.npz"


def fill_gaps(structures, errors):
    """Interpolate in Teff, in place, the few models that never converged.

    Only between two converged models of the same gravity. Models in gaps wider than WIDEST_GAP, or
    at the end of a sequence, stay and are refused by `atmosphere.interpolate_atmosphere`.
    """
    for i, j in product(range(len(MH)), range(len(LOGG))):
        good = np.flatnonzero(errors[i, j] < ACCEPT)
        for k in np.flatnonzero(errors[i, j] >= ACCEPT):
            below, above = good[good < k], good[good > k]
            if not len(below) or not len(above):
                continue
            low, high = below[-1], above[0]
            if TEFF[high] - TEFF[low] <= WIDEST_GAP:
                t = (TEFF[k] - TEFF[low]) / (TEFF[high] - TEFF[low])
                structures[i, j, k] = (1 - t) * structures[i, j, low] + t * structures[i, j, high]
                errors[i, j, k] = 0.99 * ACCEPT


def assemble_table():
    """Gather all sequences into the packaged table (float32, natural logs)."""
    shape = (len(MH), len(LOGG), len(TEFF))
    structures, errors = load_models([rescued_file(mh) for mh in MH])
    fill_gaps(structures, errors)
    densities = np.empty((*shape, 3, len(LOG_TAU)))
    for i, mh in enumerate(MH):
        temperature = np.exp(structures[i, :, :, 1])
        pressure = np.exp(structures[i, :, :, 2])
        with np.load(opacity_file(mh)) as tables:
            for k, name in enumerate(("n_electron", "n_atom", "density")):
                densities[i, :, :, k] = np.log(opacity.look_up(tables[name], temperature, pressure))
    table = np.concatenate([structures[..., :2, :], densities], axis=-2).astype("f4")
    TABLE_FILE.parent.mkdir(parents=True, exist_ok=True)
    _save_arrays(
        TABLE_FILE,
        mh=MH,
        logg=LOGG,
        teff=TEFF,
        log_tau=LOG_TAU,
        table=table,
        flux_error=errors.astype("f4"),
    )
    checksums.record_checksum(TABLE_FILE)
    n_poor = (errors > 0.01).sum()
    n_bad = (errors > ACCEPT).sum()
    print(
        f"{TABLE_FILE}: {errors.size} models, flux error above 1 % in {n_poor}, "
        f"above {ACCEPT:.0%} in {n_bad}"
    )


def main(workers=2):
    """Rebuild the table with a number of worker processes."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        list(pool.map(tabulate_opacity, MH))
        order = sorted(product(LOGG, MH), key=lambda point: abs(point[1]))
        list(pool.map(solve_sequence, *zip(*order)))
        list(pool.map(rescue_models, [MH[MH >= 0], MH[MH < 0][::-1]]))
    assemble_table()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
