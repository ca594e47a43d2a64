"""3_train of recipes whose target is labels: fit the network to 2_prepared.h5, and keep it with its errors' calibration."""

import math
import time

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count
from starlabels.base.files import remove_folder, replace_folder
from starlabels.base.labels import get_lowest, get_positive, scale_labels
from starlabels.catalogues import distances
from starlabels.learning import calibration, components, outliers, sparse, trained_model, training
from starlabels.learning.devices import ONE_DEVICE, is_follower, start_devices
from starlabels.learning.losses import OUTPUTS_PER_LABEL
from starlabels.learning.networks import build_predictor
from starlabels.stages import locks
from starlabels.stages.element_windows import find_element_windows

EVALUATED = 1024  # components in one batch of predictions
CALIBRATED, DECODED = (
    20_000,
    50_000,
)  # validation and training stars, at most: of more, errors and flags would be no better
DRAWS = 4  # of noise on each validation star: with one, errors of 6800 stars are calibrated half as well


@locks.require_lock("lock", unless=is_follower)
def train_label_network(run, args=None):
    """Train, save models/<run>/, draw the loss; UserError if the spectra are missing or stale, or training diverges."""
    cfg, paths, digest = run.cfg, run.paths, run.digest("3_train")
    with run.open("2_preprocess") as h5:
        devices = start_devices(cfg.train)
        basis = components.read_basis(h5)
        seen = find_element_windows(cfg, h5)
        with devices.scope():
            network = build(cfg, h5, basis, seen, devices.precision)
        size, n = format_count(network.count_params()), format_count(len(h5["train/labels"]))
        print(
            f"{cfg.model.builder}: {size} parameters, {n} training {'spectra' if cfg.wave else 'stars'}"
        )
        history = fit(network, cfg, h5, basis, paths.partial_dir, digest, devices)
        if devices.is_chief:
            network = devices.freed(network, lambda: build(cfg, h5, basis, seen))
            keep(network, history, run, h5, basis, seen, digest)
    devices.wait()


def keep(network, history, run, h5, basis, seen, digest):
    """Save models/<run>/ of a network trained on the open 2_prepared.h5, with its errors and flags, and draw the loss."""
    from starlabels.plots import training as plots

    cfg, paths = run.cfg, run.paths
    start = time.monotonic()
    network, offset = without_offset(network)
    network = build_predictor(network, OUTPUTS_PER_LABEL[cfg.train.loss] > 1, **cfg.model.arguments)
    errors, watch = calibrate(network, cfg, h5, basis, offset)
    few = few_stars(network, cfg, h5, basis) if cfg.features else None
    seconds = {"train": sum(history["seconds"]), "calibrate": time.monotonic() - start}
    models = {"model": trained_model.prepend_components(network, basis, n_features(h5))} | (
        {"decoder": watch.decoder} if watch else {}
    )
    tables = {"calibration": errors, "guard": watch and watch.table, "thin": few}
    tables |= {"parallax": {"offset": offset}, "windows": seen}
    with replace_folder(paths.model_dir) as folder:
        trained_model.save_model(
            folder, models, tables, history, sum(seconds.values()), cfg, digest, h5
        )
        training.copy_tensorboard(paths.partial_dir, folder / training.TENSORBOARD)
    remove_folder(paths.partial_dir)
    spent = f"{len(history['loss'])} epochs in {seconds['train']:.0f} s, errors and flags in {seconds['calibrate']:.0f} s"
    print(f"trained {spent}: {paths.model_dir}/model.keras")
    with run.figures("3_loss*.png", {paths.model_dir: digest}) as figures:
        plots.draw_loss(history, cfg.train.loss, figures / "3_loss.png")


