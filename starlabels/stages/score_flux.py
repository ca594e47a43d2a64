"""4_test for target flux: compare generated spectra of held-out labels with synthesised ones."""

import numpy as np

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra, stamp
from starlabels.base.console import format_count, show_progress
from starlabels.base.labels import get_label
from starlabels.learning import generator, trained_model
from starlabels.learning.generator import call_model
from starlabels.stages import card, locks
from starlabels.stages.score_labels import write_metrics

CHUNK = 512  # spectra in memory at a time
# percentiles of the largest error of a star that the figure shows
SHOWN = {"best": 0, "median": 50, "95th percentile": 95, "worst": 100}


@locks.require_lock("lock")
def score_generator(run, args=None):
    """Write the errors, scores, card and figures of a generator at held-out labels.

    Raises
    ------
    UserError
        If an input is missing or stale.
    """
    cfg, paths, digest = run.cfg, run.paths, run.digest("4_test")
    errors = {}
    with run.open("2_preprocess") as h5:
        made, autoencoder = load_generator(run)
        axis, flux = hdf5_spectra.read_axis(h5), h5["test/flux"]
        labels = hdf5_labels.read_labels(h5["test"], cfg.labels)[: cfg.test.n_stars]
        units, n = hdf5_labels.read_label_units(h5["test"]), len(labels)
        errors["generator"] = compare_spectra(lambda rows: made.flux(labels[rows]), flux, n)
        if autoencoder:
            errors["autoencoder"] = compare_spectra(
                lambda rows: call_model(autoencoder, flux[rows]), flux, n
            )
        examples = pick_examples(flux, labels, errors["generator"]["max"], made)
        n_train, mean_flux = len(h5["train/labels/value"]), h5["train/flux"][:CHUNK].mean(axis=0)
    metrics = {"run": cfg.run, "labels": cfg.labels, "n_test": n, "versions": stamp.get_versions()}
    metrics |= {name: score_errors(arrays) for name, arrays in errors.items()}
    inputs = {paths.model_dir: made.digest}
    save_errors(run, errors, metrics, digest, inputs)
    card.write_card(run, metrics, made.model, n_train)
    print_scores(metrics)
    axes = [get_label(name, units[name]) for name in cfg.labels]
    with run.figures("4_*.png", inputs) as folder:
        draw_examples(examples, axis, cfg, folder)
        draw_errors(errors["generator"], mean_flux, axis, labels, axes, cfg, folder)
    print(f"figures: {paths.figure_dir}/4_*.png")


def load_generator(run):
    """The Generator of the run and its autoencoder or None; UserError if missing or stale."""
    folder = run.paths.model_dir
    with run.open("3_train"):
        pass
    made = generator.open_folder(folder)
    if run.cfg.intrinsic:
        return made, None
    return made, trained_model.read_keras_model(folder / "autoencoder.keras")


def compare_spectra(made, flux, n):
    """Compare the spectra of made(rows) with the first n of flux (n, n_pix).

    Returns
    -------
    dict
        `mean`, `max`: |dF| of each star (n,); `relative`: mean |dF| / F (n,); `pixel_mean`,
        `pixel_p95`, `pixel_worst`: |dF| at each pixel (n_pix,); `mse`; `r2`: 1 minus the sum of
        squared errors over that about the mean spectrum.
    """
    stars, errors = {"mean": [], "max": [], "relative": []}, []
    square = total = power = 0.0
    for start in show_progress(range(0, n, CHUNK), "comparing spectra"):
        rows = slice(start, min(start + CHUNK, n))
        truth = flux[rows]
        error = np.abs(made(rows) - truth)
        stars["mean"].append(error.mean(axis=1))
        stars["max"].append(error.max(axis=1))
        stars["relative"].append((error / np.maximum(truth, 1e-3)).mean(axis=1))
        errors.append(error.astype("f2"))  # 5000 spectra of 4000 pixels: 40 MB
        square = square + np.square(error, dtype=float).sum()
        total = total + truth.sum(0)
        power = power + (truth**2).sum(0)
    results = {name: np.concatenate(parts) for name, parts in stars.items()}
    errors = np.concatenate(errors)
    variance = np.sum(power - total.astype(float) ** 2 / n)
    blocks = np.array_split(errors, 20, axis=1)  # a percentile copies what it reads
    results["pixel_mean"] = errors.mean(axis=0, dtype="f4")
    results["pixel_worst"] = errors.max(axis=0).astype("f4")
    results["pixel_p95"] = np.concatenate([np.percentile(block, 95, axis=0) for block in blocks])
    return results | {"mse": square / errors.size, "r2": 1 - square / variance}


