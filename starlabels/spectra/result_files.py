"""The tables results.fits and results.vot of predict.py."""

import numpy as np

from starlabels.base.files import replace_file
from starlabels.spectra.result_columns import describe_column

EXTENSION = "RESULTS"
NOT_IN_FITS = ("dex",)  # units that the standards of FITS and VOTable do not define


def build_table(columns, rows, meta, kinds):
    """Build an astropy Table of the results.

    Parameters
    ----------
    columns : {name: unit}
    rows : lists of values, in the order of the columns.
    meta : {keyword: value}
    kinds : {name: type} of the columns that are not float.
    """
    from astropy.table import Column, Table

    table = Table(meta={key: ascii(str(value))[1:-1] for key, value in meta.items()})
    for i, (name, unit) in enumerate(columns.items()):
        values = np.array([row[i] for row in rows], kinds.get(name, np.float32))
        if values.dtype.kind == "i" and (np.abs(values) < 2**31).all():
            values = values.astype(np.int32)
        words, ucd = describe_column(name, unit)
        unit = None if unit in NOT_IN_FITS else unit or None
        info = {"description": words, "unit": unit, "meta": {"ucd": ucd} if ucd else {}}
        table.add_column(Column(values, name, **info))
    return table


def write_fits(path, table):
    """Write a table as the extension RESULTS of a FITS file.

    As in TOPCAT's files, TCOMMn describes a column and TUCDn is its UCD.
    """
    from astropy.io import fits

    plain = table.copy()
    plain.convert_unicode_to_bytestring()
    for column in plain.itercols():  # astropy would write them as YAML, which only astropy reads
        column.info.description = None
        column.info.meta = {}
    hdu = fits.table_to_hdu(plain)
    hdu.name = EXTENSION
    for i, column in enumerate(table.itercols(), start=1):
        hdu.header[f"TCOMM{i}"] = column.info.description
        if ucd := column.info.meta.get("ucd"):
            hdu.header[f"TUCD{i}"] = ucd
    with replace_file(path) as tmp:
        hdu.writeto(tmp, overwrite=True)


def write_votable(path, table):
    """Write a table as a VOTable; BINARY is written four times as fast as the other forms."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Param

    plain = table.copy()
    plain.meta = {}
    for name in plain.colnames:  # VOTable has no place for an empty text of length 0
        if plain[name].dtype.kind == "U" and plain[name].dtype.itemsize == 0:
            plain[name] = plain[name].astype("U1")
    file = from_table(plain, table_id="results")
    element = file.get_first_table()
    element.name = EXTENSION
    element.format = "binary"
    for field in element.fields:
        if field.datatype == "unicodeChar":
            field.arraysize = "*"
        if field.datatype == "bit":
            field.datatype = "boolean"
    for key, value in table.meta.items():
        size = {"datatype": "char", "arraysize": "*"}
        element.params.append(Param(file, name=key, ID=key, value=str(value), **size))
    with replace_file(path) as tmp:
        file.to_xml(str(tmp))
