"""Spectra in HDF5 files: rows of our schema, or one spectrum in datasets with usual names."""

from textwrap import shorten

import h5py
import numpy as np

from starlabels.base import hdf5, hdf5_spectra, integrity, sentinels
from starlabels.base.errors import UserError
from starlabels.base.hdf5_spectra import assume_medium
from starlabels.spectra.assembly import build_observed_spectrum, find_medium
from starlabels.spectra.combination import Piece
from starlabels.spectra.spectrum import (
    ABSURD,
    ObservedSpectrum,
    mask_bad_pixels,
    sort_by_wavelength,
)
from starlabels.spectra.table_columns import build_from_columns
from starlabels.spectra.wave_units import convert_to_angstrom

PACKING = 1200  # greatest factor by which gzip packs; other filters seldom reach it
SMALL = 1 << 24  # bytes that any dataset may declare
DEEPEST = 30  # groups within each other
MOST_ITEMS = 100_000


def read_hdf5_spectra(path, options):
    """Yield the spectra of an HDF5 file, a few megabytes at a time.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Yields
    ------
    ObservedSpectrum
        Each row of spectra/flux in a file of our schema; the one spectrum of another file whose
        datasets have the names of a wavelength and a flux.
    """
    with hdf5.open_hdf5(path, "copy it again") as h5:
        check_sizes(path, h5)
        if "spectra/wave" in h5 and "spectra/flux" in h5:
            yield from read_rows(path, h5, options)
        else:
            yield build_observed_spectrum(path, read_datasets(path, h5, options), options)


def check_sizes(path, h5):
    """UserError if a dataset declares more than the file can hold, or groups lie too deep."""
    size = path.stat().st_size
    pending = [(h5, 0)]
    n_items = 0
    while pending:
        group, depth = pending.pop()
        if depth > DEEPEST:
            raise UserError(f"{path} has groups more than {DEEPEST} deep: write it again")
        for name in group:
            n_items += 1
            if n_items > MOST_ITEMS:
                raise UserError(f"{path} has more than {MOST_ITEMS} datasets: write it again")
            item = group.get(name)
            if isinstance(item, h5py.Group):
                pending.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub":
                check_dataset(path, item, size)


def check_dataset(path, data, size):
    """UserError if a dataset declares more bytes than a file of `size` bytes can pack."""
    declared = data.size * data.dtype.itemsize
    if declared > PACKING * size + SMALL:
        name = data.name.lstrip("/")
        found = f"{name} {data.shape} would be {declared / 1e9:.3g} GB, the file is {size} bytes"
        raise UserError(f"{path}: {found}: most of it was never written, write it again")


def read_datasets(path, h5, options):
    """RawSpectra of a file with datasets (n,) of wavelength and flux at its root or in a group."""
    groups = [h5, *(item for item in h5.values() if isinstance(item, h5py.Group))]
    for group in groups:
        columns, units = {}, {}
        for name, item in group.items():
            if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
                continue
            if item.ndim == 1 or (item.ndim == 2 and 1 in item.shape):
                columns[name] = integrity.read_whole(item).ravel()
                attributes = read_attributes(item)
                unit = attributes.get("unit") or attributes.get("units")
                units[name] = str(unit) if unit else None
        header = {
            key.upper(): v for key, v in (read_attributes(h5) | read_attributes(group)).items()
        }
        if spectra := build_from_columns(path, columns, options, header, units):
            return spectra
    content = shorten(", ".join(h5) or "nothing", 60)
    expected = "expected spectra/wave and spectra/flux"
    hint = "see README, Bring your own spectra"
    raise UserError(f"{path} holds {content}; {expected}: {hint}")


