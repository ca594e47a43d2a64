"""3_train: calibrate the errors of a trained network and fit the detectors behind its flags."""

import numpy as np

from starlabels.base.labels import get_lowest
from starlabels.learning import calibration, outliers, sparse
from starlabels.learning.losses import gives_errors
from starlabels.stages.train_batches import make_batches

BATCH = 1024  # stars in one batch of predictions
MAX_CALIBRATION_STARS = 20_000  # more stars do not improve the calibration
MAX_DECODER_STARS = 50_000
DRAWS = 4  # of noise per validation star; a single draw halves the precision of the calibration


def fit_error_model(network, cfg, h5, basis, offset=0.0):
    """Fit the calibration of the errors and the outlier detector on validation stars.

    Parameters
    ----------
    network : keras.Model
        The trained network; it reads components if there is a basis, else pixels.
    cfg : Config
        The configuration.
    h5 : h5py.File
        The open 2_prepared.h5.
    basis : Basis or None
        Principal components of the spectra.
    offset : float
        Zero point (mas) of the parallaxes behind the labels.

    Returns
    -------
    dict or None, OutlierDetector or None
        The calibration is None if the network gives no errors, the detector also if the network
        reads pixels.
    """
    if not gives_errors(cfg.train.loss):
        return None, None
    validation = draw_validation(network, cfg, h5, basis)
    table = fit_calibration(validation, cfg, offset)
    return table, fit_outlier_detector(
        validation, network, cfg, h5, basis, offset
    ) if basis else None


def draw_validation(network, cfg, h5, basis):
    """Validation stars with DRAWS of noise each: (batches, inputs, outputs, noise-free outputs)."""
    from starlabels.learning.batches import SpectrumBatches

    stars = make_batches(cfg, h5, basis, "validation", DRAWS, most=MAX_CALIBRATION_STARS)
    inputs, outputs = predict_outputs(network, stars, basis)
    noise_free = SpectrumBatches(stars.spectra, stars.target, cfg.train.batch_size, seed=stars.seed)
    return stars, inputs, outputs, predict_outputs(network, noise_free, basis)[1]


def fit_calibration(validation, cfg, offset):
    """Table of factors that make the predicted errors true, with and without added noise."""
    stars, _, outputs, noise_free = validation
    n_labels = len(cfg.labels)
    labels, errors = (
        np.tile(values, (DRAWS + 1, 1)) for values in split_target(stars.target, n_labels, offset)
    )
    outputs = np.concatenate([outputs, noise_free])
    snr = np.append(stars.snr, np.full(len(noise_free), np.inf))
    predicted = np.exp(0.5 * outputs[:, n_labels : 2 * n_labels])
    return calibration.fit_calibration(labels, outputs[:, :n_labels], predicted, snr, errors)


def fit_outlier_detector(validation, network, cfg, h5, basis, offset):
    """OutlierDetector of a network that reads components; missing training labels are predicted."""
    _, inputs, outputs, _ = validation
    n_labels, n_inputs = len(cfg.labels), len(basis.components) + basis.n_blocks
    train = make_batches(cfg, h5, basis, "train", most=MAX_DECODER_STARS)
    labels, _ = split_target(train.target, n_labels, offset)
    if np.isnan(labels).any():
        spectra = train.spectra.batch(np.arange(len(labels)), None, None)
        predicted = network.predict(spectra, batch_size=BATCH, verbose=0)[:, :n_labels]
        labels = np.where(np.isnan(labels), predicted, labels)
    scores = h5["train/components"][:MAX_DECODER_STARS]
    decoder = outliers.train_decoder(labels, scores, basis.variance, cfg.seed)
    lowest = (get_lowest(cfg.labels) - h5["scaling/mean"][:]) / h5["scaling/std"][:]
    return outliers.fit_detector(
        decoder, labels, scores, inputs[:, :n_inputs], outputs[:, :n_labels], lowest
    )


def fit_sparse_regions(network, cfg, h5, basis):
    """What the flag "thin" needs, of recipes with features; missing labels are predicted."""
    if not cfg.features:
        return None
    n_labels = len(cfg.labels)
    train = make_batches(cfg, h5, basis, "train", most=sparse.MAX_STARS)
    validation = make_batches(cfg, h5, basis, "validation", most=MAX_CALIBRATION_STARS)
    labels = train.target[:, :n_labels].copy()
    incomplete = np.flatnonzero(np.isnan(labels).any(axis=1))
    if len(incomplete):
        spectra = train.spectra.batch(incomplete, None, None)
        predicted = network.predict(spectra, batch_size=BATCH, verbose=0)[:, :n_labels]
        known = labels[incomplete]
        labels[incomplete] = np.where(np.isnan(known), predicted, known)
    predicted = network.predict(validation, verbose=0)[:, :n_labels]
    return sparse.fit_sparse_threshold(labels, predicted)


def predict_outputs(network, stars, basis):
    """What a network reads of SpectrumBatches (components: one array) and its (n, n_outputs)."""
    inputs = np.concatenate([stars[i][0] for i in range(len(stars))]) if basis else stars
    return inputs, network.predict(inputs, batch_size=BATCH if basis else None, verbose=0)


def split_target(target, n_labels, offset=0.0):
    """Labels and errors (n, n_labels) of a training target; unknown errors are 0."""
    parts = [target[:, i * n_labels : (i + 1) * n_labels] for i in range(3)]
    labels, errors, per_mas = parts
    if per_mas.shape[1]:
        labels = labels - offset * per_mas
    return labels, np.nan_to_num(errors) if errors.shape[1] else np.zeros_like(labels)
