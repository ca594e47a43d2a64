"""Spectra in table columns: which column holds what, its unit, and the spectra of a FITS table."""

import re

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.column_names import (
    FLUX_NAMES,
    find_name_medium,
    recognise_content,
    split_unit,
)
from starlabels.spectra.error_kinds import PREFERRED, read_errors
from starlabels.spectra.headers import read_metadata
from starlabels.spectra.masks import find_bad_pixels
from starlabels.spectra.spectrum import RawSpectrum
from starlabels.synthesis.broaden import FWHM

# Angstrom: range in which the resolving power of SDSS is measured; it doubles along the spectrum.
WINDOW = (4500.0, 5000.0)
PYPEIT_BASES = ("opt", "box")  # of columns such as OPT_WAVE
# What to do if columns are not recognised, for a message
NAME_COLUMNS = "name those of the spectrum with --wave-column and --flux-column"


def choose_column(names, wanted, quantity, base=None):
    """The wanted column, or the first that holds a quantity by its name; None if absent.

    base: the rest of the name that the column must have, None for any. Usual names come first.
    """
    if wanted is not None:
        for name in names:
            if wanted.lower() in (name.lower(), split_unit(name)[0]):
                return name
        return None
    found = [name for name in names if recognise_content(name).quantity == quantity]
    if base is not None:
        found = [name for name in found if recognise_content(name).base == base]
    usual = FLUX_NAMES if quantity == "flux" else []
    known = {split_unit(name)[0]: name for name in reversed(found)}
    exact = (known[name] for name in usual if name in known)
    plain = (name for name in found if not recognise_content(name).base)
    return next(exact, next(plain, next(iter(found), None)))


def choose_error(names, wanted, base, flux):
    """Column of the errors of a flux: the wanted one, or one with its base; None if absent."""
    if wanted is not None:
        return choose_column(names, wanted, "error")
    found = [name for name in names if recognise_content(name).quantity == "error"]
    found = [name for name in found if name != flux]
    same = [name for name in found if recognise_content(name).base == base]
    plain = [name for name in found if not recognise_content(name).base]
    best = same or plain or (found if len(found) == 1 else [])
    rank = {name: PREFERRED.index(recognise_content(name).form) for name in best}
    return min(best, key=rank.get, default=None)


def list_named_columns(options):
    """Column names given on the command line."""
    named = (options.wave_column, options.flux_column, options.error_column)
    return [name for name in named if name]


def list_bases(names, options):
    """Bases of the spectra in the columns of a table: [None], or one of each arm."""
    if list_named_columns(options):
        return [None]
    contents = [recognise_content(name) for name in names]
    waves = [c.base for c in contents if c.quantity == "wave"]
    fluxes = [c.base for c in contents if c.quantity == "flux"]
    bases = [base for base in dict.fromkeys(waves) if base and base in fluxes]
    return bases if len(bases) > 1 and "" not in waves else [None]


def build_from_columns(path, columns, options, header, units=None, media=None, concepts=None):
    """Build the spectra that named columns hold.

    Parameters
    ----------
    path : Path
        File to name in a message.
    columns : dict
        {name: values (n,)}.
    options : ReadOptions
    header : mapping
        Metadata.
    units, media, concepts : dict, optional
        {name: unit}, {name: ("air" or "vacuum", how it is known)} and {name: "wave", "flux" or
        "error"}, as far as the file states them.

    Returns
    -------
    list of RawSpectrum
        Empty if a needed column is absent; several if the columns are of several arms.

    Raises
    ------
    UserError
        If columns that belong together differ in length.
    """
    names = list(columns)
    spectra = []
    for base in list_bases(names, options):
        chosen = choose_columns(names, options, base, concepts or {})
        if chosen is None:
            continue
        raw = build_raw(path, columns, chosen, options, header, units or {}, media or {})
        if not any(have_same_wave(raw, other) for other in spectra):
            spectra.append(raw._replace(name=base or ""))
    return spectra


def choose_columns(names, options, base, concepts):
    """(wave, flux, error or None) columns of a base; None if one is absent."""
    by_concept = {kind: name for name, kind in reversed(list(concepts.items()))}
    wave = choose_column(names, options.wave_column, "wave", base)
    flux = choose_column(names, options.flux_column, "flux", base)
    if wave is None and options.wave_column is None and base is None:
        wave = by_concept.get("wave")
    if flux is None and options.flux_column is None and base is None:
        flux = by_concept.get("flux")
    if wave is None or flux is None or wave == flux:
        return None
    error = choose_error(names, options.error_column, recognise_content(flux).base, flux)
    if error is None and options.error_column:
        return None
    if error is None:
        error = by_concept.get("error")
    return wave, flux, error


