"""What the faults of observed spectra cost: labels of synthetic stars with one fault at a time, against those without.

Reads  models/<run>/ of --model; the node library
Writes budget.png into the folder of --out (default: figures/<run>), after a table of all faults

python -m starlabels.tools.fault_budget --model models/<run>
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.config import paths
from starlabels.config.data_sections import Range
from starlabels.learning import trained_model
from starlabels.spectra import continuum, faults
from starlabels.spectra.preparation import PreparedSpectrum
from starlabels.stages import command_line
from starlabels.stages.predict import fill_flux, find_model_config
from starlabels.stages.recipe_nodes import open_sampler
from starlabels.stages.recipe_stars import REQUIRED_LABELS, draw_labels, find_label_ranges, list_stars

MIN_STARS = 10  # stars
N_SUBPIXELS = 5  # points averaged to a pixel: a spectrograph measures means over pixels
CHUNK_STARS = 256  # stars whose points are in memory at a time
VMIC, OTHER_VMIC = 2.0, (1.0, 4.0)  # km/s
CONTINUUM_ORDER = 6  # of the continuum's errors, where the recipe fits none


class TestBench(NamedTuple):
    """What makes spectra and reads them: the nodes' Sampler, wavelengths (n_pix,) in A and the resolving power; the
    Continuum (or None) and the order of its errors, the Trained model and its Basis (or None)."""

    sampler: object
    wave: np.ndarray
    resolving_power: float
    curve: continuum.ContinuumModel | None
    order: int
    model: trained_model.TrainedModel
    basis: object


class FaultEffect(NamedTuple):
    """What a fault of some kind does to each label: numbers (n_labels,) in physical units.

    Median change and its scatter (1.4826 MAD), `typical`: 68 % of the stars change by less, whatever the sign; err: the
    median predicted error of the faulty spectra; flagged: the share of them that is flagged.
    """

    kind: str
    name: str
    bias: np.ndarray
    scatter: np.ndarray
    typical: np.ndarray
    err: np.ndarray
    flagged: float


def add_arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "--model", type=Path, required=True, help="folder of the trained model, models/<run>"
    )
    parser.add_argument("--out", type=Path, help="folder of the figure (default: figures/<run>)")
    parser.add_argument("--n-stars", type=int, default=300, help="synthetic stars (default: 300)")


def print_fault_budget(run, args):
    """Print the table of all faults and the worst of them, and draw budget.png."""
    cfg = run.cfg
    from starlabels.plots import fault_budget as plots

    if args.n_stars < MIN_STARS:
        raise UserError(f"--n-stars {args.n_stars}: expected {MIN_STARS} or more")
    bench = open_test_bench(cfg, args.model)
    rows = measure_faults(bench, draw_stars(cfg, bench.sampler, args.n_stars), cfg.seed)
    print("\n".join([*format_table(rows, bench.model.names), NOTE, *describe_costs(rows, bench.model.names)]))
    print(
        plots.draw_fault_budget(
            rows, bench.model.names, (args.out or run.paths.figure_dir) / "budget.png"
        )
    )


def open_test_bench(cfg, folder):
    """The Bench of a model's folder; UserError if it learns a label that the nodes do not vary."""
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        curve = continuum.read_continuum(h5)
    model = trained_model.open_folder(folder)
    strange = [name for name in model.names if name not in REQUIRED_LABELS]
    if strange:
        raise UserError(
            f"{folder} learns {', '.join(strange)}: the nodes give spectra by {', '.join(REQUIRED_LABELS)} only"
        )
    order = curve.order if curve and curve.order else CONTINUUM_ORDER
    basis = trained_model.extract_basis(model.model)
    return TestBench(
        make_sampler(cfg), cfg.wave.grid(), cfg.grid.resolving_power, curve, order, model, basis
    )


