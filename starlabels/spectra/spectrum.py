"""One observed spectrum: from what its file holds to wavelengths in Angstrom, ascending, with NaN where masked."""

import re
from typing import NamedTuple

import numpy as np
from astropy import units as u

from starlabels.base.errors import UserError
from starlabels.base.hdf5 import assumed_medium

ABSURD = 1e25  # files fill missing pixels with numbers such as 1e30
LEAST_PIXELS = 50
UNITS = {  # name in small letters -> Angstrom; astropy takes A for ampere
    **dict.fromkeys(["a", "å", "aa", "ang", "angs", "angstrom", "angstroms", "ångström"], 1.0),
    **dict.fromkeys(["nm", "nanometer", "nanometers", "nanometre", "nanometres"], 10.0),
    **dict.fromkeys(
        ["um", "µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre"], 1e4
    ),
    **dict.fromkeys(["m", "meter", "meters", "metre", "metres"], 1e10),
}


class ReadOptions(NamedTuple):
    """What the command line overrides; None leaves it to the file."""

    medium: str | None = None  # "air" or "vacuum"
    resolving_power: float | None = None
    wave_column: str | None = None
    flux_column: str | None = None
    error_column: str | None = None
    wave_unit: str | None = None


class RawSpectrum(NamedTuple):
    """A spectrum as its file holds it: any unit and order, nothing masked yet."""

    wave: np.ndarray  # (n,) in `unit`, or its logarithm
    flux: np.ndarray  # (n,)
    error: np.ndarray | None = (
        None  # (n,) standard error, inf where the file says that the pixel is bad
    )
    unit: str | None = None
    log: str | None = None  # "log10" or "ln" if the file says that wave is one
    medium: str | None = None
    resolving_power: float | None = None
    rest: bool = False
    normalised: bool = False


class ObservedSpectrum(NamedTuple):
    """One observed spectrum as its file has it: wavelengths (n,) in Angstrom, strictly ascending; NaN where masked."""

    name: str  # file name, with the row or star_id behind it when a file holds several
    wave: np.ndarray  # (n,) float64, Angstrom
    flux: np.ndarray  # (n,) any flux unit, NaN where masked or missing
    error: np.ndarray | None  # (n,) in the unit of flux, NaN where masked
    medium: str  # "air" or "vacuum"
    resolving_power: float | None  # lambda / FWHM if the file tells, or its instrument is known
    rest: bool  # True if the file says that it is in the star's rest frame
    normalised: bool  # True if the file says that the continuum is 1
    star: str = ""  # its id, where the file has one
    table: dict = {}  # {column: value} of what is known of the star beside its spectrum
    stored: np.ndarray | None = (
        None  # (n,) flux of a row of our HDF5, in masked pixels too: what a network was trained on
    )


def build_observed_spectrum(path, found, options):
    """The Observed of what was found in a file that holds one spectrum; UserError if it cannot be used."""
    wave = convert_to_angstrom(path, found.wave, found.unit, found.log, options.wave_unit)
    flux = np.array(found.flux, "f8")
    n_absurd = int((np.abs(flux) > ABSURD).sum())
    if n_absurd > len(flux) / 2:
        raise UserError(
            f"{path}: {n_absurd} of {len(flux)} fluxes are beyond {ABSURD:g}, so mark missing pixels: take another file"
        )
    flux, error = mask_bad_pixels(flux, found.error)
    wave, flux, error = sort_by_wavelength(wave, flux, error)
    medium = options.medium or found.medium or assumed_medium(wave)
    power = options.resolving_power or found.resolving_power
    observed = ObservedSpectrum(path.name, wave, flux, error, medium, power, found.rest, found.normalised)
    check_spectrum(observed, path)
    return observed


def check_spectrum(spectrum, path=None):
    """UserError, one line, if a spectrum has too few pixels or no light in them; it names the path where one is given."""
    where, ok = path or spectrum.name, np.isfinite(spectrum.flux)
    values = spectrum.flux[ok]
    if not ok.any():
        raise UserError(f"{where}: all {len(ok)} pixels are NaN or masked: take another spectrum")
    if len(values) < LEAST_PIXELS:
        raise UserError(
            f"{where}: {len(values)} of {len(ok)} pixels are good, expected {LEAST_PIXELS}: take another spectrum"
        )
    if values.max() <= 0:
        raise UserError(
            f"{where}: no flux is above 0, the greatest is {values.max():g}: name another with --flux-column"
        )
    if np.median(values) < 0:
        raise UserError(
            f"{where}: the median flux is {np.median(values):.4g}, below 0: too much background was subtracted"
        )


