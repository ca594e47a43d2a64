"""Rebuild data/lines/solar_depths.npz from an observed spectrum of the Sun.

`python -m starlabels.tools.rebuild.solar SPECTRUM`. The packaged file is from the HARPS spectrum of
Ganymede in the FASMA-synthesis repository (MIT), read as predict.py reads it.
"""

import sys

import numpy as np

from starlabels.base import checksums
from starlabels.base.files import replace_file
from starlabels.spectra import continuum, readers, spectrum
from starlabels.spectra.preparation import SpectrumPreparer
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler
from starlabels.synthesis.solar import DEPTH_FILE

# Gaia benchmark star; vmic as usual for the Sun
SUN = {"teff": 5772.0, "logg": 4.44, "mh": 0.0, "vmic": 1.0, "vsini": 1.6}
HARPS = 115_000  # resolving power
RESOLVING_POWER = 34_000  # slightly below that of the nodes
STEP = 0.04  # A
ORDER = 8  # of the continuum
# Smaller line depths cannot be separated from errors of the continuum: there the factor tends to 1
BLUR = 0.05
MOST = 3.0  # factor, and its inverse
# The core of H beta is not in LTE: the factor is 1 within CORE
H_BETA, CORE = 4861.3, 6.0  # A
# Stars of the continuum model
RANGES = {"teff": (5000, 7000), "logg": (3.5, 5.0), "mh": (-0.75, 0.5), "vmic": (0.5, 3.0)}


def main(path):
    """Measure the factors on the spectrum of the Sun in a file and write DEPTH_FILE."""
    blue = NODE_FOLDER / "blue"
    wave = np.arange(4450, 4990, STEP)
    sampler = Sampler(f"{blue}.h5", RANGES, f"{blue}_vmic.h5")
    rng = np.random.default_rng(1)
    stars = {name: rng.uniform(*ends, 1500) for name, ends in RANGES.items()}
    stars["vsini"] = 100 * rng.uniform(size=1500) ** 3
    flux = sampler.sample_spectra(stars, wave, RESOLVING_POWER)
    curve = continuum.fit_continuum_model(flux, wave, ORDER)
    [sun] = readers.read_spectra(path, spectrum.ReadOptions(resolving_power=HARPS))
    preparer = SpectrumPreparer(wave, RESOLVING_POWER, RESOLVING_POWER, curve, sampler)
    labels = {name: np.array([value]) for name, value in SUN.items()}
    model = sampler.sample_spectra(labels, wave, RESOLVING_POWER)
    # On the scale of the true continuum
    observed = preparer(sun).flux * (model / curve.normalise(model))[0]
    factor = compute_depth_factors(1 - observed, 1 - model[0])
    factor = np.where(np.abs(wave - H_BETA) < CORE, 1, factor)
    with replace_file(DEPTH_FILE) as tmp, tmp.open("wb") as file:
        np.savez_compressed(file, wave=wave, factor=factor.astype("f4"))
    checksums.record_checksum(DEPTH_FILE)
    before, after = (np.nanmean(np.abs(observed - 1 + (1 - model[0]) * f)) for f in (1, factor))
    print(f"{DEPTH_FILE}: mean |dF| of the Sun {before:.4f} without, {after:.4f} with the factors")


def compute_depth_factors(observed, model):
    """Factors (n_pix,) from observed and model line depths (n_pix,).

    They tend to 1 where both depths are small, and are 1 where nothing was observed.
    """
    factor = (observed * model + BLUR**2) / (model**2 + BLUR**2)
    return np.clip(np.where(np.isfinite(factor), factor, 1), 1 / MOST, MOST)


if __name__ == "__main__":
    main(*sys.argv[1:])
