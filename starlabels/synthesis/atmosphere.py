"""Built-in model atmospheres: a packaged table of line-blanketed LTE models.

`starlabels/tools/rebuild` computes the table.
"""

from functools import cache

import numpy as np

from starlabels.base import untrusted
from starlabels.base.checksums import verify_checksum
from starlabels.base.install import DATA_FOLDER
from starlabels.synthesis.interpolate import compute_tensor_weights, find_cell_corners

TABLE_FILE = DATA_FOLDER / "atmospheres/builtin.npz"
AXES = ("mh", "logg", "teff")
# Models whose flux is not constant to this were interpolated from their neighbours
FLUX_ERROR = 0.05


@cache
def _read_table():
    return untrusted.read_arrays(verify_checksum(TABLE_FILE))


def read_limits():
    """{label: (lowest, highest)} of the table: teff (K), logg and mh (dex)."""
    table = _read_table()
    return {label: (float(table[label][0]), float(table[label][-1])) for label in AXES[::-1]}


def interpolate_atmosphere(teff, logg, mh):
    """Interpolate a model atmosphere: cubic in each label, layer by layer in log tau_5000.

    Parameters
    ----------
    teff : float
        Effective temperature (K).
    logg, mh : float
        Surface gravity and metallicity (dex).

    Returns
    -------
    array (5, n_layer)
        Column mass (g/cm2), temperature (K), electron and atom density (cm^-3) and mass density
        (g/cm3), from the top down.

    Raises
    ------
    ValueError
        Outside the table, or where a model around the point did not reach flux equilibrium.
    """
    table = _read_table()
    labels = {"teff": teff, "logg": logg, "mh": mh}
    for label, (low, high) in read_limits().items():
        if not low <= labels[label] <= high:
            raise ValueError(
                f"no built-in atmosphere at {label} = {labels[label]:g}: "
                f"the table spans {low:g} to {high:g}"
            )
    points = [np.array([labels[label]]) for label in AXES]
    axes = [table[label] for label in AXES]
    worst = table["flux_error"].ravel()[find_cell_corners(points, axes)].max()
    if worst > FLUX_ERROR:
        raise ValueError(
            f"no converged atmosphere at {teff:g} K, logg {logg:g}, [M/H] {mh:g}: "
            f"flux error {100 * worst:.0f} %"
        )
    index, weight = compute_tensor_weights(points, axes)
    models = table["table"].reshape(-1, *table["table"].shape[-2:])
    return np.exp(np.tensordot(weight[0], models[index[0]].astype(float), axes=1))
