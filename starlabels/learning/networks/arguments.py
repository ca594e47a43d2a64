"""The types of the builders' arguments: what the section `model` of the configuration may ask of them."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from starlabels.base.ranges import integer, number

Width = integer(1, 100_000)
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
Number = integer(1, 10_000)
Few = integer(1, 100)
Dropout = number(0, 0.99)
Penalty = number(0, 1)
Activation = Literal[
    *("relu", "gelu", "silu", "swish", "mish", "elu", "selu", "leaky_relu"),
    *("tanh", "sigmoid", "softplus", "softsign", "linear"),
]
Initializer = Literal[
    *("he_normal", "he_uniform", "glorot_normal", "glorot_uniform"),
    *("lecun_normal", "lecun_uniform", "orthogonal"),
]

MISSING = float(np.float32(2.3))  # ln noise of a block without flux: ten times the continuum
