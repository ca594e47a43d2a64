"""3_train for target flux: the code, a few numbers that describe a spectrum.

It is the code of an autoencoder (Gebran 2024), or principal components of the spectra, either as
observed or before rotation and instrument, see `starlabels.learning.intrinsic`.
"""

from typing import NamedTuple

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.learning import components, training
from starlabels.learning.generator import CHUNK, call_model
from starlabels.learning.intrinsic import CHUNK as NODE_CHUNK
from starlabels.learning.intrinsic import FIELDS, Intrinsic, build_intrinsic
from starlabels.stages.recipe_nodes import check_complete_labels, open_source_sampler


class Code(NamedTuple):
    """A code (n, n_code) of spectra, its scaling, and how to get the flux back.

    Attributes
    ----------
    codes : callable
        Function of a part of 2_prepared.h5 that returns the codes of its stars.
    mean, scale : array (n_code,)
        The network predicts (code - mean) / scale.
    reads : list of str
        Labels that the code depends on.
    encoder, decoder : keras.Model or None
        Flux to code, and code to flux.
    intrinsic : Intrinsic or None
        Makes the flux from the code if there is no decoder.
    """

    codes: object
    mean: np.ndarray
    scale: np.ndarray
    reads: list
    encoder: object = None
    decoder: object = None
    intrinsic: Intrinsic | None = None


def train_autoencoder_code(cfg, h5, folder, digest, devices):
    """Train the autoencoder of the recipe on the open 2_prepared.h5; its Code and its history."""
    import keras

    from starlabels.learning.networks.mlp import build_autoencoder

    section = cfg.autoencoder
    mean, rms = compute_flux_moments(h5["train/flux"])
    options = {"hidden": section.hidden, "code": section.code, "activation": section.activation}

    def build(precision="float32"):
        keras.utils.set_random_seed(cfg.seed)
        with training.dtype_policy(precision):
            return training.build_within_memory(
                lambda: build_autoencoder(cfg.wave.n_pix, **options), f"{cfg.path}: autoencoder"
            )

    with devices.scope():
        parts = build(devices.precision)
        both = chain_models(*parts)
    n_parameters = format_count(both.count_params())
    print(f"autoencoder: {n_parameters} parameters, {format_count(len(h5['train/flux']))} spectra")
    train, validation = (
        make_flux_batches(cfg, h5, part, mean, rms) for part in ("train", "validation")
    )
    history = training.train_network(
        both,
        section.train,
        train,
        validation,
        folder,
        digest,
        cfg.path,
        devices,
        cfg.train.tensorboard,
    )
    encoder = devices.to_one_device(parts[0], lambda: build()[0])
    decoder = devices.to_one_device(parts[1], lambda: build()[1])
    flux = keras.Input((cfg.wave.n_pix,), name="flux")
    latent = keras.Input((section.code,), name="code")
    to_scaled = keras.layers.Normalization(mean=mean, variance=rms**2)
    to_flux = keras.layers.Normalization(mean=mean, variance=rms**2, invert=True)
    encoder = keras.Model(flux, encoder(to_scaled(flux)), name="encoder")
    decoder = keras.Model(latent, to_flux(decoder(latent)), name="decoder")
    codes = make_encoder_codes(encoder)
    values = codes(h5["train"])
    scale = np.maximum(values.std(axis=0), 1e-6)
    return Code(codes, values.mean(axis=0), scale, cfg.labels, encoder, decoder), history


def make_flux_batches(cfg, h5, part, mean, rms):
    """Batches of scaled flux, both input and target, of a part of 2_prepared.h5."""
    from starlabels.learning.batches import SpectrumBatches
    from starlabels.learning.noisy_spectra import PixelSpectra

    options, is_train, flux = cfg.autoencoder.train, part == "train", h5[part]["flux"]
    return SpectrumBatches(
        PixelSpectra(flux),
        np.zeros((len(flux), 0)),
        options.batch_size,
        seed=(cfg.seed, *part.encode()),
        training=is_train,
        passes=options.passes if is_train else 1,
        # raw flux is nearly constant: a network would not learn from it
        pair=lambda flux, _: ((flux - mean) / rms,) * 2,
    )


