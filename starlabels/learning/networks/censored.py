"""The censored network: an abundance is measured from the lines of its own element alone.

References: Leung & Bovy (2019), MNRAS 483, 3255; astroNN's ApogeeBCNNCensored.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator

from starlabels.base.labels import select_elemental
from starlabels.base.ranges import expected_error, parse_number
from starlabels.learning.networks.arguments import (
    Activation,
    Dropout,
    Number,
    Penalty,
    Width,
    Widths,
)
from starlabels.learning.networks.cnn import build_trunk

# Norm of the weights of each auxiliary value, as in astroNN: it must not carry the whole spectrum
MAX_AUXILIARY_NORM = 0.5


def parse_windows(value):
    """Windows {element: [[low, high], ...]} in A, or "auto", of a value in a recipe."""
    if value == "auto":
        return value
    if not isinstance(value, dict) or not value:
        raise expected_error("auto, or {element: [[low, high], ...]} in A")
    windows = {}
    for name, pairs in value.items():
        if not isinstance(pairs, list) or not pairs or not all(map(is_window, pairs)):
            raise expected_error(f"windows of {name} as [[low, high], ...] in A")
        windows[name] = [[parse_number(end) for end in pair] for pair in pairs]
    return windows


def is_window(pair):
    """True if a value is [low, high] with low < high."""
    is_pair = isinstance(pair, list) and len(pair) == 2
    return is_pair and parse_number(pair[0]) < parse_number(pair[1])


Windows = Annotated[Any, BeforeValidator(parse_windows)]


def censored_cnn(
    n_pix: int,
    n_outputs: int,
    labels: Sequence[str] = (),
    wave=None,
    *,
    windows: Windows = "auto",
    filters: Widths = (2, 4), kernel_size: Number = 8, pool: Number = 4, dense: Widths = (196, 96),
    auxiliary: Width = 2, branch: Widths = (96, 32), joined: Width = 8,
    dropout: Dropout = 0.3, l2: Penalty = 5e-9, activation: Activation = "relu",
    passes: Number = 100,
):  # fmt: skip
    """Build a `bayesian_cnn` with a branch for each element, which reads its windows only.

    A branch also reads the predictions of the other labels, through which it cannot train them,
    and `auxiliary` values, through which it can. Differences from astroNN: a branch reads line
    depth instead of flux and is wider than (32, 16), which together halve its errors; and it ends
    in the layer `joined`, where astroNN's is linear.

    Parameters
    ----------
    n_pix, n_outputs : int
    labels : sequence of str
        In the order of the outputs.
    wave : array (n_pix,)
        Wavelengths in A.
    windows : dict
        {element: [(low, high), ...]} in A.
    filters, kernel_size, pool, dense, dropout, l2, activation, passes
        As of `bayesian_cnn`.
    auxiliary : int
        Number of auxiliary values.
    branch : sequence of int
        Units of the layers of a branch.
    joined : int
        Units of the layer after the branch.

    Raises
    ------
    ValueError
        If all labels are elements: nothing would then determine the star's other parameters.
    """
    from keras import Input, Model

    labels = list(labels) or range(n_outputs)  # without names none is an element
    masks = {name: mask_windows(wave, windows[name]) for name in select_elemental(labels)}
    flux = Input((n_pix,), name="flux")
    trunk = build_trunk(flux, filters, kernel_size, pool, dense, dropout, l2, activation)
    units = (n_outputs // len(labels), auxiliary, branch, joined, dropout, l2, activation)
    return Model(flux, connect_branches(flux, trunk, labels, masks, *units), name="censored_cnn")


def connect_branches(
    flux, trunk, labels, masks, per_label, auxiliary, branch, joined, dropout, l2, activation
):
    """Outputs of the trunk and of a branch for each element, in the order of the labels.

    masks: {element: boolean (n_pix,)} of its windows; per_label: outputs of a label, 2 with ln
    variances. ValueError if all labels are elements.
    """
    from keras import layers
    from keras.constraints import MaxNorm

    from starlabels.learning.networks.layers import Columns, Still

    main = [name for name in labels if name not in masks]
    if not main:
        names = ", ".join(masks)
        raise ValueError(
            f"labels are elements only, {names}: add teff or another of the whole star"
        )
    outputs = [layers.Dense(per_label * len(main), name="main", dtype="float32")(trunk)]
    if masks:
        means = Still()(Columns(range(len(main)))(outputs[0]))
        norm = MaxNorm(MAX_AUXILIARY_NORM)
        star = [means, layers.Dense(auxiliary, kernel_constraint=norm, name="auxiliary")(trunk)]
    for name, mask in masks.items():
        window = Columns(np.flatnonzero(mask), name=f"window_{name}")(flux)
        last = build_branch(window, branch, dropout, l2, activation)
        x = layers.Concatenate()([last, *star])
        # created before the layer `joined`: the order determines the random first weights
        output = layers.Dense(per_label, name=name, dtype="float32")
        outputs.append(output(layers.Dense(joined, activation=activation)(x)))
    merged = layers.Concatenate(dtype="float32")(outputs) if masks else outputs[0]
    columns = order_outputs(labels, main, list(masks), per_label)
    return Columns(columns, name="labels", dtype="float32")(merged)


def build_branch(window, widths, dropout, l2, activation):
    """Last layer (n, widths[-1]) of a branch that reads flux (n, n_pixels); no pixel is dropped."""
    from keras import layers

    from starlabels.learning.networks.bayesian import DropoutDense, astronn_options

    x = layers.Dense(widths[0], activation=activation, **astronn_options(l2))(1.0 - window)
    for n in widths[1:]:
        x = DropoutDense(n, dropout, activation, l2)(x)
    return x


def order_outputs(labels, main, elements, per_label):
    """Columns of the means, then of the ln variances, of the labels in the layers' outputs.

    These are `per_label` times main, then those of each element.
    """
    # {label: (column of its mean, distance to the column of its ln variance)}
    places = {name: (i, len(main)) for i, name in enumerate(main)}
    places |= {name: (per_label * (len(main) + j), 1) for j, name in enumerate(elements)}
    return [places[name][0] + k * places[name][1] for k in range(per_label) for name in labels]


def mask_windows(wave, windows):
    """Mask (n_pix,) of wavelengths inside the windows [(low, high), ...], ends included."""
    return np.any([(low <= wave) & (wave <= high) for low, high in windows], axis=0)
