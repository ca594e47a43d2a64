"""Spectra in FITS tables: a row per pixel, one row of arrays, or a row of arrays per order."""

import re
from textwrap import shorten

import numpy as np

from starlabels.base.errors import UserError
from starlabels.spectra.column_names import recognise_content
from starlabels.spectra.fits_images import MOST_ORDERS, are_orders
from starlabels.spectra.headers import read_keyword
from starlabels.spectra.image_wavelengths import compute_linear_scale
from starlabels.spectra.table_columns import build_from_columns, choose_columns

ESO = ("PRODCATG", "VOCLASS")  # keywords of ESO's science data products
ESO_INSTRUMENTS = r"UVES|HARPS|FEROS|SHOOT|GIRAFFE|ESPRESSO|MUSE|FORS|NIRPS|CRIRES|4MOST"


def read_fits_table(path, header, table, metadata, options):
    """Read the spectra of a FITS table.

    Parameters
    ----------
    path : Path
    header : mapping
        Header of the table.
    table : FITS_rec
    metadata : mapping
        Header of the table and the primary header.
    options : ReadOptions

    Returns
    -------
    list of RawSpectrum
        Empty if the table holds none.

    Raises
    ------
    UserError
        If it holds the spectra of several stars.
    """
    if len(table) == 0:
        return []
    try:
        columns, arrays = collect_columns(table)
    except Exception as error:  # astropy's, of many classes, when it converts a column
        reason = shorten(str(error), 80)
        raise UserError(f"{path} has a damaged table, {reason}: copy it again") from None
    units, media, concepts = read_column_keywords(header, list(table.names), metadata)
    named = (options, metadata, units, media, concepts)
    if arrays:
        waves = choose_columns(list(arrays), options, None, concepts)
        if waves is not None:
            return read_rows(path, table, arrays, waves, named)
    if header_scale := add_header_scale(columns, header):
        columns, media["LOGLAM"] = header_scale, ("vacuum", "survey format")
    return build_from_columns(path, columns, *named)


def collect_columns(table):
    """({name: values (n,)}, {name: values (n_rows, n)}) of the columns of numbers of a table."""
    single = len(table) == 1
    columns, arrays = {}, {}
    for name in table.names:
        if table[name].dtype.kind not in "fiubO":
            continue
        values = np.atleast_1d(np.asarray(table[name][0] if single else table[name]))
        if values.dtype.kind == "O":
            lengths = {np.size(row) for row in values}
            if len(lengths) != 1 or lengths == {0}:
                continue
            values = np.array([np.ravel(row) for row in values])
        if values.ndim > 1 and not single:
            arrays[name] = values.reshape(len(values), -1)
        else:
            columns[name] = values.ravel()
    return columns, arrays


def read_rows(path, table, arrays, chosen, named):
    """RawSpectra of the orders in the rows of a table; UserError if its rows are stars."""
    waves = np.array(arrays[chosen[0]], "f8")
    if not are_orders(waves) or len(waves) > MOST_ORDERS:
        found = f"{len(table)} spectra in the rows of a table"
        raise UserError(f"{path} holds {found}: write each to a file, or all as HDF5")
    spectra = []
    for i in range(len(waves)):
        row = {name: values[i] for name, values in arrays.items()}
        found = build_from_columns(path, row, *named)
        spectra += [raw._replace(name=f"order {i + 1}") for raw in found]
    return spectra


def read_column_keywords(header, names, metadata):
    """({name: unit}, {name: (medium, how it is known)}, {name: quantity}) by TUNITn and TUCDn."""
    units, media, concepts = {}, {}, {}
    eso = any(key in metadata for key in ESO) or "ESO" in read_keyword(metadata, "TELESCOP")
    eso = eso or "ESO" in read_keyword(metadata, "ORIGIN")
    eso = eso or re.search(ESO_INSTRUMENTS, read_keyword(metadata, "INSTRUME")) is not None
    for i, name in enumerate(names, 1):
        units[name] = str(header.get(f"TUNIT{i}") or "").strip() or None
        concept = str(header.get(f"TUCD{i}") or "")
        if medium := find_ucd_medium(concept, eso):
            media[name] = medium
        if quantity := find_ucd_quantity(concept):
            concepts[name] = quantity
    return units, media, concepts


def find_ucd_medium(concept, eso):
    """("air" or "vacuum", "UCD") of a UCD; None if it is of something else, or does not tell.

    ESO's standard of science data products: em.wl;obs.atmos is in air, em.wl alone in vacuum.
    Elsewhere em.wl is any wavelength.
    """
    words = concept.lower().replace(" ", "").split(";")
    if "em.wl" not in words:
        return None
    if "obs.atmos" in words:
        return "air", "UCD"
    return ("vacuum", "UCD") if eso else None


def find_ucd_quantity(concept):
    """ "wave", "flux" or "error" of a UCD; None for others."""
    words = concept.lower().replace(" ", "").split(";")
    if any(word.startswith("stat.error") for word in words):
        return "error" if any(word.startswith("phot.flux") for word in words) else None
    if words[0].startswith("em.wl"):
        return "wave"
    return "flux" if words[0].startswith(("phot.flux", "phot.count")) else None


def add_header_scale(columns, header):
    """Columns of a table without wavelengths, with those of CRVAL and CDELT; None if it has them.

    The mwmStar and mwmVisit files of SDSS-V have logarithmic wavelengths in the header.
    """
    quantities = {recognise_content(name).quantity: name for name in columns}
    if "wave" in quantities or "flux" not in quantities:
        return None
    keys = {
        f"{key}1": header.get(f"{key}1", header.get(key)) for key in ("CRVAL", "CDELT", "CRPIX")
    }
    keys = {key: value for key, value in keys.items() if value is not None}
    values = compute_linear_scale(keys, len(columns[quantities["flux"]]))
    if values is None or not 3 < values.min() < values.max() < 5:
        return None
    return columns | {"LOGLAM": values}