def convert_to_angstrom(path, wave, unit, log, asked=None):
    """Wavelengths (n,) in Angstrom, NaN where not positive; the unit asked for wins. UserError if it must be guessed."""
    text = asked or unit
    wave = np.array(wave, "f8").ravel()
    wave[~(np.isfinite(wave) & (wave > 0))] = np.nan  # padding
    if not np.isfinite(wave).any():
        raise UserError(
            f"{path}: none of its {len(wave)} wavelengths is a positive number: name others with --wave-column"
        )
    low, high = np.nanmin(wave), np.nanmax(wave)
    if low == high:
        raise UserError(f"{path}: its wavelengths are all {low:g}: name others with --wave-column")
    scale, logged = parse_unit(path, text) if text else (1.0, None)
    log = log or logged
    if log is None and scale == 1.0:
        log = guess_logarithm(low, high)
    if log:
        with np.errstate(over="ignore"):
            wave = np.exp(wave) if log == "ln" else 10.0**wave
    elif not text and high < 2000:
        guess = "nm" if high > 100 else "micron" if high > 0.01 else "m"
        found = f"wavelengths {low:.6g}-{high:.6g} have no unit and look like {guess}"
        raise UserError(f"{path}: {found}: give --wave-unit {guess} (or Angstrom)")
    return wave * scale


def guess_logarithm(low, high):
    """ "log10" or "ln" if numbers from low to high can only be that of optical or infrared wavelengths in Angstrom."""
    if 3 < low and high < 5:
        return "log10"
    return "ln" if 6.9 < low and high < 11.5 else None


def parse_unit(path, text):
    """(Angstrom a unit, None or "log10" or "ln") of a unit of length; UserError if it is none."""
    match = re.match(r"\W*(log10|log|dex|ln)\b\W*(.*)$", text.strip(), re.IGNORECASE)
    log = None if not match else "ln" if match[1].lower() == "ln" else "log10"
    name = (match[2] if match else text).strip(" ()[]{}'\"")
    if name.lower() in UNITS:
        return UNITS[name.lower()], log
    try:
        return float(u.Unit(name).to(u.AA)), log
    except (ValueError, TypeError, u.UnitsError):
        message = f"{path}: {text!r} is no unit of wavelength known here: give --wave-unit nm, micron or Angstrom"
        raise UserError(message) from None


def mask_bad_pixels(flux, error):
    """Copies of flux (n,) and error (n,) or None with NaN in pixels that the file marks as bad in any of the usual ways."""
    flux = np.array(flux, flux.dtype if flux.dtype.kind == "f" else "f8")
    bad = ~(np.abs(flux) < ABSURD) | find_zero_runs(flux)
    if error is not None and (np.isnan(error) | (error == 0)).all():
        error = None  # a column that was never filled, as in ESO's HARPS products
    if error is not None:
        error = np.array(error)
        bad |= ~((error > 0) & (error < ABSURD))
        error[bad] = np.nan
    flux[bad] = np.nan
    return flux, error


def find_zero_runs(flux):
    """Mask (n,) of exact zeros, three or more in a row: pipelines pad gaps between detectors with them."""
    zero = flux == 0
    three = zero[2:] & zero[1:-1] & zero[:-2]  # (n - 2,)
    mask = np.zeros(len(flux), bool)
    for shift in range(3 if len(three) else 0):
        mask[shift : shift + len(three)] |= three
    return mask


def sort_by_wavelength(wave, flux, error):
    """The pixels (n,) in order of wavelength, without those of NaN wavelength, equal wavelengths averaged."""
    if (np.diff(wave) > 0).all():
        return wave, flux, error
    order = np.argsort(wave, kind="stable")
    order = order[np.isfinite(wave[order])]
    wave, flux = wave[order], flux[order]
    error = None if error is None else error[order]
    return (wave, flux, error) if (np.diff(wave) > 0).all() else average_duplicates(wave, flux, error)


def average_duplicates(wave, flux, error):
    """Pixels (m,) of wavelengths that differ, each the mean of those that share it, weighted by 1 / error^2 where known."""
    wave, group = np.unique(wave, return_inverse=True)  # (m,)
    weight = np.isfinite(flux) / (1.0 if error is None else error**2)
    weight = np.nan_to_num(weight)
    total = np.bincount(group, weight, len(wave))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (
            np.bincount(group, weight * np.nan_to_num(flux), len(wave)) / total
        )  # NaN where all are masked
        return wave, mean, None if error is None else np.where(total > 0, total**-0.5, np.nan)
