"""4_test: predict held-out spectra at the recipe's signal-to-noise ratios, and score the labels in physical units."""

import json
from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, stamp
from starlabels.base.console import exit_with_error, format_count
from starlabels.base.errors import UserError
from starlabels.base.files import replace_file
from starlabels.base.labels import get_label
from starlabels.base.statistics import compute_rms
from starlabels.catalogues import distances
from starlabels.learning import calibration, outliers
from starlabels.learning.calibration import NOISE_FREE
from starlabels.stages import card, load_model, locks, recipe_nodes, test_figures
from starlabels.synthesis import cramer_rao

BATCH = 256


def add_arguments(parser):
    """Command-line arguments of the stage."""
    parser.add_argument(
        "--strict", action="store_true", help="exit 1 when 68 %% coverage leaves 63-73 %% anywhere"
    )


@locks.require_lock("lock")
def score_labels(run, args=None):
    """Write predictions.h5, metrics.json, the card and the figures of a trained model, and print its scores.

    Raises
    ------
    UserError
        If an input is missing or stale.
    """
    cfg, model_dir, digest = run.cfg, run.paths.model_dir, run.digest("4_test")
    evaluation = evaluate_model(run)
    metrics, labels = evaluation.metrics, evaluation.labels
    save_predictions(run, evaluation, digest)
    card.write(run, metrics, evaluation.model.model, evaluation.n_train)
    print_scores(metrics, labels)
    with run.figures("4_*.png", {model_dir: evaluation.model.digest}) as folder:
        test_figures.draw_figures(evaluation, cfg, folder)
    print(f"figures: {run.paths.figure_dir}/4_*.png")
    violations = calibration.find_violations(metrics) if getattr(args, "strict", False) else []
    if violations:
        exit_with_error("\n".join(violations), code=1)


class Evaluation(NamedTuple):
    """Predictions and scores of a trained model on the test stars.

    predictions: {S/N range: arrays of `predict`}; generated, reference: arrays, or None;
    catalogue: what the figures of a table recipe need, or None.
    """

    model: object
    labels: list
    predictions: dict
    generated: dict | None
    reference: dict | None
    catalogue: dict | None
    metrics: dict
    n_train: int


def evaluate_model(run):
    """The Evaluation of the run's model; nothing is written."""
    cfg = run.cfg
    with run.open("2_preprocess") as h5:
        model = load_model.load_trained_model(run)
        predictions = predict(model, h5["test"], cfg)
        generated = predict_generated(model, h5["test"], cfg) if cfg.test.generator else None
        if cfg.wave and not cfg.features:  # a table adds information that the bound does not have
            sensitivity = recipe_nodes.build_sensitivity_or_none(cfg, h5["test"], hdf5.read_wave(h5))
            add_bounds(predictions, sensitivity)
        reference = references(h5["test"], cfg)
        n_train = len(h5["train/labels"])
        units, catalogue = hdf5.label_units(h5["test"]), test_figures.surroundings(h5, cfg)
        for arrays in predictions.values() if "fakemag" in cfg.labels else []:
            arrays |= distances.compute_part_distances(arrays, h5["test"], model.offset)
    labels = [get_label(name, units[name]) for name in cfg.labels]
    metrics = score_predictions(cfg, model, predictions, generated, reference)
    return Evaluation(model, labels, predictions, generated, reference, catalogue, metrics, n_train)


def score_predictions(cfg, model, predictions, generated, reference):
    """Scores of the predictions in each S/N range, as written to metrics.json."""
    metrics = {
        "run": cfg.run,
        "labels": cfg.labels,
        "n_test": len(predictions[NOISE_FREE]["true"]),
        "snr": {key: scores(arrays, cfg.labels) for key, arrays in predictions.items()},
        "flagged": {
            key: flagged(arrays["flags"], model.bits) for key, arrays in predictions.items()
        },
        "train_seconds": round(model.seconds, 1),
        "versions": stamp.versions(),
    }
    if generated:
        metrics["generated"] = scores(generated, cfg.labels)
    if reference:
        columns = [i for i, name in enumerate(cfg.labels) if name in cfg.test.reference]
        estimates = {name: values[:, columns] for name, values in reference.items()}
        metrics["reference"] = scores(estimates, [cfg.labels[i] for i in columns])
    if "distance_true" in predictions[NOISE_FREE]:
        by_range = {key: distances.score_distances(arrays) for key, arrays in predictions.items()}
        metrics |= {"distance": by_range, "parallax_offset": model.offset}
    return metrics


