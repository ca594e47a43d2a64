"""What training minimises, by the names of `train.loss`."""

OUTPUTS = {"mse": 1, "gaussian_nll": 2}  # numbers that the network says of each label


def gaussian_nll(true, output):
    """Mean over the labels of -ln N(true; mean, variance) less a constant, with output (n, 2 n_labels) = means, ln variances.

    It weights each star by its own variance, and so teaches the error of a label with the label. Nix & Weigend (1994).
    """
    from keras import ops

    mean, log_variance = ops.split(output, 2, axis=-1)
    return 0.5 * ops.mean(ops.square(true - mean) * ops.exp(-log_variance) + log_variance, axis=-1)


LOSSES = {"mse": "mse", "gaussian_nll": gaussian_nll}
