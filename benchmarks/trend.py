"""Does a network measure magnesium, or infer it from iron?

    python -m benchmarks.trend

Mock stars follow a Galactic trend: [Mg/Fe] and [Ti/Fe] rise with falling [Fe/H]. The censored
network of recipes/astronn.yaml and the same network without windows are trained on them. They are
tested on other stars of the trend, and on stars whose [Mg/Fe] and [Ti/Fe] do not depend on [Fe/H].
Finished stages are not repeated.

Writes data/trend.csv, data/trend_*.yaml, the files of the two runs, and
figures/trend_censored/trend_mg.png
"""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.stats import truncnorm

from starlabels.base import errors, hdf5, hdf5_labels
from starlabels.base.statistics import compute_rms
from starlabels.config import digests, load
from starlabels.config import paths as config
from starlabels.config.run import Run
from starlabels.stages import (
    command_line,
    grid,
    jacobian_labels,
    join,
    load_model,
    preprocess,
    score_labels,
    train_labels,
)

RECIPE = Path("recipes/astronn.yaml")
N_ON, N_OFF = 40_000, 3000  # stars that follow the trend, and that do not
RISE, SCATTER = -0.25, 0.05  # of [X/Fe] with [Fe/H] below the Sun's, and about that, dex
ELEMENTS = ("mg", "ti")
FREE = 0.25  # dex, [X/Fe] of stars off the trend, at most
# with lines of Mg and Ti, and narrow, so that it is computed quickly
WAVE = {"min": 4560.0, "max": 4760.0, "step": 0.1}
LABELS = ["teff", "logg", "vsini", "mh", "feh", "mg_h", "ti_h"]
# shorter than in the recipe
SHORT = {"max_epochs": 40, "schedule": "cosine", "learning_rate": 0.001}
TEST = [95, 105]  # S/N
MOST = 1.3  # times the full network's error off the trend


def compute_trend(feh):
    """Mean [X/Fe] of the training stars at [Fe/H]."""
    return RISE * np.minimum(feh, 0)


def draw_stars(rng):
    """The stars for grid.labels_csv: N_ON of the trend, then N_OFF off it (column off is 1)."""
    n = N_ON + N_OFF
    off = np.arange(n) >= N_ON
    table = pd.DataFrame(
        {
            "teff": rng.uniform(5000, 5500, n),
            "logg": rng.uniform(3.5, 4.5, n),
            "mh": rng.uniform(-1, 0.3, n),
        }
    )
    table["vsini"] = rng.uniform(0, 10, n)
    table["fe_m"] = rng.uniform(-0.05, 0.05, n)  # so that [Fe/H] is not [M/H]
    feh = table["mh"] + table["fe_m"]
    for name in ELEMENTS:
        about = compute_trend(feh) + truncnorm.rvs(
            -2.5, 2.5, scale=SCATTER, size=n, random_state=rng
        )
        table[f"{name}_m"] = np.where(off, rng.uniform(-FREE, FREE, n), about) + table["fe_m"]
    return table.round(4).assign(off=off.astype(int))


def write_recipes(base, catalogue):
    """Write the recipes of the censored and of the full network: {name: cfg}."""
    values = yaml.safe_load(base.text)
    values |= {"wave": WAVE, "labels": LABELS}
    values["grid"] |= {"name": "trend", "labels_csv": str(catalogue), "labels": {"vmic": 2.0}}
    values["join"] |= {"databases": [{"path": "data/grids/trend.h5", "where": "off == 0"}]}
    values["train"] |= SHORT
    values["test"] |= {"snr": [[20, 21], TEST, [190, 210]]}
    whole = {name: value for name, value in values["model"].items() if name != "windows"} | {
        "builder": "bayesian_cnn"
    }
    recipes = {}
    for name, model in (("censored", values["model"]), ("full", whole)):
        path = catalogue.with_name(f"trend_{name}.yaml")
        path.write_text(
            yaml.safe_dump(values | {"run": f"trend_{name}", "model": model}, sort_keys=False)
        )
        recipes[name] = load.load_config(path)
    return recipes


def print_trend(run, args=None):
    """Make the stars, train both networks, and print their errors on and off the trend."""
    from starlabels.plots import abundances

    base = run.cfg
    catalogue = Path("data/trend.csv")
    catalogue.parent.mkdir(exist_ok=True)
    draw_stars(np.random.default_rng(base.seed)).to_csv(catalogue, index=False)
    cfgs = write_recipes(base, catalogue)
    for cfg in cfgs.values():
        run_missing_stages(cfg)
    predictions = {name: predict_on_and_off(cfg) for name, cfg in cfgs.items()}
    print_report(predictions)
    feh, true, _ = extract_ratios(predictions["full"]["off"]["true"])
    curves = {
        f"{name} network": extract_ratios(parts["off"]["mean"])[:2]
        for name, parts in predictions.items()
    }
    path = config.run_paths(cfgs["censored"]).figure_dir / "trend_mg.png"
    abundances.draw_abundance_comparison("mg_h", feh, true, curves, compute_trend, path)
    print(f"figure: {path}")


