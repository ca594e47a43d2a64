"""The card of a trained model, models/<run>/README.md: purpose, accuracy, limits and provenance."""

import math

import numpy as np

from starlabels.base import hdf5, hdf5_spectra, provenance, stamp
from starlabels.base.console import format_count
from starlabels.base.files import replace_file
from starlabels.base.labels import get_label
from starlabels.learning import outliers
from starlabels.learning.calibration import NOISE_FREE

SCORES = {  # of metrics.json, in words
    "rmse": "RMSE",
    "crlb": "Cramér-Rao bound",
    "ratio": "RMSE / bound",
    "bias": "bias (median)",
    "coverage_68": "within one error (expected 68.3 %)",
    "coverage_95": "within 1.96 errors (expected 95 %)",
}
SPECTRUM_SCORES = {
    "mae": "mean abs. error of the flux",
    "r2": "R2",
    "p95_max": "largest error of a spectrum, 95th percentile",
    "worst": "worst pixel",
}


def write_card(run, metrics, model, n_train):
    """Write README.md in the folder of a tested Keras model, with the numbers of its metrics."""
    cfg, folder = run.cfg, run.paths.model_dir
    with hdf5.open_stage(run.paths.scaling, "3_train") as h5:
        units = read_units(h5)
        low, high = h5["scaling/min"][:], h5["scaling/max"][:]
        medium = hdf5_spectra.read_axis(h5).medium if cfg.wave else ""
    record = provenance.read_record(folder)
    sections = {
        f"# Model card: {folder}": [describe_purpose(cfg)],
        "## Labels and the range of training": format_ranges(cfg.labels, units, low, high),
        "## Training": describe_training(cfg, model, n_train, medium),
        "## Accuracy": format_accuracy(cfg, metrics, units),
    }
    if any(metrics.get("flagged", {}).values()):
        sections["## Flags"] = format_flags(metrics)
    sections["## Not for"] = list_limits(cfg)
    sections["## Provenance"] = describe_provenance(record, metrics)
    text = "\n\n".join("\n".join([title, "", *lines]) for title, lines in sections.items())
    with replace_file(folder / "README.md") as tmp:
        tmp.write_text(text + "\n", encoding="utf-8")


def read_units(h5):
    """{label: unit} of an open scaling.h5."""
    attributes = h5["scaling/mean"].attrs
    names, units = (map(str, attributes[key]) for key in ("names", "units"))
    return {name: get_label(name, unit).plain_unit for name, unit in zip(names, units)}


def describe_purpose(cfg):
    """Input, output and command."""
    labels = ", ".join(cfg.labels)
    if cfg.target == "flux":
        return f"Gives spectra of {labels}: `python generate.py --model models/{cfg.run}`."
    inputs = ["spectra"] * bool(cfg.wave) + ["columns of a table"] * bool(cfg.features)
    command = f"`python predict.py FILES --model models/{cfg.run}`"
    return f"Gives {labels} of {' and '.join(inputs)}: {command}."


def format_table(head, rows):
    """Lines of a Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def format_ranges(names, units, low, high):
    """Table of unit, least and greatest training value per label."""
    rows = []
    for name, least, greatest in zip(names, low, high):
        rows.append([name, units[name] or "-", f"{least:.6g}", f"{greatest:.6g}"])
    return format_table(["label", "unit", "from", "to"], rows)


def describe_training(cfg, model, n_train, medium):
    """Training set, noise and network; wavelengths are in `medium`."""
    n_trained = sum(math.prod(weights.shape) for weights in model.trainable_weights)
    lines = [f"- {format_count(n_train)} training {'spectra' if cfg.wave else 'stars'}"]
    if cfg.wave:
        window = f"{cfg.wave.min:g} to {cfg.wave.max:g} A in {medium}"
        pixels = f"{format_count(cfg.wave.n_pix)} pixels of {cfg.wave.step:g} A"
        lines.append(f"- {window}, {pixels}")
    if cfg.grid and cfg.wave:
        power = f"{cfg.grid.resolving_power:g}"
        lines.append(f"- synthetic spectra of resolving power {power} in the recipe's grid")
    noise = cfg.train.noise
    if noise:
        lines.append(f"- noise of S/N {noise.snr_min:g} to {noise.snr_max:g}, drawn anew")
    else:
        lines.append("- no noise was added")
    parameters = f"{format_count(model.count_params())} parameters"
    trained = f"{format_count(n_trained)} of them trained"
    return [*lines, f"- network `{cfg.model.builder}`, {parameters}, {trained}"]


def format_accuracy(cfg, metrics, units):
    """Table of the scores: per S/N range and label, or of the spectra of a generator."""
    n_test = format_count(metrics["n_test"])
    if "snr" not in metrics:
        parts = [part for part in ("generator", "autoencoder") if part in metrics]
        rows = []
        for score, words in SPECTRUM_SCORES.items():
            rows.append([words, *(f"{metrics[part][score]:.4g}" for part in parts)])
        return [f"{n_test} test stars.", "", *format_table(["", *parts], rows)]
    rows = []
    for key, scores in metrics["snr"].items():
        for score, words in SCORES.items():
            if score in scores:
                kind = ".1%" if score.startswith("coverage") else ".4g"
                cells = [format(scores[score][name], kind) for name in cfg.labels]
                rows.append([spell_range(key), words, *cells])
    head = ["S/N", "", *(f"{name} ({units[name]})" if units[name] else name for name in cfg.labels)]
    return [f"{n_test} held-out stars; the numbers of metrics.json.", "", *format_table(head, rows)]


def spell_range(key):
    """An S/N range of metrics.json in words: 20-100, or no noise added."""
    return "no noise added" if key == NOISE_FREE else key.replace("_", "-")


def format_flags(metrics):
    """Table of flags: bit, rule, and the share of test stars that carry it per S/N range."""
    fractions = metrics["flagged"]
    heads = [
        spell_range(key) if key == NOISE_FREE else f"S/N {spell_range(key)}" for key in fractions
    ]
    rows = []
    for name in next(iter(fractions.values())):
        shares = [f"{table[name]:.1%}" for table in fractions.values()]
        rows.append([name, str(outliers.BITS[name]), outliers.RULES[name], *shares])
    return format_table(["flag", "bit", "set where", *heads], rows)


def list_limits(cfg):
    """What the model is not made for."""
    limits = [
        "labels outside the range of training: the model extrapolates, and only its flags say so",
        "binaries, emission lines, and anything else that was not in its training",
    ]
    if cfg.wave:
        limits.append(
            "other wavelengths, a lower resolving power or S/N, or another normalisation than in "
            "training"
        )
    if cfg.wave and cfg.grid and not cfg.preprocess.observed:
        limits.append(
            "observed spectra: it was not trained for their faults (continuum, velocity, missing "
            "pixels); see recipes/observed_*"
        )
    if cfg.grid:
        limits.append(
            "systematic errors of the models: the synthetic spectra are LTE, and their line data "
            "are not exact"
        )
    return [f"- {limit}" for limit in limits]


def describe_provenance(record, metrics):
    """Commit, digest, date, command and versions; starlabels.tools.provenance prints the rest."""
    lines = [
        f"- trained {record.created} by `{record.command}`, commit {record.commit}",
        f"- digest of the settings: {record.digest}",
    ]
    seconds = metrics.get("train_seconds", np.nan)
    if np.isfinite(seconds):
        lines.append(f"- {seconds:.0f} s of training")
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    date, commit = stamp.format_utc_now(), stamp.get_commit()
    tested = f"- tested {date}, commit {commit}; recipe: config.yaml in this folder"
    return [*lines, f"- {versions}", tested]
