"""One-dimensional convolutional networks from flux (n, n_pix) to outputs (n, n_outputs)."""

import numpy as np

from starlabels.base.ranges import number_type
from starlabels.learning.networks.arguments import (
    Activation,
    Dropout,
    Initializer,
    Number,
    Penalty,
    SmallNumber,
    Width,
    Widths,
)


def filtered_cnn(
    n_inputs: int,
    n_outputs: int,
    basis=None,
    n_features: int = 0,
    *,
    bin_pixels: Number = 4,
    patch: Number = 12,
    filters: Widths = (32, 64),
    kernel_size: Number = 5,
    stride: Number = 5,
    width: Width = 256,
    blocks: SmallNumber = 4,
    activation: Activation = "gelu",
    whitening: number_type(0, 1) = 0.4,
):
    """Build the default network: convolutions over wavelength on a Wiener-filtered spectrum.

    The filter, in the principal components of the training spectra, removes most of the noise;
    filters over patches side by side, strided convolutions and residual dense blocks follow. The ln
    noise, and features of a table, join before the dense blocks.

    Parameters
    ----------
    n_inputs, n_outputs : int
    basis : Basis or None
        Principal components that it reads; None if it reads pixels, unfiltered.
    n_features : int
        The last inputs, which are a table's.
    bin_pixels : int
        Pixels averaged into one bin of the filtered spectrum.
    patch : int
        Bins in a patch, of the first filters.
    filters : sequence of int
        Number of filters of the patches, then of each convolution.
    kernel_size, stride : int
        Of the convolutions.
    width, blocks
        As of `residual_mlp`.
    activation : str
    whitening : float
        0: the spectrum as it is; 1: weak components are amplified to the variance of strong ones.
    """
    from keras import Input, Model, layers, ops

    from starlabels.learning.networks.mlp import connect_blocks

    inputs = Input((n_inputs,), name="inputs")
    n_read = len(basis.components) if basis else n_inputs - n_features
    x = filter_spectrum(inputs[:, :n_read], basis, bin_pixels, whitening, patch)
    x = layers.Dense(filters[0], activation=activation, name="patches")(x)
    options = {"strides": stride, "padding": "same", "activation": activation}
    for n in filters[1:]:
        x = layers.Conv1D(n, kernel_size, **options)(x)
    x = layers.Flatten()(x)
    if n_read < n_inputs:
        x = ops.concatenate([x, inputs[:, n_read:]], axis=1)
    x = connect_blocks(layers.Dense(width)(x), layers.Dense, blocks, width, activation, 0.0)
    outputs = layers.Dense(n_outputs, name="labels", dtype="float32")(x)
    return Model(inputs, outputs, name="filtered_cnn")