def build(cfg, h5, basis, seen=None, precision="float32"):
    """The network of the recipe from pixels, or from components and ln noise, and from features, to its labels.

    Either may be there alone; see `training.build`, also for precision. seen: `windows.of_recipe`.
    """
    import keras
    from keras import ops

    from starlabels.learning.networks.layers import Flagged

    n_spectrum = (
        len(basis.components) + basis.n_blocks if basis else cfg.wave.n_pix if cfg.wave else 0
    )
    n_table = n_features(h5)
    inputs, read = keras.Input((n_spectrum + n_table,), name="inputs"), []
    if n_spectrum:
        spectrum = inputs[:, :n_spectrum] if n_table else inputs
        wiener = wiener_of(cfg, h5, basis) if basis else None
        read.append(wiener(spectrum) if basis else spectrum)
    if n_table:
        flagged = Flagged(name="features")
        read.append(flagged(inputs[:, n_spectrum:]))
    n_read = [x.shape[1] for x in read]
    known = {
        "labels": cfg.labels,
        "wave": hdf5.read_wave(h5) if cfg.wave else None,
        "n_features": n_read[-1] * (n_table > 0),
    }
    known |= {"windows": seen} if seen else {}
    network = training.build_network(
        cfg, sum(n_read), OUTPUTS_PER_LABEL[cfg.train.loss] * len(cfg.labels), precision, **known
    )
    if not basis and not n_table:
        return of_this_kind(network, cfg)
    outputs = network(ops.concatenate(read, axis=1) if len(read) > 1 else read[0])
    if basis:
        wiener.set_weights([basis.variance])
    if n_table:
        flagged.set_weights([h5["features/mean"][:], np.maximum(h5["features/std"][:], 1e-6)])
    return of_this_kind(keras.Model(inputs, outputs, name=network.name), cfg)


def wiener_of(cfg, h5, basis):
    """The layer that weights the components by Wiener's filter, for the noise that the recipe trains with."""
    from starlabels.learning.networks.layers import Wiener

    noise, level = cfg.train.noise, float(h5["train/level"][:].mean())
    low, high = (noise.snr_min, noise.snr_max) if noise else (1e4, 1e4)
    floor, reference = level / high, level / math.sqrt(low * high)
    return Wiener(floor, reference, basis.n_blocks, tells_noise=bool(noise), name="wiener")


def n_features(h5):
    """Number of features of the table that the network reads."""
    return len(h5["features/mean"]) if "features" in h5 else 0


def of_this_kind(network, cfg):
    """The network with what its labels and loss ask of its outputs: labels that are positive, an offset of parallaxes."""
    import keras

    from starlabels.learning.networks.layers import Offset, Positive

    x, columns = network.outputs[0], np.flatnonzero(get_positive(cfg.labels)).tolist()
    x = Positive(columns)(x) if columns else x
    x = Offset()(x) if cfg.train.loss == "parallax_nll" else x
    return keras.Model(network.inputs, x, name=network.name)


def without_offset(network):
    """The network without its last layer, and the number that this has learnt, if that is an Offset; else itself and 0."""
    import keras

    from starlabels.learning.networks.layers import Offset

    last = network.layers[-1]
    if not isinstance(last, Offset):
        return network, 0.0
    return keras.Model(network.inputs, last.input, name=network.name), float(
        last.get_weights()[0].item()
    )


def fit(network, cfg, h5, basis, folder, digest, devices=ONE_DEVICE):
    """History of training the network on the open 2_prepared.h5, see `training.fit`."""
    train, validation = (
        batches(cfg, h5, basis, "train", cfg.train.passes),
        batches(cfg, h5, basis, "validation"),
    )
    return training.train_network(
        network, cfg.train, train, validation, folder, digest, cfg, devices
    )


def batches(cfg, h5, basis, part, passes=1, most=None):
    """The SpectrumBatches of a part. Validation has the S/N distribution of training, but always the same noise.

    most: of the first stars only: they are in random order.
    """
    from starlabels.learning.batches import (
        ComponentSpectra,
        PixelSpectra,
        SpectraWithFeatures,
        SpectrumBatches,
        log_uniform_snr,
    )

    noise, group, training = cfg.train.noise, h5[part], part == "train"
    target = scale_labels(
        hdf5.read_labels(group, cfg.labels), h5["scaling/mean"][:], h5["scaling/std"][:]
    )
    if "label_errors" in group or np.isnan(target).any():
        target = np.concatenate(
            [target, hdf5.read_label_errors(group, cfg.labels) / h5["scaling/std"][:]], axis=1
        )
    if cfg.train.loss == "parallax_nll":
        target = np.concatenate(
            [target, distances.compute_fakemag_per_mas(group)[:, None] / h5["scaling/std"][:]],
            axis=1,
        )
    target = target[:most]
    if basis:
        rest = (hdf5.dataset(group, name)[:most] for name in ("outside", "level"))
        spectra = ComponentSpectra(
            hdf5.dataset(group, "components"), *rest, basis.n_left, noise.missing if noise else 0.0
        )
    else:
        spectra = PixelSpectra(hdf5.dataset(group, "flux")) if cfg.wave else None
    if cfg.features:
        spectra = SpectraWithFeatures(
            spectra,
            hdf5.dataset(group, "features")[:],
            hdf5.dataset(h5, "features/uses")[:],
            cfg.features.hidden * training,
        )
    draw_snr = log_uniform_snr(noise.snr_min, noise.snr_max) if noise else None
    seed = (cfg.seed, *part.encode())
    return SpectrumBatches(spectra, target, cfg.train.batch_size, draw_snr, seed, training, passes)