def make_sampler(cfg):
    """The Sampler of the recipe, with nodes at all of OTHER_VMIC where there are such."""
    if cfg.grid is None:
        raise UserError(f"{cfg.path}: grid is null: there are no nodes to make spectra from")
    low, high = find_label_ranges(cfg)["vmic"]
    wide = Range(min=min(low, *OTHER_VMIC), max=max(high, *OTHER_VMIC))
    grid = cfg.grid.model_copy(update={"labels": cfg.grid.labels | {"vmic": wide}})
    try:
        return open_sampler(cfg.model_copy(update={"grid": grid}), build=False)
    except UserError:
        return open_sampler(cfg, build=False)


def draw_stars(cfg, sampler, n):
    """Labels {name: (n,)} drawn anew as the recipe says, or from its CSV file; without those beside failed nodes."""
    rng = np.random.default_rng((cfg.seed, *b"budget"))  # other stars than those of the grid
    if cfg.grid.labels_csv:
        labels = list_stars(cfg).labels
        rows = rng.choice(len(labels["teff"]), n)
        labels = {name: values[rows] for name, values in labels.items()}
    else:
        labels = draw_labels(
            cfg.model_copy(update={"grid": cfg.grid.model_copy(update={"n_spectra": n})}), rng
        )[0]
    labels = {
        name: labels[name] for name in REQUIRED_LABELS
    }  # neither rv nor resolving power: at rest, as the recipe has it
    sound = sampler.covers(labels)
    if sound.sum() < MIN_STARS:
        raise UserError(
            f"{sampler.path}: only {sound.sum()} of {format_count(n)} stars drawn have sound nodes: raise --n-stars"
        )
    print(
        f"kept {format_count(int(sound.sum()))} of {format_count(n)} stars: {format_count(int((~sound).sum()))} lie beside failed nodes"
    )
    return {name: values[sound] for name, values in labels.items()}


def synthesise_flux(bench, labels):
    """Flux (n, n_pix) float32 without fault at labels {name: (n,)}: means over pixels, continuum 1."""
    step, n = bench.wave[1] - bench.wave[0], len(labels["teff"])
    points = bench.wave[:, None] + step * ((np.arange(N_SUBPIXELS) + 0.5) / N_SUBPIXELS - 0.5)
    points = np.clip(points, *bench.wave[[0, -1]]).ravel()  # the nodes end with the window
    flux = np.empty((n, len(bench.wave)), "f4")
    for start in range(0, n, CHUNK_STARS):
        part = {name: values[start : start + CHUNK_STARS] for name, values in labels.items()}
        fine = bench.sampler.sample_spectra(part, points, bench.resolving_power)
        flux[start : start + CHUNK_STARS] = fine.reshape(len(fine), -1, N_SUBPIXELS).mean(axis=2)
    return flux


def predict_labels(bench, flux, snr=np.inf, factor=1.0):
    """What the model says of flux (n, n_pix), NaN where missing, of one S/N: {mean, err (n, n_labels), flags (n,)}.

    As predict.py does: normalised - times the factor that the continuum is wrong by - and small holes filled.
    """
    flux = (bench.curve.normalise(flux) if bench.curve else flux) * factor
    error = np.full(len(bench.wave), 1 / snr)
    ready = [fill_flux(PreparedSpectrum(one.astype("f4"), error, snr, 1.0, None), bench.basis) for one in flux]
    return bench.model.predict(np.array(ready), np.full(len(flux), snr))


# Each gives the answers for stars of `labels`, whose flux (n, n_pix) is `flux`: one, or one for either sign.


def shift_velocity(bench, labels, flux, velocity, rng):
    """At rest but for +- velocity (km/s)."""
    shifts = [np.full(len(flux), sign * velocity) for sign in (1, -1)]
    return [predict_labels(bench, synthesise_flux(bench, labels | {"rv": rv})) for rv in shifts]


def bend_continuum(bench, labels, flux, percent, rng):
    """Divided by a continuum that is wrong by smooth curves of that rms, after the fit: by as much as the fit misses."""
    return [
        predict_labels(
            bench,
            flux,
            factor=faults.draw_continuum_shapes(*flux.shape, bench.order, percent / 100, rng),
        )
    ]


def lower_resolution(bench, labels, flux, percent, rng):
    """Of lower resolving power than the recipe's."""
    power = np.full(len(flux), bench.resolving_power * (1 - percent / 100))
    return [predict_labels(bench, synthesise_flux(bench, labels | {"resolving_power": power}))]


