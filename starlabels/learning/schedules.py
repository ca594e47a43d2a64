"""Learning-rate schedules."""

WARM_UP = 0.03  # fraction of the steps


def build_cosine_schedule(rate, steps):
    """Keras schedule: linear warm-up from 0 to `rate`, then a cosine to 0 after `steps`."""
    import keras

    warm_up_steps = int(WARM_UP * steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up_steps, warmup_target=rate, warmup_steps=warm_up_steps
    )
