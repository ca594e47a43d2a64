"""Load the trained model of a recipe, if it fits the configuration."""

from starlabels.learning.trained_model import open_model


def load_trained_model(run):
    """The Trained of the recipe; UserError naming 3_train.py if it is missing, damaged or stale."""
    with run.open("3_train"):
        pass
    return open_model(run.paths.model_dir)
