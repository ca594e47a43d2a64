"""The card of a trained model, models/<run>/README.md: what it is for, how good it is, what it is not for, where it is from."""

import math

import numpy as np

from starlabels.base import hdf5, provenance, stamp
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
    "p95_max": "95 % have no worse pixel than",
    "worst": "worst pixel",
}


def write(run, metrics, model, n_train):
    """Write README.md beside a Keras model that was tested: the numbers are those of its metrics {see metrics.json}."""
    cfg, paths = run.cfg, run.paths
    with hdf5.open_stage(paths.model_dir / "scaling.h5", "3_train") as h5:
        units = units_of(h5)
        ends = [h5[f"scaling/{end}"][:] for end in ("min", "max")]
        medium = hdf5.read_axis(h5).medium if cfg.wave else ""
    made = provenance.read(paths.model_dir)
    parts = [
        [f"# Model card: {paths.model_dir}", "", purpose(cfg)],
        ["## Labels and the range of training", "", *ranges(cfg.labels, units, *ends)],
        ["## Training", "", *training(cfg, model, n_train, medium)],
        ["## Accuracy", "", *accuracy(cfg, metrics, units)],
        ["## Flags", "", *flags(metrics)] if any(metrics.get("flagged", {}).values()) else [],
        ["## Not for", "", *limits(cfg)],
        ["## Provenance", "", *made_how(made, metrics)],
    ]
    with replace_file(paths.model_dir / "README.md") as tmp:
        tmp.write_text(
            "\n\n".join("\n".join(part) for part in parts if part) + "\n", encoding="utf-8"
        )


def units_of(h5):
    """{label: unit} of an open scaling.h5."""
    attributes = h5["scaling/mean"].attrs
    return {
        str(name): get_label(str(name), str(unit)).plain_unit
        for name, unit in zip(attributes["names"], attributes["units"])
    }


def purpose(cfg):
    """What goes in and what comes out."""
    if cfg.target == "flux":
        return f"Gives spectra of {', '.join(cfg.labels)}: `python generate.py --model models/{cfg.run}`."
    source = " and ".join(
        ["spectra"] * bool(cfg.wave) + ["columns of a table"] * bool(cfg.features)
    )
    return f"Gives {', '.join(cfg.labels)} of {source}: `python predict.py FILES --model models/{cfg.run}`."


def table(head, rows):
    """Lines of a Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def ranges(names, units, low, high):
    """A row a label: unit, least and greatest value in training."""
    rows = [
        [name, units[name] or "-", f"{a:.6g}", f"{b:.6g}"] for name, a, b in zip(names, low, high)
    ]
    return table(["label", "unit", "from", "to"], rows)


def training(cfg, model, n_train, medium):
    """What the network is and what it was trained on; wavelengths are in `medium`."""
    free = sum(math.prod(one.shape) for one in model.trainable_weights)
    what = "spectra" if cfg.wave else "stars"
    lines = [f"- {format_count(n_train)} training {what}"]
    if cfg.wave:
        window = f"{cfg.wave.min:g} to {cfg.wave.max:g} A in {medium}"
        lines.append(f"- {window}, {format_count(cfg.wave.n_pix)} pixels of {cfg.wave.step:g} A")
    if cfg.grid and cfg.wave:
        lines.append(
            f"- synthetic spectra of resolving power {cfg.grid.resolving_power:g} in the recipe's grid"
        )
    noise = cfg.train.noise
    lines.append(
        f"- noise of S/N {noise.snr_min:g} to {noise.snr_max:g}, drawn anew"
        if noise
        else "- no noise was added"
    )
    return [
        *lines,
        f"- network `{cfg.model.builder}`, {format_count(model.count_params())} parameters, {format_count(free)} of them trained",
    ]


def accuracy(cfg, metrics, units):
    """A row for each range of S/N and score, in the labels' units; of a generator the scores of its spectra."""
    if "snr" not in metrics:
        parts = {part: metrics[part] for part in ("generator", "autoencoder") if part in metrics}
        rows = [
            [words, *(f"{one[key]:.4g}" for one in parts.values())]
            for key, words in SPECTRUM_SCORES.items()
        ]
        return [f"{format_count(metrics['n_test'])} test stars.", "", *table(["", *parts], rows)]
    rows = []
    for key, scores in metrics["snr"].items():
        for score, words in SCORES.items():
            if score in scores:
                kind = ".1%" if score.startswith("coverage") else ".4g"
                rows.append(
                    [
                        in_words(key),
                        words,
                        *(format(scores[score][name], kind) for name in cfg.labels),
                    ]
                )
    head = ["S/N", "", *(f"{name} ({units[name]})" if units[name] else name for name in cfg.labels)]
    return [
        f"{format_count(metrics['n_test'])} held-out stars; the numbers of metrics.json.",
        "",
        *table(head, rows),
    ]


def in_words(key):
    """A range of metrics.json: 20-100, or no noise added."""
    return "no noise added" if key == NOISE_FREE else key.replace("_", "-")


def flags(metrics):
    """A row a flag: its bit, what it says, and the share of test stars that carry it in each range."""
    ranges, names = list(metrics["flagged"]), list(next(iter(metrics["flagged"].values())))
    shares = [[f"{metrics['flagged'][key][name]:.1%}" for key in ranges] for name in names]
    rows = [
        [name, str(outliers.BITS[name]), outliers.RULES[name], *share]
        for name, share in zip(names, shares)
    ]
    return table(
        [
            "flag",
            "bit",
            "set where",
            *(in_words(key) if key == NOISE_FREE else f"S/N {in_words(key)}" for key in ranges),
        ],
        rows,
    )


def limits(cfg):
    """What it cannot do."""
    lines = [
        "- labels outside the range of training: it extrapolates, and says so by a flag only where it has flags"
    ]
    if cfg.wave:
        lines.append(
            "- other wavelengths, a lower resolving power, spectra not normalised as those of training, S/N below training's"
        )
    if cfg.wave and cfg.grid and not cfg.preprocess.observed:
        lines.append(
            "- observed spectra: it knows none of their faults (continuum, velocity, missing pixels); see recipes/observed_*"
        )
    if cfg.grid:
        lines.append(
            "- truth beyond its models: synthetic spectra are LTE, and their line data are not exact"
        )
    return [*lines, "- binaries, emission lines, and whatever else was not in its training"]


def made_how(made, metrics):
    """Commit, digest, date, command and versions; `python -m starlabels.tools.provenance` tells the rest."""
    lines = [
        f"- trained {made.created} by `{made.command}`, commit {made.commit}",
        f"- digest of the settings: {made.digest}",
    ]
    seconds = (
        [f"- {metrics['train_seconds']:.0f} s of training"]
        if np.isfinite(metrics.get("train_seconds", np.nan))
        else []
    )
    versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    return [
        *lines,
        *seconds,
        f"- {versions}",
        f"- tested {stamp.now()}, commit {stamp.commit()}; recipe: config.yaml beside this",
    ]
