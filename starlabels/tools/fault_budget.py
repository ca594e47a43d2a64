"""Measure how faults of observed spectra change the predicted labels of synthetic stars.

Reads  models/<run>/ of --model; the node library
Writes budget.png into the folder of --out (default: figures/<run>), and prints a table

python -m starlabels.tools.fault_budget --model models/<run>
"""

from pathlib import Path

import numpy as np

from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.spectra import faults
from starlabels.stages import command_line
from starlabels.stages.predict import find_model_config
from starlabels.tools.fault_bench import (
    MIN_STARS,
    OTHER_VMIC,
    draw_stars,
    open_bench,
    predict_labels,
    stack_labels,
    synthesise_flux,
)
from starlabels.tools.fault_table import describe_costs, format_table, summarize_fault

VMIC = 2.0  # km/s


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument(
        "--model", type=Path, required=True, help="folder of the trained model, models/<run>"
    )
    parser.add_argument("--out", type=Path, help="folder of the figure (default: figures/<run>)")
    parser.add_argument("--n-stars", type=int, default=300, help="synthetic stars (default: 300)")


def print_fault_budget(run, args):
    """Print the effects of all faults, and draw budget.png."""
    from starlabels.plots import fault_budget as plots

    cfg = run.cfg
    if args.n_stars < MIN_STARS:
        raise UserError(f"--n-stars {args.n_stars}: expected {MIN_STARS} or more")
    bench = open_bench(cfg, args.model)
    names = bench.model.names
    effects = measure_faults(bench, draw_stars(cfg, bench.sampler, args.n_stars), cfg.seed)
    print(*format_table(effects, names), NOTE, *describe_costs(effects, names), sep="\n")
    folder = args.out or run.paths.figure_dir
    print(plots.draw_fault_budget(effects, names, folder / "budget.png"))


# Each function below disturbs the stars of `labels` {name: (n,)}, whose flux without faults is
# `flux` (n, n_pix), and returns the predictions [{mean, err, flags}], one for each sign.


def shift_velocity(bench, labels, flux, velocity, rng):
    """Shift the spectra by +- velocity (km/s)."""
    shifts = [np.full(len(flux), sign * velocity) for sign in (1, -1)]
    return [predict_labels(bench, synthesise_flux(bench, labels | {"rv": rv})) for rv in shifts]


def bend_continuum(bench, labels, flux, percent, rng):
    """Multiply the normalised spectra by smooth curves with that rms, the errors of the fit."""
    factor = faults.draw_continuum_shapes(*flux.shape, bench.order, percent / 100, rng)
    return [predict_labels(bench, flux, factor=factor)]


def lower_resolution(bench, labels, flux, percent, rng):
    """Lower the resolving power."""
    power = np.full(len(flux), bench.resolving_power * (1 - percent / 100))
    return [predict_labels(bench, synthesise_flux(bench, labels | {"resolving_power": power}))]


def drop_pixels(bench, labels, flux, percent, rng):
    """Mark a fraction of the pixels as missing."""
    missing = rng.uniform(size=flux.shape) < percent / 100
    return [predict_labels(bench, np.where(missing, np.nan, flux))]


def add_white_noise(bench, labels, flux, snr, rng):
    """Add white noise of sigma = mean flux / S/N, as in training."""
    # imports keras, which start_keras has to set up first
    from starlabels.learning.noisy_spectra import add_noise

    noisy = add_noise(flux.copy(), np.full(len(flux), float(snr)), rng)
    return [predict_labels(bench, noisy, float(snr))]


def change_log_gf(bench, labels, flux, dex, rng):
    """Change the log gf of each line by a random error.

    An error of log gf acts on a line like the same error of its element's abundance. So the errors
    (dex) multiply the change of the flux with [M/H] in the nodes, which leaves hydrogen unchanged:
    its log gf are exact. 0.1 dex change a weak line by 26 % of its depth, saturated lines by less,
    and by 7 % in the mean. The rms is within 15 % of the rms of spectra of six stars of
    5000-9000 K that SMElib computed with random log gf at R = 20 000.
    """
    wave, power = bench.wave, bench.resolving_power
    slope = bench.sampler.compute_sensitivities(labels, ["mh"], wave, power)[:, 0]  # per dex
    errors = faults.draw_line_errors(len(flux), wave, power, dex, rng)
    return [predict_labels(bench, flux + slope * errors)]


FAULTS = {  # {kind, with {} for the size: (function, sizes from mild to severe)}
    "a radial velocity wrong by {} km/s": (shift_velocity, (1, 3, 10)),
    "a continuum wrong by {} %": (bend_continuum, (0.5, 1, 2)),
    "a resolving power {} % lower": (lower_resolution, (5, 20)),
    "a loss of {} % of the pixels": (drop_pixels, (1, 5, 20)),
    "noise of S/N {}": (add_white_noise, (20,)),
    "log gf wrong by {} dex": (change_log_gf, (0.1,)),
}
NOTE = "(velocities: root mean squares of both signs)"
NO_FAULT = "no fault, against the truth"


def measure_faults(bench, labels, seed):
    """FaultEffects of the stars of `labels` {name: (n,)}: without fault, then with each fault."""
    flux = synthesise_flux(bench, labels)
    base = predict_labels(bench, flux)
    effects = [summarize_fault(NO_FAULT, NO_FAULT, [base], stack_labels(bench, labels))]
    every = [(kind, size) for kind, (_, sizes) in FAULTS.items() for size in sizes]
    for kind, size in show_progress(every, "faults"):
        # the same random curves for all sizes of a kind
        rng = np.random.default_rng((seed, *kind.encode()))
        predictions = FAULTS[kind][0](bench, labels, flux, size, rng)
        effects.append(summarize_fault(kind, kind.format(size), predictions, base["mean"]))
    return effects + measure_vmic(bench, labels)


def measure_vmic(bench, labels):
    """FaultEffects of each other vmic, compared with the same stars at VMIC.

    If vmic is a predicted label, its true change is not counted as an error. A printed line names
    a vmic for which the nodes are missing.
    """
    effects = []
    kind = "a vmic of {} km/s, not 2"
    n = len(labels["teff"])
    by_vmic = {vmic: labels | {"vmic": np.full(n, vmic)} for vmic in (VMIC, *OTHER_VMIC)}
    sound = {vmic: bench.sampler.covers(stars) for vmic, stars in by_vmic.items()}
    for vmic in OTHER_VMIC:
        both = sound[VMIC] & sound[vmic]
        name = kind.format(f"{vmic:g}")
        if both.sum() < MIN_STARS:
            nodes = f"nodes at both for {both.sum()} of {format_count(n)} stars"
            print(f"left out, {name}: {bench.sampler.path} has {nodes}")
            continue
        home = {label: values[both] for label, values in by_vmic[VMIC].items()}
        away = {label: values[both] for label, values in by_vmic[vmic].items()}
        expected = predict_labels(bench, synthesise_flux(bench, home))["mean"]
        expected = expected + stack_labels(bench, away) - stack_labels(bench, home)
        predictions = [predict_labels(bench, synthesise_flux(bench, away))]
        effects.append(summarize_fault(kind, name, predictions, expected))
    return effects


if __name__ == "__main__":
    command_line.run_command(print_fault_budget, __doc__, add_arguments, recipe=find_model_config)