def score_errors(errors):
    """Summary numbers of the result of `compare_spectra`."""
    return {
        "mae": float(errors["mean"].mean()),
        "mse": float(errors["mse"]),
        "relative": float(errors["relative"].mean()),
        "r2": float(errors["r2"]),
        "p95_max": float(np.percentile(errors["max"], 95)),
        "worst": float(errors["max"].max()),
    }


def pick_examples(flux, labels, worst, made):
    """{name: (labels, true flux, generated flux)} of the stars at percentiles of `worst` (n,)."""
    order = np.argsort(worst)
    examples = {}
    for name, percent in SHOWN.items():
        row = int(order[round(percent / 100 * (len(order) - 1))])
        examples[name] = labels[row], flux[row], made.flux(labels[row : row + 1])[0]
    return examples


def save_errors(run, errors, metrics, digest, inputs):
    """Write the errors {group: result of `compare_spectra`} and the scores."""
    with run.create("4_test", digest, inputs) as h5:
        for group, arrays in errors.items():
            for name, values in arrays.items():
                hdf5.write_dataset(h5, f"{group}/{name}", values)
    write_metrics(metrics, run.paths.metrics)


def print_scores(metrics):
    """Print the scores of the generator and of its autoencoder alone."""
    heads = {
        "mae": "mean |dF|",
        "mse": "mse",
        "relative": "mean |dF|/F",
        "r2": "R2",
        "p95_max": "95% of max",
        "worst": "worst |dF|",
    }
    print(f"{format_count(metrics['n_test'])} test stars")
    print(f"{'':<14}" + "".join(f"{head:>14}" for head in heads.values()))
    for part in ("generator", "autoencoder"):
        if part in metrics:
            print(f"{part:<14}" + "".join(f"{metrics[part][name]:14.6g}" for name in heads))


def draw_examples(examples, axis, cfg, folder):
    """Draw generated spectra over synthesised ones, from the best star to the worst."""
    from starlabels.plots.generated_spectra import format_heading
    from starlabels.plots.generator_spectra import draw_spectrum_pairs

    titles = []
    for name, (labels, _, _) in examples.items():
        rounded = [float(f"{value:.4g}") for value in labels]
        titles.append(format_heading(name, dict(zip(cfg.labels, rounded))))
    truth = np.array([truth for _, truth, _ in examples.values()])
    generated = np.array([flux for _, _, flux in examples.values()])
    path = folder / "4_generated.png"
    lines = cfg.get_lines(axis.medium)
    draw_spectrum_pairs(axis.wave, truth, generated, titles, lines, path, axis.medium)


def draw_errors(errors, mean_flux, axis, labels, axes, cfg, folder):
    """Draw the errors of a generator by wavelength, by star and by label."""
    from starlabels.plots import generator_errors as plots
    from starlabels.plots.generator_spectra import draw_error_by_wavelength

    by_pixel = {name: errors[f"pixel_{name}"] for name in ("mean", "p95", "worst")}
    path = folder / "4_error_by_wavelength.png"
    lines = cfg.get_lines(axis.medium)
    draw_error_by_wavelength(axis.wave, mean_flux, by_pixel, lines, path, axis.medium)
    by_star = {name: errors[name] for name in ("mean", "max")}
    plots.draw_error_distribution(by_star, folder / "4_errors.png")
    plots.draw_error_by_label(labels, errors["mean"], axes, folder / "4_error_by_label.png")
