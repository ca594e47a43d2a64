"""Synthetic stars, and a model that reads their spectra: the bench of the fault budget."""

from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.config.data_sections import Range
from starlabels.learning import trained_model
from starlabels.spectra import continuum
from starlabels.spectra.preparation import PreparedSpectrum
from starlabels.stages.observed_inputs import fill_flux
from starlabels.stages.recipe_nodes import open_sampler
from starlabels.stages.recipe_stars import (
    REQUIRED_LABELS,
    draw_labels,
    find_label_ranges,
    list_stars,
)

MIN_STARS = 10
N_SUBPIXELS = 5  # points averaged to a pixel, because a spectrograph measures means over pixels
CHUNK_STARS = 256  # stars whose points are in memory at a time
OTHER_VMIC = (1.0, 4.0)  # km/s
CONTINUUM_ORDER = 6  # of the errors of the continuum if the recipe fits none


class FaultBench(NamedTuple):
    """What makes and reads the spectra.

    Attributes
    ----------
    sampler : Sampler of the node library.
    wave : wavelengths (n_pix,) in Angstrom.
    resolving_power : lambda / FWHM.
    curve : ContinuumModel, or None.
    order : order of the errors of the continuum.
    model : TrainedModel.
    basis : Basis of its spectral components, or None.
    """

    sampler: object
    wave: np.ndarray
    resolving_power: float
    curve: continuum.ContinuumModel | None
    order: int
    model: trained_model.TrainedModel
    basis: object


def open_bench(cfg, folder):
    """The FaultBench of a model's folder; UserError if it predicts a label that nodes do not vary.

    folder: models/<run>.
    """
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        curve = continuum.read_continuum(h5)
    model = trained_model.open_model(folder)
    unknown = [name for name in model.names if name not in REQUIRED_LABELS]
    if unknown:
        known = f"the nodes give spectra by {', '.join(REQUIRED_LABELS)} only"
        raise UserError(f"{folder} predicts {', '.join(unknown)}: {known}")
    return FaultBench(
        sampler=make_sampler(cfg),
        wave=cfg.wave.grid(),
        resolving_power=cfg.grid.resolving_power,
        curve=curve,
        order=curve.order if curve and curve.order else CONTINUUM_ORDER,
        model=model,
        basis=model.basis,
    )


def make_sampler(cfg):
    """The Sampler of the recipe, with nodes at all of OTHER_VMIC if they exist."""
    if cfg.grid is None:
        raise UserError(f"{cfg.path}: grid is null: there are no nodes to make spectra from")
    low, high = find_label_ranges(cfg)["vmic"]
    wide = Range(min=min(low, *OTHER_VMIC), max=max(high, *OTHER_VMIC))
    grid = cfg.grid.model_copy(update={"labels": cfg.grid.labels | {"vmic": wide}})
    try:
        return open_sampler(cfg.model_copy(update={"grid": grid}), build=False)
    except UserError:
        return open_sampler(cfg, build=False)


def draw_stars(cfg, sampler, n):
    """Draw new stars as the recipe does, from its ranges or its CSV file.

    Stars that need a failed node are left out, and counted in a printed line.

    Returns
    -------
    {label: (n,)}, at rest and with the resolving power of the recipe.
    """
    rng = np.random.default_rng((cfg.seed, *b"budget"))  # not the stars of the grid
    if cfg.grid.labels_csv:
        labels = list_stars(cfg).labels
        rows = rng.choice(len(labels["teff"]), n)
        labels = {name: values[rows] for name, values in labels.items()}
    else:
        grid = cfg.grid.model_copy(update={"n_spectra": n})
        labels, _ = draw_labels(cfg.model_copy(update={"grid": grid}), rng)
    labels = {name: labels[name] for name in REQUIRED_LABELS}
    sound = sampler.covers(labels)
    n_sound = int(sound.sum())
    if n_sound < MIN_STARS:
        problem = f"only {n_sound} of {format_count(n)} stars drawn have sound nodes"
        raise UserError(f"{sampler.path}: {problem}: raise --n-stars")
    kept = f"kept {format_count(n_sound)} of {format_count(n)} stars"
    failed = f"synthetic spectra (nodes of {sampler.path}) that could not be computed"
    print(f"{kept}: {format_count(n - n_sound)} need {failed}")
    return {name: values[sound] for name, values in labels.items()}


def synthesise_flux(bench, labels):
    """Flux (n, n_pix) float32 without faults at labels {name: (n,)}: pixel means, continuum 1."""
    step = bench.wave[1] - bench.wave[0]
    n = len(labels["teff"])
    offsets = step * ((np.arange(N_SUBPIXELS) + 0.5) / N_SUBPIXELS - 0.5)
    # the nodes end with the window
    points = np.clip(bench.wave[:, None] + offsets, *bench.wave[[0, -1]]).ravel()
    flux = np.empty((n, len(bench.wave)), "f4")
    for start in range(0, n, CHUNK_STARS):
        rows = slice(start, start + CHUNK_STARS)
        part = {name: values[rows] for name, values in labels.items()}
        fine = bench.sampler.sample_spectra(part, points, bench.resolving_power)
        flux[rows] = fine.reshape(len(fine), -1, N_SUBPIXELS).mean(axis=2)
    return flux


def predict_labels(bench, flux, snr=np.inf, factor=1.0):
    """Predict labels as predict.py does: normalise the flux and fill small holes.

    Parameters
    ----------
    bench : FaultBench.
    flux : (n, n_pix), NaN where missing.
    snr : S/N per pixel, the same for all stars.
    factor : factor on the normalised flux (n, n_pix), the error of the continuum.

    Returns
    -------
    {mean, err (n, n_labels), flags (n,)}
    """
    flux = (bench.curve.normalise(flux) if bench.curve else flux) * factor
    error = np.full(len(bench.wave), 1 / snr)
    filled = []
    for spectrum in flux:
        prepared = PreparedSpectrum(spectrum.astype("f4"), error, snr, 1.0, None)
        filled.append(fill_flux(prepared, bench.basis))
    return bench.model.predict(np.array(filled), np.full(len(flux), snr))


def stack_labels(bench, labels):
    """True labels (n, n_labels) in the order of the model."""
    return np.column_stack([labels[name] for name in bench.model.names]).astype(float)