def filter_spectrum(spectrum, basis, bin_pixels, whitening, patch):
    """Patches (n, n_patches, patch) of the binned spectrum of filtered components, or of pixels."""
    from keras import layers, ops

    from starlabels.learning.networks.layers import FilteredSpectrum

    if basis:
        spectra = bin_components(basis, bin_pixels, whitening)
        x = FilteredSpectrum(spectra.shape[1], spectra, name="filtered_spectrum")(spectrum)
    else:
        n_bins = spectrum.shape[1] // bin_pixels
        x = 1 - ops.reshape(spectrum[:, : n_bins * bin_pixels], (-1, n_bins, bin_pixels))
        x = ops.mean(x, axis=2)
    missing = -x.shape[1] % patch
    x = ops.pad(x, [[0, 0], [0, missing]]) if missing else x
    return layers.Reshape((x.shape[1] // patch, patch))(x)


def bin_components(basis, bin_pixels, whitening):
    """Spectra (n_components, n_bins) of components of unit variance, of rms 1 in all.

    bin_pixels, whitening: see `filtered_cnn`.
    """
    n, n_pix = basis.components.shape
    n_bins = n_pix // bin_pixels
    bins = basis.components[:, : n_bins * bin_pixels].reshape(n, n_bins, bin_pixels).mean(axis=2)
    spectra = bins * (basis.variance ** ((1 - whitening) / 2))[:, None]
    return (spectra / np.sqrt(np.mean(np.sum(spectra**2, axis=0)))).astype("f4")


def seed_cnn(
    n_pix: int,
    n_outputs: int,
    *,
    filters: Widths = (4, 16),
    kernel_size: Number = 8,
    pool: Number = 4,
    dense: Widths = (256, 128),
    activation: Activation = "relu",
    initializer: Initializer = "he_normal",
):
    """Build the published network of stellar-parameters-NN.

    It has convolutions, one max-pooling, dense layers and a linear output.

    Parameters
    ----------
    n_pix, n_outputs : int
    filters, kernel_size : sequence of int, int
        Of the convolutions.
    pool : int
        Width of the pooling.
    dense : sequence of int
        Units of the dense layers.
    activation, initializer : str
    """
    from keras import Input, Model, layers

    options = {"activation": activation, "kernel_initializer": initializer}
    flux = Input((n_pix,), name="flux")
    x = layers.Reshape((n_pix, 1))(flux)
    for n in filters:
        x = layers.Conv1D(n, kernel_size, padding="same", **options)(x)
    x = layers.MaxPooling1D(pool)(x)
    x = layers.Flatten()(x)
    for n in dense:
        x = layers.Dense(n, **options)(x)
    return Model(flux, layers.Dense(n_outputs, name="labels", dtype="float32")(x), name="seed_cnn")


def bayesian_cnn(
    n_pix: int,
    n_outputs: int,
    *,
    filters: Widths = (2, 4),
    kernel_size: Number = 8,
    pool: Number = 4,
    dense: Widths = (196, 96),
    dropout: Dropout = 0.3,
    l2: Penalty = 5e-9,
    activation: Activation = "relu",
    passes: Number = 100,
):
    """Build the network of astroNN: two convolutions, one max-pooling, two dense layers.

    There is dropout before each dense layer. The published dropout after the first convolution is
    left out, as each pass would cost a whole network.

    Parameters
    ----------
    n_pix, n_outputs : int
    filters, kernel_size, pool, dense, activation
        As of `seed_cnn`.
    dropout : float
        Fraction of features dropped, in training and in each pass.
    l2 : float
        Penalty on the weights.
    passes : int
        Monte-Carlo passes of a prediction, whose scatter is part of the error.

    References
    ----------
    Leung & Bovy (2019), MNRAS 483, 3255.
    """
    from keras import Input, Model, layers

    flux = Input((n_pix,), name="flux")
    x = build_trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation)
    outputs = layers.Dense(n_outputs, name="labels", dtype="float32")(x)
    return Model(flux, outputs, name="bayesian_cnn")


def spectrum_table_cnn(
    n_inputs: int,
    n_outputs: int,
    n_features: int = 0,
    *,
    filters: Widths = (8, 4, 2),
    kernel_size: Number = 10,
    dropout: Dropout = 0.2,
    dense: Width = 32,
    table: Width = 27,
    joined: Width = 16,
    members: SmallNumber = 1,
):
    """Build a network that reads a spectrum by convolutions and a table by a dense layer.

    All activations are leaky.

    Parameters
    ----------
    n_inputs, n_outputs : int
    n_features : int
        The last inputs, which are the table's; without, it is the published network of spectra.
    filters, kernel_size, dropout, dense
        Of the branch of the spectrum.
    table : int
        Units of the branch of the table.
    joined : int
        Units of the layer that reads both.
    members : int
        Networks side by side: the output is (n, members, n_outputs), which
        `networks.build_predictor` averages, as published.

    References
    ----------
    Guiglion et al. (2020), A&A 644, A168.
    """
    from keras import Input, Model, ops

    inputs = Input((n_inputs,), name="inputs")
    units = (filters, kernel_size, dropout, dense, table, joined, n_outputs)
    outputs = [build_member(inputs, n_features, *units) for _ in range(max(1, members))]
    merged = ops.stack(outputs, axis=1) if members > 1 else outputs[0]
    return Model(inputs, merged, name="spectrum_table_cnn")


def build_member(
    inputs, n_features, filters, kernel_size, dropout, dense, table, joined, n_outputs
):
    """Outputs (n, n_outputs) of one network of `spectrum_table_cnn`."""
    from keras import layers

    def leaky(x):
        return layers.LeakyReLU(negative_slope=0.3)(x)

    n_pix = inputs.shape[1] - n_features
    x = layers.Reshape((n_pix, 1))(inputs[:, :n_pix])
    for n in filters:
        x = leaky(layers.Conv1D(n, kernel_size)(x))
    x = leaky(layers.Dense(dense)(layers.Flatten()(layers.Dropout(dropout)(x))))
    if n_features:
        x = layers.Concatenate()([x, leaky(layers.Dense(table)(inputs[:, n_pix:]))])
    return layers.Dense(n_outputs, dtype="float32")(leaky(layers.Dense(joined)(x)))


def build_trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation):
    """Last hidden layer (n, dense[-1]) of a `bayesian_cnn` that reads flux (n, n_pix)."""
    from keras import layers

    from starlabels.learning.networks.bayesian import DropoutDense, astronn_options

    options = {"padding": "same", "activation": activation}
    x = layers.Reshape((*flux.shape[1:], 1))(flux)
    for n in filters:
        x = layers.Conv1D(n, kernel_size, **options, **astronn_options(l2))(x)
    x = layers.Flatten(name="features")(layers.MaxPooling1D(pool)(x))
    for n in dense:
        x = DropoutDense(n, dropout, activation, l2)(x)
    return x
