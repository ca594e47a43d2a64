"""4_test for target labels: predict held-out stars and score the labels in physical units."""

import json
from typing import NamedTuple

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra, stamp
from starlabels.base.console import exit_with_error
from starlabels.base.files import replace_file
from starlabels.base.labels import get_label
from starlabels.catalogues.derived_labels import find_derived
from starlabels.learning import calibration, outliers
from starlabels.learning.calibration import NOISE_FREE
from starlabels.stages import (
    card,
    load_model,
    locks,
    recipe_nodes,
    score_figures,
    score_held_out,
    score_metrics,
    score_refined,
)

STRICT_HELP = "exit with code 1 if a 68 %% coverage is outside 63-73 %% in any S/N range"


def add_arguments(parser):
    """Add the command-line arguments of the stage."""
    parser.add_argument("--strict", action="store_true", help=STRICT_HELP)


@locks.require_lock("lock")
def score_labels(run, args=None):
    """Write predictions.h5, metrics.json, the card and the figures of a trained model.

    Raises
    ------
    UserError
        If an input is missing or stale.
    """
    cfg, digest = run.cfg, run.digest("4_test")
    evaluation = evaluate_model(run)
    metrics, model = evaluation.metrics, evaluation.model
    save_predictions(run, evaluation, digest)
    card.write_card(run, metrics, model.model, evaluation.n_train)
    score_metrics.print_scores(metrics, evaluation.labels)
    score_refined.print_refined(metrics.get("refined", {}))
    with run.figures("4_*.png", {run.paths.model_dir: model.digest}) as folder:
        score_figures.draw_figures(evaluation, cfg, folder)
    print(f"figures: {run.paths.figure_dir}/4_*.png")
    violations = calibration.find_violations(metrics) if getattr(args, "strict", False) else []
    if violations:
        exit_with_error("\n".join(violations), code=1)


class Evaluation(NamedTuple):
    """Predictions and scores of a trained model on the test stars.

    Attributes
    ----------
    model : TrainedModel
    labels : list of Label
    predictions : dict
        {S/N range: arrays}, see `predict_ranges`.
    generated : dict or None
        Predictions for spectra that a generator made.
    reference : dict or None
        Other estimates of the labels.
    catalogue : dict or None
        What the figures of a table recipe need, see `read_catalogue`.
    metrics : dict
        The content of metrics.json.
    n_train : int
        Number of training spectra.
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
    """Evaluate the model of a run; nothing is written."""
    cfg = run.cfg
    derived = find_derived(cfg.labels)
    generated = None
    with run.open("2_preprocess") as h5:
        model = load_model.load_trained_model(run)
        test = h5["test"]
        predictions = score_held_out.predict_ranges(model, test, cfg)
        if cfg.test.generator:
            generated = score_held_out.predict_generated(model, test, cfg)
        if cfg.wave and not cfg.features:  # a table adds information that the bound does not have
            wave = hdf5_spectra.read_wave(h5)
            sensitivity = recipe_nodes.build_sensitivity_or_none(cfg, test, wave)
            score_metrics.add_bounds(predictions, sensitivity)
        reference = score_held_out.read_reference(test, cfg)
        n_train = len(h5["train/labels/value"])
        units = hdf5_labels.read_label_units(test)
        columns = dict(zip(units, hdf5_labels.read_labels(test, units)[: cfg.test.n_stars].T))
        catalogue = score_figures.read_catalogue(h5, cfg)
        if derived:
            for arrays in predictions.values():
                arrays |= derived.derive_part(arrays, test, model.offset)
        refined = score_refined.score_refined_or_none(cfg, model, h5, predictions)
    labels = [get_label(name, units[name]) for name in cfg.labels]
    metrics = score_predictions(cfg, model, predictions, generated, reference)
    metrics |= {"refined": refined} if refined else {}
    if cfg.test.subsets:
        metrics["subsets"] = score_metrics.score_subsets(
            predictions, cfg.test.subsets, columns, cfg.labels
        )
    return Evaluation(model, labels, predictions, generated, reference, catalogue, metrics, n_train)


def score_predictions(cfg, model, predictions, generated, reference):
    """Scores of the predictions in each S/N range, the content of metrics.json."""
    score = score_metrics.score_arrays
    metrics = {
        "run": cfg.run,
        "labels": cfg.labels,
        "n_test": len(predictions[NOISE_FREE]["true"]),
        "snr": {key: score(arrays, cfg.labels) for key, arrays in predictions.items()},
        "flagged": {
            key: score_metrics.count_flags(arrays["flags"], model.bits)
            for key, arrays in predictions.items()
        },
        "train_seconds": round(model.seconds, 1),
        "versions": stamp.get_versions(),
    }
    if generated:
        metrics["generated"] = score(generated, cfg.labels)
    if reference:
        columns = [i for i, name in enumerate(cfg.labels) if name in cfg.test.reference]
        estimates = {name: values[:, columns] for name, values in reference.items()}
        metrics["reference"] = score(estimates, [cfg.labels[i] for i in columns])
    if derived := find_derived(cfg.labels):
        metrics |= derived.score_ranges(predictions, model.offset)
    return metrics


def save_predictions(run, evaluation, digest):
    """Write the predictions of each S/N range to predictions.h5 and the scores to metrics.json."""
    groups = {f"snr{key}": arrays for key, arrays in evaluation.predictions.items()}
    if evaluation.generated:
        groups["generated"] = evaluation.generated
    inputs = {run.paths.model_dir: evaluation.model.digest}
    attributes = {
        "names": run.cfg.labels,
        "units": [label.plain_unit for label in evaluation.labels],
        "bits": json.dumps(outliers.BITS),
        "rules": json.dumps(outliers.RULES),
    }
    with run.create("4_test", digest, inputs) as h5:
        for key, arrays in groups.items():
            group = h5.create_group(key)
            group.attrs.update(attributes)
            for name, array in arrays.items():
                hdf5.write_dataset(group, name, array)
    write_metrics(evaluation.metrics, run.paths.metrics)


def write_metrics(metrics, path):
    """Write the scores as JSON."""
    with replace_file(path) as tmp:
        tmp.write_text(json.dumps(metrics, indent=1) + "\n")
