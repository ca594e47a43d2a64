"""Networks of dense layers."""

from collections.abc import Sequence

from pydantic import StrictBool

from starlabels.base.ranges import integer_type
from starlabels.learning.networks.arguments import Activation, Dropout, SmallNumber, Width, Widths


def residual_mlp(
    n_inputs: int,
    n_outputs: int,
    *,
    width: Width = 256,
    blocks: SmallNumber = 4,
    activation: Activation = "gelu",
    harmonics: integer_type(0, 100) = 0,
    dropout: Dropout = 0.0,
    members: SmallNumber = 1,
):
    """Our default: blocks x + Dense(activation(Dense(LayerNorm(x)))) between two linear layers. He et al. (2016).

    harmonics: the network also reads sin(k x) and cos(k x) of its few inputs x of unit variance, k up to that: it then learns
    details sooner. Tancik et al. (2020). dropout: inside the blocks, in training. members: so many networks side by side,
    (n, members, n_outputs), whose mean and scatter `models.predictor` gives; for few training stars. Lakshminarayanan et al.
    (2017). ValueError for blocks or harmonics < 0, members < 1.
    """
    from keras import Input, Model, layers, ops

    for name, number, least in (
        ("blocks", blocks, 0),
        ("harmonics", harmonics, 0),
        ("members", members, 1),
    ):
        if number < least:
            raise ValueError(f"{name} is {number}, expected {least} or more")
    dense = layers.Dense if members == 1 else ensemble_dense(members)
    x = inputs = Input((n_inputs,), name="inputs")
    if harmonics:
        waves = [wave(k * inputs) for k in range(1, harmonics + 1) for wave in (ops.sin, ops.cos)]
        x = layers.Concatenate()([inputs, *waves])
    x = layers.RepeatVector(members)(x) if members > 1 else x  # (n, members, n_inputs)
    x = dense(width)(x)
    for _ in range(blocks):
        y = dense(width, activation=activation)(layers.LayerNormalization()(x))
        y = layers.Dropout(dropout)(y) if dropout else y
        x = layers.Add()([x, dense(width)(y)])
    x = layers.LayerNormalization()(x)
    return Model(inputs, dense(n_outputs, name="labels", dtype="float32")(x), name="residual_mlp")


def ensemble_dense(members):
    """A function that makes a dense layer for each member of an ensemble, (n, members, k) -> (n, members, units)."""
    from keras.initializers import VarianceScaling
    from keras.layers import EinsumDense

    def dense(units, **options):
        as_glorot = VarianceScaling(
            members, "fan_avg", "uniform"
        )  # which counts the members among its fans
        return EinsumDense(
            "bmi,mio->bmo",
            (members, units),
            bias_axes="mo",
            kernel_initializer=as_glorot,
            **options,
        )

    return dense


def mlp(
    n_inputs: int,
    n_outputs: int,
    *,
    dense: Widths = (512, 256),
    activation: Activation = "relu",
    dropout: Dropout = 0.0,
    batch_norm: StrictBool = False,
    separate: StrictBool = False,
):
    """Dense layers with dropout after each but the last and a linear output; `separate`: one such network for each output.

    Gebran (2024): 5000-2000-1000-512-64, one per label; 5000-2000-512-32 with dropout 0.3 from labels to a latent space.
    Turchi et al. (2024): batch normalisation after each layer, dropout 0.02, one network per label.
    """
    from keras import Input, Model, layers

    inputs, outputs = Input((n_inputs,), name="inputs"), []
    for width in [1] * n_outputs if separate else [n_outputs]:
        x = inputs
        for i, n in enumerate(dense):
            x = layers.Dense(n, activation=activation)(x)
            x = layers.BatchNormalization()(x) if batch_norm else x
            x = layers.Dropout(dropout)(x) if dropout and i < len(dense) - 1 else x
        outputs.append(layers.Dense(width, dtype="float32")(x))
    return Model(
        inputs,
        layers.Concatenate(dtype="float32")(outputs) if len(outputs) > 1 else outputs[0],
        name="mlp",
    )


def build_autoencoder(n_pix: int, *, hidden: Sequence[int], code: int, activation: str = "relu"):
    """Encoder flux (n, n_pix) -> code (n, code) of dense layers, and its mirror image code -> flux: two models.

    Gebran (2024): 4000-1024-512-256-64-32-10 and back.
    """
    from keras import Input, Model, layers

    def chain(x, widths):
        for n in widths:
            x = layers.Dense(n, activation=activation, kernel_initializer="he_normal")(x)
        return x

    flux, latent = Input((n_pix,), name="flux"), Input((code,), name="code")
    encoder = Model(flux, layers.Dense(code)(chain(flux, hidden)), name="encoder")
    return encoder, Model(
        latent, layers.Dense(n_pix, dtype="float32")(chain(latent, hidden[::-1])), name="decoder"
    )
