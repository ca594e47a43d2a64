"""Text tables: the format is recognised by the content, and read by astropy or as CSV."""

import codecs
import re

from starlabels.base import fits
from starlabels.base.errors import UserError
from starlabels.catalogues import astropy_tables, csv_tables
from starlabels.catalogues.table_choice import read_source
from starlabels.catalogues.text_layout import find_layout, has_numbers, read_header, read_line

UTF16_AND_32 = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
FILLED = {"guess": False, "fill_values": astropy_tables.FILL}
# {first bytes of a file: (what it is, how to make a table of it)}
OTHERS = {
    b"PAR1": ("a Parquet file", "write it as FITS or CSV, by pandas.read_parquet(...).to_csv(...)"),
    b"ARROW1": ("an Arrow file", "write it as FITS or CSV"),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "unpack it, or export a CSV file"),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet of Excel", "export a CSV file"),
    b"\x93NUMPY": ("an array of NumPy", "write it as a table with column names"),
    b"\x80": ("a pickle", "write a table in CSV, FITS or HDF5; pickles may run code"),
    b"\x1f\x8b": ("compressed by gzip twice", "unpack it"),
    b"BZh": ("compressed by bzip2", "unpack it"),
    b"\xfd7zXZ": ("compressed by xz", "unpack it"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it"),
    b"SQLite format": ("an SQLite database", "export a CSV file"),
    b"SR\x00\x04": ("a save file of IDL", "write it as FITS"),
    b"CDF\x01": ("a netCDF 3 file", "write it as HDF5 or CSV"),
    b"CDF\x02": ("a netCDF 3 file", "write it as HDF5 or CSV"),
    b"%PDF": ("a PDF document", "download the table itself"),
}
FRAME = re.compile(rb"^[ \t]*[+|]?[-=+:| ]+[+|]?[ \t\r]*\n", re.MULTILINE)  # of dashes
BARS = re.compile(rb"^[ \t]*\|[ \t]*|[ \t]*\|[ \t\r]*$", re.MULTILINE)  # at the ends of lines


def read_text_table(path, data, selection):
    """Read a table of text.

    Parameters
    ----------
    path : path of the file.
    data : its bytes, decompressed.
    selection : Selection

    Returns
    -------
    (DataFrame, {name: unit}, line number (n,) of each row or None)
    """
    data = decode_bytes(path, data)
    start = data[:4096].lstrip()
    if start.startswith(b"<"):
        return read_markup(path, data, selection)
    if start.startswith((b"{", b"[")):
        raise UserError(f"{path} is JSON: write its rows as CSV, by pandas.read_json(...)")
    if b"\\begin{" in start:
        raise UserError(f"{path} is a LaTeX table: write it as CSV")
    if start.startswith(b"# %ECSV"):
        return read_by_astropy(path, data, "ascii.ecsv", selection, **FILLED)
    if b"Byte-by-byte Description" in data[: 1 << 20]:
        return read_by_astropy(path, data, "ascii.mrt", selection)
    if start.startswith(b"=="):
        return read_by_astropy(path, data, "ascii.rst", selection, **FILLED)
    if start.startswith((b"|", b"\\", b"+-")):
        return read_framed(path, data, selection)
    if readme := find_readme(path, data):
        return read_by_astropy(path, str(path), "ascii.cds", selection, readme=str(readme))
    layout = find_layout(path, data)
    if layout.delimiter == b" ":
        read_header(path, layout)
        return read_by_astropy(path, layout.data, "ascii.basic", selection, **FILLED)
    return csv_tables.read_csv(path, layout, selection.choose, selection.texts)


def decode_bytes(path, data):
    """The bytes of a text in UTF-8; UserError if they are blank, or no text."""
    for mark, encoding in UTF16_AND_32.items():
        if data.startswith(mark):
            data = data.decode(encoding, "replace").encode()
            break
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        expected = "expected a CSV table with column names in its first line"
        raise UserError(f"{path} is empty: {expected}")
    for start, (kind, advice) in OTHERS.items():
        if data.startswith(start):
            raise UserError(f"{path} is not a CSV table: it is {kind}: {advice}")
    if b"\0" in data:
        start = f"it is binary and starts with {data[:8]!r}"
        raise UserError(f"{path} is not a CSV table: {start}: name a CSV, FITS or HDF5 file")
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def read_markup(path, data, selection):
    """Result of `read_text_table` for a VOTable; UserError for HTML and other markup."""
    if b"VOTABLE" not in data[: 1 << 16]:
        problem = "is a page of HTML or XML, no VOTable"
        raise UserError(f"{path} {problem}: download the table itself, as VOTable, FITS or CSV")
    sources = astropy_tables.list_votables(path, data)
    return *read_source(selection, sources, "VOTable with a table"), None


def read_framed(path, data, selection):
    """Result of `read_text_table` for a table whose columns are framed by bars: IPAC, or others."""
    if b"\n " in data and not data.startswith(b"+"):
        return read_by_astropy(path, data, "ascii.ipac", selection)
    layout = find_layout(path, BARS.sub(b"", FRAME.sub(b"", data)))
    return csv_tables.read_csv(path, layout, selection.choose, selection.texts)


def read_by_astropy(path, data, form, selection, **options):
    """Result of `read_text_table` for a table in a format of astropy."""
    sources = astropy_tables.list_text_table(path, data, form, selection, **options)
    return *read_source(selection, sources, "table with rows"), None


def find_readme(path, data):
    """Path of the ReadMe of VizieR next to a table without column names, or None."""
    readme = path.with_name("ReadMe")
    if not readme.is_file() or not has_numbers(read_line(data), b" "):
        return None
    is_listed = path.name in fits.decode_text(readme.read_bytes())
    return readme if is_listed else None
