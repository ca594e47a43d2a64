"""Toy labels, spectra and databases, which stand for real ones in tests only."""

import inspect
from pathlib import Path

import h5py
import numpy as np
from toy_nodes import libraries  # noqa: F401  a fixture of all wings

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.config import digests
from starlabels.config import paths as config
from starlabels.config.data_sections import Range
from starlabels.learning.networks import BUILDERS


def toy_spectra(wave, labels):
    """Flux (n, n_pix) of two Gaussian lines.

    Both are deeper with mh and broader with vsini; teff weakens one and deepens the other.
    """
    flux = np.ones((len(labels["teff"]), len(wave)))
    for centre, slope in ((wave[len(wave) // 3], -0.3), (wave[2 * len(wave) // 3], 0.1)):
        depth = (
            0.2 + 0.08 * labels["mh"] + slope * (labels["teff"] / 8000 - 1) + 0.02 * labels["logg"]
        )
        width = 0.5 + labels["vsini"] / 150
        flux -= depth[:, None] * np.exp(-0.5 * ((wave - centre) / width[:, None]) ** 2)
    return flux.astype("f4")


def draw_labels(cfg, n, seed=0):
    """{label: (n,) float32}, uniform in the ranges of cfg.grid, on their steps if they have any."""
    rng = np.random.default_rng(seed)
    labels = {}
    for name, spec in cfg.grid.labels.items():
        if not isinstance(spec, Range):
            labels[name] = np.full(n, spec)
        elif spec.step:
            labels[name] = rng.choice(np.arange(spec.min, spec.max + spec.step / 2, spec.step), n)
        else:
            labels[name] = rng.uniform(spec.min, spec.max, n)
    return {name: values.astype("f4") for name, values in labels.items()}


def write_grid(cfg, n=60, path=None, labels=None, wave=None, star_id=None):
    """Write a toy database, by default where grid.py writes its own; return its labels."""
    path = path or config.run_paths(cfg).grid
    labels = labels or draw_labels(cfg, n)
    wave = cfg.wave.grid() if wave is None else wave
    with hdf5.create_file(path, "grid", digests.stage_digest(cfg, "grid"), cfg.text) as h5:
        hdf5_spectra.write_wave(h5, wave, "air", cfg.grid.resolving_power)
        flux = hdf5_spectra.create_spectra(h5, len(labels["teff"]), len(wave))
        flux[:] = toy_spectra(wave, labels)
        columns = np.stack(list(labels.values()), axis=1)
        hdf5_labels.write_labels(h5, columns, labels, ["" for _ in labels])
        if star_id is not None:
            hdf5.write_text(h5, "star_id", star_id)
    return labels


def write_published(path, labels, flux):
    """Write a database in the layout of stellar-parameters-NN."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as h5:
        h5["X"] = flux
        for key, name in (("TEMP", "teff"), ("LOGG", "logg"), ("VROT", "vsini"), ("META", "mh")):
            h5[key] = labels[name]


class ToySampler:
    """Stands in for the Sampler of the nodes: central differences of the toy spectra."""

    elements = None

    def compute_sensitivities(self, labels, names, wave, resolving_power):
        derivatives = []
        for name in names:
            step = {"teff": 20, "logg": 0.02, "vsini": 1, "mh": 0.02}[name]
            high, low = (
                toy_spectra(wave, labels | {name: labels[name] + sign * step}) for sign in (1, -1)
            )
            derivatives.append((high - low) / (2 * step))
        return np.stack(derivatives, axis=1)

    def sample_spectra(self, labels, wave, resolving_power):
        return toy_spectra(wave, labels)

    def covers(self, labels):
        return np.ones(len(labels["teff"]), bool)

    def find_limits(self, names):
        return dict.fromkeys(names, (-np.inf, np.inf))


def build_without_dropout(name, n_inputs, n_outputs, **arguments):
    """Network of a builder without dropout, which is random; arguments it lacks are ignored."""
    known = inspect.signature(BUILDERS[name]).parameters
    arguments = {key: value for key, value in {**arguments, "dropout": 0.0}.items() if key in known}
    return BUILDERS[name](n_inputs, n_outputs, **arguments)
