"""Properties of observed stars that are not asked for, but change the spectrum."""

import numpy as np

# Standard errors of labels whose table gives none; of vmic, vsini and rv also of usual values
LABEL_ERRORS = {"teff": 100.0, "logg": 0.15, "mh": 0.1, "vmic": 0.3, "vsini": 10.0, "rv": 5.0}
POWER_ERROR = 0.05  # relative, of the resolving power
VARIED = (*LABEL_ERRORS, "resolving_power")
# Usual rotation (km/s) and its scatter below 6500 K, to 7500 K, and beyond
ROTATION = ((6500.0, 5.0, 5.0), (7500.0, 40.0, 30.0), (np.inf, 110.0, 60.0))


def choose_vmic(teff, logg):
    """Usual microturbulence (km/s) of dwarfs, giants and A stars at labels (n,)."""
    cool = np.where(logg < 3, 1.6, np.clip(1.15 + 2e-4 * (teff - 5800), 0.8, 2.0))
    return np.where(teff > 7000, np.where(teff < 9000, 2.5, 2.0), cool)


def choose_rotation(teff):
    """Usual v sin i (n,) of stars with temperatures (n,), and its scatter (n,), in km/s."""
    kinds = np.searchsorted([kind[0] for kind in ROTATION[:-1]], teff, side="right")
    _, usual, scatter = np.array(ROTATION)[kinds].T
    return usual, scatter
