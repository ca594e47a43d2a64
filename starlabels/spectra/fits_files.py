"""Spectra of a FITS file: those of all its extensions that belong to one star."""

import re
from collections import ChainMap
from textwrap import shorten

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.apogee_files import read_apogee
from starlabels.spectra.fits_extensions import list_images
from starlabels.spectra.fits_images import read_image
from starlabels.spectra.fits_tables import read_fits_table
from starlabels.spectra.headers import read_keyword
from starlabels.spectra.table_columns import list_named_columns

COADDED = r"CO_?ADD|COMBINED|MERGED|STACK"  # in the name of an extension
LEAST_PIXELS = 50
SLIT_OBJECT = r"SPAT\d+|OBJ\d+"  # PypeIt: several stars in one slit


def read_fits_spectra(path, hdus, options):
    """Read the spectra in a FITS file.

    Parameters
    ----------
    path : Path
    hdus : list of ({keyword: value}, data)
    options : ReadOptions

    Returns
    -------
    list of RawSpectrum
        Arms, orders or exposures of one star. A coadded spectrum replaces its exposures.

    Raises
    ------
    UserError
        If the file has no spectrum, or those of several stars.
    """
    if raw := read_apogee(hdus):
        return [raw]
    images = {image.index: image for image in list_images(hdus)}
    spectra = []
    for i, (header, data) in enumerate(hdus):
        metadata = ChainMap(header, hdus[0][0])
        if getattr(data, "names", None):
            found = read_fits_table(path, header, data, metadata, options)
            found = [raw._replace(name=name_spectrum(raw, header, i)) for raw in found]
        elif i in images and images[i].content.quantity in ("flux", ""):
            found = read_image(path, list(images.values()), images[i], metadata, options)
        else:
            continue
        spectra += add_new_spectra(path, spectra, found, header)
    long = [raw for raw in spectra if len(raw.wave) >= LEAST_PIXELS]
    if not spectra:
        raise_missing(path, hdus, options)
    return choose_coadded(long or spectra)


def name_spectrum(raw, header, index):
    """Name of a spectrum of a table: its extension, and its order or arm."""
    name = read_keyword(header, "EXTNAME") or f"extension {index}"
    return f"{name} {raw.name}".strip()


def choose_coadded(spectra):
    """The coadded spectra if there are any, else all."""
    coadded = [raw for raw in spectra if re.search(COADDED, raw.name.upper())]
    return coadded or spectra


def add_new_spectra(path, spectra, found, header):
    """The spectra of an extension that are no other versions of those found before it.

    Of extensions without a name only one on the same wavelengths is read: the others may be errors.
    UserError if the file is of several stars.
    """
    new = []
    for raw in found:
        twins = [i for i, other in enumerate(spectra) if is_same_scale(raw, other)]
        if not twins:
            new.append(raw)
            continue
        twin = spectra[twins[0]]
        check_one_star(path, raw, twin)
        if raw.name and twin.name:
            new.append(raw._replace(notes=(*raw.notes, f"{raw.name} was taken for an exposure")))
        else:
            note = "a further extension on the same wavelengths was not read, for it has no name"
            spectra[twins[0]] = twin._replace(notes=(*twin.notes, note))
    return new


def check_one_star(path, raw, twin):
    """UserError if two spectra on the same wavelengths are of two objects in a slit."""
    names = [other.name.upper() for other in (raw, twin)]
    if names[0] != names[1] and all(re.search(SLIT_OBJECT, name) for name in names):
        found = f"the spectra of several objects, {shorten(', '.join(names[::-1]), 60)}"
        raise UserError(f"{path} holds {found}: write that of your star to a file of its own")


def is_same_scale(raw, other):
    """True if two RawSpectra have equal wavelengths within a hundredth of a pixel, and units."""
    if len(raw.wave) != len(other.wave) or raw.log != other.log:
        return False
    step = np.nanmedian(np.abs(np.diff(other.wave)))
    return bool(np.nanmax(np.abs(raw.wave - other.wave)) < 0.01 * step)


def raise_missing(path, hdus, options):
    """Raise the UserError of a file without a spectrum: what it is and what to do."""
    datas = [data for _, data in hdus if data is not None]
    content = "; ".join(dict.fromkeys(describe_data(data) for data in datas)) or "no data"
    named = list_named_columns(options)
    missing = " ".join(["no columns", *named]) if named else "no spectrum"
    tables = any(getattr(data, "names", None) for data in datas)
    hint = "take a file of one spectrum"
    if tables:
        hint = "name columns with --wave-column and --flux-column"
    elif any(data.ndim > 1 and data.size for data in datas):
        hint = "extract one spectrum from it"
    elif datas:
        hint = "give it wavelengths: CRVAL1 and CDELT1, or an extension WAVE"
    raise UserError(f"{path} holds {missing} but {shorten(content, 150)}: {hint}")


def describe_data(data):
    """`a table of 192 rows (hip, hd, ...)` or `an image 500 x 500`."""
    names = getattr(data, "names", None)
    if names:
        return f"a table of {len(data)} rows ({shorten(', '.join(names), 60)})"
    return f"an image {' x '.join(map(str, data.shape))}"
