"""The figures of 4_test, of recipes whose target is labels."""

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import count
from starlabels.base.labels import label
from starlabels.config import paths, schema
from starlabels.learning import outliers
from starlabels.learning.calibration import AS_THEY_ARE, NOISE_FREE


def draw(results, generated, labels, cfg):
    """Write the figures 4_*.png."""
    from starlabels.plots import abundances, distances, generator, uncertainty
    from starlabels.plots import predictions as plots

    folder = paths.paths(cfg).figure_dir
    if schema.as_they_are(cfg):
        results = {AS_THEY_ARE: results[NOISE_FREE]}
    keys = list(results)
    complete = np.isfinite(results[keys[0]]["true"]).all(axis=1)
    if not complete.all():
        print(
            f"figures show the {count(int(complete.sum()))} of {count(len(complete))} test stars that have all labels"
        )
        results = {
            key: {name: values[complete] for name, values in found.items()}
            for key, found in results.items()
        }
    if not complete.any():
        return
    for key, r in results.items():
        plots.one_to_one(r["true"], r["mean"], labels, key, folder / f"4_one_to_one_{key}.png")
        if "distance_true" in r:
            distances.one_to_one(r, key, folder / f"4_distance_{key}.png")
    noisy = {key: results[key] for key in keys if key != NOISE_FREE}
    if noisy and NOISE_FREE in results:
        plots.error_vs_snr(results, labels, folder / "4_error_vs_snr.png")
    if noisy and "err" in noisy[keys[0]]:
        uncertainty.pulls(results, labels, folder / "4_pulls.png")
        uncertainty.reliability(results, labels, folder / "4_reliability.png")
    middle = keys[len(cfg.test.snr) // 2]
    found = results[middle]
    plots.residuals(found["true"], found["mean"], labels, middle, folder / "4_residuals.png")
    abundances.planes(
        found["true"], found["mean"], cfg.labels, middle, folder / "4_abundance_planes.png"
    )
    if "crlb" in found:
        path = folder / "4_error_over_bound.png"
        plots.error_over_bound(
            found["true"], found["mean"] - found["true"], found["crlb"], labels, middle, path
        )
    if generated:
        errors = {"synthesised": results[keys[-1]], "generated": generated}
        errors = {name: one["mean"] - one["true"] for name, one in errors.items()}
        generator.inferred(errors, labels, folder / "4_generated.png")


def surroundings(h5, cfg):
    """What a catalogue's figures need of an open 2_prepared.h5; None for recipes without features.

    train (n, n_labels): labels of the training stars; x (k,) and its name: the error of the parallax of the test stars or,
    where that is not known, the parallax, as the network reads it; None where the recipe has neither.
    """
    if not cfg.features:
        return None
    found = {"train": hdf5.read_labels(h5["train"], cfg.labels), "x": None, "name": None}
    if name := cfg.features.parallax:
        one, n = label(name, "mas"), cfg.test.n_stars
        [errors], [values] = (
            read(h5["test"], [name]) for read in (hdf5.column_errors, hdf5.columns)
        )
        known = np.isfinite(errors).any()
        found["x"] = (errors if known else np.maximum(values, cfg.features.least_parallax))[:n]
        found["name"] = f"error of {one.axis}" if known else one.axis
    return found


def draw_catalogue(found, reference, labels, beside, cfg):
    """Write the figures 4_*.png of recipes that read a table.

    found {mean, true (k, n_labels), flags (k,)}; reference {mean} of other estimates, or None; beside: `surroundings`.
    """
    from starlabels.plots import catalogues as plots

    folder, error = paths.paths(cfg).figure_dir, found["mean"] - found["true"]
    thin = (found["flags"] & outliers.BITS["thin"]) > 0
    plots.kiel(beside["train"], found["mean"], thin, cfg.labels, folder / "4_kiel.png")
    plots.alpha_plane(found["true"], found["mean"], cfg.labels, folder / "4_alpha_plane.png")
    errors = {"network": error} | (
        {"other estimates": reference["mean"] - found["true"]} if reference else {}
    )
    plots.error_histograms(errors, labels, folder / "4_error_histograms.png")
    if beside["x"] is not None and np.isfinite(beside["x"]).any():
        plots.error_against(
            beside["x"], beside["name"], error, labels, folder / "4_error_vs_parallax.png"
        )
