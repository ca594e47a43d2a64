"""Extensions of a FITS file that belong together: flux, errors, masks and wavelengths."""

from typing import NamedTuple

import numpy as np

from starlabels.spectra.column_names import Content, recognise_content
from starlabels.spectra.error_kinds import PREFERRED, find_kind_by_utype, read_errors
from starlabels.spectra.headers import read_keyword
from starlabels.spectra.masks import find_bad_pixels

ROW_NAMES = ("BANDID", "ARRAY", "ROW")  # with the number of a row: keywords that name its content


class Extension(NamedTuple):
    """An extension of a FITS file, and what it holds by its name."""

    index: int
    name: str
    header: dict
    data: np.ndarray
    content: Content


def list_images(hdus):
    """Extensions with an image of numbers among (header, data) pairs."""
    images = []
    for i, (header, data) in enumerate(hdus):
        if data is None or getattr(data, "names", None) or data.dtype.kind not in "fiub":
            continue
        if data.size < 2 or not 1 <= data.ndim <= 4:
            continue
        name = read_keyword(header, "EXTNAME")
        content = recognise_content(name)
        if find_kind_by_utype(header.get("UTYPE", "")):
            content = content._replace(quantity="error", base="")
        images.append(Extension(i, name, header, data, content))
    return images


def split_rows(data):
    """Rows (n_rows, n), flux first, of an image (n,), (n_rows, n) or (n_bands, 1, n); else None."""
    if data is None or data.dtype.names or data.size == 0:
        return None
    if data.ndim >= 3 and any(n != 1 for n in data.shape[1:-1]):
        return None
    return data.reshape(-1, data.shape[-1])


def name_row(header, i):
    """Name of row i of an image by BANDID, ARRAY or ROW; "" if none names it."""
    names = (read_keyword(header, f"{key}{i + 1}") for key in ROW_NAMES)
    return next(filter(None, names), "")


def find_error_row(header, rows, options):
    """(standard errors (n,), kind, remarks) of a row that a keyword names so; else None."""
    for i in range(1, len(rows)):
        name = name_row(header, i).split(" ")[0].strip(":,-")
        if recognise_content(name).quantity == "error":
            return read_errors(name.lower(), rows[i], rows[0], options.error_kind)
    return None


def find_companions(images, image, quantity, shape):
    """Extensions of a quantity that belong to an image: of its base, or next after it."""
    fluxes = [k.index for k in images if k.content.quantity in ("flux", "")]
    matches = []
    for other in images:
        if other.content.quantity != quantity or drop_ones(other) != shape:
            continue
        base = other.content.base
        if base.isdigit() and not image.content.base:
            base = ""
        same = base == image.content.base
        alone = not any(image.index < index < other.index for index in fluxes)
        if base and same or not base and alone:
            matches.append((not same, abs(other.index - image.index), other))
    return [match[-1] for match in sorted(matches, key=lambda match: match[:2])]


def drop_ones(image):
    """Shape of the data of an Extension without axes of one pixel."""
    return tuple(n for n in image.data.shape if n != 1)


def find_error_extension(images, image, flux, options):
    """(standard errors like flux, kind, remarks) of the extension with the errors; or None."""
    found = find_companions(images, image, "error", drop_ones(image))
    if not found:
        return None
    rank = list(PREFERRED)
    kinds = [find_kind_by_utype(k.header.get("UTYPE", "")) or k.content.form for k in found]
    places = [rank.index(kind) if kind in rank else len(rank) for kind in kinds]
    error = found[places.index(min(places))]
    if error.data.size == np.size(flux):
        values = error.data.reshape(np.shape(flux))
    else:  # of an image of several rows, the first of which is the flux
        values = split_rows(error.data.reshape(image.data.shape))[0]
    utype = str(error.header.get("UTYPE", ""))
    return read_errors(error.name.lower(), values, flux, options.error_kind, utype)


def find_mask_extension(images, image, flux, header):
    """(bad pixels like flux or None, remarks) of the extension with the mask of an image."""
    for mask in find_companions(images, image, "mask", drop_ones(image)):
        if mask.data.dtype.kind == "f" and not np.isfinite(mask.data).all():
            continue
        bad, notes = find_bad_pixels(mask.name, mask.data.ravel(), header)
        return bad.reshape(np.shape(flux)) if bad.size == np.size(flux) else None, notes
    return None, []


def find_wave_extension(images, image):
    """(extension, wavelengths of the shape of an image or (n,)) of its wavelengths; or None."""
    n = image.data.shape[-1]
    found = find_companions(images, image, "wave", drop_ones(image))
    found = found or find_companions(images, image, "wave", (n,))
    for wave in found:
        if wave.index != image.index:
            shape = image.data.shape if wave.data.size == image.data.size else (n,)
            values = np.array(wave.data, "f8").reshape(shape)
            return wave, values.reshape(-1, n) if values.ndim > 1 else values
    return None