def predict(model, test, cfg):
    """{range: {mean, err, flags, true, true_err, snr, sigma}} of k test stars, in each S/N range and noise-free.

    mean, err, true and its errors, 0 where not known: (k, n_labels); flags, snr and sigma, the noise a pixel: (k,). No err
    where the model gives none.
    """
    from starlabels.learning.batches import SpectrumBatches, uniform_snr

    true = hdf5.read_labels(test, cfg.labels)[: cfg.test.n_stars]
    if model.offset:
        true = true - model.offset * distances.compute_fakemag_per_mas(test)[
            : len(true), None
        ].astype("f4")
    own = np.nan_to_num(hdf5.read_label_errors(test, cfg.labels)[: len(true)])
    ranges = {f"{low:g}_{high:g}": uniform_snr(low, high) for low, high in cfg.test.snr}
    spectra, results = test_spectra(test, cfg), {}
    level = mean_flux(test["flux"], len(true)) if cfg.wave else np.full(len(true), np.nan)
    for key, draw_snr in {**ranges, NOISE_FREE: None}.items():
        batches = SpectrumBatches(spectra, true, BATCH, draw_snr, seed=(cfg.seed, *key.encode()))
        snr = batches.snr.astype("f4")
        results[key] = {
            **model.predict(batches, snr),
            "true": true,
            "true_err": own,
            "snr": snr,
            "sigma": level / snr,
        }
    return results


def test_spectra(test, cfg):
    """The spectra of a part, with their features, as a trained model reads them."""
    from starlabels.learning.batches import PixelSpectra, SpectraWithFeatures

    missing = cfg.train.noise.missing if cfg.train.noise else 0.0
    spectra = PixelSpectra(test["flux"], cfg.preprocess.blocks, missing) if cfg.wave else None
    return SpectraWithFeatures(spectra, test["features"][:]) if cfg.features else spectra


def references(test, cfg):
    """{mean, true (k, n_labels)} of the columns that test.reference says are other estimates of the labels; None if it is null.

    NaN where there is none. UserError if a column is not there.
    """
    if not cfg.test.reference:
        return None
    columns = dict(zip(cfg.test.reference, hdf5.columns(test, list(cfg.test.reference.values()))))
    if missing := [name for name, column in columns.items() if column is None]:
        found = ", ".join(cfg.test.reference[name] for name in missing)
        raise UserError(f"{test.file.filename} has no column {found}: mend test.reference")
    true = hdf5.read_labels(test, cfg.labels)[: cfg.test.n_stars]
    blank = np.full(len(test["labels"]), np.nan)
    return {
        "mean": np.column_stack([columns.get(name, blank) for name in cfg.labels])[: len(true)],
        "true": true,
    }


def predict_generated(model, test, cfg):
    """As `predict`, of the noise-free spectra that test.generator makes of the test labels; UserError if it cannot."""
    from starlabels.learning import generator

    made = generator.open_folder(cfg.test.generator)
    axis = hdf5.read_axis(test.file)
    if (
        len(made.wave) != len(axis.wave)
        or not np.allclose(made.wave, axis.wave, atol=1e-3)
        or made.medium != axis.medium
    ):
        ours, theirs = (
            f"{a.wave[0]:g} to {a.wave[-1]:g} A in {a.medium} in {len(a.wave)} pixels"
            for a in (axis, made)
        )
        raise UserError(
            f"{cfg.test.generator} makes spectra of {theirs}, the recipe's have {ours}: use that of this `wave`"
        )
    found = dict(zip(made.names, hdf5.columns(test, made.names)))
    if missing := [name for name, column in found.items() if column is None]:
        raise UserError(
            f"{cfg.test.generator} needs {', '.join(missing)} too, which the test stars have not: use another one"
        )
    values = np.column_stack(list(found.values()))[: cfg.test.n_stars]
    inside = ((values >= made.low) & (values <= made.high)).all(axis=1)
    if not inside.all():
        print(
            f"{format_count(int((~inside).sum()))} of {format_count(len(inside))} test stars lie outside the range of {cfg.test.generator}"
        )
    true, values = hdf5.read_labels(test, cfg.labels)[: len(inside)][inside], values[inside]
    chunks = [
        values[start : start + generator.CHUNK] for start in range(0, len(values), generator.CHUNK)
    ]
    parts = [model.predict(made.flux(chunk), np.full(len(chunk), np.inf)) for chunk in chunks]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} | {
        "true": true
    }