def run_missing_stages(cfg):
    """Run the stages of a recipe whose files are missing or stale."""
    paths = config.run_paths(cfg)
    files = {
        grid.make_grid: paths.grid,
        join.join_databases: paths.joined,
        preprocess.prepare_spectra: paths.prepared,
        train_labels.train_label_network: paths.model_dir / "scaling.h5",
    }
    names = dict(zip(files, ("grid", "0_join", "2_preprocess", "3_train")))
    for stage, path in files.items():
        if not is_current(path, names[stage], digests.stage_digest(cfg, names[stage])):
            stage(Run(cfg))
    if not is_current(paths.predictions, "4_test", digests.stage_digest(cfg, "4_test")):
        score_labels.score_labels(Run(cfg))
        jacobian_labels.average_jacobians(Run(cfg))


def is_current(path, stage, digest):
    """True if a stage has written its file under this configuration."""
    try:
        with hdf5.open_stage(path, stage, digest):
            return True
    except errors.UserError:
        return False


def predict_on_and_off(cfg):
    """{on, off: {true, mean: (n, n_labels)}} of test stars on and off the trend, at S/N of TEST."""
    model, predictions = load_model.load_trained_model(Run(cfg)), {}
    with hdf5.open_stage(config.run_paths(cfg).prepared, "2_preprocess") as h5:
        predictions["on"] = predict_noisy(
            model, h5["test/flux"][:], hdf5_labels.read_labels(h5["test"], cfg.labels), cfg.seed
        )
    with hdf5.open_stage(config.run_paths(cfg).grid, "grid") as h5:
        rows = np.flatnonzero(hdf5_labels.read_labels(h5, ["off"])[:, 0])
        flux, true = (
            hdf5.read_rows(h5["spectra/flux"], rows),
            hdf5_labels.read_labels(h5, cfg.labels)[rows],
        )
        predictions["off"] = predict_noisy(model, flux, true, cfg.seed)
    return predictions


def predict_noisy(model, flux, true, seed):
    """{true, mean: (n, n_labels)} of flux (n, n_pix) with noise, the same for every model."""
    from starlabels.learning.noisy_spectra import add_noise

    rng = np.random.default_rng(seed)
    snr = rng.uniform(*TEST, len(flux))
    return {"true": true, "mean": model.predict(add_noise(flux, snr, rng), snr)["mean"]}


def extract_ratios(labels):
    """[Fe/H], [Mg/Fe] and [Ti/Fe] (n,) of labels (n, n_labels)."""
    feh, mg, ti = (labels[:, LABELS.index(name)] for name in ("feh", "mg_h", "ti_h"))
    return feh, mg - feh, ti - feh


def print_report(predictions):
    """Print the errors of [Mg/Fe] {network: predict_on_and_off}, and their correlations."""
    heads = (
        "RMSE",
        "bias",
        "r [Mg/Fe],[Fe/H]",
        "err on [Fe/H]",
        "err on [Mg/Fe] off",
        "err on [Ti/Fe] off",
    )
    print(
        f"{'[Mg/Fe], S/N ' + '-'.join(map(str, TEST)):<26}"
        + "".join(f"{head:>20}" for head in heads)
    )
    worst = {}
    for part, stars_are in (("on", "on the trend"), ("off", "off the trend")):
        for name, parts in predictions.items():
            (feh, mg, ti), (feh_found, mg_found, _) = (
                extract_ratios(parts[part][key]) for key in ("true", "mean")
            )
            error = mg_found - mg
            worst[part, name] = compute_rms(error)
            relation = compute_correlation(feh_found, mg_found)
            numbers = f"{compute_rms(error):>20.4f}{error.mean():>+20.4f}{relation:>+20.2f}"
            numbers += "".join(
                f"{format_slope(error, x):>20}"
                for x in (feh, mg - compute_trend(feh), ti - compute_trend(feh))
            )
            print(f"{f'{name}, {stars_are}':<26}" + numbers)
        print(f"{f'truth, {stars_are}':<26}" + f"{'':>40}{compute_correlation(feh, mg):>+20.2f}")
        ratio = worst[part, "censored"] / worst[part, "full"]
        print(f"{f'censored / full, {part}':<26}{ratio:>20.2f}")
    meaning = "err on x is the slope of the error with x, and the correlation"
    print(f"expected: at most {MOST} off the trend; {meaning}")


def format_slope(y, x):
    """Slope of y with x (n,), and their correlation, in words."""
    return f"{np.polyfit(x, y, 1)[0]:+.3f} (r {compute_correlation(x, y):+.2f})"


def compute_correlation(x, y):
    """Pearson's correlation of x and y (n,)."""
    return np.corrcoef(x, y)[0, 1]


if __name__ == "__main__":
    command_line.run_command(print_trend, __doc__, recipe=lambda args: RECIPE)
