"""Every file and folder of a run, by its name."""

from pathlib import Path
from types import SimpleNamespace


def run_paths(cfg):
    """Every file and folder of the run, relative to the current folder; that of the grid is None where there is none."""
    data, models = Path("data") / cfg.run, Path("models") / cfg.run
    grid = Path("data/grids") / f"{cfg.grid.name}.h5" if cfg.grid else None
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
