"""Stellar labels from spectra: synthetic grids, networks, errors, and Jacobians to explain them.

From Python: ``from starlabels import Predictor, Generator``, see `starlabels.interface`.
"""

from importlib import import_module

__all__ = ["Generator", "Predictor", "Star", "UserError"]
HOMES = dict.fromkeys(__all__[:3], "starlabels.interface") | {"UserError": "starlabels.base.errors"}


def __getattr__(name):
    """Import what is named only now: `import starlabels` stays quick."""
    if name not in HOMES:
        raise AttributeError(f"module 'starlabels' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
