"""Spectra in FITS images: in one row, in named rows, or in a row for each order."""

import re

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.column_names import find_name_medium, recognise_content
from starlabels.spectra.error_kinds import read_errors
from starlabels.spectra.fits_extensions import (
    ROW_NAMES,
    find_error_extension,
    find_error_row,
    find_mask_extension,
    find_wave_extension,
    name_row,
    split_rows,
)
from starlabels.spectra.headers import read_keyword, read_metadata
from starlabels.spectra.image_wavelengths import (
    NO_WAVELENGTH,
    Scale,
    compute_multispec,
    compute_wavelengths,
    find_spectral_axis,
    move_axis_first,
)
from starlabels.spectra.spectrum import RawSpectrum

MOST_ROWS = 10  # an image of more is no spectrum with its errors and masks
MOST_ORDERS = 300
MOST_PIXELS = 20_000_000
MOST_COLUMNS = 5  # of an image (n, columns) that is a table
LEAST_PIXELS = 50
RAVE_NAME = r"RAVE_\d{8}_\w+\.fits?"  # file names of data release 6
RAVE_POWER = 7_500.0  # Steinmetz et al. 2006


def read_image(path, images, image, metadata, options):
    """Read the spectra of an image: one, or one of each order.

    Parameters
    ----------
    path : Path
    images : list of Extension
        All images of the file.
    image : Extension
    metadata : mapping
        Header of the image and the primary header.
    options : ReadOptions

    Returns
    -------
    list of RawSpectrum
        Empty if the image is no spectrum.

    Raises
    ------
    UserError
        If it is a spectrum that cannot be read.
    """
    axis = find_spectral_axis(image.header, image.data.ndim)
    header = move_axis_first(image.header, axis)
    data = np.moveaxis(image.data, image.data.ndim - axis, -1)
    if re.match(NO_WAVELENGTH, read_keyword(header, "CTYPE1")):
        return []
    if read_keyword(header, "CTYPE1").startswith("MULTISPE"):
        return read_multispec(path, image, metadata, options)
    rows = split_rows(data)  # (n_rows, n)
    if rows is None:
        return []
    if rows.shape[1] > MOST_PIXELS:
        found = f"holds an image of {rows.shape[1]} pixels in a row"
        raise UserError(f"{path} {found}, more than any spectrum: cut it to your window")
    fields = read_metadata(metadata)
    if fields["resolving_power"] is None and re.match(RAVE_NAME, path.name):
        fields["resolving_power"] = RAVE_POWER
    waves = find_wave_extension(images, image)
    if waves is not None:
        return read_orders(path, images, image, waves, fields, options)
    has_scale = "CRVAL1" in header or "COEFF0" in header
    scale = compute_wavelengths(path, header if has_scale else metadata, rows.shape[1])
    if scale is None or (not has_scale and scale.log is None and counts_pixels(scale)):
        return read_columns_of_image(path, image, metadata, options)
    if len(rows) > MOST_ROWS:
        return []
    scale, found = read_named_rows(path, images, image, (header, rows, scale), metadata, options)
    return [assemble(images, image, scale, rows[0], found, fields, metadata)]


def read_named_rows(path, images, image, content, metadata, options):
    """(Scale, errors of `read_errors` or None) of the rows of an image, the flux first.

    content: header of the axis, rows (n_rows, n) and Scale. UserError if nothing names the rows.
    """
    header, rows, scale = content
    if read_keyword(metadata, "TELESCOP") == "LAMOST" and len(rows) >= 3:
        # data releases 1-7: flux, inverse variance, wavelength, masks
        return Scale(rows[2]), read_errors("ivar", rows[1], rows[0])
    if "COEFF0" in header and len(rows) >= 3:
        # SDSS spSpec: flux, flux without continuum, error, mask
        return scale, read_errors("error", rows[2], rows[0])
    found = find_error_row(header, rows, options)
    found = found or find_error_extension(images, image, rows[0], options)
    has_names = any(f"{key}1" in header for key in ROW_NAMES)
    if len(rows) > 1 and found is None and not has_names:
        text = f"an image of {len(rows)} rows and does not say what they are"
        raise UserError(f"{path} is {text}: give one spectrum per file")
    return scale, found


def assemble(images, image, scale, flux, found, fields, metadata):
    """RawSpectrum of a Scale, flux (n,), (errors, kind, remarks) or None, and metadata."""
    flux = np.array(flux, "f8")
    flux_err, kind, notes = found or (None, "", [])
    bad, mask_notes = find_mask_extension(images, image, flux, metadata)
    if bad is not None:
        flux[bad] = np.nan
    notes = (*scale.notes, *notes, *mask_notes)
    raw = RawSpectrum(scale.values, flux, flux_err, scale.unit, scale.log, **fields)
    return raw._replace(error_kind=kind, notes=notes, name=image.name)


def counts_pixels(scale):
    """True if a Scale runs through the numbers of pixels."""
    return bool(abs(scale.values[0]) < 2 and abs(scale.values[1] - scale.values[0]) == 1)


