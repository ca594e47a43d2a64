"""One-dimensional convolutional networks from spectra to labels: flux (n, n_pix) -> outputs (n, n_outputs)."""

from collections.abc import Sequence


def seed_cnn(
    n_pix: int,
    n_outputs: int,
    *,
    filters: Sequence[int] = (4, 16),
    kernel_size: int = 8,
    pool: int = 4,
    dense: Sequence[int] = (256, 128),
    activation: str = "relu",
    initializer: str = "he_normal",
):
    """The published network of stellar-parameters-NN: convolutions, one max-pooling, dense layers, linear output."""
    from keras import Input, Model, layers

    flux = Input((n_pix,), name="flux")
    x = layers.Reshape((n_pix, 1))(flux)
    for n in filters:
        x = layers.Conv1D(n, kernel_size, padding="same", activation=activation, kernel_initializer=initializer)(x)
    x = layers.MaxPooling1D(pool)(x)
    x = layers.Flatten()(x)
    for n in dense:
        x = layers.Dense(n, activation=activation, kernel_initializer=initializer)(x)
    return Model(flux, layers.Dense(n_outputs, name="labels")(x), name="seed_cnn")


def bayesian_cnn(
    n_pix: int,
    n_outputs: int,
    *,
    filters: Sequence[int] = (2, 4),
    kernel_size: int = 8,
    pool: int = 4,
    dense: Sequence[int] = (196, 96),
    dropout: float = 0.3,
    l2: float = 5e-9,
    activation: str = "relu",
    passes: int = 100,
):
    """astroNN's: two convolutions, one max-pooling, two dense layers with dropout before each, whose `passes` tell errors.

    Published too, and left out here: dropout after the first convolution, for then each pass costs a whole network.
    """
    from keras import Input, Model, layers

    flux = Input((n_pix,), name="flux")
    x = trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation)
    return Model(flux, layers.Dense(n_outputs, name="labels")(x), name="bayesian_cnn")


def trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation):
    """What the last hidden layer of a `bayesian_cnn` says of the flux (n, n_pix): (n, dense[-1])."""
    from keras import layers

    from starlabels.models.bayesian import DropoutDense, published

    x = layers.Reshape((*flux.shape[1:], 1))(flux)
    for n in filters:
        x = layers.Conv1D(n, kernel_size, padding="same", activation=activation, **published(l2))(x)
    x = layers.Flatten(name="features")(layers.MaxPooling1D(pool)(x))
    for n in dense:
        x = DropoutDense(n, dropout, activation, l2)(x)
    return x
