"""Networks of dense layers."""

from collections.abc import Sequence


def residual_mlp(
    n_inputs: int, n_outputs: int, *, width: int = 256, blocks: int = 4, activation: str = "gelu", harmonics: int = 0
):
    """Our default: blocks x + Dense(activation(Dense(LayerNorm(x)))) between two linear layers. He et al. (2016).

    harmonics: the network also reads sin(k x) and cos(k x) of its few inputs x of unit variance, k up to that: it then learns
    details sooner. Tancik et al. (2020). ValueError for blocks or harmonics < 0.
    """
    from keras import Input, Model, layers, ops

    for name, number in (("blocks", blocks), ("harmonics", harmonics)):
        if number < 0:
            raise ValueError(f"{name} is {number}, expected 0 or more")
    x = inputs = Input((n_inputs,), name="inputs")
    if harmonics:
        waves = [wave(k * inputs) for k in range(1, harmonics + 1) for wave in (ops.sin, ops.cos)]
        x = layers.Concatenate()([inputs, *waves])
    x = layers.Dense(width)(x)
    for _ in range(blocks):
        y = layers.Dense(width, activation=activation)(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.LayerNormalization()(x)
    return Model(inputs, layers.Dense(n_outputs, name="labels")(x), name="residual_mlp")


def mlp(
    n_inputs: int,
    n_outputs: int,
    *,
    dense: Sequence[int] = (512, 256),
    activation: str = "relu",
    dropout: float = 0.0,
    separate: bool = False,
):
    """Dense layers with dropout after each but the last and a linear output; `separate`: one such network for each output.

    Gebran (2024): 5000-2000-1000-512-64, one per label; 5000-2000-512-32 with dropout 0.3 from labels to a latent space.
    """
    from keras import Input, Model, layers

    inputs, outputs = Input((n_inputs,), name="inputs"), []
    for width in [1] * n_outputs if separate else [n_outputs]:
        x = inputs
        for i, n in enumerate(dense):
            x = layers.Dense(n, activation=activation)(x)
            x = layers.Dropout(dropout)(x) if dropout and i < len(dense) - 1 else x
        outputs.append(layers.Dense(width)(x))
    return Model(inputs, layers.Concatenate()(outputs) if len(outputs) > 1 else outputs[0], name="mlp")


def autoencoder(n_pix: int, *, hidden: Sequence[int], code: int, activation: str = "relu"):
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
    return encoder, Model(latent, layers.Dense(n_pix)(chain(latent, hidden[::-1])), name="decoder")