def read_multispec(path, image, metadata, options):
    """RawSpectra of the orders of an IRAF multispec image (n,), (orders, n), (bands, orders, n)."""
    bands = image.data.reshape((-1, *np.atleast_2d(image.data).shape[-2:]))
    scales = compute_multispec(path, image.header, bands.shape[1], bands.shape[2])
    fields = read_metadata(metadata)
    spectra = []
    for order, scale in enumerate(scales):
        rows = bands[:, order]
        found = find_error_row(image.header, rows, options)
        name = f"order {order + 1}" if len(scales) > 1 else ""
        raw = assemble([], image, scale, rows[0], found, fields, metadata)
        spectra.append(raw._replace(name=name))
    return spectra


def read_orders(path, images, image, waves, fields, options):
    """RawSpectra of the rows of an image with wavelengths of its shape, or (n,) for all rows."""
    wave_image, values = waves
    flux = np.atleast_2d(split_rows(image.data))
    n_rows = len(flux)
    values = np.atleast_2d(values)
    if n_rows > 1 and (len(values) == 1 or not are_orders(values)):
        found = f"{n_rows} spectra of the same wavelengths in the rows of an image"
        raise UserError(f"{path} holds {found}: write each to a file, or all as HDF5")
    if n_rows > MOST_ORDERS:
        return []
    stated = find_name_medium(wave_image.name)
    if stated:
        fields = fields | {"medium": stated, "medium_source": "extension name"}
    unit = wave_image.header.get("BUNIT")
    log = re.search(r"log|ln", wave_image.name.lower())
    log = None if not log else "log10" if log[0] == "log" else "ln"
    found = find_error_extension(images, image, flux, options)
    bad, notes = find_mask_extension(images, image, flux, fields)
    spectra = []
    for i in range(n_rows):
        row = np.array(flux[i], "f8")
        if bad is not None:
            row[bad.reshape(flux.shape)[i]] = np.nan
        wave = np.array(values[i], "f8")
        if np.isfinite(row).sum() < 2 or not (np.nan_to_num(wave) > 0).any():
            continue
        flux_err, kind, error_notes = (None, "", []) if found is None else found
        flux_err = None if flux_err is None else flux_err.reshape(flux.shape)[i]
        name = f"order {i + 1}" if n_rows > 1 else image.name
        raw = RawSpectrum(wave, row, flux_err, unit, log, **fields)
        raw = raw._replace(error_kind=kind, notes=(*error_notes, *notes), name=name)
        spectra.append(raw)
    return spectra


def are_orders(waves):
    """True if rows (n_rows, n) of wavelengths differ like orders: most overlap by less than 60%."""
    with np.errstate(invalid="ignore"):
        waves = np.where(waves > 0, waves, np.nan)
    waves = waves[np.isfinite(waves).any(axis=1)]
    low, high = np.nanmin(waves, axis=1), np.nanmax(waves, axis=1)
    order = np.argsort(low)
    shared = np.minimum(high[order][:-1], high[order][1:]) - low[order][1:]
    return len(low) < 2 or bool(np.median(shared / (high - low)[order][1:]) < 0.6)


def read_columns_of_image(path, image, metadata, options):
    """RawSpectrum of an image whose rows or columns are wavelength, flux and perhaps error."""
    data = image.data
    if data.ndim != 2 or recognise_content(image.name).quantity in ("error", "mask", "wave"):
        return []
    rows = data if len(data) <= MOST_COLUMNS else data.T
    if not 2 <= len(rows) <= MOST_COLUMNS or rows.shape[1] < LEAST_PIXELS:
        return []
    rows = np.array(rows, "f8")
    names = [name_row(image.header, i) for i in range(len(rows))]
    kinds = [recognise_content(name) for name in names]
    wave = next((i for i, kind in enumerate(kinds) if kind.quantity == "wave"), 0)
    usual = 1 if wave == 0 else 0
    flux = next((i for i, kind in enumerate(kinds) if kind.quantity == "flux"), usual)
    step = np.diff(rows[wave][np.isfinite(rows[wave])])
    if wave == flux or not ((step > 0).all() or (step < 0).all()):
        return []
    error = next((i for i, kind in enumerate(kinds) if kind.quantity == "error"), None)
    if error is None and len(rows) >= 3 and not any(names):
        error = 2
    fields = read_metadata(metadata)
    stated = find_name_medium(names[wave])
    if stated:
        fields |= {"medium": stated, "medium_source": "header"}
    order = "wavelength and flux" if error is None else "wavelength, flux and error"
    notes = [] if any(names) else [f"its rows were taken for {order}"]
    raw = RawSpectrum(rows[wave], rows[flux], None, image.header.get("CUNIT1"), **fields)
    if error is not None:
        name = names[error] or f"row {error + 1}"
        found = read_errors(name, rows[error], rows[flux], options.error_kind)
        raw = raw._replace(flux_err=found[0], error_kind=found[1])
        notes += found[2]
    return [raw._replace(notes=tuple(notes))]
