"""Solar factors on line depths: they correct log gf and missing blends.

They were measured by comparing synthetic and observed spectra of the Sun.
"""

from pathlib import Path

import numpy as np

from starlabels.base import untrusted
from starlabels.base.checksums import verify_checksum
from starlabels.base.errors import UserError

DEPTH_FILE = Path(__file__).parents[2] / "data/lines/solar_depths.npz"


def read_depth_factors(wave):
    """Factors (n_pix,) float32 on line depths at wavelengths (n_pix,) in A, air.

    1 at wavelengths outside the measured range; UserError if none is inside.
    """
    table = untrusted.read_arrays(verify_checksum(DEPTH_FILE))
    table_wave, factor = table["wave"], table["factor"]
    if wave[-1] < table_wave[0] or wave[0] > table_wave[-1]:
        raise UserError(
            f"grid.nodes.solar: {wave[0]:.0f} to {wave[-1]:.0f} A, {DEPTH_FILE.name} has "
            f"{table_wave[0]:.0f} to {table_wave[-1]:.0f} A: set it to false"
        )
    return np.interp(wave, table_wave, factor, left=1, right=1).astype("f4")
