"""4_test: predict held-out spectra at the recipe's signal-to-noise ratios, and score the labels in physical units."""

import json
import os

import numpy as np

from starlabels import config, h5io, training
from starlabels.cli import count
from starlabels.labels import label, unscale

BATCH = 256
NOISE_FREE = "inf"


def run(cfg, args=None):
    """Write predictions.h5, metrics.json and figures, print the scores; UserError if an input is missing or stale."""
    paths, digest = config.paths(cfg), config.digest(cfg, "4_test")
    with h5io.open_stage(paths.prepared, "2_preprocess", config.digest(cfg, "2_preprocess")) as h5:
        model, trained = training.load(cfg)
        results = predict(model, trained, h5["test"], cfg)
        units = h5io.label_units(h5["test"])
    labels = [label(name, units[name]) for name in cfg.labels]
    metrics = {
        "run": cfg.run,
        "labels": cfg.labels,
        "n_test": len(results[NOISE_FREE]["true"]),
        "snr": {key: scores(r["mean"] - r["true"], cfg.labels) for key, r in results.items()},
        "train_seconds": round(trained.seconds, 1),
        "versions": h5io.versions(),
    }
    save(results, metrics, labels, cfg, digest, {paths.model_dir: trained.digest})
    print_scores(metrics, labels)
    draw(results, labels, cfg)


def predict(model, trained, test, cfg):
    """{range: {mean, true (k, n_labels), snr (k,)}} of k test stars, in each S/N range and noise-free"""
    from starlabels.data import SpectrumBatches, uniform

    true = h5io.read_labels(test, cfg.labels)[: cfg.test.n_stars]
    ranges = {f"{low:g}_{high:g}": uniform(low, high) for low, high in cfg.test.snr}
    results = {}
    for key, draw_snr in {**ranges, NOISE_FREE: None}.items():
        batches = SpectrumBatches(test["flux"], true, BATCH, draw_snr, seed=(cfg.seed, *key.encode()))
        mean = unscale(model.predict(batches, verbose=0), trained.mean, trained.std)
        results[key] = {"mean": mean.astype("f4"), "true": true, "snr": batches.snr.astype("f4")}
    return results


def scores(residual, names):
    """{rmse, sigma, bias: {name: number}} of residuals (k, n_labels): bias is the median, sigma 1.4826 MAD about it."""
    bias = np.median(residual, axis=0)
    values = {
        "rmse": np.sqrt(np.mean(residual**2, axis=0)),
        "sigma": 1.4826 * np.median(np.abs(residual - bias), axis=0),
        "bias": bias,
    }
    return {score: dict(zip(names, map(float, value))) for score, value in values.items()}


def save(results, metrics, labels, cfg, digest, inputs):
    """Write the predictions of each S/N range, then the scores."""
    paths = config.paths(cfg)
    with h5io.create(paths.predictions, "4_test", digest, cfg, inputs) as out:
        for key, arrays in results.items():
            group = out.create_group(f"snr{key}")
            group.attrs.update({"names": cfg.labels, "units": [one.plain_unit for one in labels]})
            for name, array in arrays.items():
                group[name] = array
    tmp = paths.metrics.with_name(paths.metrics.name + ".tmp")
    tmp.write_text(json.dumps(metrics, indent=1) + "\n")
    os.replace(tmp, paths.metrics)


def print_scores(metrics, labels):
    """Print bias, sigma and rmse of each label in each S/N range."""
    names = [f"{name} {one.plain_unit}" for name, one in zip(metrics["labels"], labels)]
    print(f"{count(metrics['n_test'])} test stars")
    print(f"{'S/N':<10}{'':<6}" + "".join(f"{name:>14}" for name in names))
    for key, table in metrics["snr"].items():
        for i, (score, values) in enumerate(table.items()):
            print(f"{'' if i else key.replace('_', '-'):<10}{score:<6}" + "".join(f"{v:14.3g}" for v in values.values()))


def draw(results, labels, cfg):
    """Write the figures 4_*.png."""
    from starlabels.plots import evaluation as plots

    folder, keys = config.paths(cfg).figure_dir, list(results)
    for key, r in results.items():
        plots.one_to_one(r["true"], r["mean"], labels, key, folder / f"4_one_to_one_{key}.png")
    if cfg.test.snr:
        plots.error_vs_snr(results, labels, folder / "4_error_vs_snr.png")
    middle = keys[len(cfg.test.snr) // 2]
    plots.residuals(results[middle]["true"], results[middle]["mean"], labels, middle, folder / "4_residuals.png")
    print(f"figures: {folder}/4_*.png")
