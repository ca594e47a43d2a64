"""Tables that declare too much, or are no tables, are one line, at once."""

import gzip

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from starlabels.base.errors import UserError
from starlabels.catalogues import table_columns, tables

TABLE = Table({"source_id": np.arange(5), "teff": np.linspace(5000, 6000, 5)})


def refuse(path, message):
    with pytest.raises(UserError, match=message) as error:
        tables.read_table(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


BAD = [
    ("", "is empty"),
    ("\n\n", "is empty"),
    ("a,b\n", "no rows"),
    ("a,b\n1,2\n3\n", "line 3 ends after column a, has 1 entries for 2 columns"),
    ("a,b\n1,2\n\n3,4,5\n", "line 4 has 3 entries for 2 columns"),
    ('a,b\n"x\ny",2\n3,4,5\n', "line 4 has 3 entries for 2 columns"),
    ('a,b\n"x,2\n3,4\n', "line 2: a quotation mark is not closed"),
    ("a,b,a\n1,2,3\n", "line 1: column a comes twice"),
    ("1,2\n3,4\n", "line 1: numbers .* where column names are expected"),
    (
        "a,b\n1,2\n\n3,x\n5,6\n7,y\n",
        "line 4: b is x, expected a number, or nothing, as in 1 more rows",
    ),
    ("a,b\n1,2\n3,N/A\n5,6\n", "line 3: b is N/A, expected a number"),
    ("a,b\n1,2\n3,inf\n", "line 3: b is inf, expected a finite number"),
    ("a,a_err\n1,2\n3,-9999\n", "line 3: a_err is -9999, expected 0 to 3e38"),
    ("a,a_err\n1,2\n3,1e300\n", r"line 3: a_err is 1e\+300, expected 0 to 3e38"),
    ("a,b\n1,2\n3,-1e300\n", r"line 3: b is -1e\+300, expected a finite number to 3e38"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_a_malformed_csv_is_one_line_with_file_line_and_column(tmp_path, text, message):
    path = tmp_path / "stars.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"stars.csv:? {message}") as error:
        table_columns.extract_columns(tables.read_table(path))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_table_is_one_line(tmp_path):
    path = tmp_path / "stars.csv"
    for content, message in [
        (b"\x89PNG\r\n\0\0", "is not a CSV table: it is binary"),
        (b"SIMPLE  =                    T", "is a damaged FITS file"),
        (b"\x89HDF\r\n\x1a\n1234", "is not a sound HDF5 file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as error:
            tables.read_table(path)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="is a directory"):
        tables.read_table(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",".join(f"c{i}" for i in range(10**6)) + "\n", "has 1000000 columns in line 1"),
        ("," * 10**6 + "\n" + "," * 10**6, "has 1000001 columns in line 1"),
        ("x" * 10**6 + ",b\n1,2\n", "an entry of more than 131072 bytes, no column name"),
        ("x " * 10**6 + "\n" + "1 " * 10**6, "an entry of more than 131072 bytes"),
        (",".join("c" * 9000) + "\n", "column c comes twice"),
    ],
    ids=["names", "blank", "long name", "words", "equal names"],
)
def test_a_text_of_a_million_columns_is_refused(tmp_path, text, message):
    (tmp_path / "wide.csv").write_text(text)
    refuse(tmp_path / "wide.csv", message)


@pytest.mark.parametrize(
    ("options", "rows", "message"),
    [
        ({"chunks": (50,)}, 0, r"teff: only 0.00% of \(200,\) values were written"),
        ({"chunks": (50,)}, 100, r"teff: only 50.00% of \(200,\) values were written"),
        ({}, 0, "only 0.00%"),
        ({"shape": (10**13,), "chunks": (10**6,)}, 0, "only 0.00%"),
    ],
)
def test_rows_of_hdf5_that_were_declared_but_never_written(tmp_path, options, rows, message):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        data = h5.create_dataset("teff", dtype="f8", **({"shape": (200,)} | options))
        if rows:
            data[:rows] = 5000.0
    refuse(tmp_path / "a.h5", message)


@pytest.mark.parametrize("is_zipped", [False, True])
@pytest.mark.parametrize("key", ["NAXIS2", "TFIELDS"])
def test_fits_that_declares_more_than_it_holds(tmp_path, key, is_zipped):
    fits.BinTableHDU(TABLE).writeto(tmp_path / "a.fits")
    data = (tmp_path / "a.fits").read_bytes()
    at = data.index(key.ljust(8).encode() + b"=")
    data = data[:at] + f"{key:8}= {10**14:20}".encode() + data[at + 30 :]
    (tmp_path / "a.fits").write_bytes(gzip.compress(data) if is_zipped else data)
    refuse(tmp_path / "a.fits", "is a damaged FITS file|GB of memory")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<TABLE", b'<TABLE nrows="99999999999"', "it declares 99999999999 rows in"),
        (b'name="teff"', b'name="teff" arraysize="999999999999"', "GB of memory"),
        (b"<STREAM", b'<STREAM href="file:///etc/passwd"', "it reads other files"),
        (b"<VOTABLE", b'<!DOCTYPE x [<!ENTITY a "b">]><VOTABLE', "it reads other files"),
        (b"</STREAM>", b"", "is a damaged VOTable"),
        (b"VOTABLE", b"HTML", "is a page of HTML or XML, no VOTable: download the table itself"),
    ],
)
def test_hostile_and_damaged_votables(tmp_path, old, new, message):
    TABLE.write(tmp_path / "a.vot", format="votable", tabledata_format="binary2")
    data = (tmp_path / "a.vot").read_bytes()
    (tmp_path / "a.vot").write_bytes(data.replace(old, new))
    refuse(tmp_path / "a.vot", message)


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("starlabels.base.fits.LEAST_LIMIT", 1000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 500_000))
    refuse(tmp_path / "a.csv.gz", "is refused: it holds more than .* GB in .* bytes: unpack")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1\0\0", "it is a Parquet file: write it as FITS or CSV"),
        (b"PK\3\4\0", "it is a zip archive or a spreadsheet"),
        (b"\x93NUMPY\1\0", "it is an array of NumPy"),
        (b"\x80\4\x95", "it is a pickle"),
        (b"SQLite format 3\0", "it is an SQLite database: export a CSV file"),
        (b'[{"teff": 1}]', "is JSON: write its rows as CSV"),
        (b"\\begin{table}\n1 & 2\n", "is a LaTeX table: write it as CSV"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path, data, message):
    (tmp_path / "a.dat").write_bytes(data)
    refuse(tmp_path / "a.dat", message)


@pytest.mark.parametrize(
    "meta",
    [
        "# meta: !!python/object/apply:os.mkdir [{mark}]\n",
        "# meta: !!omap\n# - __serialized_columns__:\n"
        "#     teff: {{__class__: os.mkdir, path: {mark}}}\n",
    ],
)
def test_the_header_of_an_ecsv_makes_no_python_objects(tmp_path, meta):
    mark = tmp_path / "it_ran"
    head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: teff, datatype: float64}\n"
    (tmp_path / "a.ecsv").write_text(head + meta.format(mark=mark) + "teff\n5000\n")
    refuse(tmp_path / "a.ecsv", "is a damaged table")
    assert not mark.exists()


def test_hdf5_groups_of_too_many_items_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("starlabels.catalogues.hdf5_tables.MAX_COLUMNS", 3)
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        for i in range(4):
            h5[f"c{i}"] = [1.0]
    refuse(tmp_path / "a.h5", "holds 4 items in /, a table of stars at most 3")
