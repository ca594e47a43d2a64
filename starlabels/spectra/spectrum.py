"""One observed spectrum: ascending wavelengths in Angstrom, bad pixels as NaN."""

from typing import NamedTuple

import numpy as np

from starlabels.base.errors import UserError

ABSURD = 1e25  # files fill missing pixels with numbers such as 1e30
LEAST_PIXELS = 50


class ReadOptions(NamedTuple):
    """Options of the command line that override the file; None leaves the choice to the file."""

    medium: str | None = None  # "air" or "vacuum"
    resolving_power: float | None = None
    wave_column: str | None = None
    flux_column: str | None = None
    error_column: str | None = None
    wave_unit: str | None = None
    error_kind: str | None = None  # "sigma", "variance" or "ivar", of the error column
    window: tuple[float, float] | None = None  # Angstrom: arms outside are left out


class RawSpectrum(NamedTuple):
    """A spectrum as stored in its file: any unit and order, nothing masked yet."""

    wave: np.ndarray  # (n,) in `unit`, or its logarithm
    flux: np.ndarray  # (n,)
    flux_err: np.ndarray | None = None  # (n,) standard error, inf in pixels flagged as bad
    unit: str | None = None
    log: str | None = None  # "log10" or "ln" if the file states that wave is a logarithm
    medium: str | None = None
    resolving_power: float | None = None
    rest: bool = False
    normalised: bool = False
    medium_source: str = ""  # how the medium is known, such as "header"
    error_kind: str = ""  # "sigma", "variance", "ivar", "snr" or "relative"
    notes: tuple[str, ...] = ()  # what was assumed
    name: str = ""  # of the order, arm or extension


class ObservedSpectrum(NamedTuple):
    """One observed spectrum with strictly ascending wavelengths (n,) and NaN in masked pixels.

    Attributes
    ----------
    name : str
        File name, followed by the row or star_id if a file holds several spectra.
    wave : ndarray (n,), float64
        Wavelengths (Angstrom) in `medium`.
    flux, flux_err : ndarray (n,)
        Flux in any unit and its standard error (None if unknown).
    medium : str
        "air" or "vacuum".
    resolving_power : float or None
        lambda / FWHM if the file states it or its instrument is known.
    rest : bool
        True if the file states that the spectrum is in the rest frame of the star.
    normalised : bool
        True if the file states that the continuum is 1.
    star : str
        Identifier of the star, "" if the file has none.
    table : dict
        {column: value} of what is known about the star besides its spectrum.
    stored : ndarray (n,) or None
        Flux of a row of our HDF5 including masked pixels: the values a network was trained on.
    rv : float or None
        Radial velocity (km/s) that the user gives; None to measure it.
    medium_source : str
        How the medium is known, such as "header", "option" or "assumed".
    notes : tuple of str
        What was assumed or combined.
    error_kind : str
        What the file gives: "sigma", "variance", "ivar", "snr" or "relative"; "" without errors.
    """

    name: str
    wave: np.ndarray
    flux: np.ndarray
    flux_err: np.ndarray | None
    medium: str
    resolving_power: float | None
    rest: bool
    normalised: bool
    star: str = ""
    table: dict = {}
    stored: np.ndarray | None = None
    rv: float | None = None
    medium_source: str = ""
    notes: tuple[str, ...] = ()
    error_kind: str = ""


def check_spectrum(spectrum, path=None):
    """Raise a UserError of one line if an ObservedSpectrum has too few good pixels or no light.

    Parameters
    ----------
    spectrum : ObservedSpectrum
    path : Path, optional
        File to name in the message instead of the spectrum.
    """
    where = path or spectrum.name
    good = np.isfinite(spectrum.flux)
    flux = spectrum.flux[good]
    n_pix = len(good)
    if not good.any():
        raise UserError(f"{where}: all {n_pix} pixels are NaN or masked: take another spectrum")
    if len(flux) < LEAST_PIXELS:
        found = f"{len(flux)} of {n_pix} pixels are good, expected {LEAST_PIXELS}"
        raise UserError(f"{where}: {found}: take another spectrum")
    if flux.max() <= 0:
        found = f"no flux is above 0, the greatest is {flux.max():g}"
        raise UserError(f"{where}: {found}: name another with --flux-column")
    if np.median(flux) < 0:
        found = f"the median flux is {np.median(flux):.4g}, below 0"
        raise UserError(f"{where}: {found}: too much background was subtracted")


def mask_bad_pixels(flux, flux_err):
    """Copies of flux (n,) and flux_err (n,) or None with NaN in pixels that are marked as bad."""
    flux = np.array(flux, flux.dtype if flux.dtype.kind == "f" else "f8")
    bad = ~(np.abs(flux) < ABSURD) | find_zero_runs(flux)
    if flux_err is not None and (np.isnan(flux_err) | (flux_err == 0)).all():
        flux_err = None  # a column that was never filled, as in ESO's HARPS products
    if flux_err is not None:
        flux_err = np.array(flux_err)
        bad |= ~((flux_err > 0) & (flux_err < ABSURD))
        flux_err[bad] = np.nan
    flux[bad] = np.nan
    return flux, flux_err


def find_zero_runs(flux):
    """Mask (n,) of three or more exact zeros in a row: the padding of gaps between detectors."""
    zero = flux == 0
    three = zero[2:] & zero[1:-1] & zero[:-2]  # (n - 2,)
    mask = np.zeros(len(flux), bool)
    for shift in range(3 if len(three) else 0):
        mask[shift : shift + len(three)] |= three
    return mask


def sort_by_wavelength(wave, flux, flux_err):
    """Pixels (n,) with ascending wavelengths; drops NaN wavelengths and averages equal ones."""
    if (np.diff(wave) > 0).all():
        return wave, flux, flux_err
    order = np.argsort(wave, kind="stable")
    order = order[np.isfinite(wave[order])]
    wave = wave[order]
    flux = flux[order]
    flux_err = None if flux_err is None else flux_err[order]
    if (np.diff(wave) > 0).all():
        return wave, flux, flux_err
    return average_duplicates(wave, flux, flux_err)


def average_duplicates(wave, flux, flux_err):
    """Average pixels of equal wavelength, weighted by 1 / flux_err^2 if known; (m,) pixels each."""
    wave, group = np.unique(wave, return_inverse=True)  # (m,)
    weight = np.isfinite(flux) / (1.0 if flux_err is None else flux_err**2)
    weight = np.nan_to_num(weight)
    total = np.bincount(group, weight, len(wave))
    flux_sum = np.bincount(group, weight * np.nan_to_num(flux), len(wave))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = flux_sum / total  # NaN where all pixels are masked
        if flux_err is None:
            return wave, mean, None
        return wave, mean, np.where(total > 0, total**-0.5, np.nan)