def have_same_wave(raw, other):
    """True if two RawSpectra have the same wavelengths."""
    return len(raw.wave) == len(other.wave) and np.array_equal(raw.wave, other.wave)


def build_raw(path, columns, chosen, options, header, units, media):
    """RawSpectrum of the chosen (wave, flux, error or None) columns, without masked pixels."""
    wave, flux, error = chosen
    lengths = {name: len(columns[name]) for name in chosen if name}
    if error and lengths[error] != lengths[flux] and not options.error_column:
        lengths.pop(error)  # a single number, such as the S/N
        error = None
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} {n}" for name, n in lengths.items())
        hint = "name those that belong together"
        raise UserError(f"{path} has columns of unequal length, {sizes}: {hint}")
    values = np.array(columns[flux], "f8")
    flux_err, kind, notes = None, "", []
    if error is not None:
        flux_err, kind, notes = read_errors(error, columns[error], values, options.error_kind)
    bad, mask_notes = find_masked(columns, recognise_content(flux).base, wave, header, len(values))
    values[bad] = np.nan
    name, unit = split_unit(wave)
    log = "log10" if name.startswith("log") else "ln" if name.startswith("ln") else None
    medium, source = find_column_medium(wave, list(columns), units.get(wave) or unit)
    if medium is None:
        medium, source = media.get(wave, (None, ""))
    if medium is None and recognise_content(wave).base in PYPEIT_BASES:
        medium, source = "vacuum", "survey format"
    metadata = read_metadata(header, measure_sdss_resolution(columns), medium, source)
    unit = units.get(wave) or unit
    if name == "waveobs" and unit is None and np.nanmax(columns[wave]) < 2000:
        unit = "nm"  # of iSpec
    raw = RawSpectrum(np.array(columns[wave], "f8"), values, flux_err, unit, log, **metadata)
    return raw._replace(error_kind=kind, notes=(*notes, *mask_notes))


def find_masked(columns, base, wave, header, n):
    """(bad pixels (n,), remarks) by the columns of masks that belong to a flux of some base."""
    bad, notes = np.zeros(n, bool), []
    sdss = split_unit(wave)[0] == "loglam" or "SDSS" in str(header.get("TELESCOP", "")).upper()
    header = dict(header) | ({"PYPELINE": "?"} if base in PYPEIT_BASES else {})
    named = [name for name in columns if recognise_content(name).quantity == "mask"]
    both = any(re.match(r"and_?mask", name.lower()) for name in named)
    for name in named:
        values = columns[name]
        other = recognise_content(name).base not in (base, "", "and", "or")
        if other or len(values) != n or both and re.match(r"or_?mask", name.lower()):
            continue
        marked, remarks = find_bad_pixels(name, values, header, sdss)
        bad |= marked
        notes += remarks
    return bad, notes


def find_column_medium(wave, names, unit=None):
    """("air" or "vacuum", how it is known) by the wavelength column; (None, "") if neutral."""
    name = split_unit(wave)[0]
    if medium := find_name_medium(wave) or find_name_medium(unit or ""):
        return medium, "column name"
    if name == "loglam":
        return "vacuum", "survey format"  # SDSS
    if f"{name}_air" in [split_unit(other)[0] for other in names]:
        return "vacuum", "column name"
    return None, ""


def measure_sdss_resolution(columns):
    """Resolving power in WINDOW, else of all pixels, from SDSS's wdisp; None if absent.

    wdisp is the sigma of the line-spread function in pixels of loglam.
    """
    lower = {name.lower(): values for name, values in columns.items()}
    needed = [lower.get("wdisp"), lower.get("loglam")]
    if any(values is None for values in needed) or len(needed[0]) != len(needed[1]):
        return None
    wdisp = np.array(lower["wdisp"], "f8")
    loglam = np.array(lower["loglam"], "f8")
    wave = 10**loglam
    step = np.median(np.abs(np.diff(loglam)))
    good = wdisp > 0
    if not good.any():
        return None
    inside = good & (wave > WINDOW[0]) & (wave < WINDOW[1])
    sigma = np.median(wdisp[inside if inside.any() else good]) * step * np.log(10)  # d ln(lambda)
    return float(1 / (FWHM * sigma)) if sigma else None
