"""Measure how many spectra outside the training set are flagged, and how their errors grow.

    python -m benchmarks.outside

Run `make run` before. 500 stars of each kind come from the nodes, and 3000 inside the range for
false alarms; S/N is uniform in each range of the recipe's test.
"""

import numpy as np

from starlabels.base import errors as cli
from starlabels.base import hdf5, hdf5_spectra
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.learning import outliers
from starlabels.stages import command_line, load_model
from starlabels.synthesis.broaden import LIGHT
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

N_OUTSIDE, N_INSIDE = 500, 3000
NOISY = 0.2  # of the pixels, uniform between 0 and the continuum
LIBRARY = "blue.h5"  # to 11 000 K and log g 1.5
OUTSIDE = outliers.BITS["edge"] | outliers.BITS["unlike"]


def draw_labels(cfg, sampler, n, rng, **other):
    """Draw n sound stars {name: (n,)}, uniform in the recipe's ranges.

    other: {name: (low, high)} replaces ranges.
    """
    ranges = {
        name: (r, r) if isinstance(r, float) else (r.min, r.max)
        for name, r in cfg.grid.labels.items()
    } | other
    labels = {name: rng.uniform(low, high, 4 * n) for name, (low, high) in ranges.items()}
    sound = np.flatnonzero(sampler.covers(labels))[:n]
    if len(sound) < n:
        raise cli.UserError(
            f"{sampler.path}: only {len(sound)} of {4 * n} stars drawn in {ranges} have sound nodes"
        )
    return {name: values[sound] for name, values in labels.items()}


def make_kinds(cfg, wave):
    """Yield (kind, flux (n, n_pix)) of stars inside, then of each kind outside."""
    sampler, rng, power = (
        Sampler(NODE_FOLDER / LIBRARY),
        np.random.default_rng(cfg.seed + 1),
        cfg.grid.resolving_power,
    )

    def spectra(n=N_OUTSIDE, **other):
        return sampler.sample_spectra(draw_labels(cfg, sampler, n, rng, **other), wave, power)

    yield "inside (false alarms)", spectra(N_INSIDE)
    hottest = cfg.grid.labels["teff"].max
    yield (
        f"teff {hottest + 750:.0f}-{hottest + 1000:.0f} K",
        spectra(teff=(hottest + 750, hottest + 1000)),
    )
    yield "logg 1.5", spectra(logg=(1.5, 1.5))
    broken, hit = spectra(), rng.uniform(size=(N_OUTSIDE, len(wave))) < NOISY
    yield (
        f"{NOISY:.0%} of the pixels noise",
        np.where(hit, rng.uniform(size=hit.shape), broken).astype("f4"),
    )
    yield "white noise about the continuum", np.ones((N_OUTSIDE, len(wave)), "f4")
    for velocity in (-50, 50):
        shifted = [np.interp(wave / (1 + velocity / LIGHT), wave, flux) for flux in spectra()]
        yield f"shifted by {velocity:+d} km/s", np.array(shifted, "f4")
    yield "lines twice as deep", np.maximum(1 - 2 * (1 - spectra()), 0)


def print_flag_rates(run, args):
    """Print the flagged fraction of each kind and S/N range, and how the errors grow."""
    cfg = run.cfg
    from starlabels.learning.noisy_spectra import add_noise

    with hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5:
        wave = hdf5_spectra.read_wave(h5)
    model, rng, inside = (
        load_model.load_trained_model(Run(cfg)),
        np.random.default_rng(cfg.seed),
        None,
    )
    if not model.calibration:
        raise cli.UserError(
            f"{cfg.path}: this recipe has neither flags nor errors: set train.loss: gaussian_nll"
        )
    heads = [f"S/N {low:g}-{high:g}" for low, high in cfg.test.snr]
    print(
        f"{'flagged, of spectra':<34}"
        + "".join(f"{head:>14}" for head in heads)
        + f"{'all':>10}   error over that inside"
    )
    for kind, flux in make_kinds(cfg, wave):
        rates, errors = [], []
        for low, high in cfg.test.snr:
            snr = rng.uniform(low, high, len(flux))
            prediction = model.predict(add_noise(flux.copy(), snr, rng), snr)
            rates.append(np.mean((prediction["flags"] & OUTSIDE) > 0))
            errors.append(prediction["err"].mean(axis=0))
        inside = np.array(errors) if inside is None else inside
        growth = (np.array(errors) / inside).mean(axis=0)
        text = "  ".join(f"{name} {ratio:.3g}" for name, ratio in zip(cfg.labels, growth))
        print(
            f"{kind:<34}"
            + "".join(f"{rate:>14.1%}" for rate in rates)
            + f"{np.mean(rates):>10.1%}   {text}"
        )


if __name__ == "__main__":
    command_line.run_command(print_flag_rates, __doc__)
