"""4_test for target labels: the figures 4_*.png of an Evaluation."""

import numpy as np

from starlabels.base import hdf5_labels
from starlabels.base.console import format_count
from starlabels.base.labels import get_label
from starlabels.config import schema
from starlabels.learning import outliers
from starlabels.learning.calibration import AS_THEY_ARE, NOISE_FREE


def draw_figures(evaluation, cfg, folder):
    """Draw the figures 4_*.png of an Evaluation into the folder."""
    predictions, labels = evaluation.predictions, evaluation.labels
    if schema.has_own_noise(cfg):
        predictions = {AS_THEY_ARE: predictions[NOISE_FREE]}
    predictions = select_complete(predictions)
    if predictions:
        draw_one_to_one(predictions, labels, folder)
        draw_uncertainty(predictions, labels, folder)
        draw_middle_range(predictions, labels, cfg, folder)
        if evaluation.generated:
            draw_generated(predictions, evaluation.generated, labels, folder)
    if evaluation.catalogue:
        draw_catalogue(evaluation, cfg, folder)


def select_complete(predictions):
    """The predictions of the stars that have all labels; {} if no star has."""
    complete = np.isfinite(next(iter(predictions.values()))["true"]).all(axis=1)
    n, total = format_count(int(complete.sum())), format_count(len(complete))
    if complete.all():
        return predictions
    print(f"figures show the {n} of {total} test stars that have all labels")
    if not complete.any():
        return {}
    selected = {}
    for key, arrays in predictions.items():
        selected[key] = {name: values[complete] for name, values in arrays.items()}
    return selected


def draw_one_to_one(predictions, labels, folder):
    """Draw predicted against true labels, and distances, in each S/N range."""
    from starlabels.plots import distances
    from starlabels.plots import predictions as plots

    for key, arrays in predictions.items():
        path = folder / f"4_one_to_one_{key}.png"
        plots.draw_one_to_one(arrays["true"], arrays["mean"], labels, key, path)
        if "distance_true" in arrays:
            distances.draw_distances(arrays, key, folder / f"4_distance_{key}.png")


def draw_uncertainty(predictions, labels, folder):
    """Draw errors against S/N, pulls and coverage, if stars were tested with added noise."""
    from starlabels.plots import predictions as plots
    from starlabels.plots import uncertainty

    noisy = [arrays for key, arrays in predictions.items() if key != NOISE_FREE]
    if noisy and NOISE_FREE in predictions:
        plots.draw_error_vs_snr(predictions, labels, folder / "4_error_vs_snr.png")
    if noisy and "err" in noisy[0]:
        uncertainty.draw_pulls(predictions, labels, folder / "4_pulls.png")
        uncertainty.draw_reliability(predictions, labels, folder / "4_reliability.png")


def draw_middle_range(predictions, labels, cfg, folder):
    """Draw residuals, abundance planes and error over bound in the middle S/N range."""
    from starlabels.plots import abundances, bounds
    from starlabels.plots import predictions as plots

    key = list(predictions)[len(cfg.test.snr) // 2]
    arrays = predictions[key]
    true, mean = arrays["true"], arrays["mean"]
    plots.draw_residuals(true, mean, labels, key, folder / "4_residuals.png")
    path = folder / "4_abundance_planes.png"
    abundances.draw_abundance_planes(true, mean, cfg.labels, key, path)
    if "crlb" in arrays:
        path = folder / "4_error_over_bound.png"
        bounds.draw_error_over_bound(true, mean - true, arrays["crlb"], labels, key, path)


def draw_generated(predictions, generated, labels, folder):
    """Draw the errors on synthesised and on generated spectra."""
    from starlabels.plots import generator_errors

    sources = {"synthesised": predictions[list(predictions)[-1]], "generated": generated}
    errors = {name: arrays["mean"] - arrays["true"] for name, arrays in sources.items()}
    generator_errors.draw_inferred_labels(errors, labels, folder / "4_generated.png")


def read_catalogue(h5, cfg):
    """What the figures of a table recipe need of 2_prepared.h5; None for recipes without features.

    Returns
    -------
    dict
        `train` (n, n_labels): labels of the training stars; `x` (k,) and its `name`: the parallax
        error of the test stars or, if unknown, their parallax as the network reads it; None if the
        recipe has no parallax.
    """
    if not cfg.features:
        return None
    catalogue = {"train": hdf5_labels.read_labels(h5["train"], cfg.labels), "x": None, "name": None}
    if name := cfg.features.parallax:
        axis = get_label(name, "mas").axis
        [errors] = hdf5_labels.read_column_errors(h5["test"], [name])
        [parallax] = hdf5_labels.read_columns(h5["test"], [name])
        known = np.isfinite(errors).any()
        x = errors if known else np.maximum(parallax, cfg.features.least_parallax)
        catalogue["x"] = x[: cfg.test.n_stars]
        catalogue["name"] = f"error of {axis}" if known else axis
    return catalogue


def draw_catalogue(evaluation, cfg, folder):
    """Draw the figures 4_*.png of recipes that read a table."""
    from starlabels.plots import catalogues as plots

    arrays, catalogue = evaluation.predictions[NOISE_FREE], evaluation.catalogue
    labels, true, mean = evaluation.labels, arrays["true"], arrays["mean"]
    thin = (arrays["flags"] & outliers.BITS["thin"]) > 0
    plots.draw_kiel_diagrams(catalogue["train"], mean, thin, cfg.labels, folder / "4_kiel.png")
    plots.draw_alpha_plane(true, mean, cfg.labels, folder / "4_alpha_plane.png")
    errors = {"network": mean - true}
    if evaluation.reference:
        errors["other estimates"] = evaluation.reference["mean"] - true
    plots.draw_error_histograms(errors, labels, folder / "4_error_histograms.png")
    x = catalogue["x"]
    if x is not None and np.isfinite(x).any():
        path = folder / "4_error_vs_parallax.png"
        plots.draw_error_against(x, catalogue["name"], mean - true, labels, path)
