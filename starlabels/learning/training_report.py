"""How a training went, in lines: its best epoch, an early stop, lower rates, and a useless network.

This module imports Keras inside functions, as `losses` does.
"""

import numpy as np

from starlabels.learning.losses import LOSSES, OUTPUTS_PER_LABEL, gives_errors

# A network counts as no better than the mean of the training stars if it gains less than this
LEAST_GAIN = 0.01  # of the mean squared error
LEAST_NLL_GAIN = 0.005  # errors that are 1 % smaller give twice as much
MOST_NAMED = 5  # epochs that a line lists


def describe_training(history, train, constant_loss):
    """Lines about a finished training.

    Parameters
    ----------
    history : dict
        {loss, val_loss, learning_rate, seconds: one number per epoch}.
    train : section of the recipe: schedule, epochs and early stopping.
    constant_loss : float
        Output of `compute_constant_loss`.

    Returns
    -------
    list of str
    """
    losses, rates = np.array(history["val_loss"]), np.array(history["learning_rate"])
    best, n_epochs = int(np.nanargmin(losses)), len(losses)
    kept = "its weights are kept"
    lines = [f"best epoch {best + 1} of {n_epochs}: validation loss {losses[best]:.5g}; {kept}"]
    if n_epochs < train.max_epochs:
        patience = train.early_stopping.patience
        cause = f"no improvement in {patience} epochs (train.early_stopping)"
        late = f"; the rate was still {rates[-1]:.1e}" * (train.schedule == "cosine")
        after = f"after epoch {n_epochs} of {train.max_epochs}"
        lines.append(f"training stopped early, {after}: {cause}{late}")
    lowered = np.flatnonzero(np.diff(rates) < -1e-3 * rates[:-1]) + 1
    if train.schedule == "plateau" and len(lowered):
        epochs = ", ".join(map(str, lowered[:MOST_NAMED])) + ", ..." * (len(lowered) > MOST_NAMED)
        change = f"from {rates[0]:.1e} to {rates[-1]:.1e}"
        cause = "the validation loss stalled (train.reduce_lr)"
        lines.append(f"learning rate lowered after epoch {epochs}, {change}: {cause}")
    gain = LEAST_NLL_GAIN if gives_errors(train.loss) else LEAST_GAIN * constant_loss
    if not losses[best] < constant_loss - gain:
        compared = f"validation loss {losses[best]:.5g}, that of the mean is {constant_loss:.5g}"
        hint = "change train.learning_rate, train longer, or look at the labels and spectra"
        lines.append(
            f"warning: the network is no better than predicting the mean: {compared}: {hint}"
        )
    return lines


def compute_constant_loss(loss, batches, n_outputs):
    """Loss of a network that gives the mean target, and its variance, for every star.

    Parameters
    ----------
    loss : str
        Name of the loss.
    batches : SpectrumBatches
        Of the validation. Spectra are read, one batch at a time, only if they are the target.
    n_outputs : int
        Number of outputs of the network.

    Returns
    -------
    float
    """
    from starlabels.learning.batches import spectra_to_labels

    if batches.pair is not spectra_to_labels:
        return compute_mean_variance(batches)
    n_labels = n_outputs // OUTPUTS_PER_LABEL[loss]
    target = batches.target
    mean = np.nanmean(target[:, :n_labels], axis=0)
    outputs = np.zeros((1, n_outputs), "f4")
    outputs[:, :n_labels] = mean
    if gives_errors(loss):
        variance = np.nanvar(target[:, :n_labels], axis=0)
        outputs[:, n_labels : 2 * n_labels] = np.log(np.maximum(variance, 1e-12))
    outputs = np.broadcast_to(outputs, (len(target), n_outputs))
    return float(np.mean(np.asarray(LOSSES[loss](target, outputs))))


def compute_mean_variance(batches):
    """Mean variance of the columns of the target: the mean squared error of their means."""
    n, total, square = 0, 0.0, 0.0
    for i in range(len(batches)):
        target = np.asarray(batches[i][1], float)
        n += len(target)
        total = total + target.sum(axis=0)
        square = square + np.square(target).sum(axis=0)
    return float(np.mean(square / n - np.square(total / n)))