def read_rows(path, h5, options):
    """Yield each row of spectra/flux in a file of our schema."""
    wave, flux, flux_err = open_hdf5_datasets(path, h5, options)
    n = len(flux)
    metadata, about = read_hdf5_metadata(path, h5, (wave, flux), options)
    about["error_kind"] = "" if flux_err is None else "sigma"
    in_order = bool((np.diff(wave) > 0).all())
    ids = read_star_ids(h5, n) or [""] * n
    stars = zip(name_rows(path, h5, n), ids, read_label_columns(h5, n))
    step = max(1, hdf5_spectra.CHUNK_BYTES // (flux.dtype.itemsize * len(wave)))
    for first in range(0, n, step):
        block = flux[first : first + step]  # (step, n_pix)
        errors = [None] * len(block)
        if flux_err is not None:
            errors = flux_err[first : first + step].astype("f8")
        for row, row_err, (name, star, table) in zip(block, errors, stars):
            pixels = clean_row(wave, row, row_err)
            stored = copy_stored_flux(row) if in_order else None
            observed = ObservedSpectrum(name, *pixels, *metadata, star, table, stored)
            yield observed._replace(**about)


def open_hdf5_datasets(path, h5, options):
    """(wave (n_pix,) in Angstrom, flux dataset (n, n_pix), its error dataset or None).

    UserError if their shapes or types do not fit.
    """
    names = [name for name in ("wave", "flux", "flux_err") if f"spectra/{name}" in h5]
    data = [hdf5.get_dataset(h5, f"spectra/{name}") for name in names]
    wave, flux, flux_err = (data + [None])[:3]
    fits_wave = flux.ndim == 2 and flux.shape[1:] == wave.shape[-1:]
    fits_flux = flux_err is None or flux_err.shape == flux.shape
    numeric = all(item.dtype.kind in "fiu" for item in data)
    if wave.ndim != 1 or not fits_wave or not fits_flux or not numeric:
        found = ", ".join(f"{item.name.lstrip('/')} {item.dtype} {item.shape}" for item in data)
        expected = "expected numbers (n_pix,), then (n, n_pix)"
        raise UserError(f"{path} has {found}; {expected}: write it again")
    if len(flux) == 0:
        raise UserError(f"{path} holds no spectra: take another file")
    unit = read_attributes(wave).get("unit")
    unit = unit and str(unit)
    values = integrity.read_whole(wave)
    return convert_to_angstrom(path, values, unit, None, options.wave_unit), flux, flux_err


def read_hdf5_metadata(path, h5, spectra, options):
    """(medium, resolving power or None, at rest, normalised) of all spectra in our schema, and

    {"medium_source", "notes"} of the medium. spectra: wavelengths (n_pix,) and dataset of flux.
    """
    attributes = {}
    for name in ("spectra/flux", "spectra/wave", "spectra"):
        attributes |= read_attributes(h5[name])
    rest, normalised = attributes.get("frame") == "rest", attributes.get("continuum") == 1
    stated = attributes.get("medium")
    notes = ()
    if options.medium:
        medium, source = options.medium, "option"
    elif stated:
        medium, source = str(stated).lower(), "header"
    elif normalised:
        medium, source = assume_medium(spectra[0]), "assumed"  # as the stages do in training
    else:
        medium, source, note = find_medium(read_first_row(*spectra), rest)
        notes = (note,) if note else ()
    if medium not in ("air", "vacuum"):
        found = f"in medium {medium!r}; expected air or vacuum"
        raise UserError(f"{path} is {found}: give --air or --vacuum")
    power = options.resolving_power or attributes.get("resolving_power")
    power = float(power) if isinstance(power, (int, float)) and 0 < power < np.inf else None
    about = {"medium_source": source, "notes": notes}
    return (medium, power, rest, normalised), about


def read_first_row(wave, flux):
    """Piece of the first spectrum of a dataset (n, n_pix)."""
    return Piece(*clean_row(wave, flux[0], None))


def read_attributes(item):
    """{name: number or text} of the attributes of a group or dataset."""
    values = {name: integrity.read_attribute(item, name) for name in item.attrs}
    return {name: value for name, value in values.items() if value is not None}


def name_rows(path, h5, n):
    """Names [n]: file and star_id, with the row if stars repeat, or `file row 17` without ids."""
    if n == 1:
        return [path.name]
    ids = read_star_ids(h5, n)
    if not ids:
        return [f"{path.name} row {i}" for i in range(n)]
    if len(set(ids)) < n:
        return [f"{path.name} {star} row {i}" for i, star in enumerate(ids)]
    return [f"{path.name} {star}" for star in ids]


def read_star_ids(h5, n):
    """Identifiers [n] of the stars; [] if the file has none or not as many."""
    if "star_id" not in h5:
        return []
    texts = hdf5.read_text(hdf5.get_dataset(h5, "star_id"))
    ids = [star.decode("utf-8", "replace") for star in texts]
    return ids if len(ids) == n else []


def read_label_columns(h5, n):
    """{column: value} [n] of each row: the labels of a file of our schema, {} if it has none.

    Numbers such as -9999 that stand for a missing value become NaN.
    """
    data = h5.get("labels/value")
    names = integrity.read_text_attribute(data, "names") if data is not None else []
    if not names or data.shape != (n, len(names)):
        return [{}] * n
    values = integrity.read_whole(data).astype(float)
    columns = [
        sentinels.blank_sentinels(column, f"{h5.filename}: {name}")
        for name, column in zip(names, values.T)
    ]
    return (dict(zip(names, map(float, row))) for row in zip(*columns))


def clean_row(wave, flux, flux_err):
    """(wave, flux, flux_err) of a row, masked and ascending; NaN if most fluxes are ABSURD."""
    if (np.abs(flux) > ABSURD).mean() > 0.5:
        flux = np.full(len(flux), np.nan)
    return sort_by_wavelength(wave, *mask_bad_pixels(flux, flux_err))


def copy_stored_flux(flux):
    """Copy of the flux (n,) of a row with ascending wavelengths, unmasked; NaN beyond ABSURD."""
    return np.where(np.abs(flux) < ABSURD, flux, np.nan)
