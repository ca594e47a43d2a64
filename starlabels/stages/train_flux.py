"""The generator, labels -> code -> flux: how 3_train makes one, and how it is used.

The code is a few numbers that say all of a spectrum: of an autoencoder learnt here (Gebran 2024), or principal components, of
the spectrum as it is or before rotation and instrument, see intrinsic.py.
"""

from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.files import remove_folder, replace_folder
from starlabels.base.labels import scale_labels
from starlabels.learning import components, trained_model, training
from starlabels.learning.devices import is_follower, start_devices
from starlabels.learning.generator import CHUNK, call_model
from starlabels.learning.intrinsic import CHUNK as NODE_CHUNK
from starlabels.learning.intrinsic import FIELDS, Intrinsic, build_intrinsic
from starlabels.stages import locks
from starlabels.stages.recipe_nodes import check_complete_labels, open_source_sampler


class Code(NamedTuple):
    """What a network learns to give, (code - mean) / scale of codes (n, n_code), and what makes spectra of a code.

    codes(part): those of the stars of a part of 2_prepared.h5; reads: the labels that they depend on. The flux comes from a
    Keras model `decoder`, to which `encoder` is the way back, or from an Intrinsic.
    """

    codes: object
    mean: np.ndarray
    scale_labels: np.ndarray
    reads: list
    encoder: object = None
    decoder: object = None
    intrinsic: Intrinsic | None = None


@locks.require_lock("lock", unless=is_follower)
def train_generator(run, args=None):
    """3_train for target flux: save models/<run>/ and draw the loss; UserError if spectra are missing, or training diverges."""
    cfg, paths, digest = run.cfg, run.paths, run.digest("3_train")
    coding_dir, histories = paths.partial_dir.with_name(f"{cfg.run}.autoencoder.partial"), {}
    with run.open("2_preprocess") as h5:
        devices = start_devices(cfg.train)
        if cfg.autoencoder:
            code, histories["autoencoder"] = learn_code(cfg, h5, coding_dir, digest, devices)
        else:
            code = (
                intrinsic_code(cfg, h5)
                if cfg.intrinsic
                else linear_code(components.read_basis(h5), cfg.labels)
            )
        n_inputs, n_code = len(code.reads), len(code.mean)
        with devices.scope():
            network = training.build_network(cfg, n_inputs, n_code, devices.precision)
        print(
            f"{cfg.model.builder}: {format_count(network.count_params())} parameters, {', '.join(code.reads)} to {n_code} numbers"
        )
        histories["network"] = fit(network, code, cfg, h5, paths.partial_dir, digest, devices)
        if devices.is_chief:
            network = devices.freed(network, lambda: training.build_network(cfg, n_inputs, n_code))
            folders = {"": paths.partial_dir, "autoencoder": coding_dir}
            keep(network, code, histories, run, h5, digest, folders)
    devices.wait()


def keep(network, code, histories, run, h5, digest, folders):
    """Save models/<run>/ of a network that gives a code, and draw the loss; folders {name: of a training}, which go."""
    from starlabels.plots import training as plots

    cfg, paths = run.cfg, run.paths
    models = {"model": joined(network, code, cfg, h5)}
    if code.encoder:
        models["autoencoder"] = chained(code.encoder, code.decoder)
    tables = {"intrinsic": code.intrinsic and code.intrinsic.table}
    seconds = {name: sum(history["seconds"]) for name, history in histories.items()}
    with replace_folder(paths.model_dir) as folder:
        trained_model.save_model(
            folder, models, tables, histories["network"], sum(seconds.values()), cfg, digest, h5
        )
        if cfg.autoencoder:
            training.write_history(histories["autoencoder"], folder / "autoencoder.csv")
        for name, source in folders.items():
            training.copy_tensorboard(source, folder / training.TENSORBOARD / name)
    for source in folders.values():
        remove_folder(source)
    with run.figures("3_loss*.png", {paths.model_dir: digest}) as figures:
        for name, history in histories.items():
            print(f"trained the {name}: {len(history['loss'])} epochs in {seconds[name]:.0f} s")
            suffix = "" if name == "network" else f"_{name}"
            plots.draw_loss(history, "mse", figures / f"3_loss{suffix}.png")
    print(f"{paths.model_dir}/model.keras")


