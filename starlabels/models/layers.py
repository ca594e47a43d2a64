"""Layers of our own, saved and loaded by name."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("starlabels")
class Components(keras.layers.Layer):
    """Flux (n, n_pix) -> components of the line depth (n, n_components), then ln of the noise per pixel (n, n_components + 1).

    The noise is the rms of what the components leave over. mean (n_pix,) and components (n_components, n_pix) are fixed.
    """

    def __init__(self, n_components, **options):
        super().__init__(**options)
        self.trainable = False
        self.n_components = n_components

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), name="mean")
        self.components = self.add_weight(shape=(self.n_components, shape[-1]), name="components")
        self.n_left = shape[-1] - self.n_components

    def call(self, flux):
        depth = 1 - flux - self.mean
        found = ops.matmul(depth, ops.transpose(self.components))
        left = depth - ops.matmul(found, self.components)  # a difference of sums of squares would lose digits
        outside = ops.sum(ops.square(left), axis=1)
        return ops.concatenate([found, log_noise(outside, self.n_left)[:, None]], axis=1)

    def get_config(self):
        return {**super().get_config(), "n_components": self.n_components}


def log_noise(outside, n_left):
    """ln noise (n,) per pixel from the sum of squares (n,) in n_left dimensions; of a noise of at least 1e-5."""
    return 0.5 * ops.log(ops.maximum(outside / n_left, 1e-10))


@keras.saving.register_keras_serializable("starlabels")
class Wiener(keras.layers.Layer):
    """Components and ln noise (n, n_components + 1) -> components weighted by Wiener's filter, and ln noise about 0.

    Those of variance below the noise fade out, those above have unit variance. variance (n_components,) is fixed; noise
    below `floor`, the least in training, counts as floor.
    """

    def __init__(self, floor, reference, **options):
        super().__init__(**options)
        self.trainable = False
        self.floor, self.reference = floor, reference

    def build(self, shape):
        self.variance = self.add_weight(shape=(shape[-1] - 1,), name="variance")

    def call(self, inputs):
        noise = ops.maximum(ops.exp(inputs[:, -1:]), self.floor)
        weighted = inputs[:, :-1] * ops.sqrt(self.variance) / (self.variance + noise**2)
        return ops.concatenate([weighted, ops.log(noise / self.reference)], axis=1)

    def get_config(self):
        return {**super().get_config(), "floor": self.floor, "reference": self.reference}