def calibrate(network, cfg, h5, basis, offset=0.0):
    """Calibration of the errors and Guard of the labels, from validation stars in several draws of noise, and without.

    offset: of the parallaxes that the labels are made of.

    None for the one if the network gives no errors, for the other also if it reads pixels.
    """
    if OUTPUTS_PER_LABEL[cfg.train.loss] == 1:
        return None, None
    from starlabels.learning.batches import SpectrumBatches

    noisy, n = batches(cfg, h5, basis, "validation", DRAWS, most=CALIBRATED), len(cfg.labels)
    inputs, output = answers(network, noisy, basis)
    _, plain = answers(
        network,
        SpectrumBatches(noisy.spectra, noisy.target, cfg.train.batch_size, seed=noisy.seed),
        basis,
    )
    true, own = (np.tile(one, (DRAWS + 1, 1)) for one in with_errors(noisy.target, n, offset))
    all_draws, snr = (
        np.concatenate([output, plain]),
        np.append(noisy.snr, np.full(len(plain), np.inf)),
    )
    errors = calibration.fit_calibration(
        true, all_draws[:, :n], np.exp(0.5 * all_draws[:, n : 2 * n]), snr, own
    )
    if not basis:
        return errors, None
    mean, train, n = (
        output[:, :n],
        batches(cfg, h5, basis, "train", most=DECODED),
        len(basis.components) + basis.n_blocks,
    )
    labels, _ = with_errors(train.target, len(cfg.labels), offset)
    if np.isnan(labels).any():  # the network knows best what they are
        found = network.predict(
            train.spectra.batch(np.arange(len(labels)), None, None), batch_size=EVALUATED, verbose=0
        )
        labels = np.where(np.isnan(labels), found[:, : len(cfg.labels)], labels)
    components, inputs = h5["train/components"][:DECODED], inputs[:, :n]
    decoder = outliers.train_decoder(labels, components, basis.variance, cfg.seed)
    least = (get_lowest(cfg.labels) - h5["scaling/mean"][:]) / h5["scaling/std"][:]
    return errors, outliers.fit_detector(decoder, labels, components, inputs, mean, least)


def answers(network, stars, basis):
    """What a network reads of SpectrumBatches, all at once where that is components, and what it says (n, n_outputs)."""
    inputs = np.concatenate([stars[i][0] for i in range(len(stars))]) if basis else stars
    return inputs, network.predict(inputs, batch_size=EVALUATED if basis else None, verbose=0)


def few_stars(network, cfg, h5, basis):
    """What tells stars whose labels few training stars have, see `thin.fit`; training labels that are missing are predicted."""
    train, n = batches(cfg, h5, basis, "train", most=sparse.MAX_STARS), len(cfg.labels)
    validation, labels = (
        batches(cfg, h5, basis, "validation", most=CALIBRATED),
        train.target[:, :n].copy(),
    )
    lacking = np.flatnonzero(np.isnan(labels).any(axis=1))
    if len(lacking):
        found = network.predict(
            train.spectra.batch(lacking, None, None), batch_size=EVALUATED, verbose=0
        )[:, :n]
        labels[lacking] = np.where(np.isnan(labels[lacking]), found, labels[lacking])
    return sparse.fit_sparse_threshold(labels, network.predict(validation, verbose=0)[:, :n])


def with_errors(target, n_labels, offset=0.0):
    """Labels and their errors, both (n, n_labels), of a target with or without errors; those not known are 0."""
    labels, errors, per_mas = (target[:, i * n_labels : (i + 1) * n_labels] for i in range(3))
    labels = labels - offset * per_mas if per_mas.shape[1] else labels
    return labels, np.nan_to_num(errors) if errors.shape[1] else np.zeros_like(labels)