def learn_code(cfg, h5, folder, digest, devices):
    """The Code of the recipe's autoencoder, trained on the open 2_prepared.h5, and the history of that training."""
    import keras

    from starlabels.learning.batches import PixelSpectra, SpectrumBatches
    from starlabels.learning.networks.mlp import build_autoencoder

    plan, (mean, size) = cfg.autoencoder, moments(h5["train/flux"])
    options = {"hidden": plan.hidden, "code": plan.code, "activation": plan.activation}

    def build(precision="float32"):
        keras.utils.set_random_seed(cfg.seed)
        with training.dtype_policy(precision):
            return training.build_within_memory(
                lambda: build_autoencoder(cfg.wave.n_pix, **options), f"{cfg.path}: autoencoder"
            )

    with devices.scope():
        parts = build(devices.precision)
        both = chained(*parts)
    print(
        f"autoencoder: {format_count(both.count_params())} parameters, {format_count(len(h5['train/flux']))} training spectra"
    )
    train, validation = (
        SpectrumBatches(
            PixelSpectra(h5[part]["flux"]),
            np.zeros((len(h5[part]["flux"]), 0)),
            plan.train.batch_size,
            seed=(cfg.seed, *part.encode()),
            training=part == "train",
            passes=plan.train.passes if part == "train" else 1,
            pair=lambda flux, _: (
                ((flux - mean) / size,) * 2
            ),  # raw flux is all but constant: nothing would be learnt
        )
        for part in ("train", "validation")
    )
    history = training.train_network(
        both, plan.train, train, validation, folder, digest, cfg, devices
    )
    encoder = devices.freed(parts[0], lambda: build()[0])
    decoder = devices.freed(parts[1], lambda: build()[1])
    flux, latent = (
        keras.Input((cfg.wave.n_pix,), name="flux"),
        keras.Input((plan.code,), name="code"),
    )
    to_scaled, to_flux = (
        keras.layers.Normalization(mean=mean, variance=size**2, invert=back)
        for back in (False, True)
    )
    encoder = keras.Model(flux, encoder(to_scaled(flux)), name="encoder")
    decoder = keras.Model(latent, to_flux(decoder(latent)), name="decoder")
    found = encoded(encoder)(h5["train"])
    scatter = np.maximum(found.std(axis=0), 1e-6)
    return Code(
        encoded(encoder), found.mean(axis=0), scatter, cfg.labels, encoder, decoder
    ), history


def encoded(encoder):
    """A function(part of 2_prepared.h5) -> codes (n, n_code) of its spectra."""

    def codes(part):
        flux = part["flux"]
        return np.concatenate(
            [
                call_model(encoder, flux[start : start + CHUNK])
                for start in range(0, len(flux), CHUNK)
            ]
        )

    return codes


def moments(flux):
    """Mean (n_pix,) of an open dataset of flux (n, n_pix), and the rms of what differs from it, one for all pixels."""
    chunks = [slice(start, start + CHUNK) for start in range(0, len(flux), CHUNK)]
    mean = sum(flux[rows].sum(axis=0, dtype=float) for rows in chunks) / len(flux)
    square = sum(np.square(flux[rows] - mean).mean(axis=1).sum() for rows in chunks) / len(flux)
    return mean.astype("f4"), np.full(len(mean), np.sqrt(square), "f4")


def linear_code(basis, names):
    """The Code of principal components. One scale for all: the mean square over components stays that over pixels."""
    import keras

    mean, vectors = 1 - basis.mean, basis.components
    flux, latent = keras.Input((len(mean),), name="flux"), keras.Input((len(vectors),), name="code")
    to_code, to_flux = (keras.layers.Dense(n, trainable=False) for n in (len(vectors), len(mean)))
    encoder, decoder = (
        keras.Model(flux, to_code(flux), name="encoder"),
        keras.Model(latent, to_flux(latent), name="decoder"),
    )
    to_code.set_weights([-vectors.T, vectors @ mean])
    to_flux.set_weights([-vectors, mean])
    spread = np.full(len(vectors), np.sqrt(basis.variance.mean()))
    return Code(encoded(encoder), np.zeros(len(vectors)), spread, names, encoder, decoder)


