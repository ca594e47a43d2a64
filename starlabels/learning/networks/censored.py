"""The censored network: an abundance comes from the lines of its own element alone, whatever others it goes along with.

Leung & Bovy (2019), MNRAS 483, 3255; astroNN's ApogeeBCNNCensored.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator

from starlabels.base.labels import select_elemental
from starlabels.base.ranges import parse_number, expected_error
from starlabels.learning.networks.arguments import (
    Activation,
    Dropout,
    Number,
    Penalty,
    Width,
    Widths,
)
from starlabels.learning.networks.cnn import build_trunk

MAX_AUXILIARY_NORM = 0.5  # norm of the weights of each auxiliary value, as in astroNN: it shall not carry the whole spectrum


def parse_windows(value):
    """Windows {element: [[low, high], ...]} in A, or auto."""
    if value == "auto":
        return value
    if not isinstance(value, dict) or not value:
        raise expected_error("auto, or {element: [[low, high], ...]} in A")
    for name, pairs in value.items():
        pairs = pairs if isinstance(pairs, list) else [None]
        if not pairs or not all(
            isinstance(p, list) and len(p) == 2 and parse_number(p[0]) < parse_number(p[1]) for p in pairs
        ):
            raise expected_error(f"windows of {name} as [[low, high], ...] in A")
    return {
        name: [[parse_number(end) for end in pair] for pair in pairs] for name, pairs in value.items()
    }


Windows = Annotated[Any, BeforeValidator(parse_windows)]


def censored_cnn(
    n_pix: int,
    n_outputs: int,
    labels: Sequence[str] = (),
    wave=None,
    *,
    windows: Windows = "auto",
    filters: Widths = (2, 4),
    kernel_size: Number = 8,
    pool: Number = 4,
    dense: Widths = (196, 96),
    auxiliary: Width = 2,
    branch: Widths = (96, 32),
    joined: Width = 8,
    dropout: Dropout = 0.3,
    l2: Penalty = 5e-9,
    activation: Activation = "relu",
    passes: Number = 100,
):
    """A `bayesian_cnn` for the labels of the whole star, and beside it a branch for each element that sees its windows only.

    wave (n_pix,) and windows {element: [(low, high), ...]} in A; labels in the order of the outputs. A branch is joined by the
    other labels, through which it cannot train them, and by `auxiliary` values, through which it can. Ours:
    line depth in a branch instead of flux, and one wider than (32, 16), which together halve its errors; and the layer `joined`
    after that, where astroNN's is linear.
    ValueError if all labels are elements, as nothing would say what star it is.
    """
    from keras import Input, Model, layers
    from keras.constraints import MaxNorm

    from starlabels.learning.networks.layers import Columns, Still

    labels = list(labels) or range(n_outputs)  # without names all are of the whole star
    elements, each = select_elemental(labels), n_outputs // len(labels)  # each: 2 with ln variances
    main = [name for name in labels if name not in elements]
    if not main:
        raise ValueError(
            f"labels are elements only, {', '.join(elements)}: add teff or another of the whole star"
        )
    flux = Input((n_pix,), name="flux")
    whole = build_trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation)
    outputs = [layers.Dense(each * len(main), name="main", dtype="float32")(whole)]
    if elements:
        means = Still()(Columns(range(len(main)))(outputs[0]))
        star = [
            means,
            layers.Dense(auxiliary, kernel_constraint=MaxNorm(MAX_AUXILIARY_NORM), name="auxiliary")(whole),
        ]
        for name in elements:
            window = Columns(np.flatnonzero(mask_windows(wave, windows[name])), name=f"window_{name}")(
                flux
            )
            x = layers.Concatenate()([build_branch(window, branch, dropout, l2, activation), *star])
            outputs.append(
                layers.Dense(each, name=name, dtype="float32")(
                    layers.Dense(joined, activation=activation)(x)
                )
            )
    found = layers.Concatenate(dtype="float32")(outputs) if elements else outputs[0]
    return Model(
        flux,
        Columns(order_outputs(labels, main, elements, each), name="labels", dtype="float32")(found),
        name="censored_cnn",
    )


def build_branch(window, widths, dropout, l2, activation):
    """What a branch says of the flux in its windows (n, n_pixels): (n, widths[-1]); no pixel is dropped."""
    from keras import layers

    from starlabels.learning.networks.bayesian import DropoutDense, astronn_options

    x = layers.Dense(widths[0], activation=activation, **astronn_options(l2))(1.0 - window)
    for n in widths[1:]:
        x = DropoutDense(n, dropout, activation, l2)(x)
    return x


def order_outputs(labels, main, elements, each):
    """Where means, then ln variances, of the labels are in what the layers give: `each` times main, then each element's."""
    place = {name: (i, len(main)) for i, name in enumerate(main)}
    place |= {name: (each * (len(main) + j), 1) for j, name in enumerate(elements)}
    return [place[name][0] + k * place[name][1] for k in range(each) for name in labels]


def mask_windows(wave, windows):
    """Mask (n_pix,) of the wavelengths that lie in one of the windows [(low, high), ...], ends included."""
    return np.any([(low <= wave) & (wave <= high) for low, high in windows], axis=0)
