"""Readers of observed spectra: FITS images and tables, APOGEE and SDSS products, text, our HDF5."""

import warnings
from collections import ChainMap
from pathlib import Path
from textwrap import shorten

import numpy as np

from starlabels.base import fits, hdf5, hdf5_spectra, integrity
from starlabels.base.errors import UserError
from starlabels.base.hdf5_spectra import assume_medium
from starlabels.spectra.fits_images import read_apogee, read_image
from starlabels.spectra.spectrum import (
    ABSURD,
    ObservedSpectrum,
    build_observed_spectrum,
    convert_to_angstrom,
    mask_bad_pixels,
    sort_by_wavelength,
)
from starlabels.spectra.table_columns import list_named_columns, read_fits_table
from starlabels.spectra.text_tables import read_text_table


def read_spectra(path, options):
    """Yield the spectra of a file, whose format is recognised by its content.

    Parameters
    ----------
    path : str or Path
        FITS, HDF5 or text file; FITS and text may be packed by gzip.
    options : ReadOptions
        Options of the command line that override the file.

    Yields
    ------
    ObservedSpectrum
        Files of one spectrum are checked. Rows of HDF5 are not, so that a bad one does not stop
        the others: call `check_spectrum` on each.

    Raises
    ------
    UserError
        If the file cannot be used, in one line.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a directory: name the files in it")
    if not path.is_file():
        raise UserError(f"{path} not found: check the file name")
    start = fits.read_bytes(path, 4096)
    if not start:
        raise UserError(f"{path} is empty: copy it again")
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        try:
            yield from read_hdf5_spectra(path, options)
        except (OSError, RuntimeError) as error:  # h5py's, of data that cannot be unpacked
            if getattr(error, "errno", None):
                raise
            reason = shorten(str(error), 80)
            raise UserError(f"{path} is a damaged HDF5 file, {reason}: copy it again") from None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, on headers that bend the standard
        if start.startswith(b"SIMPLE  ="):
            raw = read_fits_spectrum(path, fits.read_fits(path), options)
        elif b"\0" in start:
            found = f"neither FITS, HDF5 nor text: it begins with {start[:8]!r}"
            raise UserError(f"{path} is {found}: name another file")
        else:
            raw = read_text_table(path, fits.decode_text(fits.read_bytes(path)), options)
        observed = build_observed_spectrum(path, raw, options)
    yield observed


def read_fits_spectrum(path, hdus, options):
    """RawSpectrum of the first spectrum among (header, data) pairs; UserError if there is none."""
    if raw := read_apogee(hdus):
        return raw
    for i, (header, data) in enumerate(hdus):
        metadata = ChainMap(header, hdus[0][0])
        if getattr(data, "names", None):
            raw = read_fits_table(path, header, data, metadata, options)
        else:
            raw = read_image(path, hdus, i, metadata)
        if raw is not None:
            return raw
    content = "; ".join(describe_data(data) for _, data in hdus if data is not None) or "no data"
    named = list_named_columns(options)
    missing = " ".join(["no columns", *named]) if named else "no spectrum"
    found = f"{missing} but {shorten(content, 150)}"
    raise UserError(f"{path} holds {found}: name columns with --wave-column and --flux-column")


def describe_data(data):
    """`a table of 192 rows (hip, hd, ...)` or `an image 500 x 500`."""
    names = getattr(data, "names", None)
    if names:
        return f"a table of {len(data)} rows ({shorten(', '.join(names), 60)})"
    return f"an image {' x '.join(map(str, data.shape))}"


def read_hdf5_spectra(path, options):
    """Yield each row of spectra/flux in a file of our schema, a few megabytes at a time."""
    with hdf5.open_hdf5(path, "copy it again") as h5:
        if "spectra/wave" not in h5 or "spectra/flux" not in h5:
            content = shorten(", ".join(h5) or "nothing", 60)
            expected = "expected spectra/wave and spectra/flux"
            hint = "see README, Bring your own spectra"
            raise UserError(f"{path} holds {content}; {expected}: {hint}")
        wave, flux, flux_err = open_hdf5_datasets(path, h5, options)
        metadata = read_hdf5_metadata(path, h5, wave, options)
        n = len(flux)
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
                yield ObservedSpectrum(name, *pixels, *metadata, star, table, stored)


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


def read_hdf5_metadata(path, h5, wave, options):
    """(medium, resolving power or None, at rest, normalised) of all spectra in our schema."""
    attributes = {}
    for name in ("spectra/flux", "spectra/wave", "spectra"):
        attributes |= read_attributes(h5[name])
    medium = options.medium or str(attributes.get("medium") or assume_medium(wave)).lower()
    if medium not in ("air", "vacuum"):
        found = f"in medium {medium!r}; expected air or vacuum"
        raise UserError(f"{path} is {found}: give --air or --vacuum")
    power = options.resolving_power or attributes.get("resolving_power")
    power = float(power) if isinstance(power, (int, float)) and 0 < power < np.inf else None
    rest = attributes.get("frame") == "rest"
    return medium, power, rest, attributes.get("continuum") == 1


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
    """{column: value} [n] of each row: the labels of a file of our schema, {} if it has none."""
    data = h5.get("labels/value")
    names = integrity.read_text_attribute(data, "names") if data is not None else []
    if not names or data.shape != (n, len(names)):
        return [{}] * n
    return (dict(zip(names, map(float, row))) for row in integrity.read_whole(data))


def clean_row(wave, flux, flux_err):
    """(wave, flux, flux_err) of a row, masked and ascending; NaN if most fluxes are ABSURD."""
    if (np.abs(flux) > ABSURD).mean() > 0.5:
        flux = np.full(len(flux), np.nan)
    return sort_by_wavelength(wave, *mask_bad_pixels(flux, flux_err))


def copy_stored_flux(flux):
    """Copy of the flux (n,) of a row with ascending wavelengths, unmasked; NaN beyond ABSURD."""
    return np.where(np.abs(flux) < ABSURD, flux, np.nan)