def intrinsic_code(cfg, h5):
    """The Code of spectra before rotation and instrument."""
    from starlabels.synthesis.broaden import BROADENING_LABELS

    found, codes = of_nodes(cfg, h5)
    scatter = np.sqrt(np.square(codes(h5["validation"])).mean())
    zero, reads = (
        np.zeros(len(found.components)),
        [name for name in cfg.labels if name not in BROADENING_LABELS],
    )
    return Code(codes, zero, zero + scatter, reads, intrinsic=found)


def fit(network, code, cfg, h5, folder, digest, devices):
    """History of training the network to give the codes of the open 2_prepared.h5, see `training.fit`."""
    from starlabels.learning.batches import PixelSpectra, SpectrumBatches, labels_to_spectra

    def batches(part):
        labels = scale_labels(
            hdf5.read_labels(h5[part], cfg.labels), h5["scaling/mean"][:], h5["scaling/std"][:]
        )
        labels = labels[:, [cfg.labels.index(name) for name in code.reads]]
        spectra, is_train = (
            PixelSpectra(((code.codes(h5[part]) - code.mean) / code.scale).astype("f4")),
            part == "train",
        )
        seed, passes = (cfg.seed, *part.encode()), cfg.train.passes if is_train else 1
        return SpectrumBatches(
            spectra, labels, cfg.train.batch_size, None, seed, is_train, passes, labels_to_spectra
        )

    return training.train_network(
        network, cfg.train, batches("train"), batches("validation"), folder, digest, cfg, devices
    )


def chained(first, second):
    """The Keras model second(first(x))."""
    import keras

    return keras.Model(first.input, second(first.output), name="autoencoder")


def joined(network, code, cfg, h5):
    """The Keras model labels (n, n_labels) in physical units -> flux (n, n_pix), or the code of an Intrinsic (n, n_code)."""
    import keras

    network = keras.Model(
        network.inputs, network.outputs[0], name=network.name
    )  # without optimiser
    mean, std = h5["scaling/mean"][:], h5["scaling/std"][:]
    labels = keras.Input((len(mean),), name="labels")
    x = keras.layers.Normalization(mean=mean, variance=std**2)(labels)
    if code.reads != cfg.labels:
        x = keras.ops.take(x, [cfg.labels.index(name) for name in code.reads], axis=1)
    x = keras.layers.Normalization(mean=code.mean, variance=code.scale**2, invert=True)(network(x))
    return keras.Model(labels, code.decoder(x) if code.decoder else x, name="generator")


def of_nodes(cfg, h5):
    """The Intrinsic of the training stars of an open 2_prepared.h5, and a function(part) -> their codes (n, k).

    UserError if the spectra are not those of nodes.
    """
    try:
        sampler, group = open_source_sampler(cfg, cfg.labels), h5["train"]
        check_complete_labels(group)
    except UserError as error:
        raise UserError(
            f"{cfg.path}: intrinsic: {error}: give preprocess.components instead"
        ) from None
    rows = slice(0, components.N_FIT)
    basis = components.fit_basis(
        np.concatenate(list(sampler.iterate_intrinsic(columns(group, rows), NODE_CHUNK))),
        cfg.intrinsic.components,
        1,
        cfg.seed,
    )
    own = sampler.broadening
    parts = (basis.mean, basis.components, own.wave, own.step, own.fwhm, cfg.grid.resolving_power)

    def codes(part):
        chunks = sampler.iterate_intrinsic(columns(part, slice(None)), NODE_CHUNK)
        return np.concatenate([(1 - flux - basis.mean) @ basis.components.T for flux in chunks])

    return build_intrinsic(dict(zip(FIELDS, parts))), codes


def columns(group, rows):
    """All labels {name: (n,)} of rows of a part of 2_prepared.h5, learnt or not."""
    stored = group["grid_labels"]
    return dict(zip(stored.attrs["names"], stored[rows].T.astype(float)))
