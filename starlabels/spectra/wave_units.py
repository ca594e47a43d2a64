"""Wavelengths of a file, in any unit, as logarithms or as wavenumbers, converted to Angstrom."""

import re

import numpy as np
from astropy import units as u

from starlabels.base.errors import UserError

UNITS = {  # name in small letters -> Angstrom; astropy takes A for ampere
    **dict.fromkeys(
        "a å aa ang ang. angs angstrom angstroms angstroem angstroems ångström".split(), 1.0
    ),
    **dict.fromkeys("nm nanometer nanometers nanometre nanometres".split(), 10.0),
    **dict.fromkeys(
        "um µm μm micron microns micrometer micrometers micrometre micrometres".split(), 1e4
    ),
    **dict.fromkeys("m meter meters metre metres".split(), 1e10),
}
SHORTEST, LONGEST = 900.0, 300_000.0  # Angstrom: a spectrum must reach into this range
COUNTS = 100.0  # integers in steps of 1 that begin below count pixels


def convert_to_angstrom(path, wave, unit, log, wanted_unit=None):
    """Convert the wavelengths of a file to Angstrom.

    A missing unit is Angstrom above 2000, and logarithms are recognised.

    Parameters
    ----------
    path : Path
        File to name in a message.
    wave : array (n,)
        Wavelengths, wavenumbers or frequencies, or logarithms of wavelengths.
    unit : str or None
        Unit that the file states.
    log : str or None
        "log10" or "ln" if the file states that wave is a logarithm.
    wanted_unit : str, optional
        Unit that replaces that of the file.

    Returns
    -------
    ndarray (n,)
        NaN where the value is no wavelength, such as the zeros of padding.

    Raises
    ------
    UserError
        If the values cannot be the wavelengths of an optical spectrum, or need a unit.
    """
    unit_text = str(wanted_unit or unit or "").strip()
    wave = np.array(wave, "f8").ravel()
    wave[~np.isfinite(wave)] = np.nan
    parsed, unit_log = parse_unit(path, unit_text) if unit_text else (u.AA, None)
    log = log or unit_log
    if not log:
        wave[wave <= 0] = np.nan  # padding
    check_numbers(path, wave)
    low, high = np.nanmin(wave), np.nanmax(wave)
    log = log or (guess_logarithm(low, high) if parsed == u.AA else None)
    if log:
        with np.errstate(over="ignore"):
            wave = np.exp(wave) if log == "ln" else 10.0**wave
    elif parsed == u.AA and is_counting(wave):
        found = f"its wavelengths {low:g} to {high:g} in steps of 1 count pixels"
        raise UserError(f"{path}: {found}: name others with --wave-column")
    elif not unit_text and high < 2000:
        guess = "nm" if high > 100 else "micron" if high > 0.01 else "m"
        found = f"wavelengths {low:.6g}-{high:.6g} have no unit and look like {guess}"
        raise UserError(f"{path}: {found}: give --wave-unit {guess} (or Angstrom)")
    return check_range(path, (wave * parsed).to_value(u.AA, u.spectral()))


def check_numbers(path, wave):
    """UserError unless there are several positive numbers among wavelengths (n,)."""
    if not np.isfinite(wave).any():
        found = f"none of its {len(wave)} wavelengths is a positive number"
        raise UserError(f"{path}: {found}: name others with --wave-column")
    if np.nanmin(wave) == np.nanmax(wave):
        found = f"its wavelengths are all {np.nanmin(wave):g}"
        raise UserError(f"{path}: {found}: name others with --wave-column")


def check_range(path, wave):
    """Wavelengths (n,) in Angstrom; UserError unless half of them are of an optical spectrum."""
    middle = np.nanmedian(wave)
    if not SHORTEST <= middle <= LONGEST:
        found = f"its wavelengths {np.nanmin(wave):.6g} to {np.nanmax(wave):.6g} Angstrom"
        hint = "give --wave-unit, or others with --wave-column"
        raise UserError(f"{path}: {found} are none of an optical spectrum: {hint}")
    return wave


def is_counting(wave):
    """True if wavelengths (n,) are integers in steps of 1 from a small number on."""
    good = wave[np.isfinite(wave)]
    return bool(good[0] < COUNTS and good[0] % 1 == 0 and (np.diff(good) == 1).all())


def guess_logarithm(low, high):
    """Kind of logarithm, "log10" or "ln", of wavelengths from low to high; None for Angstrom."""
    if 3 < low and high < 5:
        return "log10"
    return "ln" if 6.9 < low and high < 11.5 else None


def parse_unit(path, text):
    """(unit of astropy, kind of logarithm "log10", "ln" or None) of a text.

    The unit is of wavelength, frequency, energy or wavenumber; UserError for others.
    """
    match = re.match(r"\W*(log10|log|dex|ln)\b\W*(.*)$", text.strip(), re.IGNORECASE)
    log = None if not match else "ln" if match[1].lower() == "ln" else "log10"
    name = (match[2] if match else text).strip(" ()[]{}'\"")
    name = re.sub(r"[\s,(]+(in )?(air|vac\w*)\W*$", "", name, flags=re.IGNORECASE)
    if name.lower() in UNITS:
        return (u.AA if UNITS[name.lower()] == 1 else u.Unit(UNITS[name.lower()] * u.AA)), log
    try:
        unit = u.Unit(name)
        (1 * unit).to(u.AA, u.spectral())
        return unit, log
    except (ValueError, TypeError, u.UnitsError):
        found = f"{text!r} is no unit of wavelength known here"
        hint = "give --wave-unit nm, micron or Angstrom"
        raise UserError(f"{path}: {found}: {hint}") from None


def is_reciprocal(path, unit, wanted_unit=None):
    """True if a unit is of wavenumber, frequency or energy, which belong to vacuum."""
    text = str(wanted_unit or unit or "").strip()
    return bool(text) and parse_unit(path, text)[0].physical_type != "length"
