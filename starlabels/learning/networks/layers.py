"""Keras layers of this package; they are saved and loaded by name."""

import keras
from keras import ops

from starlabels.learning.networks.arguments import MISSING


@keras.saving.register_keras_serializable("starlabels")
class Components(keras.layers.Layer):
    """Flux (n, n_pix) -> components of the line depth and ln noise (n, n_components + n_blocks).

    The noise per pixel is the rms residual of each block. A block with a NaN counts as missing. The
    weights mean (n_pix,) and components (n_components, n_pix) are fixed, see components.Basis.
    """

    def __init__(self, n_components, n_blocks=1, **options):
        super().__init__(**options)
        self.trainable = False
        self.n_components = n_components
        self.n_blocks = n_blocks

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), name="mean")
        self.components = self.add_weight(shape=(self.n_components, shape[-1]), name="components")
        self.n_left = (shape[-1] - self.n_components) // self.n_blocks

    def call(self, flux):
        depth = 1 - flux - self.mean
        shape = (-1, self.n_blocks, depth.shape[1] // self.n_blocks)
        missing = ops.any(ops.isnan(ops.reshape(depth, shape)), axis=2)  # (n, n_blocks)
        depth = ops.where(ops.repeat(missing, shape[2], axis=1), 0.0, depth)
        coefficients = ops.matmul(depth, ops.transpose(self.components))
        # a difference of sums of squares would lose digits
        residual = depth - ops.matmul(coefficients, self.components)
        outside = ops.sum(ops.square(ops.reshape(residual, shape)), axis=2)
        noise = ops.where(missing, MISSING, compute_log_noise(outside, self.n_left))
        return ops.concatenate([coefficients, noise], axis=1)

    def get_config(self):
        names = ("n_components", "n_blocks")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def compute_log_noise(outside, n_left):
    """ln noise per pixel, of at least 1e-5, from sums of squares in n_left dimensions."""
    return 0.5 * ops.log(ops.maximum(outside / n_left, 1e-10))


@keras.saving.register_keras_serializable("starlabels")
class Wiener(keras.layers.Layer):
    """Components and ln noise (n, n_components + n_blocks) -> Wiener-filtered ones, and ln noise.

    Components of variance below the noise of their block fade out, those above get unit variance.
    The weight variance (n_components,) is fixed. Noise below `floor`, the minimum in training,
    counts as floor; ln noise is relative to `reference`. Without `tells_noise` it is left out:
    without noise in training it means nothing.
    """

    def __init__(self, floor, reference, n_blocks=1, tells_noise=True, **options):
        super().__init__(**options)
        self.trainable = False
        self.floor = floor
        self.reference = reference
        self.n_blocks = n_blocks
        self.tells_noise = tells_noise

    def build(self, shape):
        self.variance = self.add_weight(shape=(shape[-1] - self.n_blocks,), name="variance")

    def call(self, inputs):
        n = inputs.shape[1] - self.n_blocks
        noise = ops.maximum(ops.exp(inputs[:, n:]), self.floor)
        component_noise = ops.repeat(noise, n // self.n_blocks, axis=1)  # (n, n_components)
        total = self.variance + component_noise**2
        weighted = inputs[:, :n] * ops.sqrt(self.variance) / total
        if not self.tells_noise:
            return weighted
        return ops.concatenate([weighted, ops.log(noise / self.reference)], axis=1)

    def get_config(self):
        names = ("floor", "reference", "n_blocks", "tells_noise")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("starlabels")
class FilteredSpectrum(keras.layers.Layer):
    """Outputs (n, n_components) of Wiener -> the spectrum that they describe (n, n_bins).

    The fixed weight `spectra` (n_components, n_bins) is given, or loaded with the model.
    """

    def __init__(self, n_bins, spectra=None, **options):
        super().__init__(**options)
        self.trainable = False
        self.n_bins = n_bins
        self.spectra = spectra

    def build(self, shape):
        given = self.spectra
        initializer = "zeros" if given is None else lambda shape, dtype=None: given
        self.kernel = self.add_weight(
            shape=(shape[-1], self.n_bins), name="spectra", initializer=initializer
        )

    def call(self, components):
        return ops.matmul(components, self.kernel)

    def get_config(self):
        return {**super().get_config(), "n_bins": self.n_bins}


@keras.saving.register_keras_serializable("starlabels")
class Columns(keras.layers.Layer):
    """Selected columns (..., k) of its input (..., n), such as the pixels of a few windows."""

    def __init__(self, columns, **options):
        super().__init__(**options)
        self.columns = [int(i) for i in columns]

    def call(self, x):
        return ops.take(x, self.columns, axis=-1)

    def get_config(self):
        return {**super().get_config(), "columns": self.columns}


@keras.saving.register_keras_serializable("starlabels")
class Flagged(keras.layers.Layer):
    """Features (n, k), NaN where missing -> scaled features, then 1 where missing (n, 2 k).

    Missing features become 0. The weights mean and std (k,) are fixed. Scaled features approach
    `most` softly: otherwise one wrong magnitude would outweigh all the others.
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
        softened = self.most * ops.tanh(scaled / self.most)
        return ops.concatenate([softened, ops.cast(missing, scaled.dtype)], axis=1)


@keras.saving.register_keras_serializable("starlabels")
class Still(keras.layers.Layer):
    """Its input unchanged, through which no gradient flows back."""

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
    """Outputs (n, k) with a further column: one trainable number, the same for all stars."""

    def build(self, shape):
        self.value = self.add_weight(shape=(1, 1), name="value", initializer="zeros")

    def call(self, outputs):
        column = ops.broadcast_to(self.value, (ops.shape(outputs)[0], 1))
        return ops.concatenate([outputs, column], axis=1)
