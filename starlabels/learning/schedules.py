"""How the learning rate goes."""

WARM_UP = 0.03  # of the steps


def cosine(rate, steps):
    """A Keras schedule that climbs to `rate` in the first steps and falls along a cosine to 0 at the last of `steps`."""
    import keras

    climb = int(WARM_UP * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - climb, warmup_target=rate, warmup_steps=climb
    )
