"""Layers of our own, saved and loaded by name."""

import keras
from keras import ops

from starlabels.learning.networks.arguments import MISSING


@keras.saving.register_keras_serializable("starlabels")
class Components(keras.layers.Layer):
    """Flux (n, n_pix) -> components of the line depth, then ln of the noise per pixel (n, n_components + n_blocks).

    The noise is the rms of what the components leave over in each block. A block with a NaN counts as missing. mean (n_pix,)
    and components (n_components, n_pix), see components.Basis, are fixed.
    """

    def __init__(self, n_components, n_blocks=1, **options):
        super().__init__(**options)
        self.trainable = False
        self.n_components, self.n_blocks = n_components, n_blocks

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), name="mean")
        self.components = self.add_weight(shape=(self.n_components, shape[-1]), name="components")
        self.n_left = (shape[-1] - self.n_components) // self.n_blocks

    def call(self, flux):
        depth = 1 - flux - self.mean
        shape = (-1, self.n_blocks, depth.shape[1] // self.n_blocks)
        missing = ops.any(ops.isnan(ops.reshape(depth, shape)), axis=2)  # (n, n_blocks)
        depth = ops.where(ops.repeat(missing, shape[2], axis=1), 0.0, depth)
        found = ops.matmul(depth, ops.transpose(self.components))
        left = depth - ops.matmul(
            found, self.components
        )  # a difference of sums of squares would lose digits
        outside = ops.sum(ops.square(ops.reshape(left, shape)), axis=2)
        return ops.concatenate(
            [found, ops.where(missing, MISSING, compute_log_noise(outside, self.n_left))], axis=1
        )

    def get_config(self):
        return {
            **super().get_config(),
            "n_components": self.n_components,
            "n_blocks": self.n_blocks,
        }


def compute_log_noise(outside, n_left):
    """ln noise per pixel from sums of squares in n_left dimensions; of a noise of at least 1e-5."""
    return 0.5 * ops.log(ops.maximum(outside / n_left, 1e-10))


@keras.saving.register_keras_serializable("starlabels")
class Wiener(keras.layers.Layer):
    """Components and ln noise (n, n_components + n_blocks) -> components weighted by Wiener's filter, and ln noise about 0.

    Those of variance below the noise of their block fade out, those above have unit variance. variance (n_components,) is
    fixed; noise below `floor`, the least in training, counts as floor. tells_noise: give ln noise; without noise in training
    it means nothing.
    """

    def __init__(self, floor, reference, n_blocks=1, tells_noise=True, **options):
        super().__init__(**options)
        self.trainable = False
        self.floor, self.reference, self.n_blocks, self.tells_noise = (
            floor,
            reference,
            n_blocks,
            tells_noise,
        )

    def build(self, shape):
        self.variance = self.add_weight(shape=(shape[-1] - self.n_blocks,), name="variance")

    def call(self, inputs):
        n = inputs.shape[1] - self.n_blocks
        noise = ops.maximum(ops.exp(inputs[:, n:]), self.floor)
        own = ops.repeat(noise, n // self.n_blocks, axis=1)  # (n, n_components)
        weighted = inputs[:, :n] * ops.sqrt(self.variance) / (self.variance + own**2)
        return (
            ops.concatenate([weighted, ops.log(noise / self.reference)], axis=1)
            if self.tells_noise
            else weighted
        )

    def get_config(self):
        names = ("floor", "reference", "n_blocks", "tells_noise")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("starlabels")
class Columns(keras.layers.Layer):
    """Columns (..., k) of what has more or other ones (..., n), such as the pixels of a few windows of a flux."""

    def __init__(self, columns, **options):
        super().__init__(**options)
        self.columns = [int(i) for i in columns]

    def call(self, x):
        return ops.take(x, self.columns, axis=-1)

    def get_config(self):
        return {**super().get_config(), "columns": self.columns}


@keras.saving.register_keras_serializable("starlabels")
class Flagged(keras.layers.Layer):
    """Features (n, k), NaN where missing -> scaled ones, 0 where missing, then 1 where missing and 0 elsewhere (n, 2 k).

    mean and std (k,) are fixed. Scaled ones approach `most` softly: one wrong magnitude would else outweigh all the others.
    """

    most = 5.0

    def __init__(self, **options):
        super().__init__(**options)
        self.trainable = False

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), name="mean", initializer="zeros")
        self.std = self.add_weight(shape=(shape[-1],), name="std", initializer="ones")

    def call(self, features):
        missing = ops.isnan(features)
        scaled = (ops.where(missing, self.mean, features) - self.mean) / self.std
        return ops.concatenate(
            [self.most * ops.tanh(scaled / self.most), ops.cast(missing, scaled.dtype)], axis=1
        )


@keras.saving.register_keras_serializable("starlabels")
class Still(keras.layers.Layer):
    """Its input as it is, through which no gradient flows back."""

    def call(self, x):
        return ops.stop_gradient(x)


@keras.saving.register_keras_serializable("starlabels")
class Positive(keras.layers.Layer):
    """Outputs (n, k) with a softplus on those of `columns`."""

    def __init__(self, columns, **options):
        super().__init__(**options)
        self.columns = list(columns)

    def call(self, outputs):
        mask = [i in self.columns for i in range(outputs.shape[-1])]
        return ops.where(ops.convert_to_tensor(mask), ops.softplus(outputs), outputs)

    def get_config(self):
        return {**super().get_config(), "columns": self.columns}


@keras.saving.register_keras_serializable("starlabels")
class Offset(keras.layers.Layer):
    """Outputs (n, k) with a column that is the same for all stars, a number to learn."""

    def build(self, shape):
        self.value = self.add_weight(shape=(1, 1), name="value", initializer="zeros")

    def call(self, outputs):
        return ops.concatenate(
            [outputs, ops.broadcast_to(self.value, (ops.shape(outputs)[0], 1))], axis=1
        )
