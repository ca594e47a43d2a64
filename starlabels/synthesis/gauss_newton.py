"""A Gauss-Newton step: labels of spectra with white noise, improved on the nodes."""

import numpy as np

from starlabels.synthesis.cramer_rao import compute_information

LARGEST = 3.0  # standard errors of the first labels: the step is not longer
SOFT = 1e-9  # added to the diagonal of information in units of each label's own error


def improve_labels(sampler, flux, sigma, labels, errors, wave, resolving_power):
    """Move labels towards the best fit of the node spectra by one Gauss-Newton step.

    Parameters
    ----------
    sampler : Sampler
    flux : array (n, n_pix)
        Normalised spectra.
    sigma : array (n,)
        Their noise.
    labels : dict
        {name: (n,)} of all labels of a spectrum, near the best fit.
    errors : dict
        {name: (n,)}: standard errors of the labels to improve; the others stay.
    wave : array (n_pix,)
        Wavelengths (A).
    resolving_power : float

    Returns
    -------
    labels, errors : dict
        {name: (n,)} of the labels in `errors`. The errors are the Cramér-Rao bound. Where the
        nodes do not reach, both are unchanged.

    References
    ----------
    Kay (1993), Fundamentals of Statistical Signal Processing: Estimation Theory, ch. 8.
    """
    names = list(errors)
    inside = sampler.covers(labels)
    start = np.column_stack([labels[name] for name in names]).astype(float)
    error = np.column_stack([errors[name] for name in names]).astype(float)
    if inside.any():
        near = {name: values[inside] for name, values in labels.items()}
        model = sampler.sample_spectra(near, wave, resolving_power)
        slope = sampler.compute_sensitivities(near, names, wave, resolving_power).astype(float)
        weight = (1 / sigma[inside])[:, None]
        slope *= weight[:, :, None]
        residual = (flux[inside] - model) * weight
        step, bound = solve_step(slope, residual)
        most = LARGEST * error[inside]
        limits = [sampler.find_limits(names)[name] for name in names]
        low, high = np.transpose(limits)
        start[inside] = np.clip(start[inside] + np.clip(step, -most, most), low, high)
        error[inside] = np.fmin(bound, most)
    return dict(zip(names, start.T)), dict(zip(names, error.T))


def solve_step(slope, residual):
    """Step and bound (n, k) of slopes (n, k, n_pix) and residuals (n, n_pix) in unit noise."""
    scaled, unit = compute_information(slope)
    inverse = np.linalg.inv(scaled + SOFT * np.eye(scaled.shape[1]))
    gradient = np.einsum("nkp,np->nk", slope, residual) * unit
    step = np.einsum("nkl,nl->nk", inverse, gradient) * unit
    return step, np.sqrt(np.maximum(np.einsum("nkk->nk", inverse), 0)) * unit