def drop_pixels(bench, labels, flux, percent, rng):
    """Without that share of the pixels."""
    return [predict_labels(bench, np.where(rng.uniform(size=flux.shape) < percent / 100, np.nan, flux))]


def add_white_noise(bench, labels, flux, snr, rng):
    """With white noise, of sigma = mean flux / S/N as in training."""
    from starlabels.learning.batches import (
        add_noise,
    )  # it imports keras, which start_keras has to set up first

    return [predict_labels(bench, add_noise(flux.copy(), np.full(len(flux), float(snr)), rng), float(snr))]


def change_log_gf(bench, labels, flux, dex, rng):
    """With random errors of log gf, line by line.

    A line's log gf changes it as its element's abundance does: 0.1 dex by 26 % of the depth if it is weak, by less if it is
    saturated; hydrogen, whose log gf are exact, stays. So the errors of augment.line_errors are in dex here, times the change
    of the flux with [M/H] in the nodes: 7 % of the depth for 0.1 dex, in the mean. Their rms is within 15 % of that in spectra
    of six stars of 5000-9000 K that SMElib gave with random log gf, at R = 20 000.
    """
    slope = bench.sampler.compute_sensitivities(labels, ["mh"], bench.wave, bench.resolving_power)[
        :, 0
    ]  # (n, n_pix), a dex
    return [
        predict_labels(
            bench,
            flux
            + slope * faults.draw_line_errors(len(flux), bench.wave, bench.resolving_power, dex, rng),
        )
    ]


FAULTS = {  # {kind, with {} for how much: (function, the milder first)}
    "a radial velocity wrong by {} km/s": (shift_velocity, (1, 3, 10)),
    "a continuum wrong by {} %": (bend_continuum, (0.5, 1, 2)),
    "a resolving power {} % lower": (lower_resolution, (5, 20)),
    "a loss of {} % of the pixels": (drop_pixels, (1, 5, 20)),
    "noise of S/N {}": (add_white_noise, (20,)),
    "log gf wrong by {} dex": (change_log_gf, (0.1,)),
}
NOTE = "(of velocities with either sign: root mean squares)"
NO_FAULT = "no fault, against the truth"


def measure_faults(bench, labels, seed):
    """A Row for the error of the stars of `labels` {name: (n,)} without fault, then for each fault."""
    flux = synthesise_flux(bench, labels)
    base = predict_labels(bench, flux)
    rows = [summarize_fault(NO_FAULT, NO_FAULT, [base], stack_labels(bench, labels))]
    every = [(kind, much) for kind, (_, muches) in FAULTS.items() for much in muches]
    for kind, much in show_progress(every, "faults"):
        rng = np.random.default_rng((seed, *kind.encode()))  # the same curves, weaker or stronger
        rows.append(
            summarize_fault(
                kind,
                kind.format(much),
                FAULTS[kind][0](bench, labels, flux, much, rng),
                base["mean"],
            )
        )
    return rows + measure_vmic(bench, labels)


def measure_vmic(bench, labels):
    """A Row for each other vmic, against the same stars at VMIC, as far as the nodes go; a printed reason where they do not.

    Of vmic itself, where it is learnt, the change that there is in truth is no cost.
    """
    rows, kind, n = [], "a vmic of {} km/s, not 2", len(labels["teff"])
    at = {value: labels | {"vmic": np.full(n, value)} for value in (VMIC, *OTHER_VMIC)}
    sound = {value: bench.sampler.covers(one) for value, one in at.items()}
    for value in OTHER_VMIC:
        both, name = sound[VMIC] & sound[value], kind.format(f"{value:g}")
        if both.sum() < MIN_STARS:
            print(
                f"left out, {name}: {bench.sampler.path} has nodes at both for {both.sum()} of {format_count(n)} stars"
            )
            continue
        home, away = ({name: values[both] for name, values in at[v].items()} for v in (VMIC, value))
        meant = predict_labels(bench, synthesise_flux(bench, home))["mean"] + stack_labels(bench, away) - stack_labels(bench, home)
        rows.append(summarize_fault(kind, name, [predict_labels(bench, synthesise_flux(bench, away))], meant))
    return rows


