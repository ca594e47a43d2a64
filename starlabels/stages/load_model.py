"""Load the trained model of a recipe, if it fits the configuration."""

from starlabels.base import hdf5
from starlabels.config import digests, paths
from starlabels.learning.trained_model import open_folder


def load(cfg):
    """The Trained of the recipe; UserError naming 3_train.py if it is missing, damaged or stale."""
    folder = paths.paths(cfg).model_dir
    with hdf5.open_stage(folder / "scaling.h5", "3_train", digests.digest(cfg, "3_train")):
        pass
    return open_folder(folder)
