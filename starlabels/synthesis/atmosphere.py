"""Built-in model atmospheres: a packaged table of line-blanketed LTE models, made by `synthesis/rebuild`."""

from functools import cache
from pathlib import Path

import numpy as np

from starlabels.base import untrusted
from starlabels.base.checksums import checked
from starlabels.synthesis.interpolate import cells, tensor

TABLE_FILE = Path(__file__).parents[2] / "data/atmospheres/builtin.npz"
AXES = ("mh", "logg", "teff")
FLUX_ERROR = (
    0.05  # models whose flux is not constant to this were interpolated from their neighbours
)


@cache
def _table():
    return untrusted.arrays(checked(TABLE_FILE))


def limits():
    """{label: (lowest, highest)} that the table spans: teff (K), logg and mh (dex)."""
    return {
        label: (float(_table()[label][0]), float(_table()[label][-1]))
        for label in ("teff", "logg", "mh")
    }


def builtin(teff, logg, mh):
    """Column mass (g/cm2), temperature (K), electron and atom density (cm^-3) and mass density (g/cm3), (5, n_layer).

    Cubic in teff (K), logg and mh (dex) between the models of the table, layer by layer in log tau_5000.
    ValueError outside the table, or where the models around the point did not reach flux equilibrium.
    """
    table, point = _table(), {"teff": teff, "logg": logg, "mh": mh}
    for label, (low, high) in limits().items():
        if not low <= point[label] <= high:
            raise ValueError(
                f"no built-in atmosphere at {label} = {point[label]:g}: the table spans {low:g} to {high:g}"
            )
    points, axes = [np.array([point[label]]) for label in AXES], [table[label] for label in AXES]
    worst = table["flux_error"].ravel()[cells(points, axes)].max()
    if worst > FLUX_ERROR:
        raise ValueError(
            f"no sound atmosphere at {teff:g} K, logg {logg:g}, [M/H] {mh:g}: flux error {100 * worst:.0f} %"
        )
    index, weight = tensor(points, axes)
    models = table["table"].reshape(-1, *table["table"].shape[-2:])
    return np.exp(np.tensordot(weight[0], models[index[0]].astype(float), axes=1))
