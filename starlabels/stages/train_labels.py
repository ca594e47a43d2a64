"""3_train for target labels: train the network and save it with its error model."""

import math
import time

import numpy as np

from starlabels.base import hdf5_spectra
from starlabels.base.console import format_count
from starlabels.base.files import remove_folder, replace_folder
from starlabels.base.labels import get_positive
from starlabels.learning import component_models, components, trained_model, training
from starlabels.learning.devices import ONE_DEVICE, is_follower, start_devices
from starlabels.learning.losses import OUTPUTS_PER_LABEL, gives_errors
from starlabels.learning.networks import build_predictor
from starlabels.stages import locks, train_errors
from starlabels.stages.element_windows import find_element_windows
from starlabels.stages.train_batches import make_batches


@locks.require_lock("lock", unless=lambda cfg: is_follower(cfg.train.devices))
def train_label_network(run, args=None):
    """Train the network of the recipe, save models/<run>/ and draw the loss.

    Raises
    ------
    UserError
        If the prepared spectra are missing or stale, or if the training diverges.
    """
    cfg, paths, digest = run.cfg, run.paths, run.digest("3_train")
    with run.open("2_preprocess") as h5:
        devices = start_devices(cfg.train)
        basis = components.read_basis(h5)
        windows = find_element_windows(cfg, h5)
        with devices.scope():
            network = build_label_network(cfg, h5, basis, windows, devices.precision)
        n_parameters = format_count(network.count_params())
        n_train = format_count(len(h5["train/labels/value"]))
        kind = "spectra" if cfg.wave else "stars"
        print(f"{cfg.model.builder}: {n_parameters} parameters, {n_train} training {kind}")
        history = fit_network(network, cfg, h5, basis, paths.partial_dir, digest, devices)
        if devices.is_chief:
            network = devices.to_one_device(
                network, lambda: build_label_network(cfg, h5, basis, windows)
            )
            save_trained_model(network, history, run, h5, basis, windows, digest)
    devices.wait()


def save_trained_model(network, history, run, h5, basis, windows, digest):
    """Save models/<run>/ of a network trained on the open 2_prepared.h5, and draw the loss."""
    from starlabels.plots import training as plots

    cfg, paths = run.cfg, run.paths
    start = time.monotonic()
    network, offset = split_offset(network)
    network = build_predictor(
        network, cfg.model.builder, cfg.model.arguments, gives_errors(cfg.train.loss)
    )
    calibration, detector = train_errors.fit_error_model(network, cfg, h5, basis, offset)
    sparse_regions = train_errors.fit_sparse_regions(network, cfg, h5, basis)
    seconds = {"train": sum(history["seconds"]), "calibrate": time.monotonic() - start}
    models = {"model": component_models.prepend_components(network, basis, count_features(h5))}
    if detector:
        models["decoder"] = detector.decoder
    tables = {
        "calibration": calibration,
        "guard": detector and detector.table,
        "thin": sparse_regions,
        "parallax": {"offset": offset},
        "windows": windows,
    }
    total = sum(seconds.values())
    with replace_folder(paths.model_dir) as folder:
        trained_model.save_model(folder, models, tables, history, total, cfg, digest, h5)
        training.copy_tensorboard(paths.partial_dir, folder / training.TENSORBOARD)
    remove_folder(paths.partial_dir)
    epochs = f"{len(history['loss'])} epochs in {seconds['train']:.0f} s"
    print(
        f"trained {epochs}, errors and flags in {seconds['calibrate']:.0f} s: "
        f"{paths.model_dir}/model.keras"
    )
    with run.figures("3_loss*.png", {paths.model_dir: digest}) as figures:
        plots.draw_loss(history, cfg.train.loss, figures / "3_loss.png")


def build_label_network(cfg, h5, basis, windows=None, precision="float32"):
    """Build the network of the recipe; it reads a spectrum, features of a table, or both.

    The spectrum is n_pix pixels, or principal components with the ln noise of each block.
    windows: {element: (k, 2) in A} of a censored network; precision: see `build_network`.
    """
    import keras
    from keras import ops

    from starlabels.learning.networks.layers import Flagged

    n_spectrum = cfg.wave.n_pix if cfg.wave else 0
    if basis:
        n_spectrum = len(basis.components) + basis.n_blocks
    n_table = count_features(h5)
    inputs = keras.Input((n_spectrum + n_table,), name="inputs")
    parts = []
    if n_spectrum:
        spectrum = inputs[:, :n_spectrum] if n_table else inputs
        wiener = make_wiener_layer(cfg, h5, basis) if basis else None
        parts.append(wiener(spectrum) if basis else spectrum)
    if n_table:
        flagged = Flagged(name="features")
        parts.append(flagged(inputs[:, n_spectrum:]))
    sizes = [part.shape[1] for part in parts]
    known = {
        "labels": cfg.labels,
        "wave": hdf5_spectra.read_wave(h5) if cfg.wave else None,
        "n_features": sizes[-1] * (n_table > 0),
        "basis": basis,
    }
    known |= {"windows": windows} if windows else {}
    n_outputs = OUTPUTS_PER_LABEL[cfg.train.loss] * len(cfg.labels)
    network = training.build_network(
        cfg.model, cfg.seed, cfg.path, sum(sizes), n_outputs, precision, **known
    )
    if not basis and not n_table:
        return constrain_outputs(network, cfg)
    outputs = network(ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0])
    if basis:
        wiener.set_weights([basis.variance])
    if n_table:
        flagged.set_weights([h5["features/mean"][:], np.maximum(h5["features/std"][:], 1e-6)])
    return constrain_outputs(keras.Model(inputs, outputs, name=network.name), cfg)


def make_wiener_layer(cfg, h5, basis):
    """Layer that weights the components by a Wiener filter for the noise of the training."""
    from starlabels.learning.networks.layers import Wiener

    noise = cfg.train.noise
    level = float(h5["train/level"][:].mean())
    low, high = (noise.snr_min, noise.snr_max) if noise else (1e4, 1e4)
    floor, reference = level / high, level / math.sqrt(low * high)
    return Wiener(floor, reference, basis.n_blocks, tells_noise=bool(noise), name="wiener")


def count_features(h5):
    """Number of features of the table that the network reads."""
    return len(h5["features/mean"]) if "features" in h5 else 0


def constrain_outputs(network, cfg):
    """Append the layers that keep positive labels positive and that hold a parallax offset."""
    import keras

    from starlabels.learning.networks.layers import Offset, Positive

    outputs = network.outputs[0]
    columns = np.flatnonzero(get_positive(cfg.labels)).tolist()
    outputs = Positive(columns)(outputs) if columns else outputs
    outputs = Offset()(outputs) if cfg.train.loss == "parallax_nll" else outputs
    return keras.Model(network.inputs, outputs, name=network.name)


def split_offset(network):
    """The network without a final Offset layer, and the value of that layer (0 if absent)."""
    import keras

    from starlabels.learning.networks.layers import Offset

    last = network.layers[-1]
    if not isinstance(last, Offset):
        return network, 0.0
    offset = float(last.get_weights()[0].item())
    return keras.Model(network.inputs, last.input, name=network.name), offset


def fit_network(network, cfg, h5, basis, folder, digest, devices=ONE_DEVICE):
    """Train the network on the open 2_prepared.h5; its history, see `training.train_network`."""
    train = make_batches(cfg, h5, basis, "train", cfg.train.passes)
    validation = make_batches(cfg, h5, basis, "validation")
    return training.train_network(
        network,
        cfg.train,
        train,
        validation,
        folder,
        digest,
        cfg.path,
        devices,
        cfg.train.tensorboard,
    )
