"""predict: results of stars with their flags."""

import numpy as np

from starlabels.learning import outliers
from starlabels.spectra.results import StarResult

MAX_CHI2 = 10.0  # reduced chi-square of a sound spectrum; the Sun has 3, Procyon 1
# Of the continuum: errors of atomic data in the nodes, measured on the Sun and Procyon
MODEL_ERROR = 0.02
# Stated errors over the scatter of neighbouring pixels. The scatter includes the lines between
# pixels of low resolution, and lacks what is correlated in oversampled ones.
SOUND_NOISE = (0.02, 10.0)
LEAST_SNR = 20.0  # per pixel, to search for a second star: below, noise has peaks too
BITS = outliers.BITS | {"misfit": 8, "velocity": 16, "noise": 64, "cool": 128, "binary": 256}
RULES = outliers.RULES | {
    "misfit": (
        "no node spectrum fits: reduced chi-square above 10, with a 2 % error allowed for the nodes"
    ),
    "velocity": (
        "the radial velocity is uncertain: the peak of the correlation is hardly above the "
        "spurious ones, or at the edge of the search"
    ),
    "noise": (
        "the stated errors do not fit the scatter of neighbouring pixels: "
        "compare snr and snr_scatter, and check --error-column and --error-kind"
    ),
    "cool": "the star is cooler than observed stars that synthetic spectra of this window fit",
    "binary": "the lines of a second star: the correlation has a second peak at another velocity",
}


def build_result(name, prepared, prediction, flux, labels, chi2=np.nan):
    """StarResult of a PreparedSpectrum.

    prediction: {mean, err: (n_labels,), flags}; flux (n_pix,): regenerated; labels (n_labels,);
    chi2: reduced chi-square, NaN to compute it with MODEL_ERROR.
    """
    variance = prepared.flux_err.astype(float) ** 2 + MODEL_ERROR**2
    misfit = (prepared.flux - flux) ** 2 / variance
    if np.isnan(chi2) and np.isfinite(misfit).any():
        chi2 = float(np.nanmean(misfit))
    flags = int(prediction["flags"])
    flags |= BITS["misfit"] * (chi2 > MAX_CHI2) | BITS["velocity"] * prepared.weak
    if np.isfinite(prepared.noise_ratio):
        low, high = SOUND_NOISE
        flags |= BITS["noise"] * (not low < prepared.noise_ratio < high)
    flags |= BITS["binary"] * has_companion(prepared)
    values = dict(zip(labels, map(float, prediction["mean"])))
    errors = dict(zip(labels, map(float, prediction["err"])))
    rv = rv_err = np.nan
    if prepared.velocity:
        rv = prepared.velocity.rv
        rv_err = prepared.velocity.err
    reasons = [RULES[flag] for flag, bit in BITS.items() if flags & bit]
    notes = ()
    if flags & BITS["binary"]:
        notes = (f"second star at {prepared.velocity.companion:+.0f} km/s",)
    numbers = (rv, rv_err, prepared.snr, chi2, flags, reasons, prepared.coverage)
    scatter = prepared.snr_scatter
    return StarResult(name, "", values, errors, *numbers, snr_scatter=scatter, notes=notes)


def has_companion(prepared):
    """True if a PreparedSpectrum shows the lines of a second star."""
    velocity = prepared.velocity
    return bool(velocity) and velocity.companion is not None and prepared.snr > LEAST_SNR


def describe_reading(result, observed):
    """The StarResult with what was known or assumed when its ObservedSpectrum was read."""
    return result._replace(
        medium=observed.medium,
        medium_source=observed.medium_source,
        notes=(*observed.notes, *result.notes),
    )
