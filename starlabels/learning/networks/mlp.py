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
    """Build a dense network: residual blocks between two linear layers.

    Each block is x + Dense(activation(Dense(LayerNorm(x)))).

    Parameters
    ----------
    n_inputs, n_outputs : int
    width : int
        Units of each layer.
    blocks : int
        Number of residual blocks.
    activation : str
    harmonics : int
        The network also reads sin(k x) and cos(k x) of its few inputs x of unit variance, for k up
        to this: details are then learned sooner.
    dropout : float
        Inside the blocks, in training.
    members : int
        Networks side by side, for few training stars: the output is (n, members, n_outputs), which
        `networks.build_predictor` averages.

    Raises
    ------
    ValueError
        If blocks or harmonics are below 0, or members below 1.

    References
    ----------
    He et al. (2016), blocks; Tancik et al. (2020), harmonics; Lakshminarayanan et al. (2017).
    """
    from keras import Input, Model, layers

    check_counts(blocks=(blocks, 0), harmonics=(harmonics, 0), members=(members, 1))
    dense = layers.Dense if members == 1 else ensemble_dense(members)
    inputs = Input((n_inputs,), name="inputs")
    x = append_harmonics(inputs, harmonics) if harmonics else inputs
    x = layers.RepeatVector(members)(x) if members > 1 else x  # (n, members, n_inputs)
    x = connect_blocks(dense(width)(x), dense, blocks, width, activation, dropout)
    return Model(inputs, dense(n_outputs, name="labels", dtype="float32")(x), name="residual_mlp")


def check_counts(**counts):
    """ValueError if a count {name: (value, lowest)} is too low."""
    for name, (value, low) in counts.items():
        if value < low:
            raise ValueError(f"{name} is {value}, expected {low} or more")


def connect_blocks(x, dense, blocks, width, activation, dropout):
    """Output of the residual blocks and of the normalisation after them."""
    from keras import layers

    for _ in range(blocks):
        y = dense(width, activation=activation)(layers.LayerNormalization()(x))
        if dropout:
            y = layers.Dropout(dropout)(y)
        x = layers.Add()([x, dense(width)(y)])
    return layers.LayerNormalization()(x)


def append_harmonics(inputs, harmonics):
    """Inputs (n, n_inputs) with sin(k x) and cos(k x) of each, for k from 1 to `harmonics`."""
    from keras import layers, ops

    waves = [wave(k * inputs) for k in range(1, harmonics + 1) for wave in (ops.sin, ops.cos)]
    return layers.Concatenate()([inputs, *waves])


def ensemble_dense(members):
    """A function like layers.Dense, for all members: (n, members, k) -> (n, members, units)."""
    from keras.initializers import VarianceScaling
    from keras.layers import EinsumDense

    def dense(units, **options):
        # Glorot's, which counts the members among the fans of the kernel
        initializer = VarianceScaling(members, "fan_avg", "uniform")
        return EinsumDense(
            "bmi,mio->bmo",
            (members, units),
            bias_axes="mo",
            kernel_initializer=initializer,
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
    """Build plain dense layers with a linear output.

    Parameters
    ----------
    n_inputs, n_outputs : int
    dense : sequence of int
        Units of the hidden layers.
    activation : str
    dropout : float
        After each hidden layer but the last.
    batch_norm : bool
        Batch normalisation after each hidden layer.
    separate : bool
        One such network for each output.

    References
    ----------
    Gebran (2024): 5000-2000-1000-512-64, one per label; 5000-2000-512-32 with dropout 0.3 from
    labels to a latent space. Turchi et al. (2024): batch normalisation, dropout 0.02, one network
    per label.
    """
    from keras import Input, Model, layers

    inputs = Input((n_inputs,), name="inputs")
    outputs = []
    for n in [1] * n_outputs if separate else [n_outputs]:
        x = inputs
        for i, width in enumerate(dense):
            x = layers.Dense(width, activation=activation)(x)
            if batch_norm:
                x = layers.BatchNormalization()(x)
            if dropout and i < len(dense) - 1:
                x = layers.Dropout(dropout)(x)
        outputs.append(layers.Dense(n, dtype="float32")(x))
    joined = layers.Concatenate(dtype="float32")(outputs) if len(outputs) > 1 else outputs[0]
    return Model(inputs, joined, name="mlp")


def build_autoencoder(n_pix: int, *, hidden: Sequence[int], code: int, activation: str = "relu"):
    """Build an encoder flux (n, n_pix) -> code (n, code) of dense layers, and its mirror image.

    Parameters
    ----------
    n_pix : int
    hidden : sequence of int
        Units of the encoder's hidden layers; the decoder has them in reverse.
    code : int
        Size of the code.
    activation : str

    Returns
    -------
    tuple of keras.Model
        Encoder and decoder.

    References
    ----------
    Gebran (2024): 4000-1024-512-256-64-32-10 and back.
    """
    from keras import Input, Model, layers

    def chain_layers(x, widths):
        for n in widths:
            x = layers.Dense(n, activation=activation, kernel_initializer="he_normal")(x)
        return x

    flux = Input((n_pix,), name="flux")
    latent = Input((code,), name="code")
    encoder = Model(flux, layers.Dense(code)(chain_layers(flux, hidden)), name="encoder")
    output = layers.Dense(n_pix, dtype="float32")(chain_layers(latent, hidden[::-1]))
    return encoder, Model(latent, output, name="decoder")
