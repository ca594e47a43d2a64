"""Read observed spectra, whatever their files: FITS images and tables, APOGEE and SDSS products, text, and our HDF5."""

import warnings
from collections import ChainMap
from pathlib import Path
from textwrap import shorten

import numpy as np

from starlabels.base import hdf5, integrity
from starlabels.base.errors import UserError
from starlabels.base.fits import read_bytes, decode_text, read_fits
from starlabels.base.hdf5 import assumed_medium
from starlabels.spectra import table_columns as tables
from starlabels.spectra import fits_images
from starlabels.spectra.spectrum import ABSURD, ObservedSpectrum, convert_to_angstrom, sort_by_wavelength, build_observed_spectrum, mask_bad_pixels


def read_spectra(path, options):
    """Yield each Observed of a file, known by its content; UserError, one line, if the file cannot be used.

    Files of one spectrum are checked; the rows of HDF5 come as they are, so that a bad one stops no other: check() them."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a directory: name the files in it")
    if not path.is_file():
        raise UserError(f"{path} not found: mend the name of the file")
    start = read_bytes(path, 4096)
    if not start:
        raise UserError(f"{path} is empty: copy it anew")
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        try:
            yield from read_hdf5_spectra(path, options)
        except (OSError, RuntimeError) as error:  # h5py's, of data that cannot be unpacked
            if getattr(error, "errno", None):
                raise
            raise UserError(
                f"{path} is a damaged HDF5 file, {shorten(str(error), 80)}: copy it anew"
            ) from None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, on headers that bend the standard
        if start.startswith(b"SIMPLE  ="):
            found = read_fits(path, read_fits(path), options)
        elif b"\0" in start:
            raise UserError(
                f"{path} is neither FITS, HDF5 nor text: it begins with {start[:8]!r}: name another file"
            )
        else:
            found = tables.read_text_table(path, decode_text(read_bytes(path)), options)
        observed = build_observed_spectrum(path, found, options)
    yield observed


def read_fits(path, hdus, options):
    """The Found of the first spectrum in a list of (header, data); UserError if there is none."""
    found = fits_images.read_apogee(hdus)
    for i, (header, data) in enumerate(hdus):
        about = ChainMap(header, hdus[0][0])
        if found is None and getattr(data, "names", None):
            found = tables.read_fits_table(path, header, data, about, options)
        elif found is None:
            found = fits_images.read_image(path, hdus, i, about)
    if found is None:
        there = "; ".join(describe_data(data) for _, data in hdus if data is not None) or "no data"
        what = (
            " ".join(["no columns", *tables.list_named_columns(options)])
            if tables.list_named_columns(options)
            else "no spectrum"
        )
        raise UserError(
            f"{path} holds {what} but {shorten(there, 150)}: name columns with --wave-column and --flux-column"
        )
    return found


def describe_data(data):
    """`a table of 192 rows (hip, hd, ...)` or `an image 500 x 500`."""
    names = getattr(data, "names", None)
    if names:
        return f"a table of {len(data)} rows ({shorten(', '.join(names), 60)})"
    return f"an image {' x '.join(map(str, data.shape))}"


def read_hdf5_spectra(path, options):
    """Yield each row of spectra/flux in a file of our schema, a few megabytes in memory at a time."""
    with hdf5.open_hdf5(path, "copy it anew") as h5:
        if "spectra/wave" not in h5 or "spectra/flux" not in h5:
            there = shorten(", ".join(h5) or "nothing", 60)
            raise UserError(
                f"{path} holds {there}; expected spectra/wave and spectra/flux: see README, Bring your own spectra"
            )
        wave, flux, error = open_hdf5_datasets(path, h5, options)
        known = read_hdf5_metadata(path, h5, wave, options)
        n, in_order = len(flux), bool((np.diff(wave) > 0).all())
        names = list(zip(name_rows(path, h5, n), read_star_ids(h5, n) or [""] * n, read_label_columns(h5, n)))
        step = max(1, hdf5.CHUNK_BYTES // (flux.dtype.itemsize * len(wave)))
        for first in range(0, len(flux), step):
            block = flux[first : first + step]  # (step, n_pix)
            errors = (
                [None] * len(block) if error is None else error[first : first + step].astype("f8")
            )
            for (name, star, table), row, sigma in zip(names[first : first + step], block, errors):
                yield ObservedSpectrum(
                    name,
                    *clean_row(wave, row, sigma),
                    *known,
                    star,
                    table,
                    copy_stored_flux(row) if in_order else None,
                )


def open_hdf5_datasets(path, h5, options):
    """(wave (n_pix,) Angstrom, flux dataset (n, n_pix), error dataset or None); UserError if they do not fit each other."""
    data = [
        hdf5.dataset(h5, f"spectra/{name}")
        for name in ("wave", "flux", "flux_err")
        if f"spectra/{name}" in h5
    ]
    wave, flux, error = (data + [None])[:3]
    n_pix = wave.shape[-1:]
    fits_flux = (
        flux.ndim == 2 and flux.shape[1:] == n_pix and (error is None or error.shape == flux.shape)
    )
    if wave.ndim != 1 or not fits_flux or any(item.dtype.kind not in "fiu" for item in data):
        found = ", ".join(f"{item.name.lstrip('/')} {item.dtype} {item.shape}" for item in data)
        raise UserError(
            f"{path} has {found}; expected numbers (n_pix,), then (n, n_pix): write it anew"
        )
    if len(flux) == 0:
        raise UserError(f"{path} holds no spectra: take another file")
    unit = read_attributes(wave).get("unit")
    return (
        convert_to_angstrom(path, integrity.read_whole(wave), unit and str(unit), None, options.wave_unit),
        flux,
        error,
    )


def read_hdf5_metadata(path, h5, wave, options):
    """(medium, resolving power or None, at rest, normalised) of all spectra in a file of our schema."""
    about = (
        read_attributes(h5["spectra/flux"]) | read_attributes(h5["spectra/wave"]) | read_attributes(h5["spectra"])
    )
    medium = options.medium or str(about.get("medium") or assumed_medium(wave)).lower()
    if medium not in ("air", "vacuum"):
        raise UserError(
            f"{path} is in medium {medium!r}; expected air or vacuum: give --air or --vacuum"
        )
    power = options.resolving_power or about.get("resolving_power")
    power = float(power) if isinstance(power, (int, float)) and 0 < power < np.inf else None
    return medium, power, about.get("frame") == "rest", about.get("continuum") == 1


def read_attributes(item):
    """{name: number or text} of the attributes of a group or dataset."""
    found = {name: integrity.read_attribute(item, name) for name in item.attrs}
    return {name: value for name, value in found.items() if value is not None}


def name_rows(path, h5, n):
    """The name of each of n spectra: the file and star_id, with the row where stars repeat, or `file row 17`."""
    if n == 1:
        return [path.name]
    ids = read_star_ids(h5, n)
    if not ids:
        return [f"{path.name} row {i}" for i in range(n)]
    repeat = len(set(ids)) < n
    return [
        f"{path.name} {star} row {i}" if repeat else f"{path.name} {star}"
        for i, star in enumerate(ids)
    ]


def read_star_ids(h5, n):
    """The ids [n] of the stars; [] if the file has none, or not as many."""
    ids = (
        [star.decode("utf-8", "replace") for star in hdf5.read_text(hdf5.dataset(h5, "star_id"))]
        if "star_id" in h5
        else []
    )
    return ids if len(ids) == n else []


def read_label_columns(h5, n):
    """The {column: value} [n] of each row of a file of our schema: its labels, as k_mag, where it has any."""
    data = h5.get("labels/value")
    names = integrity.read_text_attribute(data, "names") if data is not None else []
    if not names or data.shape != (n, len(names)):
        return [{}] * n
    return (dict(zip(names, map(float, row))) for row in integrity.read_whole(data))


def clean_row(wave, flux, error):
    """(wave, flux, error) of a row of HDF5, masked and ascending; all NaN if most of its fluxes are beyond ABSURD."""
    absurd = (np.abs(flux) > ABSURD).mean() > 0.5
    return sort_by_wavelength(wave, *mask_bad_pixels(np.full(len(flux), np.nan) if absurd else flux, error))


def copy_stored_flux(flux):
    """Flux (n,) of a row of HDF5, in order of wavelength, as it is, NaN beyond ABSURD."""
    return np.where(np.abs(flux) < ABSURD, flux, np.nan)
