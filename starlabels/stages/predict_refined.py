"""predict: labels of a network, refined by the nodes and the model discrepancy."""

import numpy as np

from starlabels.spectra.nuisances import VARIED
from starlabels.spectra.pixels import estimate_noise
from starlabels.spectra.refinement import Refiner


def open_refiner(discrepancy, preparer, sampler):
    """Refiner of a model; None without a Discrepancy, SpectrumPreparer or Sampler."""
    if discrepancy is None or preparer is None or sampler is None:
        return None
    return Refiner(discrepancy, sampler, preparer.continuum, preparer.resolving_power)


def refine_prediction(refiner, names, prediction, stars, prepared):
    """Replace labels and errors of a network by refined ones where the nodes reach.

    Parameters
    ----------
    refiner : Refiner
    names : list of str (n_labels,)
        Labels of the model.
    prediction : dict
        {mean, err: (n, n_labels)}, changed in place.
    stars : sequence of ObservedSpectrum (n,)
    prepared : sequence of PreparedSpectrum (n,)

    Returns
    -------
    Refined
    list of PreparedSpectrum (n,)
        With the noise about the refined spectrum if their files state no errors.
    """
    mean = prediction["mean"]
    start = {name: mean[:, names.index(name)] for name in VARIED if name in names}
    flux = np.array([item.flux for item in prepared], float)
    flux_err = np.array([item.flux_err for item in prepared], float)
    power = np.array([star.resolving_power or refiner.power for star in stars], float)
    refined = refiner.refine(flux, flux_err, start, power)
    unstated = [i for i, star in enumerate(stars) if star.flux_err is None]
    if unstated:  # the scatter of neighbouring pixels holds lines too: now they are known
        noise = [estimate_noise(flux[i] - refined.flux[i]) for i in unstated]
        flux_err[unstated] = np.fmin(flux_err[unstated], np.array(noise)[:, None])
        some = {name: values[unstated] for name, values in start.items()}
        again = refiner.refine(flux[unstated], flux_err[unstated], some, power[unstated])
        for values, part in zip(refined, again):
            values[unstated] = part
    # Spectra that were normalised elsewhere have another continuum
    refined.chi2[[item.unchanged for item in prepared]] = np.nan
    replace_labels(names, prediction, refined)
    return refined, [restate_noise(*pair) for pair in zip(prepared, flux_err)]


def replace_labels(names, prediction, refined):
    """Write the labels and errors of Refined, where there are any, into {mean, err}.

    The prediction also gets the `covariance` (n, n_labels, n_labels) of the labels, NaN where
    they are still those of the network.
    """
    found = np.isfinite(refined.chi2)
    columns = [names.index(name) for name in VARIED if name in names]
    own = [VARIED.index(name) for name in VARIED if name in names]
    covariance = np.full((len(found), len(names), len(names)), np.nan)
    covariance[:, np.array(columns)[:, None], columns] = refined.covariance[:, own][:, :, own]
    rows = np.flatnonzero(found)[:, None]
    prediction["mean"][rows, columns] = refined.labels[rows, own]
    prediction["err"][rows, columns] = np.sqrt(np.einsum("nii->ni", covariance))[rows, columns]
    prediction["covariance"] = covariance


def restate_noise(prepared, flux_err):
    """The PreparedSpectrum with other errors (n_pix,)."""
    snr = float(np.nanmedian(prepared.flux / flux_err))
    return prepared._replace(flux_err=flux_err.astype("f4"), snr=snr)


def correct_velocity(result, refined, i):
    """The StarResult with the velocity of star i, if one was measured, as refinement found it."""
    own = VARIED.index("rv")
    if not np.isfinite(refined.chi2[i] + result.rv):
        return result
    error = float(np.sqrt(refined.covariance[i, own, own]))
    change = float(refined.labels[i, own] + refined.velocity[i])
    return result._replace(rv=result.rv + change, rv_err=error)
