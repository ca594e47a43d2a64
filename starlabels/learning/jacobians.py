"""Jacobians of networks by automatic differentiation, on any Keras backend."""

import numpy as np


def compute_jacobian(model, flux, n_labels):
    """Compute d output / d flux of the first outputs of a model.

    Parameters
    ----------
    model : keras.Model
        Each row of its output must depend on the same row of the input only.
    flux : array (n, n_inputs)
        Flux, followed by features if the model reads a table.
    n_labels : int
        Number of outputs to differentiate.

    Returns
    -------
    array (n, n_labels, n_inputs)
    """
    import keras

    return BACKENDS[keras.backend.backend()](model, flux, n_labels)


def compute_with_tensorflow(model, flux, n_labels):
    """`compute_jacobian` on TensorFlow.

    As rows are independent, the gradient of an output summed over the batch is the gradient of that
    output in every row.
    """
    import tensorflow as tf

    x = tf.convert_to_tensor(flux)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        totals = tf.unstack(tf.reduce_sum(model(x, training=False), axis=0)[:n_labels])
    return np.stack([tape.gradient(total, x) for total in totals], axis=1)


def compute_with_jax(model, flux, n_labels):
    """`compute_jacobian` on JAX, see `compute_with_tensorflow`."""
    import jax

    gradients = jax.jacrev(lambda x: model(x, training=False).sum(axis=0)[:n_labels])
    return np.swapaxes(np.asarray(gradients(flux)), 0, 1)  # (n, n_labels, n_pix)


def compute_with_torch(model, flux, n_labels):
    """`compute_jacobian` on PyTorch, see `compute_with_tensorflow`."""
    import torch

    x = torch.tensor(flux, requires_grad=True)
    totals = model(x, training=False).sum(dim=0)[:n_labels]
    gradients = [torch.autograd.grad(total, x, retain_graph=True)[0] for total in totals]
    return np.stack([gradient.cpu().numpy() for gradient in gradients], axis=1)


BACKENDS = {
    "tensorflow": compute_with_tensorflow,
    "jax": compute_with_jax,
    "torch": compute_with_torch,
}
