"""4_test: score the trained network on held-out stars, for labels or for flux."""

from starlabels.stages import score_flux, score_labels
from starlabels.stages.score_labels import add_arguments

__all__ = ["add_arguments", "score_network"]
TARGETS = {"labels": score_labels.score_labels, "flux": score_flux.score_generator}


def score_network(run, args=None):
    """Score the network that gives the target of the recipe, and draw the figures 4_*.png."""
    TARGETS[run.cfg.target](run, args)
