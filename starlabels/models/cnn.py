"""One-dimensional convolutional networks from spectra to labels: flux (n, n_pix) -> scaled labels (n, n_labels)."""

from collections.abc import Sequence


def seed_cnn(
    n_pix: int,
    n_labels: int,
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
    return Model(flux, layers.Dense(n_labels, name="labels")(x), name="seed_cnn")


def strided_cnn(
    n_pix: int,
    n_labels: int,
    *,
    filters: Sequence[int] = (16, 32, 32),
    kernel_size: int = 8,
    strides: Sequence[int] = (4, 4, 2),
    dense: Sequence[int] = (256, 256, 128),
    activation: str = "gelu",
):
    """Our default: strided convolutions of line depth, dense layers, linear output. ValueError if lengths differ."""
    from keras import Input, Model, layers

    if len(filters) != len(strides):
        raise ValueError(f"filters {list(filters)} and strides {list(strides)} must be equally many")
    flux = Input((n_pix,), name="flux")
    x = layers.Rescaling(-1.0, offset=1.0, name="depth")(flux)  # zero in the continuum: padding then looks like it
    x = layers.Reshape((n_pix, 1))(x)
    for n, stride in zip(filters, strides):
        x = layers.Conv1D(n, kernel_size, strides=stride, padding="same", activation=activation)(x)
    x = layers.Flatten()(x)
    for n in dense:
        x = layers.Dense(n, activation=activation)(x)
    return Model(flux, layers.Dense(n_labels, name="labels")(x), name="strided_cnn")
