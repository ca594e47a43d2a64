"""Loss functions of training, by the names of `train.loss`."""

OUTPUTS_PER_LABEL = {"mse": 1, "gaussian_nll": 2, "parallax_nll": 2}


def gives_errors(loss):
    """True if a network trained with the named loss predicts ln variances next to the labels."""
    return OUTPUTS_PER_LABEL[loss] > 1


def mse(true, output):
    """Mean squared difference (n,) of labels (n, n_labels), or fluxes (n, n_pix), and the output.

    The output has that shape, or (n, members, ...) if it comes from an ensemble.
    """
    from keras import ops

    target = true[:, None] if len(output.shape) == 3 else true
    return ops.mean(ops.square(target - output), axis=-1)


def gaussian_nll(true, output):
    """Negative log-likelihood of a Gaussian, less a constant: the mean (n,) over the labels.

    The network predicts the error of each label next to the label (Nix & Weigend 1994).

    Parameters
    ----------
    true : tensor (n, n_labels) or (n, 2 n_labels)
        Labels, or labels and their errors. With errors, labels may be NaN: they do not count, and
        a star without labels gives 0. An error adds to the predicted variance, unless it is NaN
        (Leung & Bovy 2019, MNRAS 483, 3255).
    output : tensor (n, 2 n_labels) or (n, members, 2 n_labels)
        Means, then ln variances. Each member of an ensemble is trained on the same labels.
    """
    from keras import ops

    if len(output.shape) == 3:
        true = true[:, None]
    mean, log_variance = ops.split(output, 2, axis=-1)
    if true.shape[-1] == output.shape[-1]:
        return incomplete_nll(*ops.split(true, 2, axis=-1), mean, log_variance)
    return 0.5 * ops.mean(ops.square(true - mean) * ops.exp(-log_variance) + log_variance, axis=-1)


def incomplete_nll(true, error, mean, log_variance):
    """`gaussian_nll` of labels of which some are NaN; all arguments are (n, n_labels)."""
    from keras import ops

    known = ops.logical_not(ops.isnan(true))
    has_error = ops.logical_not(ops.isnan(error))
    # NaN is replaced before the square, so that the gradient has none
    residual = ops.where(known, true, 0.0) - ops.where(known, mean, 0.0)
    variance = ops.exp(log_variance) + ops.square(ops.where(has_error, error, 0.0))
    terms = ops.where(known, ops.square(residual) / variance + ops.log(variance), 0.0)
    n_known = ops.maximum(ops.sum(ops.cast(known, terms.dtype), axis=-1), 1.0)
    return 0.5 * ops.sum(terms, axis=-1) / n_known


def parallax_nll(true, output):
    """`gaussian_nll` of pseudo-luminosities, with an offset of the parallaxes that is trained too.

    Parameters
    ----------
    true : tensor (n, 3)
        Pseudo-luminosity, its error, and its change per mas of parallax.
    output : tensor (n, 3)
        Mean, ln variance, and offset in mas.

    References
    ----------
    Leung & Bovy (2019), MNRAS 489, 2079.
    """
    from keras import ops

    value, error, per_mas = ops.split(true, 3, axis=-1)
    mean, log_variance, offset = ops.split(output, 3, axis=-1)
    return incomplete_nll(value - per_mas * offset, error, mean, log_variance)


LOSSES = {"mse": mse, "gaussian_nll": gaussian_nll, "parallax_nll": parallax_nll}
