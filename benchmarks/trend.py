"""Does a network read magnesium, or guess it from iron? `python -m benchmarks.trend`.

Mock stars follow a Galactic trend: [Mg/Fe] and [Ti/Fe] rise with falling [Fe/H]. The censored network of recipes/astronn.yaml
and the same network without windows learn from them, and are tested on others of the trend and on stars off it, where [Mg/Fe]
and [Ti/Fe] are any at every [Fe/H]. Nothing that is finished is made again.

Writes data/trend.csv, data/trend_*.yaml, the files of the two runs, and figures/trend_censored/trend_mg.png.
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
    test_labels,
    train_labels,
)

RECIPE = Path("recipes/astronn.yaml")
ON, OFF = 40_000, 3000  # stars that follow the trend, and that do not
RISE, SCATTER = -0.25, 0.05  # of [X/Fe] with [Fe/H] below the Sun's, and about that, dex
ELEMENTS = ("mg", "ti")
FREE = 0.25  # dex, [X/Fe] of stars off the trend, at most
WAVE = {
    "min": 4560.0,
    "max": 4760.0,
    "step": 0.1,
}  # lines of Mg and of Ti; as narrow as that, it is soon made
LABELS = ["teff", "logg", "vsini", "mh", "feh", "mg_h", "ti_h"]
SHORT = {
    "max_epochs": 40,
    "schedule": "cosine",
    "learning_rate": 0.001,
}  # departs from the recipe, to end sooner
TEST = [95, 105]  # S/N
MOST = 1.3  # times the full network's error off the trend


def trend(feh):
    """Mean [X/Fe] of the training stars at [Fe/H]."""
    return RISE * np.minimum(feh, 0)


def stars(rng):
    """The catalogue: ON stars of the trend, then OFF off it (column off is 1), as grid.labels_csv wants it."""
    n = ON + OFF
    off = np.arange(n) >= ON
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
        about = trend(feh) + truncnorm.rvs(-2.5, 2.5, scale=SCATTER, size=n, random_state=rng)
        table[f"{name}_m"] = np.where(off, rng.uniform(-FREE, FREE, n), about) + table["fe_m"]
    return table.round(4).assign(off=off.astype(int))


def recipes(base, catalogue):
    """The configurations of the censored and of the full network {name: cfg}, which are written."""
    values = yaml.safe_load(base.text)
    values |= {"wave": WAVE, "labels": LABELS}
    values["grid"] |= {"name": "trend", "labels_csv": str(catalogue), "labels": {"vmic": 2.0}}
    values["join"] |= {"databases": [{"path": "data/grids/trend.h5", "where": "off == 0"}]}
    values["train"] |= SHORT
    values["test"] |= {"snr": [[20, 21], TEST, [190, 210]]}
    whole = {name: value for name, value in values["model"].items() if name != "windows"} | {
        "builder": "bayesian_cnn"
    }
    found = {}
    for name, model in (("censored", values["model"]), ("full", whole)):
        path = catalogue.with_name(f"trend_{name}.yaml")
        path.write_text(
            yaml.safe_dump(values | {"run": f"trend_{name}", "model": model}, sort_keys=False)
        )
        found[name] = load.load_config(path)
    return found


def run(base, args=None):
    """Make the stars, train both networks, and print how they err on and off the trend."""
    from starlabels.plots import abundances

    catalogue = Path("data/trend.csv")
    catalogue.parent.mkdir(exist_ok=True)
    stars(np.random.default_rng(base.seed)).to_csv(catalogue, index=False)
    cfgs = recipes(base, catalogue)
    for cfg in cfgs.values():
        finish(cfg)
    found = {name: tested(cfg) for name, cfg in cfgs.items()}
    report(found)
    feh, true, _ = plane(found["full"]["off"]["true"])
    said = {f"{name} network": plane(parts["off"]["mean"])[:2] for name, parts in found.items()}
    path = config.run_paths(cfgs["censored"]).figure_dir / "trend_mg.png"
    print(f"figure: {abundances.draw_abundance_comparison('mg_h', feh, true, said, trend, path)}")


def finish(cfg):
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
        if not current(path, names[stage], digests.stage_digest(cfg, names[stage])):
            stage(Run(cfg))
    if not current(paths.predictions, "4_test", digests.stage_digest(cfg, "4_test")):
        test_labels.score_labels(Run(cfg))
        jacobian_labels.average_jacobians(Run(cfg))


def current(path, stage, digest):
    """Whether a stage has written its file under this configuration."""
    try:
        with hdf5.open_stage(path, stage, digest):
            return True
    except errors.UserError:
        return False


def tested(cfg):
    """{on, off: {true, mean: (n, n_labels)}} of the test stars of the trend and of the stars off it, at S/N of TEST."""
    model, found = load_model.load_trained_model(Run(cfg)), {}
    with hdf5.open_stage(config.run_paths(cfg).prepared, "2_preprocess") as h5:
        found["on"] = predicted(
            model, h5["test/flux"][:], hdf5_labels.read_labels(h5["test"], cfg.labels), cfg.seed
        )
    with hdf5.open_stage(config.run_paths(cfg).grid, "grid") as h5:
        rows = np.flatnonzero(hdf5_labels.read_labels(h5, ["off"])[:, 0])
        flux, true = (
            hdf5.read_rows(h5["spectra/flux"], rows),
            hdf5_labels.read_labels(h5, cfg.labels)[rows],
        )
        found["off"] = predicted(model, flux, true, cfg.seed)
    return found


def predicted(model, flux, true, seed):
    """{true, mean: (n, n_labels)} of noisy copies of flux (n, n_pix), the same noise for every model."""
    from starlabels.learning.noisy_spectra import add_noise

    rng = np.random.default_rng(seed)
    snr = rng.uniform(*TEST, len(flux))
    return {"true": true, "mean": model.predict(add_noise(flux, snr, rng), snr)["mean"]}


def plane(labels):
    """[Fe/H], [Mg/Fe] and [Ti/Fe] (n,) of labels (n, n_labels)."""
    feh, mg, ti = (labels[:, LABELS.index(name)] for name in ("feh", "mg_h", "ti_h"))
    return feh, mg - feh, ti - feh


def report(found):
    """Print the errors of [Mg/Fe] of the networks {network: `tested`}, and what they go along with."""
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
        for name, parts in found.items():
            (feh, mg, ti), (feh_found, mg_found, _) = (
                plane(parts[part][what]) for what in ("true", "mean")
            )
            error = mg_found - mg
            worst[part, name] = compute_rms(error)
            numbers = f"{compute_rms(error):>20.4f}{error.mean():>+20.4f}{correlation(feh_found, mg_found):>+20.2f}"
            numbers += "".join(
                f"{slope(error, x):>20}" for x in (feh, mg - trend(feh), ti - trend(feh))
            )
            print(f"{f'{name}, {stars_are}':<26}" + numbers)
        print(f"{f'truth, {stars_are}':<26}" + f"{'':>40}{correlation(feh, mg):>+20.2f}")
        print(
            f"{f'censored / full, {part}':<26}{worst[part, 'censored'] / worst[part, 'full']:>20.2f}"
        )
    print(
        f"asked: at most {MOST} off the trend; err on x is the slope of the error with x, and the correlation"
    )


def slope(y, x):
    """Slope of y with x (n,), and their correlation, in words."""
    return f"{np.polyfit(x, y, 1)[0]:+.3f} (r {correlation(x, y):+.2f})"


def correlation(x, y):
    """Pearson's correlation of x and y (n,)."""
    return np.corrcoef(x, y)[0, 1]


if __name__ == "__main__":
    command_line.run_command(run, __doc__, recipe=lambda args: RECIPE)