def stack_labels(bench, labels):
    """True labels (n, n_labels) in the order of the model."""
    return np.column_stack([labels[name] for name in bench.model.names]).astype(float)


def summarize_fault(kind, name, answers, meant):
    """The Row of answers against the labels `meant` (n, n_labels); of two signs bias and scatter are rms over both."""
    change = np.stack([one["mean"] - meant for one in answers])  # (n_signs, n, n_labels)
    bias = np.median(change, axis=1)
    scatter = 1.4826 * np.median(np.abs(change - bias[:, None]), axis=1)
    if len(answers) > 1:
        bias, scatter = (
            np.sqrt(np.mean(values**2, axis=0, keepdims=True)) for values in (bias, scatter)
        )
    typical = np.percentile(np.abs(change), 68, axis=(0, 1))
    err = np.median(
        [one.get("err", np.full_like(one["mean"], np.nan)) for one in answers], axis=(0, 1)
    )
    return FaultEffect(
        kind,
        name,
        bias[0],
        scatter[0],
        typical,
        err,
        float(np.mean([one["flags"] > 0 for one in answers])),
    )


def format_table(rows, names):
    """Lines of the table: bias +- scatter of each label, and the share of flagged spectra."""
    heads = [
        "median change ± scatter",
        *(f"{name} ({get_label(name).plain_unit})" for name in names),
        "flagged",
    ]
    size = np.where(np.isfinite(rows[0].err), rows[0].err, rows[0].scatter)
    digits = [
        count_decimals(value) for value in size
    ]  # of a whole column: less than its error matters to nobody
    cells = [
        [
            one.name.removeprefix("a "),
            *map(format_cell, one.bias, one.scatter, digits),
            f"{one.flagged:.0%}",
        ]
        for one in rows
    ]
    cells.append(["predicted error, no fault", *map(format_two_digits, rows[0].err), ""])
    widths = [max(map(len, column)) for column in zip(heads, *cells)]
    lines = [[cell.rjust(width) for cell, width in zip(line, widths)] for line in (heads, *cells)]
    return ["  ".join([line[0].strip().ljust(widths[0]), *line[1:]]).rstrip() for line in lines]


def describe_costs(rows, names):
    """A sentence for each kind of fault: its mildest that changes a label by more than the error predicted then."""
    kinds = {one.kind: [other for other in rows[1:] if other.kind == one.kind] for one in rows[1:]}
    sentences, borne = [], []
    for same in kinds.values():
        worse = [one for one in same if np.any(one.typical > one.err)]
        if not worse:
            borne.append(same[-1].name)
            continue
        ratio = worse[0].typical / worse[0].err
        worst = int(np.nanargmax(ratio))
        cost = f"{format_two_digits(worse[0].typical[worst])} {get_label(names[worst]).plain_unit} in {names[worst]}"
        sentences.append(
            f"{worse[0].name} costs {cost}, {ratio[worst]:.1f} times the predicted error"
        )
    known = np.isfinite(rows[0].err).any()
    return sentences + [f"within the predicted errors: {', '.join(borne)}"] * bool(known and borne)


def count_decimals(value):
    """Decimals of a number >= 0 rounded to two digits."""
    return max(0, 1 - math.floor(math.log10(float(f"{value:.1e}")))) if 0 < value < math.inf else 0


def format_two_digits(value):
    """A number >= 0 to two digits: 1500, 40, 0.12; "unknown" for nan."""
    return f"{float(f'{value:.1e}'):.{count_decimals(value)}f}" if math.isfinite(value) else "unknown"


def format_cell(bias, scatter, decimals):
    """`-12 ± 31` with that many decimals."""
    return (
        f"{round(bias, decimals) + 0.0:.{decimals}f} ± {scatter:.{decimals}f}"  # + 0.0: never "-0"
    )


if __name__ == "__main__":
    command_line.run_command(print_fault_budget, __doc__, add_arguments, recipe=find_model_config)
