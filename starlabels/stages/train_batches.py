"""Batches of the prepared spectra, with noise, for training and calibration."""

import numpy as np

from starlabels.base import hdf5, hdf5_labels
from starlabels.base.labels import scale_labels
from starlabels.catalogues.derived_labels import find_derived
from starlabels.spectra.discrepancy import NAMES, RemainderDraws
from starlabels.spectra.discrepancy_files import read_discrepancy


def make_batches(cfg, h5, basis, part, passes=1, most=None):
    """SpectrumBatches of a part of 2_prepared.h5: the first `most` stars, in random order.

    Validation has the S/N distribution of the training, but the same noise in every epoch.
    """
    from starlabels.learning.batches import SpectrumBatches
    from starlabels.learning.noisy_spectra import log_uniform_snr

    noise, training_part = cfg.train.noise, part == "train"
    target = read_target(cfg, h5, part)[:most]
    spectra = make_spectra(cfg, h5, basis, part, most)
    draw_snr = log_uniform_snr(noise.snr_min, noise.snr_max) if noise else None
    seed = (cfg.seed, *part.encode())
    return SpectrumBatches(
        spectra, target, cfg.train.batch_size, draw_snr, seed, training_part, passes
    )


def read_target(cfg, h5, part):
    """Scaled labels (n, n_labels), with columns for their errors and parallax terms if needed."""
    group, std = h5[part], h5["scaling/std"][:]
    labels = scale_labels(hdf5_labels.read_labels(group, cfg.labels), h5["scaling/mean"][:], std)
    columns = [labels]
    if "labels/error" in group or np.isnan(labels).any():
        columns.append(hdf5_labels.read_label_errors(group, cfg.labels) / std)
    if cfg.train.loss == "parallax_nll":
        columns.append(find_derived(cfg.labels).compute_slope(group)[:, None] / std)
    return np.concatenate(columns, axis=1) if len(columns) > 1 else labels


def make_spectra(cfg, h5, basis, part, most):
    """The inputs of a part in the form that batches read: components or pixels, and features."""
    from starlabels.learning.noisy_spectra import (
        ComponentSpectra,
        PixelSpectra,
        SpectraWithFeatures,
    )

    group, noise = h5[part], cfg.train.noise
    spectra = None
    if basis:
        outside, level = (hdf5.get_dataset(group, name)[:most] for name in ("outside", "level"))
        missing = noise.missing if noise else 0.0
        scores = hdf5.get_dataset(group, "components")
        redraw = make_redraw(h5, basis, part)
        spectra = ComponentSpectra(scores, outside, level, basis.n_left, missing, redraw)
    elif cfg.wave:
        spectra = PixelSpectra(hdf5.get_dataset(group, "flux"))
    if not cfg.features:
        return spectra
    features = hdf5.get_dataset(group, "features")[:]
    uses = hdf5.get_dataset(h5, "features/uses")[:]
    hidden = cfg.features.hidden * (part == "train")
    return SpectraWithFeatures(spectra, features, uses, hidden)


def make_redraw(h5, basis, part):
    """Function(rows, rng) that replaces the drawn remainders of training spectra by new ones.

    It returns the change (n, n_components). None if the recipe has no discrepancy, and for other
    parts, which stay the same in all epochs.
    """
    discrepancy = read_discrepancy(h5)
    if discrepancy is None or part != "train":
        return None
    draws = RemainderDraws(discrepancy, hdf5_labels.read_labels(h5[part], NAMES))
    drawn = hdf5.get_dataset(h5[part], "remainder")[:]
    response = -hdf5.get_dataset(h5, "discrepancy/response")[:] @ basis.components.T  # of the depth

    def redraw(rows, rng):
        return (draws.draw(rng, rows) - drawn[rows]) @ response

    return redraw
