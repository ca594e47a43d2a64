"""One-dimensional convolutional networks from flux (n, n_pix) to outputs (n, n_outputs)."""

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
