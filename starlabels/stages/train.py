"""3_train: train the network of the recipe, for labels or for flux."""

from starlabels.stages import train_flux, train_labels

TARGETS = {"labels": train_labels.train_label_network, "flux": train_flux.train_generator}


def train_network(run, args=None):
    """Train the network for the target of the recipe, labels or flux, and save models/<run>/."""
    TARGETS[run.cfg.target](run, args)
