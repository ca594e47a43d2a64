"""Types of the builders' arguments: what the `model` section of a recipe may contain."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from starlabels.base.ranges import integer_type, number_type

Width = integer_type(1, 100_000)
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
Number = integer_type(1, 10_000)
SmallNumber = integer_type(1, 100)
Dropout = number_type(0, 0.99)
Penalty = number_type(0, 1)
Activation = Literal[
    *("relu", "gelu", "silu", "swish", "mish", "elu", "selu", "leaky_relu"),
    *("tanh", "sigmoid", "softplus", "softsign", "linear"),
]
Initializer = Literal[
    *("he_normal", "he_uniform", "glorot_normal", "glorot_uniform"),
    *("lecun_normal", "lecun_uniform", "orthogonal"),
]

# ln noise of a block without flux: ten times the continuum
MISSING = float(np.float32(2.3))
