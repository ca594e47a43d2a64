"""The window of a model: which spectra it can use, and which part of them."""

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.pixels import find_near_pixels
from starlabels.spectra.velocity import REACH

LEAST = 0.15  # fraction of the window that must be observed
EDGE = 300.0  # km/s: a spectrum is cut this far beyond the window and the velocities searched


def check_part(window, wave):
    """The ends (A) of the part of a model's pixels (n_pix,) to use, by default all of them.

    UserError if it holds too few pixels.
    """
    if window is None:
        return wave[0], wave[-1]
    low, high = window
    share = np.mean((wave >= low) & (wave <= high))
    if not share >= LEAST:
        found = f"{low:g} to {high:g} A holds {share:.0%} of the model's pixels"
        ends = f"{wave[0]:.0f} to {wave[-1]:.0f} A"
        raise UserError(f"--window: {found}, {ends}: give LOW HIGH with {LEAST:.0%} or more")
    return low, high


def check_seen(coverage):
    """Raise a UserError if too small a fraction of the model's pixels is observed."""
    if coverage < LEAST:
        found = f"{coverage:.0%} of the model's pixels are observed, expected {LEAST:.0%}"
        raise UserError(f"{found}: check the masked pixels, gaps and radial velocity")


def check_window(observed, wave):
    """Raise a UserError if a spectrum hardly overlaps the pixels of a model.

    Parameters
    ----------
    observed : ObservedSpectrum
    wave : ndarray (n_pix,)
        Pixels of the model (Angstrom).
    """
    shared = min(observed.wave[-1], wave[-1]) - max(observed.wave[0], wave[0])
    if shared < LEAST * (wave[-1] - wave[0]):
        window = f"{observed.wave[0]:.0f} to {observed.wave[-1]:.0f} A"
        found = f"{window} lies outside the model's {wave[0]:.0f} to {wave[-1]:.0f} A"
        hint = "take a model of that window, or check the wavelength unit"
        raise UserError(f"{observed.name}: {found}: {hint}")


def cut_around_window(observed, wave, reach=REACH):
    """Copy of an ObservedSpectrum without pixels far outside a window, which change no result.

    Parameters
    ----------
    observed : ObservedSpectrum
    wave : ndarray (n_pix,)
        Pixels of the model (Angstrom).
    reach : float
        Greatest radial velocity to either side of 0 (km/s).
    """
    near = find_near_pixels(observed.wave, wave, 2 * (reach + EDGE))
    fields = {}
    for name in ("wave", "flux", "flux_err", "stored"):
        values = getattr(observed, name)
        fields[name] = None if values is None else values[near]
    return observed._replace(**fields)
