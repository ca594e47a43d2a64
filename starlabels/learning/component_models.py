"""Keras models that read flux through the principal components of their training."""

from starlabels.learning.components import Basis


def prepend_components(network, basis, n_features=0):
    """Turn a network that reads components into a model that reads flux.

    Parameters
    ----------
    network : keras.Model
        Trained network, perhaps compiled.
    basis : Basis or None
        Components that it reads; None if it reads pixels or features only.
    n_features : int
        Number of features of a table that it also reads.

    Returns
    -------
    keras.Model
        From flux and features (n, n_pix + n_features) to the network's outputs.
    """
    import keras
    from keras import ops

    # without the optimiser: a third of the size
    network = keras.Model(network.inputs, network.outputs[0], name=network.name)
    if not basis:
        return network
    from starlabels.learning.networks.layers import Components

    n_pix = len(basis.mean)
    layer = Components(len(basis.components), basis.n_blocks, name="components")
    flux = keras.Input((n_pix + n_features,), name="flux")
    if n_features:
        inputs = ops.concatenate([layer(flux[:, :n_pix]), flux[:, n_pix:]], axis=1)
    else:
        inputs = layer(flux)
    outputs = network(inputs)
    layer.set_weights([basis.mean, basis.components])
    return keras.Model(flux, outputs, name=network.name)


def add_components_output(model):
    """The Keras model with a second output: the components and ln noise that it reads."""
    import keras

    return keras.Model(model.input, [model.output, model.get_layer("components").output])


def extract_basis(model):
    """Basis in the layers of a Keras model saved without the group `basis`; None if it has none."""
    layers = {layer.name: layer for layer in model.layers}
    if "components" not in layers:
        return None
    mean, vectors = layers["components"].get_weights()
    network = next(layer for layer in model.layers if hasattr(layer, "layers"))
    [variance] = network.get_layer("wiener").get_weights()
    return Basis(mean, vectors, variance, layers["components"].n_blocks)
