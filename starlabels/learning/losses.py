"""What training minimises, by the names of `train.loss`."""

OUTPUTS = {
    "mse": 1,
    "gaussian_nll": 2,
    "parallax_nll": 2,
}  # numbers that the network says of each label


def mse(true, output):
    """Mean square of the differences of labels (n, n_labels), or of fluxes (n, n_pix), from output of that shape."""
    from keras import ops

    return ops.mean(
        ops.square((true[:, None] if len(output.shape) == 3 else true) - output), axis=-1
    )


def gaussian_nll(true, output):
    """Mean over the labels of -ln N(true; mean, variance) less a constant, with output (n, 2 n_labels) = means, ln variances.

    It weights each star by its own variance, and so teaches the error of a label with the label. Nix & Weigend (1994). Where
    true is (n, 2 n_labels) = labels, their errors, the mean is over the labels that are not NaN, and the variance is what
    the network says plus error^2 (NaN: none). Leung & Bovy (2019), MNRAS 483, 3255. A star without labels gives 0.
    """
    from keras import ops

    if (
        len(output.shape) == 3
    ):  # members of an ensemble (n, members, ...), each of which learns the same
        true = true[:, None]
    mean, log_variance = ops.split(output, 2, axis=-1)
    if true.shape[-1] == output.shape[-1]:
        return incomplete_nll(*ops.split(true, 2, axis=-1), mean, log_variance)
    return 0.5 * ops.mean(ops.square(true - mean) * ops.exp(-log_variance) + log_variance, axis=-1)


def incomplete_nll(true, error, mean, log_variance):
    """`gaussian_nll` of labels with holes, all (n, n_labels)."""
    from keras import ops

    there, known = ops.logical_not(ops.isnan(true)), ops.logical_not(ops.isnan(error))
    residual = ops.where(there, true, 0.0) - ops.where(
        there, mean, 0.0
    )  # NaN goes before it is squared: so the gradient has none
    variance = ops.exp(log_variance) + ops.square(ops.where(known, error, 0.0))
    each = ops.where(there, ops.square(residual) / variance + ops.log(variance), 0.0)
    return (
        0.5
        * ops.sum(each, axis=-1)
        / ops.maximum(ops.sum(ops.cast(there, each.dtype), axis=-1), 1.0)
    )


def parallax_nll(true, output):
    """`gaussian_nll` of pseudo-luminosities whose parallaxes have an offset, learnt with the network.

    true (n, 3) = pseudo-luminosity, its error, and what a mas of parallax adds to it; output (n, 3) = mean, ln variance,
    offset in mas. Leung & Bovy (2019), MNRAS 489, 2079.
    """
    from keras import ops

    (value, error, per_mas), (mean, log_variance, offset) = (
        ops.split(true, 3, axis=-1),
        ops.split(output, 3, axis=-1),
    )
    return incomplete_nll(value - per_mas * offset, error, mean, log_variance)


LOSSES = {"mse": mse, "gaussian_nll": gaussian_nll, "parallax_nll": parallax_nll}
