"""The networks, by the name of their builder, and what each can do.

A builder is called with (n_inputs, n_outputs, **arguments) and returns an uncompiled Keras model.
Its keyword-only arguments, with their defaults, are the schema of the `model` section of a recipe.
`training.build_network` passes the parameters that `Capabilities.context` lists, such as the
wavelengths. Layers that give the outputs are float32 whatever Keras's dtype policy. Builders import
Keras when called, so mistakes in a recipe are found without waiting for Keras.
"""

from starlabels.learning.networks import censored, cnn, mlp
from starlabels.learning.networks.capabilities import Capabilities

BUILDERS = {
    "filtered_cnn": cnn.filtered_cnn,
    "seed_cnn": cnn.seed_cnn,
    "bayesian_cnn": cnn.bayesian_cnn,
    "censored_cnn": censored.censored_cnn,
    "residual_mlp": mlp.residual_mlp,
    "mlp": mlp.mlp,
    "spectrum_table_cnn": cnn.spectrum_table_cnn,
}
CAPABILITIES = {
    "filtered_cnn": Capabilities(wave=True, compiles=True, context=("basis", "n_features")),
    "seed_cnn": Capabilities(components=False),
    "bayesian_cnn": Capabilities(passes=True, components=False),
    "censored_cnn": Capabilities(
        passes=True, components=False, wave=True, context=("labels", "wave", "windows")
    ),
    "residual_mlp": Capabilities(members=True, compiles=True),
    "mlp": Capabilities(),
    "spectrum_table_cnn": Capabilities(
        members=True, components=False, pixels_and_features=True, context=("n_features",)
    ),
}


def get_capabilities(builder):
    """The Capabilities of a builder by its name; those of a plain network if none are listed."""
    return CAPABILITIES.get(builder, Capabilities())


def build_predictor(network, builder, arguments, errors=True):
    """Build the model that predicts with a trained network.

    Parameters
    ----------
    network : keras.Model
        Of a single pass, or with all members side by side.
    builder : str
        Name of its builder.
    arguments : dict
        Arguments it was built with: `passes` or `members`, if the builder has them.
    errors : bool
        Whether the network predicts ln variances next to the labels.

    Returns
    -------
    keras.Model
        The network itself, or the mean of its passes or members; with `errors` see
        `bayesian.Passes` for the outputs.
    """
    capabilities = get_capabilities(builder)
    if capabilities.passes:
        from starlabels.learning.networks import bayesian

        return bayesian.build_passes_model(network, arguments["passes"])
    if not capabilities.is_ensemble(arguments):
        return network
    import keras

    from starlabels.learning.networks.bayesian import Passes

    merged = Passes()(network.outputs[0]) if errors else keras.ops.mean(network.outputs[0], axis=1)
    return keras.Model(network.inputs, merged, name=network.name)
