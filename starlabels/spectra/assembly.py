"""From the spectra of a file, as they are stored, to one ObservedSpectrum."""

import numpy as np

from starlabels.base.errors import UserError
from starlabels.base.hdf5_spectra import assume_medium
from starlabels.base.wavelengths import convert_vacuum_to_air
from starlabels.spectra.combination import (
    Piece,
    check_interleaved,
    combine_spectra,
    split_at_jumps,
)
from starlabels.spectra.medium import find_medium_by_lines
from starlabels.spectra.spectrum import (
    ABSURD,
    ObservedSpectrum,
    check_spectrum,
    mask_bad_pixels,
    sort_by_wavelength,
)
from starlabels.spectra.wave_units import convert_to_angstrom, is_reciprocal

MARGIN = 0.003  # of a wavelength: shifts by velocity and medium
ASK = "give --air or --vacuum if you know it"


def build_observed_spectrum(path, spectra, options):
    """Build the ObservedSpectrum of a file.

    Parameters
    ----------
    path : Path
    spectra : list of RawSpectrum
        Arms, orders or exposures of one star.
    options : ReadOptions

    Returns
    -------
    ObservedSpectrum

    Raises
    ------
    UserError
        If the spectra cannot be used.
    """
    used, pieces, failure = [], [], None
    for raw in spectra:
        try:
            found = make_pieces(path, raw, options)
        except UserError as error:
            failure = failure or error
            continue
        used.append(raw)
        pieces.append(found)
    if not used:
        raise failure
    used, pieces, window_notes = select_in_window(used, pieces, options.window)
    used, pieces, medium, source = unify_media(path, used, pieces, options)
    combined, notes = combine_spectra([piece for found in pieces for piece in found])
    rest = all(raw.rest for raw in used)
    notes = [*dict.fromkeys(n for raw in used for n in raw.notes), *window_notes, *notes]
    if medium is None:
        medium, source, note = find_medium(combined, rest)
        notes += [note] if note else []
    power, power_notes = choose_power(used, options)
    observed = ObservedSpectrum(
        path.name, *combined, medium, power, rest, all(raw.normalised for raw in used)
    )
    kinds = dict.fromkeys(raw.error_kind for raw in used if raw.flux_err is not None)
    observed = observed._replace(
        medium_source=source,
        notes=(*notes, *power_notes),
        error_kind=", ".join(kinds) if combined.flux_err is not None else "",
    )
    check_spectrum(observed, path)
    return observed


def make_pieces(path, raw, options):
    """Pieces of a RawSpectrum in Angstrom, split where its wavelengths jump back."""
    wave = convert_to_angstrom(path, raw.wave, raw.unit, raw.log, options.wave_unit)
    flux = np.array(raw.flux, "f8")
    n_absurd = int((np.abs(flux) > ABSURD).sum())
    if n_absurd > len(flux) / 2:
        found = f"{n_absurd} of {len(flux)} fluxes are beyond {ABSURD:g}, so mark missing pixels"
        raise UserError(f"{path}: {found}: take another file")
    flux, flux_err = mask_bad_pixels(flux, raw.flux_err)
    known = np.isfinite(wave)
    wave, flux = wave[known], flux[known]
    flux_err = None if flux_err is None else flux_err[known]
    pieces = []
    parts = split_at_jumps(wave)
    if len(parts) == 1:
        try:
            check_interleaved(wave, flux, flux_err)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    for part in parts:
        error = None if flux_err is None else flux_err[part]
        piece = Piece(*sort_by_wavelength(wave[part], flux[part], error))
        if len(piece.wave) > 1:
            pieces.append(piece)
    return pieces


def select_in_window(spectra, pieces, window):
    """(spectra, pieces, remarks) of those that reach into a window; all if none does."""
    if window is None or len(spectra) == 1:
        return spectra, pieces, []
    low, high = window[0] * (1 - MARGIN), window[1] * (1 + MARGIN)
    inside = [
        any(piece.wave[-1] > low and piece.wave[0] < high for piece in found) for found in pieces
    ]
    if all(inside) or not any(inside):
        return spectra, pieces, []
    note = f"{sum(inside)} of {len(spectra)} spectra reach into the window of the model"
    spectra = [raw for raw, reaches in zip(spectra, inside) if reaches]
    return spectra, [found for found, reaches in zip(pieces, inside) if reaches], [note]


def unify_media(path, spectra, pieces, options):
    """(spectra, pieces, medium or None, how it is known) in one medium; None if nothing states it.

    Arms in both media are brought to air.
    """
    if options.medium:
        return spectra, pieces, options.medium, "option"
    stated = []
    for raw in spectra:
        medium, source = raw.medium, raw.medium_source
        if medium is None and is_reciprocal(path, raw.unit, options.wave_unit):
            medium, source = "vacuum", "unit"
        stated.append((medium, source))
    known = [item for item in stated if item[0]]
    if not known:
        return spectra, pieces, None, ""
    if len({medium for medium, _ in known}) == 1:
        return spectra, pieces, *known[0]
    converted = []
    for (medium, _), found in zip(stated, pieces):
        if medium == "vacuum":
            found = [piece._replace(wave=convert_vacuum_to_air(piece.wave)) for piece in found]
        converted.append(found)
    return spectra, converted, "air", known[0][1]


def find_medium(piece, rest):
    """(medium, how it is known, remark) of a spectrum whose file does not state it."""
    usual = assume_medium(piece.wave)
    if usual == "vacuum":
        return usual, "assumed", ""
    verdict = find_medium_by_lines(piece.wave, piece.flux, rest)
    if verdict.source == "spectrum itself":
        return verdict.medium, verdict.source, f"medium by the lines: {verdict.note}"
    medium = verdict.medium or usual
    reason = f", as {verdict.note}" if verdict.note else ""
    return medium, "assumed", f"{medium} is assumed{reason}: {ASK}"


def choose_power(spectra, options):
    """(resolving power or None, remarks): that of the user, or the lowest of the arms."""
    if options.resolving_power:
        return options.resolving_power, []
    powers = sorted({raw.resolving_power for raw in spectra if raw.resolving_power})
    if len(powers) < 2:
        return (powers[0] if powers else None), []
    text = ", ".join(f"{power:g}" for power in powers)
    return powers[0], [f"its arms have resolving powers {text}: the lowest was taken"]