def make_encoder_codes(encoder):
    """Function of a part of 2_prepared.h5 that returns the codes (n, n_code) of its spectra."""

    def codes(part):
        flux = part["flux"]
        starts = range(0, len(flux), CHUNK)
        return np.concatenate([call_model(encoder, flux[i : i + CHUNK]) for i in starts])

    return codes


def compute_flux_moments(flux):
    """Mean (n_pix,) of a dataset of flux (n, n_pix), and one rms about it, as (n_pix,)."""
    chunks = [slice(start, start + CHUNK) for start in range(0, len(flux), CHUNK)]
    mean = sum(flux[rows].sum(axis=0, dtype=float) for rows in chunks) / len(flux)
    square = sum(np.square(flux[rows] - mean).mean(axis=1).sum() for rows in chunks) / len(flux)
    return mean.astype("f4"), np.full(len(mean), np.sqrt(square), "f4")


def make_component_code(basis, names):
    """The Code of principal components; one scale for all keeps the mean square that of pixels."""
    import keras

    mean, vectors = 1 - basis.mean, basis.components
    n_code, n_pix = vectors.shape
    flux = keras.Input((n_pix,), name="flux")
    latent = keras.Input((n_code,), name="code")
    to_code = keras.layers.Dense(n_code, trainable=False)
    to_flux = keras.layers.Dense(n_pix, trainable=False)
    encoder = keras.Model(flux, to_code(flux), name="encoder")
    decoder = keras.Model(latent, to_flux(latent), name="decoder")
    to_code.set_weights([-vectors.T, vectors @ mean])
    to_flux.set_weights([-vectors, mean])
    scale = np.full(n_code, np.sqrt(basis.variance.mean()))
    return Code(make_encoder_codes(encoder), np.zeros(n_code), scale, names, encoder, decoder)


def make_intrinsic_code(cfg, h5):
    """The Code of spectra before rotation and instrument."""
    from starlabels.synthesis.broaden import BROADENING_LABELS

    intrinsic, codes = fit_intrinsic(cfg, h5)
    scale = np.sqrt(np.square(codes(h5["validation"])).mean())
    zero = np.zeros(len(intrinsic.components))
    reads = [name for name in cfg.labels if name not in BROADENING_LABELS]
    return Code(codes, zero, zero + scale, reads, intrinsic=intrinsic)


def fit_intrinsic(cfg, h5):
    """Fit the Intrinsic of the training stars; it and a function(part) that returns codes (n, k).

    UserError if the spectra are not sampled from nodes.
    """
    try:
        sampler, group = open_source_sampler(cfg, cfg.labels), h5["train"]
        check_complete_labels(group)
    except UserError as error:
        hint = "give preprocess.components instead"
        raise UserError(f"{cfg.path}: intrinsic: {error}: {hint}") from None
    labels = read_all_labels(group, slice(0, components.N_FIT))
    flux = np.concatenate(list(sampler.iterate_intrinsic(labels, NODE_CHUNK)))
    basis = components.fit_basis(flux, cfg.intrinsic.components, 1, cfg.seed)
    grid, power = sampler.broadening, cfg.grid.resolving_power
    parts = (basis.mean, basis.components, grid.wave, grid.step, grid.fwhm, power)

    def codes(part):
        chunks = sampler.iterate_intrinsic(read_all_labels(part, slice(None)), NODE_CHUNK)
        return np.concatenate([(1 - flux - basis.mean) @ basis.components.T for flux in chunks])

    return build_intrinsic(dict(zip(FIELDS, parts))), codes


def read_all_labels(group, rows):
    """All labels {name: (n,)} of the grid, of rows of a part of 2_prepared.h5."""
    stored = group["labels/value"]
    return dict(zip(stored.attrs["names"], stored[rows].T.astype(float)))


def chain_models(first, second):
    """The Keras model second(first(x))."""
    import keras

    return keras.Model(first.input, second(first.output), name="autoencoder")
