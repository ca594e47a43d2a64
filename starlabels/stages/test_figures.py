"""The figures of 4_test, of recipes whose target is labels."""

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count
from starlabels.base.labels import get_label
from starlabels.config import schema
from starlabels.learning import outliers
from starlabels.learning.calibration import AS_THEY_ARE, NOISE_FREE


def draw_figures(evaluation, cfg, folder):
    """Write the figures 4_*.png of an Evaluation into the folder."""
    draw_predictions(evaluation.predictions, evaluation.generated, evaluation.labels, cfg, folder)
    if evaluation.catalogue:
        draw_catalogue(evaluation, cfg, folder)


def draw_predictions(results, generated, labels, cfg, folder):
    """Write the figures 4_*.png of the predictions {S/N range: arrays}."""
    from starlabels.plots import abundances, distances, generator_errors, uncertainty
    from starlabels.plots import predictions as plots

    if schema.has_own_noise(cfg):
        results = {AS_THEY_ARE: results[NOISE_FREE]}
    keys = list(results)
    complete = np.isfinite(results[keys[0]]["true"]).all(axis=1)
    if not complete.all():
        print(
            f"figures show the {format_count(int(complete.sum()))} of {format_count(len(complete))} test stars that have all labels"
        )
        results = {
            key: {name: values[complete] for name, values in found.items()}
            for key, found in results.items()
        }
    if not complete.any():
        return
    for key, r in results.items():
        plots.draw_one_to_one(r["true"], r["mean"], labels, key, folder / f"4_one_to_one_{key}.png")
        if "distance_true" in r:
            distances.draw_distances(r, key, folder / f"4_distance_{key}.png")
    noisy = {key: results[key] for key in keys if key != NOISE_FREE}
    if noisy and NOISE_FREE in results:
        plots.draw_error_vs_snr(results, labels, folder / "4_error_vs_snr.png")
    if noisy and "err" in noisy[keys[0]]:
        uncertainty.draw_pulls(results, labels, folder / "4_pulls.png")
        uncertainty.draw_reliability(results, labels, folder / "4_reliability.png")
    middle = keys[len(cfg.test.snr) // 2]
    found = results[middle]
    plots.draw_residuals(found["true"], found["mean"], labels, middle, folder / "4_residuals.png")
    abundances.draw_abundance_planes(
        found["true"], found["mean"], cfg.labels, middle, folder / "4_abundance_planes.png"
    )
    if "crlb" in found:
        path = folder / "4_error_over_bound.png"
        plots.draw_error_over_bound(
            found["true"], found["mean"] - found["true"], found["crlb"], labels, middle, path
        )
    if generated:
        errors = {"synthesised": results[keys[-1]], "generated": generated}
        errors = {name: one["mean"] - one["true"] for name, one in errors.items()}
        generator_errors.draw_inferred_labels(errors, labels, folder / "4_generated.png")


def surroundings(h5, cfg):
    """What a catalogue's figures need of an open 2_prepared.h5; None for recipes without features.

    train (n, n_labels): labels of the training stars; x (k,) and its name: the error of the parallax of the test stars or,
    where that is not known, the parallax, as the network reads it; None where the recipe has neither.
    """
    if not cfg.features:
        return None
    found = {"train": hdf5.read_labels(h5["train"], cfg.labels), "x": None, "name": None}
    if name := cfg.features.parallax:
        one, n = get_label(name, "mas"), cfg.test.n_stars
        [errors], [values] = (
            read(h5["test"], [name]) for read in (hdf5.column_errors, hdf5.columns)
        )
        known = np.isfinite(errors).any()
        found["x"] = (errors if known else np.maximum(values, cfg.features.least_parallax))[:n]
        found["name"] = f"error of {one.axis}" if known else one.axis
    return found


def draw_catalogue(evaluation, cfg, folder):
    """Write the figures 4_*.png of recipes that read a table."""
    from starlabels.plots import catalogues as plots

    found, reference = evaluation.predictions[NOISE_FREE], evaluation.reference
    labels, beside = evaluation.labels, evaluation.catalogue
    error = found["mean"] - found["true"]
    thin = (found["flags"] & outliers.BITS["thin"]) > 0
    plots.draw_kiel_diagrams(
        beside["train"], found["mean"], thin, cfg.labels, folder / "4_kiel.png"
    )
    plots.draw_alpha_plane(found["true"], found["mean"], cfg.labels, folder / "4_alpha_plane.png")
    errors = {"network": error} | (
        {"other estimates": reference["mean"] - found["true"]} if reference else {}
    )
    plots.draw_error_histograms(errors, labels, folder / "4_error_histograms.png")
    if beside["x"] is not None and np.isfinite(beside["x"]).any():
        plots.draw_error_against(
            beside["x"], beside["name"], error, labels, folder / "4_error_vs_parallax.png"
        )
