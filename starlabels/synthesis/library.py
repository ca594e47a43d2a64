"""The packaged node libraries.

`make nodes`, or `python -m starlabels.tools.rebuild.nodes [WORKERS [NAME ...]]`, rebuilds them.
"""

import numpy as np

from starlabels.base.install import DATA_FOLDER
from starlabels.synthesis.nodes import NodeGrid

NODE_FOLDER = DATA_FOLDER / "nodes"
BLUE = {"wave_min": 4450.0, "wave_max": 4990.0}
RVS = {"wave_min": 8400.0, "wave_max": 8800.0, "resolving_power": 25_000}
WIDE = {"wave_min": 3690.0, "wave_max": 7000.0, "resolving_power": 5000}
APOGEE = {
    "wave_min": 15_140.0, "wave_max": 16_960.0, "resolving_power": 25_000, "medium": "vacuum",
}  # fmt: skip
# K: MARCS and ATLAS9 have models at nearly all of these. Steps from measured midpoint errors
COOL = (3600.0, 3800.0, *np.arange(4000.0, 6000.0, 250.0).tolist())
HOT = (
    *np.arange(6000.0, 11_001.0, 500.0).tolist(),
    *np.arange(12_000.0, 16_001.0, 1000.0).tolist(),
)
# Of libraries for all stars; nodes without a model atmosphere fail at once
ALL_STARS = {
    "teff": (*COOL, *HOT),
    "logg": tuple(np.arange(0.0, 5.51, 0.5).tolist()),
    "mh": tuple(np.arange(-2.5, 1.51, 0.5).tolist()),
    "vmic": (2.0,),
}
# Changes with microturbulence are small and smooth, so that coarse, `quick` nodes suffice: these
# changes have errors of 0.3 %, mean |dF| 2.5e-4 from 2 to 4 km/s at 4250 K / 1.5, 1e-4 at 5500 K
ALL_STARS_VMIC = {
    "teff": (3600.0, 4000.0, 4500.0, 5000.0, 5500.0, 6250.0, 7000.0, 8000.0, 9500.0, 12_000.0,
             16_000.0),
    "logg": (0.0, 2.0, 4.0, 5.5),
    "mh": (-2.5, -1.25, -0.5, 0.0, 0.5, 1.5),
    "vmic": (0.0, 1.0, 2.0, 3.5, 5.0),
    "quick": True,
}  # fmt: skip


def extend_to_cool(labels):
    """Nodes {label: values} with 3400 K, so that spectra reach 3600 K."""
    return labels | {"teff": (3400.0, *labels["teff"])}


PACKAGED = {
    "blue.h5": NodeGrid(**BLUE, **ALL_STARS),
    "rvs.h5": NodeGrid(**RVS, **extend_to_cool(ALL_STARS)),
}
VMIC_LIBRARIES = {
    "blue_vmic.h5": NodeGrid(**BLUE, **ALL_STARS_VMIC),
    "rvs_vmic.h5": NodeGrid(**RVS, **extend_to_cool(ALL_STARS_VMIC)),
}
# Not built yet, as they take many hours: `python -m starlabels.tools.rebuild.nodes NAME`
PLANNED = {
    "wide.h5": NodeGrid(
        **WIDE,
        teff=(
            *COOL[1:],
            *np.arange(6000.0, 11_001.0, 500.0).tolist(),
            12_000.0,
            14_000.0,
            16_000.0,
        ),
        logg=ALL_STARS["logg"],
        mh=tuple(np.arange(-2.5, 1.01, 0.5).tolist()),
        vmic=(2.0,),
        thin=True,
    ),
    "apogee.h5": NodeGrid(
        **APOGEE,
        teff=(3000.0, *np.arange(3250.0, 6751.0, 250.0).tolist()),
        logg=(-0.5, *np.arange(0.0, 5.51, 0.5).tolist()),
        mh=tuple(np.arange(-2.5, 1.01, 0.5).tolist()),
        vmic=(2.0,),
    ),
    "wide_vmic.h5": NodeGrid(**WIDE, **ALL_STARS_VMIC),
}
# Changes with single elements are small too; only differences of these `quick` nodes are used
ELEMENT_LIBRARIES = {
    "rvs_elements.h5": NodeGrid(
        **RVS,
        teff=(4500.0, 5000.0, 6000.0, 7500.0),
        logg=(2.0, 3.5, 5.0),
        mh=(-1.5, -0.5, 0.5),
        vmic=(2.0,),
        elements=("Mg", "Al", "Si", "Ca", "Ti", "Ni"),
        quick=True,
    ),
}
# Labels for which each library is meant; its nodes go one step further
COVERED = {
    "blue.h5": {"teff": (3800, 15_000), "logg": (0.5, 5.5), "mh": (-2.5, 1.0), "vmic": (0, 5)},
    "rvs.h5": {"teff": (3600, 15_000), "logg": (0.5, 5.0), "mh": (-2.5, 1.0), "vmic": (0, 5)},
    "wide.h5": {"teff": (3800, 15_000), "logg": (0.5, 5.5), "mh": (-2.5, 1.0), "vmic": (0, 5)},
    "apogee.h5": {"teff": (3250, 6500), "logg": (-0.5, 5.5), "mh": (-2.5, 1.0), "vmic": (2, 2)},
}
# K: of the coolest observed giants that spectra of a library fit, see `benchmarks.real_spectra`.
# Mean |dF| at R 1900 is 0.022 at 3900-4000 K and 0.02-0.04 below, where TiO is strong and half of
# its lines are off by up to 1 A. Of windows that were not compared, the default
TRUSTED_TEFF = {"blue.h5": 3900.0}
TRUSTED_TEFF_DEFAULT = 4000.0


def find_trusted_teff(wave_min, wave_max):
    """Effective temperature (K) from which spectra between two wavelengths (A) are trusted."""
    inside = [
        teff
        for name, teff in TRUSTED_TEFF.items()
        if PACKAGED[name].wave_min <= wave_min and wave_max <= PACKAGED[name].wave_max
    ]
    return min(inside, default=TRUSTED_TEFF_DEFAULT)
