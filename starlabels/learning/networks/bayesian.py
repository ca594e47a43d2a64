"""Dropout that stays on after training, as in astroNN, to estimate the network's uncertainty.

References: Leung & Bovy (2019), MNRAS 483, 3255; Gal & Ghahramani (2016).
"""

import keras
from keras import ops

GROUPS = 256  # random sums that represent the dropped features


def astronn_options(l2):
    """Options of a layer: first weights and regulariser as in astroNN."""
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.05),
        "kernel_regularizer": keras.regularizers.L2(l2),
    }


@keras.saving.register_keras_serializable("starlabels")
class DropoutDense(keras.layers.Layer):
    """Dropout, in validation too, then a dense layer: (n, n_features) -> (n, units).

    With `passes` it gives that many answers, (n, passes, units), each with other features dropped;
    a second such layer then reads (n, passes, n_features). A pass over many features costs as much
    as the layer. So in the first one a pass is drawn from the distribution that dropout gives its
    sum, which is nearly normal, of covariance rate / (1 - rate) sum_j x_j^2 w_j w_j^T. Sums of
    GROUPS groups of features with random signs, times normal numbers, have that covariance, and
    cost one pass for all.
    """

    def __init__(self, units, rate, activation="relu", l2=0.0, seed=0, **options):
        super().__init__(**options)
        self.units = units
        self.rate = rate
        self.activation = activation
        self.l2 = l2
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, shape):
        n = shape[-1]
        self.n_groups = min(GROUPS, n)
        self.width = -(-n // self.n_groups)  # features in a group
        kernel, l2 = astronn_options(self.l2).values()
        self.kernel = self.add_weight(
            shape=(n, self.units), name="kernel", initializer=kernel, regularizer=l2
        )
        self.bias = self.add_weight(shape=(self.units,), name="bias", initializer="zeros")
        self.signs = self.add_weight(
            shape=(n,), name="signs", trainable=False, initializer=self.random_signs
        )

    def random_signs(self, shape, dtype=None):
        """-1 or 1 for each feature."""
        return 2.0 * ops.cast(keras.random.uniform(shape, seed=self.seed) > 0.5, dtype) - 1.0

    def call(self, x, passes=0):
        has_passes = len(x.shape) == 3
        # few features are simply dropped in each pass
        if passes and x.shape[-1] <= GROUPS and not has_passes:
            x = ops.repeat(x[:, None], passes, axis=1)
            has_passes = True
        if has_passes or not passes:
            x = keras.random.dropout(x, self.rate, seed=self.generator)
        total = ops.matmul(x, self.kernel) + self.bias
        if passes and not has_passes:
            total = total[:, None] + self.scatter(x, passes)
        return keras.activations.get(self.activation)(total)

    def scatter(self, x, passes):
        """Changes of the sums (n, passes, units) by dropped features."""
        pad = self.n_groups * self.width - x.shape[-1]
        signed = ops.reshape(
            ops.pad(x * self.signs, [[0, 0], [0, pad]]), (-1, self.n_groups, self.width)
        )
        kernel = ops.reshape(
            ops.pad(self.kernel, [[0, pad], [0, 0]]), (self.n_groups, self.width, self.units)
        )
        sums = ops.einsum("ngf,gfu->ngu", signed, kernel)
        normal = keras.random.normal((ops.shape(x)[0], passes, self.n_groups), seed=self.generator)
        return ops.matmul(normal, sums) * (self.rate / (1 - self.rate)) ** 0.5

    def get_config(self):
        names = ("units", "rate", "activation", "l2", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("starlabels")
class Passes(keras.layers.Layer):
    """Average passes (n, passes, 2 n_labels) of means and ln variances.

    The output (n, 3 n_labels) is the mean, the ln total variance, and the ln variance of the means.
    The total is the variance of the means plus the mean of the variances.
    """

    def call(self, outputs):
        mean, log_variance = ops.split(outputs, 2, axis=-1)
        between = ops.maximum(ops.var(mean, axis=1), 1e-12)
        total = between + ops.mean(ops.exp(log_variance), axis=1)
        return ops.concatenate([ops.mean(mean, axis=1), ops.log(total), ops.log(between)], axis=-1)


def build_passes_model(network, passes):
    """The model of the mean of so many passes and its errors, see Passes; it shares the weights."""

    def call_layer(layer, *args, **options):
        if isinstance(layer, DropoutDense):
            options["passes"] = passes
        return layer(*args, **options)

    # without the optimiser of a compiled network
    bare = keras.Model(network.inputs, network.outputs[0])
    clone = keras.models.clone_model(
        bare, clone_function=lambda layer: layer, call_function=call_layer
    )
    return keras.Model(clone.inputs, Passes()(clone.outputs[0]), name=network.name)
