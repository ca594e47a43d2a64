"""The networks, by name. A builder is called with (n_inputs, n_outputs, **arguments) and returns an uncompiled Keras model.

A builder's keyword-only arguments, with their defaults, are the schema of the `model:` section of the configuration; of others
it is given those that it has, see training.build. Layers that give the outputs are of float32 whatever Keras's policy.
Builders import Keras when called: this package costs nothing to import, so mistakes in the configuration show at once.
"""

from starlabels.learning.networks import censored, cnn, mlp

BUILDERS = {
    "seed_cnn": cnn.seed_cnn,
    "bayesian_cnn": cnn.bayesian_cnn,
    "censored_cnn": censored.censored_cnn,
    "residual_mlp": mlp.residual_mlp,
    "mlp": mlp.mlp,
    "spectrum_table_cnn": cnn.spectrum_table_cnn,
}


def build_predictor(network, errors=True, **arguments):
    """The model that answers for a trained network, built with those arguments: itself, or the mean of passes or members.

    errors: whether it tells variances beside the labels, as those two do.
    """
    if "passes" in arguments:
        from starlabels.learning.networks import bayesian

        return bayesian.build_passes_model(network, arguments["passes"])
    if arguments.get("members", 1) == 1:
        return network
    import keras

    from starlabels.learning.networks.bayesian import Passes

    merged = Passes()(network.outputs[0]) if errors else keras.ops.mean(network.outputs[0], axis=1)
    return keras.Model(network.inputs, merged, name=network.name)
