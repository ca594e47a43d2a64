"""Real stars through predict.py: the Sun, Procyon, an A3 V and an F5 V.

Run with -s to see the numbers. The models are those in the box.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from published import SHARED

from starlabels.base.install import MODEL_FOLDER
from starlabels.spectra import continuum, readers, spectrum
from starlabels.spectra.preparation import SpectrumPreparer
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here"),
]
ROOT = Path(__file__).parents[2]
REAL, BLUE = SHARED / "real", NODE_FOLDER / "blue"


def python(folder, *words):
    """Run a script of ours in a folder; its output, and an assertion that it ended well."""
    done = subprocess.run(
        [sys.executable, ROOT / words[0], *map(str, words[1:])],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def predicted(model, out, *words):
    """Rows of results.csv of predict.py, by name."""
    print(python(out, "predict.py", *words, "--model", model, "--out", out / "results"))
    return pd.read_csv(out / "results/results.csv").set_index("name")


def test_the_sun_and_procyon_have_their_literature_labels(tmp_path):
    found = predicted(
        MODEL_FOLDER / "observed_highres",
        tmp_path,
        *(REAL / f"{star}_harps.fits" for star in ("sun", "procyon")),
        "--resolving-power",
        115000,
    )
    sun, procyon = found.loc["sun_harps.fits"], found.loc["procyon_harps.fits"]
    for star, true, most in (
        (
            sun,
            {"teff": 5772, "logg": 4.44, "mh": 0.0, "vsini": 0},
            {"teff": 150, "logg": 0.2, "mh": 0.15, "vsini": 5},
        ),
        (
            procyon,
            {"teff": 6582, "logg": 3.98, "mh": -0.02},
            {"teff": 200, "logg": 0.45, "mh": 0.2},
        ),
    ):
        for name, value in true.items():
            assert abs(star[name] - value) <= most[name], (star.name, name, star[name])
    assert (
        procyon.coverage < 0.4
        and procyon.teff_err > 1.3 * sun.teff_err
        and procyon.mh_err > 1.3 * sun.mh_err
    )


@pytest.fixture(scope="module")
def sdss(tmp_path_factory):
    """Rows of the A3 V and of the F5 V."""
    words = REAL / "sdss_a3v.fits", REAL / "sdss_f5v.fits"
    found = predicted(MODEL_FOLDER / "observed_lowres", tmp_path_factory.mktemp("sdss"), *words)
    return found.loc["sdss_a3v.fits"], found.loc["sdss_f5v.fits"]


def test_an_sdss_a3v_has_the_temperature_of_its_type(sdss):
    assert 8000 <= sdss[0].teff <= 9200 and sdss[0].mh <= 0.3


def test_an_sdss_f5v_is_an_f_star_without_metal_excess(sdss):
    assert 5900 <= sdss[1].teff <= 6900 and sdss[1].mh <= 0.3


@pytest.mark.xfail(
    reason="6049 K, -0.46 and, of the A3 V, -0.54; a direct fit of the nodes finds the same"
)
def test_sdss_dwarfs_have_solar_metallicity_and_the_f5v_its_temperature(sdss):
    assert 6200 <= sdss[1].teff <= 6900
    assert abs(sdss[0].mh) <= 0.3 and abs(sdss[1].mh) <= 0.3


def test_log_gf_fitted_to_the_sun_fit_procyon():
    """Residuals of Procyon, an independent star, at its literature labels, R = 20 000.

    With the log gf of the line list they were 0.0168, with factors on depths 0.0115.
    """
    labels = {"teff": 6582.0, "logg": 3.98, "mh": -0.02, "vmic": 1.8, "vsini": 2.8}
    labels = {name: np.array([value]) for name, value in labels.items()}
    ranges = {"teff": (6000, 7000), "logg": (3.5, 4.5), "mh": (-0.5, 0.5), "vmic": (0.5, 3)}
    rng, wave = np.random.default_rng(1), np.arange(4790, 4990, 0.1)
    stars = {name: rng.uniform(*ends, 500) for name, ends in ranges.items()} | {
        "vsini": rng.uniform(0, 50, 500)
    }
    options = spectrum.ReadOptions(resolving_power=115_000)
    [procyon] = readers.read_spectra(REAL / "procyon_harps.fits", options)
    sampler = Sampler(f"{BLUE}.h5", ranges, f"{BLUE}_vmic.h5")
    curve = continuum.fit_continuum_model(sampler.sample_spectra(stars, wave, 20_000), wave, 4)
    seen = SpectrumPreparer(wave, 20_000, 20_000, curve, sampler)(procyon).flux
    ours = curve.normalise(sampler.sample_spectra(labels, wave, 20_000))[0]
    error = np.nanmean(np.abs(seen - ours))
    print(f"Procyon (HARPS) against ours, R = 20 000: mean |dF| {error:.4f}")
    assert error < 0.0135
