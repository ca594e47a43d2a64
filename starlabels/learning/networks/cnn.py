"""One-dimensional convolutional networks from spectra to labels: flux (n, n_pix) -> outputs (n, n_outputs)."""

from starlabels.learning.networks.arguments import (
    Activation,
    Dropout,
    SmallNumber,
    Initializer,
    Number,
    Penalty,
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
    """The published network of stellar-parameters-NN: convolutions, one max-pooling, dense layers, linear output."""
    from keras import Input, Model, layers

    flux = Input((n_pix,), name="flux")
    x = layers.Reshape((n_pix, 1))(flux)
    for n in filters:
        x = layers.Conv1D(
            n, kernel_size, padding="same", activation=activation, kernel_initializer=initializer
        )(x)
    x = layers.MaxPooling1D(pool)(x)
    x = layers.Flatten()(x)
    for n in dense:
        x = layers.Dense(n, activation=activation, kernel_initializer=initializer)(x)
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
    """astroNN's: two convolutions, one max-pooling, two dense layers with dropout before each, whose `passes` tell errors.

    Published too, and left out here: dropout after the first convolution, for then each pass costs a whole network.
    """
    from keras import Input, Model, layers

    flux = Input((n_pix,), name="flux")
    x = build_trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation)
    return Model(
        flux, layers.Dense(n_outputs, name="labels", dtype="float32")(x), name="bayesian_cnn"
    )


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
    """The network of Guiglion et al. (2020), A&A 644, A168: a spectrum through convolutions, beside it a table.

    The last n_features of the inputs (n, n_inputs) are the table's; without, it is their network of spectra. Activations are
    leaky. members: so many side by side, (n, members, n_outputs), of which `models.predictor` gives the mean, for they take
    that of several trainings.
    """
    from keras import Input, Model, layers, ops

    def leaky(x):
        return layers.LeakyReLU(negative_slope=0.3)(x)

    def one():
        x = layers.Reshape((n_pix, 1))(inputs[:, :n_pix])
        for n in filters:
            x = leaky(layers.Conv1D(n, kernel_size)(x))
        x = leaky(layers.Dense(dense)(layers.Flatten()(layers.Dropout(dropout)(x))))
        if n_features:
            x = layers.Concatenate()([x, leaky(layers.Dense(table)(inputs[:, n_pix:]))])
        return layers.Dense(n_outputs, dtype="float32")(leaky(layers.Dense(joined)(x)))

    inputs, n_pix = Input((n_inputs,), name="inputs"), n_inputs - n_features
    outputs = [one() for _ in range(max(1, members))]
    return Model(
        inputs, ops.stack(outputs, axis=1) if members > 1 else outputs[0], name="spectrum_table_cnn"
    )


def build_trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation):
    """What the last hidden layer of a `bayesian_cnn` says of the flux (n, n_pix): (n, dense[-1])."""
    from keras import layers

    from starlabels.learning.networks.bayesian import DropoutDense, astronn_options

    x = layers.Reshape((*flux.shape[1:], 1))(flux)
    for n in filters:
        x = layers.Conv1D(n, kernel_size, padding="same", activation=activation, **astronn_options(l2))(x)
    x = layers.Flatten(name="features")(layers.MaxPooling1D(pool)(x))
    for n in dense:
        x = DropoutDense(n, dropout, activation, l2)(x)
    return x