def mean_flux(flux, n):
    """Mean (n,) of the first n spectra of a dataset, a batch in memory at a time."""
    return np.concatenate(
        [flux[start : min(start + BATCH, n)].mean(axis=1) for start in range(0, n, BATCH)]
    )


def add_bounds(results, sensitivity):
    """Add `crlb` (k, n_labels) to each noisy range, if there is a function(rows) -> d flux / d label of the test stars.

    It is NaN where it has no limit.
    """
    noisy = [found for key, found in results.items() if key != NOISE_FREE]
    if sensitivity and noisy:
        unit = cramer_rao.compute_bounds(sensitivity, len(noisy[0]["true"]))
        for found in noisy:
            found["crlb"] = np.where(
                np.isfinite(unit), unit * found["sigma"][:, None], np.nan
            ).astype("f4")
        hidden = np.count_nonzero(~np.isfinite(unit).all(axis=1))
        if hidden:
            print(
                f"{format_count(hidden)} of {format_count(len(unit))} stars do not tell one of the labels: no bound for it"
            )


def scores(found, names):
    """{score: {name: number}} of a range: rmse, sigma, bias; crlb, ratio and the scores of the errors where they are known.

    bias is the median residual, sigma 1.4826 MAD about it; crlb the rms bound, ratio rmse over it, of the stars that have one.
    """
    residual = found["mean"] - found["true"]
    bias = np.nanmedian(residual, axis=0)
    values = {
        "rmse": compute_rms(residual),
        "sigma": 1.4826 * np.nanmedian(np.abs(residual - bias), axis=0),
        "bias": bias,
    }
    if "crlb" in found:
        bound = compute_rms(found["crlb"])
        values |= {
            "crlb": bound,
            "ratio": compute_rms(np.where(np.isnan(found["crlb"]), np.nan, residual)) / bound,
        }
    if "err" in found:
        values |= calibration.score_errors(
            found["true"], found["mean"], found["err"], found.get("true_err", 0.0)
        )
    return {score: dict(zip(names, map(float, value))) for score, value in values.items()}


def flagged(flags, bits):
    """{flag: fraction of the stars (k,) that carry it}."""
    return {name: float(np.mean((flags & bit) > 0)) for name, bit in bits.items()}


def save_predictions(run, evaluation, digest):
    """Write the predictions of each S/N range to predictions.h5 and the scores to metrics.json."""
    groups = {f"snr{key}": arrays for key, arrays in evaluation.predictions.items()}
    if evaluation.generated:
        groups["generated"] = evaluation.generated
    inputs = {run.paths.model_dir: evaluation.model.digest}
    units = [label.plain_unit for label in evaluation.labels]
    with run.create("4_test", digest, inputs) as h5:
        for key, arrays in groups.items():
            group = h5.create_group(key)
            group.attrs.update({"names": run.cfg.labels, "units": units})
            group.attrs.update(
                {"bits": json.dumps(outliers.BITS), "rules": json.dumps(outliers.RULES)}
            )
            for name, array in arrays.items():
                hdf5.write(group, name, array)
    write_metrics(evaluation.metrics, run.paths.metrics)


def write_metrics(metrics, path):
    """Write the scores as JSON."""
    with replace_file(path) as tmp:
        tmp.write_text(json.dumps(metrics, indent=1) + "\n")


def print_scores(metrics, labels):
    """Print the scores of each label in each S/N range, on generated spectra, and of the reference."""
    names = [f"{name} {one.plain_unit}".strip() for name, one in zip(metrics["labels"], labels)]
    width = max(14, *(len(name) + 2 for name in names))
    print(f"{format_count(metrics['n_test'])} test stars")
    print(f"{'S/N':<10}{'':<12}" + "".join(f"{name:>{width}}" for name in names))
    tables = metrics["snr"] | {
        key: metrics[key] for key in ("generated", "reference") if key in metrics
    }
    for key, table in tables.items():
        for i, (score, values) in enumerate(table.items()):
            cells = [f"{values[name]:.3g}" if name in values else "" for name in metrics["labels"]]
            print(
                f"{'' if i else key.replace('_', '-'):<10}{score:<12}"
                + "".join(f"{cell:>{width}}" for cell in cells)
            )
        cells = [f"{name} {part:.1%}" for name, part in metrics["flagged"].get(key, {}).items()]
        if cells:
            print(f"{'':<10}{'flagged':<12}" + "".join(f"{cell:>{width}}" for cell in cells))
    if "distance" in metrics:
        distances.print_distance_scores(metrics)
