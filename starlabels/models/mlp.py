"""Networks of dense layers."""


def residual_mlp(n_inputs: int, n_outputs: int, *, width: int = 256, blocks: int = 4, activation: str = "gelu"):
    """Our default: blocks x + Dense(activation(Dense(LayerNorm(x)))) between two linear layers. He et al. (2016).

    ValueError for blocks < 0.
    """
    from keras import Input, Model, layers

    if blocks < 0:
        raise ValueError(f"blocks is {blocks}, expected 0 or more")
    inputs = Input((n_inputs,), name="inputs")
    x = layers.Dense(width)(inputs)
    for _ in range(blocks):
        y = layers.Dense(width, activation=activation)(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.LayerNormalization()(x)
    return Model(inputs, layers.Dense(n_outputs, name="labels")(x), name="residual_mlp")
