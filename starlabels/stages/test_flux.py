"""4_test and jacobian of recipes whose target is flux: generated spectra, and their derivatives, against those of the nodes."""

import numpy as np

from starlabels.base import hdf5, stamp
from starlabels.base.console import format_count, show_progress
from starlabels.base.labels import get_label
from starlabels.learning import generator, trained_model
from starlabels.learning.generator import call_model
from starlabels.stages import card, locks
from starlabels.stages.test_labels import write_metrics

CHUNK = 512  # spectra in memory at a time
SHOWN = {
    "best": 0,
    "median": 50,
    "95th percentile": 95,
    "worst": 100,
}  # percentiles of the greatest error of a star


@locks.require_lock("lock")
def score_generator(run, args=None):
    """4_test: score spectra generated at held-out labels; UserError if an input is missing or stale."""
    cfg, paths, digest = run.cfg, run.paths, run.digest("4_test")
    with run.open("2_preprocess") as h5:
        made, coder = load_generator(run)
        axis, flux = hdf5.read_axis(h5), h5["test/flux"]
        labels, units = (
            hdf5.read_labels(h5["test"], cfg.labels)[: cfg.test.n_stars],
            hdf5.label_units(h5["test"]),
        )
        generated = compare(lambda rows: made.flux(labels[rows]), flux, len(labels))
        coded = coder and compare(lambda rows: call_model(coder, flux[rows]), flux, len(labels))
        shown = examples(flux, labels, generated["max"], made)
        n_train, mean_flux = len(h5["train/labels"]), h5["train/flux"][:CHUNK].mean(axis=0)
    found = {"generator": generated} | ({"autoencoder": coded} if coded else {})
    metrics = {
        "run": cfg.run,
        "labels": cfg.labels,
        "n_test": len(labels),
        "versions": stamp.versions(),
    }
    metrics |= {name: scores(one) for name, one in found.items()}
    inputs = {paths.model_dir: made.digest}
    save_errors(run, found, metrics, digest, inputs)
    card.write(run, metrics, made.model, n_train)
    print_scores(metrics)
    axes = [get_label(name, units[name]) for name in cfg.labels]
    with run.figures("4_*.png", inputs) as folder:
        draw_figures(generated, shown, mean_flux, axis, labels, axes, cfg, folder)
    print(f"figures: {paths.figure_dir}/4_*.png")


def load_generator(run):
    """The Generator of the recipe and its autoencoder, if any; UserError naming 3_train.py if missing, damaged or stale."""
    cfg, folder = run.cfg, run.paths.model_dir
    with run.open("3_train"):
        pass
    return generator.open_folder(folder), None if cfg.intrinsic else trained_model.read_keras_model(
        folder / "autoencoder.keras"
    )


def compare(made, flux, n):
    """How far the spectra made(rows) are from the first n of flux (n, n_pix).

    {mean, max: |dF| of each star (n,); relative: mean |dF| / F (n,); pixel_mean, pixel_p95, pixel_worst: |dF| at each pixel
    (n_pix,); mse; r2}: R^2 is 1 - sum of squared errors over that about the mean spectrum.
    """
    found, errors, square, total, power = {"mean": [], "max": [], "relative": []}, [], 0.0, 0.0, 0.0
    for start in show_progress(range(0, n, CHUNK), "comparing spectra"):
        rows = slice(start, min(start + CHUNK, n))
        truth = flux[rows]
        error = np.abs(made(rows) - truth)
        found["mean"].append(error.mean(axis=1))
        found["max"].append(error.max(axis=1))
        found["relative"].append((error / np.maximum(truth, 1e-3)).mean(axis=1))
        errors.append(error.astype("f2"))  # 5000 spectra of 4000 pixels: 40 MB
        square, total, power = (
            square + np.square(error, dtype=float).sum(),
            total + truth.sum(0),
            power + (truth**2).sum(0),
        )
    found = {name: np.concatenate(parts) for name, parts in found.items()}
    errors, variance = np.concatenate(errors), np.sum(power - total.astype(float) ** 2 / n)
    found |= {
        "pixel_mean": errors.mean(axis=0, dtype="f4"),
        "pixel_worst": errors.max(axis=0).astype("f4"),
    }
    found["pixel_p95"] = np.concatenate(
        [np.percentile(part, 95, axis=0) for part in np.array_split(errors, 20, axis=1)]
    )
    return found | {"mse": square / errors.size, "r2": 1 - square / variance}


def scores(found):
    """The numbers of `compare` that sum it up."""
    return {
        "mae": float(found["mean"].mean()),
        "mse": float(found["mse"]),
        "relative": float(found["relative"].mean()),
        "r2": float(found["r2"]),
        "p95_max": float(np.percentile(found["max"], 95)),
        "worst": float(found["max"].max()),
    }


def examples(flux, labels, worst, made):
    """{words: (labels (n_labels,), truth (n_pix,), generated (n_pix,))} of stars at the percentiles SHOWN of `worst` (n,)."""
    order = np.argsort(worst)
    rows = {
        words: int(order[round(percent / 100 * (len(order) - 1))])
        for words, percent in SHOWN.items()
    }
    return {
        words: (labels[row], flux[row], made.flux(labels[row : row + 1])[0])
        for words, row in rows.items()
    }


def save_errors(run, found, metrics, digest, inputs):
    """Write the errors of each star and pixel, {group: what `compare` gives}, then the scores."""
    with run.create("4_test", digest, inputs) as h5:
        for group, errors in found.items():
            for name, values in errors.items():
                hdf5.write(h5, f"{group}/{name}", values)
    write_metrics(metrics, run.paths.metrics)


def print_scores(metrics):
    """Print the scores of the generator and of its code alone."""
    names = {
        "mae": "mean |dF|",
        "mse": "mse",
        "relative": "mean |dF|/F",
        "r2": "R2",
        "p95_max": "95% of max",
        "worst": "worst |dF|",
    }
    print(f"{format_count(metrics['n_test'])} test stars")
    print(f"{'':<14}" + "".join(f"{name:>14}" for name in names.values()))
    for part in (name for name in ("generator", "autoencoder") if name in metrics):
        print(f"{part:<14}" + "".join(f"{metrics[part][name]:14.6g}" for name in names))


def draw_figures(found, shown, mean_flux, axis, labels, axes, cfg, folder):
    """Write the figures 4_*.png."""
    from starlabels.plots import generator_errors as plots
    from starlabels.plots.generated_spectra import format_heading

    lines, (wave, medium, *_) = cfg.lines, axis
    values = {words: [float(f"{value:.4g}") for value in star[0]] for words, star in shown.items()}
    titles = [
        format_heading(words, dict(zip(cfg.labels, four_digits)))
        for words, four_digits in values.items()
    ]
    truth, generated = (np.array([star[i] for star in shown.values()]) for i in (1, 2))
    plots.draw_spectrum_pairs(
        wave, truth, generated, titles, lines, folder / "4_generated.png", medium
    )
    errors = {name: found[f"pixel_{name}"] for name in ("mean", "p95", "worst")}
    plots.draw_error_by_wavelength(
        wave, mean_flux, errors, lines, folder / "4_error_by_wavelength.png", medium
    )
    plots.draw_error_distribution(
        {name: found[name] for name in ("mean", "max")}, folder / "4_errors.png"
    )
    plots.draw_error_by_label(labels, found["mean"], axes, folder / "4_error_by_label.png")
