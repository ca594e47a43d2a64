"""Rebuild data/atmospheres: `python -m starlabels.tools.rebuild.atmospheres [workers]`; about 1.5 hours on 2 cores.

Resumable: opacity tables (one a metallicity, 1 min) and sequences of models (one a metallicity and gravity, 1-2 min) are
kept in data/downloads as they finish. Along a sequence each model starts from those before it.
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
from starlabels.tools.rebuild import equilibrium
from starlabels.tools.rebuild import opacity as op

CACHE = Path("data/downloads").absolute()
MH = np.arange(-2.0, 1.51, 0.5)  # dex
LOGG = np.array(
    [1.5, 2.5, 3.0, 3.5, 4.0, 4.5, 5.5]
)  # dex(cm/s2); closer where the convection zone of A and F stars ends
TEFF = np.arange(4500.0, 11001.0, 250.0)  # K
START = (
    9500.0,
    9000.0,
    10000.0,
    8500.0,
    8000.0,
)  # hot models converge from a grey guess, cool ones need a neighbour
LOG_TAU = np.linspace(-6, 2, 64)  # of tau_5000
ACCEPT = 0.05  # largest relative flux error of a model that others may start from
WIDEST_GAP = 1500.0  # K
EXTRAPOLATE_BELOW = (
    0.5  # log tau: deeper, convection makes T(tau) too curved to extrapolate from two models
)


def linear(x, known_x, values):
    """Interpolate, and extrapolate from the two points at either end."""
    result = np.interp(x, known_x, values)
    low, high = x < known_x[0], x > known_x[-1]
    result[low] = values[0] + (x[low] - known_x[0]) * (values[1] - values[0]) / (
        known_x[1] - known_x[0]
    )
    result[high] = values[-1] + (x[high] - known_x[-1]) * (values[-1] - values[-2]) / (
        known_x[-1] - known_x[-2]
    )
    return result


def hydrostatic(kappa_5000, temperature, gravity, radiation_pressure):
    """Column mass (g/cm2) on LOG_TAU for given temperatures, by fixed-point steps of dm = dtau / kappa_5000."""
    tau, column = 10**LOG_TAU, np.empty(len(LOG_TAU))
    pressure = 1.0
    for _ in range(60):
        pressure = 0.5 * (
            pressure + gravity * tau[0] / op.lookup(kappa_5000, temperature[0], pressure)
        )
    column[0], above = pressure / gravity, op.lookup(kappa_5000, temperature[0], pressure)
    for i in range(1, len(tau)):
        mass = column[i - 1] * tau[i] / tau[i - 1]
        for _ in range(15):
            gas = max(
                gravity * mass - radiation_pressure[i], equilibrium.FEWEST_PRESSURE * gravity * mass
            )
            here = op.lookup(kappa_5000, temperature[i], gas)
            mass = 0.5 * (mass + column[i - 1] + (tau[i] - tau[i - 1]) / (0.5 * (above + here)))
        column[i], above = mass, here
    return column


def on_log_tau(model, kappa_5000):
    """ln of column mass, temperature, gas and radiation pressure of a solved model on LOG_TAU, (4, n_layer)."""
    kappa = op.lookup(kappa_5000, model.temperature, model.pressure)
    steps = 0.5 * (kappa[1:] + kappa[:-1]) * np.diff(model.column)
    log_tau = np.log10(kappa[0] * model.column[0] + np.r_[0.0, np.cumsum(steps)])
    radiation = np.maximum(model.radiation_pressure, 1e-10)
    quantities = (model.column, model.temperature, model.pressure, radiation)
    return np.array([linear(LOG_TAU, log_tau, np.log(quantity)) for quantity in quantities])


def solve_from(neighbours, opacities, kappa_5000, teff, logg):
    """Solve one model from up to two (teff, structure) neighbours, or from a grey guess; its structure and flux error."""
    if not neighbours:
        column, temperature = equilibrium.first_guess(opacities, kappa_5000, teff, logg, LOG_TAU)
        radiation = np.zeros_like(column)
    else:
        nearest, structure = neighbours[-1]
        theta = structure[1] - np.log(nearest)
        if len(neighbours) > 1:
            before, older = neighbours[-2]
            slope = (theta - older[1] + np.log(before)) / (nearest - before)
            theta = theta + np.where(LOG_TAU < EXTRAPOLATE_BELOW, slope * (teff - nearest), 0.0)
        temperature = np.maximum.accumulate(teff * np.exp(theta)) * np.linspace(
            1, 1.001, len(LOG_TAU)
        )
        radiation = np.exp(structure[3]) * (teff / nearest) ** 4
        column = hydrostatic(kappa_5000, temperature, 10**logg, radiation)
    model = equilibrium.Model(opacities, teff, logg, column, temperature, radiation)
    error = equilibrium.solve(model)
    return on_log_tau(model, kappa_5000), error


def sequence(logg, mh):
    """All TEFF of one gravity and metallicity: structures (n_teff, 4, n_layer) and flux errors (n_teff,), kept on disk."""
    path = CACHE / f"models_{logg:.2f}_{mh:+.2f}.npz"
    if path.exists():
        return
    kappa_5000, opacities = load_opacities(mh)
    solved = {}
    for start in START:
        solved[start] = solve_from([], opacities, kappa_5000, start, logg)
        if solved[start][1] < ACCEPT:
            break
    for teffs in (TEFF[TEFF > start], TEFF[TEFF < start][::-1]):
        neighbours = [(start, solved[start][0])]
        for teff in teffs:
            solved[teff] = solve_from(neighbours, opacities, kappa_5000, teff, logg)
            if solved[teff][1] < ACCEPT:
                neighbours.append((teff, solved[teff][0]))
    structures, errors = zip(*(solved[teff] for teff in TEFF))
    _save(path, structures=np.array(structures), errors=np.array(errors))


def opacity_file(mh):
    """Path of the opacity tables of one metallicity."""
    return CACHE / f"opacity_{mh:+.2f}.npz"


def load_opacities(mh):
    """The table of the opacity at 5000 A and the Opacities of one metallicity."""
    with np.load(opacity_file(mh)) as tables:
        return tables["kappa_5000"], op.Opacities({key: tables[key] for key in tables})


def opacity(mh):
    """Tabulate one metallicity unless it is on disk; SMElib, so in a worker process only."""
    if not opacity_file(mh).exists():
        sme.enter_sandbox()
        _save(opacity_file(mh), **op.tabulate(mh))


def _save(path, **arrays):
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    temporary.replace(path)


def rescue(metallicities):
    """Solve again the models that did not converge, each metallicity (from solar outwards) with the one before as a help."""
    inner = None
    for mh in metallicities:
        if not rescued_file(mh).exists():
            found = [np.load(CACHE / f"models_{logg:.2f}_{mh:+.2f}.npz") for logg in LOGG]
            structures, errors = (
                np.array([f["structures"] for f in found]),
                np.array([f["errors"] for f in found]),
            )
            for _ in range(2):
                solve_from_all(structures, errors, mh, inner)
            _save(rescued_file(mh), structures=structures, errors=errors)
        with np.load(rescued_file(mh)) as done:
            inner = done["structures"], done["errors"]


def solve_from_all(structures, errors, mh, inner):
    """Try each model (n_logg, n_teff) above ACCEPT from its neighbours in metallicity, temperature and gravity, in place."""
    kappa_5000, opacities = load_opacities(mh)
    for k, j in product(
        range(len(TEFF))[::-1], range(len(LOGG))[::-1]
    ):  # hot and dense ones converge most easily
        beside = [(j, k + 1), (j + 1, k), (j - 1, k), (j, k - 1)]
        starts = [(inner[0], inner[1], (j, k))] if inner else []
        starts += [
            (structures, errors, near)
            for near in beside
            if near[0] in range(len(LOGG)) and near[1] in range(len(TEFF))
        ]
        for some_structures, some_errors, near in starts:
            if errors[j, k] < ACCEPT:
                break
            if some_errors[near] < ACCEPT:
                neighbour = [(TEFF[near[1]], some_structures[near])]
                structure, error = solve_from(neighbour, opacities, kappa_5000, TEFF[k], LOGG[j])
                if error < errors[j, k]:
                    structures[j, k], errors[j, k] = structure, error


def rescued_file(mh):
    """Path of all models of one metallicity, after `rescue`."""
    return CACHE / f"rescued_{mh:+.2f}.npz"


def fill(structures, errors):
    """Interpolate in Teff, in place, the few models that never converged between two of the same gravity that did.

    Those in gaps wider than WIDEST_GAP, or at the end of a sequence, stay and are refused by `atmosphere.builtin`.
    """
    for i, j in product(range(len(MH)), range(len(LOGG))):
        good = np.flatnonzero(errors[i, j] < ACCEPT)
        for k in np.flatnonzero(errors[i, j] >= ACCEPT):
            below, above = good[good < k], good[good > k]
            if len(below) and len(above) and TEFF[above[0]] - TEFF[below[-1]] <= WIDEST_GAP:
                t = (TEFF[k] - TEFF[below[-1]]) / (TEFF[above[0]] - TEFF[below[-1]])
                structures[i, j, k] = (1 - t) * structures[i, j, below[-1]] + t * structures[
                    i, j, above[0]
                ]
                errors[i, j, k] = 0.99 * ACCEPT


def assemble():
    """Gather all sequences into the packaged table (float32, natural logs)."""
    shape = (len(MH), len(LOGG), len(TEFF))
    found = [np.load(rescued_file(mh)) for mh in MH]
    structures, errors = (
        np.array([f["structures"] for f in found]),
        np.array([f["errors"] for f in found]),
    )
    fill(structures, errors)
    densities = np.empty((*shape, 3, len(LOG_TAU)))
    for i, mh in enumerate(MH):
        temperature, pressure = np.exp(structures[i, :, :, 1]), np.exp(structures[i, :, :, 2])
        with np.load(opacity_file(mh)) as tables:
            for k, name in enumerate(("n_electron", "n_atom", "density")):
                densities[i, :, :, k] = np.log(op.lookup(tables[name], temperature, pressure))
    table = np.concatenate([structures[..., :2, :], densities], axis=-2).astype("f4")
    TABLE_FILE.parent.mkdir(parents=True, exist_ok=True)
    _save(
        TABLE_FILE,
        mh=MH,
        logg=LOGG,
        teff=TEFF,
        log_tau=LOG_TAU,
        table=table,
        flux_error=errors.astype("f4"),
    )
    checksums.record_checksum(TABLE_FILE)
    poor, bad = (errors > 0.01).sum(), (errors > ACCEPT).sum()
    print(
        f"{TABLE_FILE}: {errors.size} models, flux error above 1 % in {poor}, above {ACCEPT:.0%} in {bad}"
    )


def main(workers=2):
    CACHE.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        list(pool.map(opacity, MH))
        order = sorted(product(LOGG, MH), key=lambda point: abs(point[1]))
        list(pool.map(sequence, *zip(*order)))
        list(pool.map(rescue, [MH[MH >= 0], MH[MH < 0][::-1]]))
    assemble()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
