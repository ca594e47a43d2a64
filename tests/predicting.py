"""predict.py with the model of recipes/smoke.yaml: spectra of one star, and the rows of results."""

import numpy as np
import pandas as pd
from conftest import run_script

from starlabels.config import load
from starlabels.stages.recipe_nodes import open_sampler

HOME = "models/smoke"
STAR = {"teff": 7000.0, "logg": 4.0, "mh": 0.0, "vmic": 2.0, "vsini": 20.0}


def spectrum(folder, rv=0.0, low=4835, high=4885, snr=100):
    """Wavelengths (n,) and noisy flux of a star that recedes at rv km/s, in counts."""
    cfg = load.load_config(folder / HOME / "config.yaml")
    wave = np.arange(max(low, 4450), high, 0.05)
    star = {name: np.array([value]) for name, value in (STAR | {"rv": rv}).items()}
    flux = open_sampler(cfg).sample_spectra(star, wave, 35_000)[0] * 1e3
    return wave, flux + np.random.default_rng(0).normal(0, 1e3 / snr, len(wave))


def write_csv(path, wave, flux, header="wave,flux"):
    np.savetxt(path, np.column_stack([wave, flux]), delimiter=",", header=header, comments="")


def predict(folder, *words, figures=0):
    """The finished predict.py and the rows of its results by name."""
    done = run_script("predict.py", *words, "--model", folder / HOME, "--figures", figures)
    assert done.returncode == 0, done.stderr
    return done, pd.read_csv("results/results.csv").set_index("name")
