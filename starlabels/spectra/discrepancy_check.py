"""Labels of stars that were left out of a model discrepancy: what it makes of real spectra.

They are generalised least-squares estimates: spectra are linear in labels near the literature's,
and the covariance of the remainder is that of the other stars.
"""

import numpy as np

from starlabels.spectra.discrepancy import NAMES
from starlabels.spectra.discrepancy_fit import iterate_sources, leave_one_out

# Standard deviations of what may be found for each label: wide for those that are estimated
FREEDOM = {"teff": 1000.0, "logg": 2.0, "mh": 1.0, "vmic": 0.5, "vsini": 50.0, "rv": 5.0}
POWER_FREEDOM = 0.05  # of the resolving power


def estimate_labels(discrepancy, names, derivatives, resolving_power):
    """Estimate labels of each star, with a mean and a covariance from the other stars.

    Parameters
    ----------
    discrepancy : Discrepancy
    names : sequence of str (m,)
        Labels of the derivatives, NAMES first.
    derivatives : array (n, m, n_pix)
        d flux / d label.
    resolving_power : array (n,)

    Returns
    -------
    array (n, 3)
        Estimate minus literature, of Teff (K), log g and [M/H].
    array (n, 3)
        Standard errors of the estimates.
    """
    stars = discrepancy
    outside = leave_one_out(
        stars.labels, stars.source, stars.difference, stars.weight, stars.smoothness
    )
    slopes = derivatives @ stars.basis.T
    change, error = np.empty((2, len(outside), len(NAMES)))
    sources = iterate_sources(stars.labels, stars.remainder, stars.label_effect)
    for i, source in enumerate(sources):
        covariance = np.tensordot(stars.shares, source, 1)
        freedom = FREEDOM | {"resolving_power": POWER_FREEDOM * resolving_power[i]}
        precision = np.diag([freedom[name] ** -2.0 for name in names])
        weighted = np.linalg.solve(covariance, slopes[i].T)
        posterior = np.linalg.inv(precision + slopes[i] @ weighted)
        change[i] = (posterior @ (weighted.T @ outside[i]))[: len(NAMES)]
        error[i] = np.sqrt(np.diag(posterior))[: len(NAMES)]
    return change, error
