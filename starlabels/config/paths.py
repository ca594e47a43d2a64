"""Names of every file and folder of a run."""

import os
from pathlib import Path
from types import SimpleNamespace


def resolve_path(path):
    """The absolute path behind all links; a link to itself stays as it is."""
    return Path(os.path.realpath(path))


def grid_path(cfg):
    """The file that grid.py writes, or None if the configuration has no grid."""
    return Path("data/grids") / f"{cfg.grid.name}.h5" if cfg.grid else None


def get_library_path(cfg, kind):
    """The file of the `nodes` or the `elements` that grid.py synthesises for the grid."""
    return grid_path(cfg).with_name(f"{cfg.grid.name}_{kind}.h5")


def run_paths(cfg):
    """Files and folders of a run, relative to the current folder.

    Parameters
    ----------
    cfg : Config

    Returns
    -------
    SimpleNamespace of Path
        `grid` and `grid_lock` are None if the configuration has no grid.
    """
    data = Path("data") / cfg.run
    models = Path("models") / cfg.run
    grid = grid_path(cfg)
    return SimpleNamespace(
        grid=grid,
        grid_lock=grid and grid.with_suffix(".lock"),
        lock=models.with_name(f"{cfg.run}.lock"),
        joined=data / "0_joined.h5",
        prepared=data / "2_prepared.h5",
        model_dir=models,
        scaling=models / "scaling.h5",
        partial_dir=models.with_name(f"{cfg.run}.partial"),
        figure_dir=Path("figures") / cfg.run,
        predictions=models / "predictions.h5",
        metrics=models / "metrics.json",
        jacobian=models / "jacobian.h5",
    )
