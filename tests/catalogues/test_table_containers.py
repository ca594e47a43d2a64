"""One table in every container gives the same numbers, identifiers and missing values."""

import gzip

import h5py
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from starlabels.base.errors import UserError
from starlabels.catalogues import table_columns, tables

IDS = 5937083312263887617 + np.arange(6) * 12345678911
TEFF = np.array([5000.5, 5100.25, 5200.125, 4800.0, 6100.0, 5700.0])
MH = np.array([-0.5, np.nan, 0.25, 0.0, np.nan, 0.125])
TABLE = Table({"source_id": IDS, "teff": TEFF, "mh": np.nan_to_num(MH), "n": np.arange(6)})
MASKED = Table(TABLE, masked=True)
MASKED["mh"].mask = np.isnan(MH)
TEXT = [",".join(map(str, row)) for row in zip(IDS, TEFF, np.where(np.isnan(MH), "", MH), range(6))]
HEAD = "source_id,teff,mh,n"


def read(path):
    """{name: (n,)} of a table, with its identifiers as whole numbers."""
    table = tables.read_table(path, texts=["source_id"])
    ids = table_columns.read_star_ids(table, "source_id")
    columns = table_columns.extract_columns(table, leave=["source_id"])
    return columns.values | {"source_id": ids.astype("U").astype("i8")}


def assert_same(path):
    found = read(path)
    np.testing.assert_array_equal(found["source_id"], IDS)
    np.testing.assert_array_equal(found["teff"], TEFF)
    np.testing.assert_array_equal(found["mh"], MH)
    np.testing.assert_array_equal(found["n"], range(6))


def write_text(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def join(delimiter, lines=TEXT, head=HEAD):
    return "\n".join([head, *lines]).replace(",", delimiter) + "\n"


FORMATS = {
    "ascii.ecsv": {},
    "ascii.mrt": {},
    "ascii.ipac": {},
    "ascii.fixed_width": {},
    "ascii.rst": {},
    "ascii.rdb": {},
    "ascii.commented_header": {},
    "ascii.basic": {},
    "votable": {"tabledata_format": "tabledata"},
    "votable binary": {"tabledata_format": "binary2"},
    "fits": {},
}


@pytest.mark.parametrize("form", FORMATS)
def test_formats_of_astropy(tmp_path, form):
    path = tmp_path / "stars.dat"
    table = MASKED.copy()
    table["teff"].format = table["mh"].format = "%.4f"
    table.write(path, format=form.split()[0], **FORMATS[form])
    assert_same(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert_same(path)


VIZIER = join("\t", ["id,K,,", "---,---,---,---", *TEXT])
NULLS = join(",", [line.replace(",,", ",null,") for line in TEXT])
TEXTS = {
    "tabs": join("\t"),
    "semicolons": join(";"),
    "decimal commas": join(";").replace(".", ","),
    "bars": join("|"),
    "Excel": "sep=;\n" + join(";"),
    "VizieR": "#\n#   VizieR Astronomical Server\n#Column x\n\n" + VIZIER + "\n",
    "VizieR with semicolons": "#RESOURCE=x\n" + VIZIER.replace("\t", ";"),
    "Gaia bulk": "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n"
    "# - {name: source_id, datatype: int64}\n# - {name: teff, datatype: float64}\n"
    "# - {name: mh, datatype: float64}\n# - {name: n, datatype: int64}\n" + NULLS,
    "null": NULLS,
    "CasJobs": "#Table1\n" + join(","),
    "commented names": "# made by numpy\n# " + join(","),
    "comments at the end": join(",") + "# the end\n#\n",
    "UTF-16": join(",").encode("utf-16"),
    "UTF-8 with mark and line ends of Windows": join(",").replace("\n", "\r\n").encode("utf-8-sig"),
    "line ends of old Macs": join(",").replace("\n", "\r"),
    "quoted": "\n".join('"' + line.replace(",", '","') + '"' for line in [HEAD, *TEXT]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_tables(tmp_path, name):
    write_text(tmp_path / "stars.txt", TEXTS[name])
    assert_same(tmp_path / "stars.txt")


def test_units_below_the_names_are_units(tmp_path):
    write_text(tmp_path / "stars.tsv", TEXTS["VizieR"])
    table = tables.read_table(tmp_path / "stars.tsv")
    assert table.units == {"source_id": "id", "teff": "K"} and table.place(0) == "line 8"


def test_columns_of_a_cds_table_are_named_by_the_readme_beside_it(tmp_path):
    MASKED.write(tmp_path / "mrt.txt", format="ascii.mrt")
    head, rows = (tmp_path / "mrt.txt").read_text().rsplit("-" * 80 + "\n", 1)
    summary = "File Summary:\n" + "-" * 80 + "\n FileName  Lrecl  Records  Explanations\n"
    summary += "-" * 80 + "\ntable1.dat  50  6  Stars\n" + "-" * 80 + "\n\n"
    columns = head[head.index("Byte-by-byte") :].replace("table.dat", "table1.dat")
    (tmp_path / "ReadMe").write_text(summary + columns + "-" * 80 + "\n")
    (tmp_path / "table1.dat").write_text(rows)
    np.testing.assert_allclose(read(tmp_path / "table1.dat")["teff"], TEFF)


def write_columns(group, names=("source_id", "teff", "mh", "n"), suffix=""):
    columns = {"source_id": IDS, "teff": TEFF, "mh": MH, "n": np.arange(6)}
    for name in names:
        group[name + suffix] = columns[name]


def write_compound(h5):
    h5["stars"] = np.rec.fromarrays([IDS, TEFF, MH, np.arange(6)], names=HEAD)


def write_fill_values(h5):
    write_columns(h5, ("source_id", "teff", "n"))
    h5["mh"] = np.where(np.isnan(MH), -5.0, MH)
    h5["mh"].attrs["_FillValue"] = np.array([-5.0])


def write_vaex(h5):
    write_columns(h5.create_group("table/columns"), suffix="/data")
    del h5["table/columns/mh/data"]
    h5["table/columns/mh/data"] = np.nan_to_num(MH)
    h5["table/columns/mh/mask"] = np.isnan(MH)


def write_pandas_fixed(h5):
    group = h5.create_group("df")
    group.attrs.update({"pandas_type": np.bytes_("frame"), "nblocks": 2})
    group["axis0"], group["axis1"] = np.array(HEAD.split(","), "S"), np.arange(6)
    group["block0_items"], group["block0_values"] = [b"teff", b"mh"], np.c_[TEFF, MH]
    group["block1_items"], group["block1_values"] = [b"source_id", b"n"], np.c_[IDS, np.arange(6)]


def write_pandas_table(h5):
    kind = [("index", "i8"), ("values_block_0", "f8", 2), ("values_block_1", "i8", 2)]
    records = np.zeros(6, kind)
    records["index"] = range(6)
    records["values_block_0"], records["values_block_1"] = np.c_[TEFF, MH], np.c_[IDS, range(6)]
    h5["df/table"] = records
    h5["df"].attrs["pandas_type"] = np.bytes_("frame_table")
    names = {0: b"(lp0\nVteff\np1\naVmh\np2\na.", 1: b"(lp0\nVsource_id\np1\naVn\np2\na."}
    for block, pickled in names.items():
        h5["df/table"].attrs[f"values_block_{block}_kind"] = np.bytes_(pickled)


HDF5 = {
    "columns": write_columns,
    "columns in a deep group, beside others": lambda h5: (
        write_columns(h5.create_group("a/b/c")),
        h5.create_dataset("a/version", data=[1, 2]),
    ),
    "compound": write_compound,
    "fill values of netCDF": write_fill_values,
    "vaex": write_vaex,
    "pandas, fixed": write_pandas_fixed,
    "pandas, table": write_pandas_table,
}


@pytest.mark.parametrize("name", HDF5)
def test_hdf5_tables(tmp_path, name):
    with h5py.File(tmp_path / "stars.h5", "w") as h5:
        HDF5[name](h5)
    assert_same(tmp_path / "stars.h5")


@pytest.mark.parametrize("has_meta", [True, False])
def test_hdf5_tables_of_astropy(tmp_path, has_meta):
    table = Table(TABLE)
    table["mh"] = MH
    table["teff"].unit = "K"
    table.write(tmp_path / "stars.h5", path="x/stars", serialize_meta=has_meta)
    assert_same(tmp_path / "stars.h5")
    assert tables.read_table(tmp_path / "stars.h5").units == ({"teff": "K"} if has_meta else {})


@pytest.mark.parametrize("first", [Table({"key": ["a"], "value": ["b"]}), TABLE[:0]])
def test_the_table_of_stars_is_found_in_a_later_extension_which_is_said(tmp_path, capsys, first):
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(first), fits.BinTableHDU(MASKED, name="STARS")]
    fits.HDUList(hdus).writeto(tmp_path / "stars.fits")
    assert_same(tmp_path / "stars.fits")
    said = "read the table of extension 2 (STARS), 6 rows; not read: extension 1"
    assert (said in capsys.readouterr().out) == (len(first) > 0)


def test_the_extension_with_the_named_columns_is_read(tmp_path):
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(TABLE), fits.BinTableHDU(Table({"feh": [0.5]}))]
    fits.HDUList(hdus).writeto(tmp_path / "stars.fits")
    assert list(tables.read_table(tmp_path / "stars.fits", ["feh"]).frame["feh"]) == [0.5]


def test_a_masked_identifier_costs_the_others_no_digit_and_is_named(tmp_path):
    table = Table(MASKED)
    table["source_id"].mask = np.arange(6) == 3
    table.write(tmp_path / "stars.fits")
    found = table_columns.read_identifiers(tables.read_table(tmp_path / "stars.fits"), "source_id")
    assert found[0] == str(IDS[0]) and found[3] is None
    with pytest.raises(UserError, match="stars.fits: row 4: no source_id: fill it"):
        read(tmp_path / "stars.fits")


def test_tnull_of_a_float_column_is_missing(tmp_path):
    hdu = fits.BinTableHDU(Table({"teff": [5000.0, -5.0]}))
    hdu.header["TNULL1"] = -5.0
    hdu.writeto(tmp_path / "stars.fits")
    teff = tables.read_table(tmp_path / "stars.fits").frame["teff"]
    np.testing.assert_array_equal(teff, [5000, np.nan])


@pytest.mark.parametrize(
    ("name", "unit", "value", "expected", "said"),
    [
        ("parallax", "arcsec", 0.004, 4.0, "parallax: converted from arcsec to mas"),
        ("parallax", "mas", 4.0, 4.0, ""),
        ("distance", "kpc", 1.5, 1500.0, "distance: converted from kpc to pc"),
        ("rv", "m / s", 1500.0, 1.5, "rv: converted from m / s to km/s"),
        ("g_mag", "mmag", 12_000.0, 12.0, "g_mag: converted from mmag to mag"),
        ("logg", "log(m.s**-2)", 2.4, 4.4, "logg: converted from dex(m / s2) to dex(cm/s2)"),
        ("logg", "log(cm.s**-2)", 4.4, 4.4, ""),
        ("teff", "kK", 5.0, 5000.0, "teff: converted from kK to K"),
        ("teff", "furlong2", 5.0, 5.0, "has the unit 'furlong2', which is not known: taken as K"),
        ("teff", "mag", 5.0, 5.0, "has the unit 'mag', which is none of K: taken as K"),
    ],
)
def test_units_are_converted_or_said(tmp_path, capsys, name, unit, value, expected, said):
    with h5py.File(tmp_path / "stars.h5", "w") as h5:
        h5[name] = [value]
        h5[name].attrs["units"] = unit
    columns = table_columns.extract_columns(tables.read_table(tmp_path / "stars.h5"))
    np.testing.assert_allclose(columns.values[name], [expected])
    assert said in capsys.readouterr().out


def test_gravities_in_si_units_become_those_in_cgs(tmp_path):
    table = Table({"logg": [2.4] * u.dex(u.m / u.s**2)})
    table.write(tmp_path / "stars.ecsv")
    columns = table_columns.extract_columns(tables.read_table(tmp_path / "stars.ecsv"))
    np.testing.assert_allclose(columns.values["logg"], [4.4])


def test_a_single_row_of_arrays_is_one_row_per_star(tmp_path):
    columns = [fits.Column("source_id", "6K", array=[IDS]), fits.Column("teff", "6D", array=[TEFF])]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "stars.fits")
    found = read(tmp_path / "stars.fits")
    np.testing.assert_array_equal(found["source_id"], IDS)
    np.testing.assert_array_equal(found["teff"], TEFF)


def test_bars_need_not_be_aligned(tmp_path):
    rows = [line.split(",") for line in [HEAD, *TEXT]]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    write_text(tmp_path / "stars.md", "\n".join([lines[0], "|---|:-:|---|---|", *lines[1:]]) + "\n")
    assert_same(tmp_path / "stars.md")


def test_numbers_between_blanks_without_names_are_refused(tmp_path):
    np.savetxt(tmp_path / "stars.txt", np.c_[TEFF, MH])
    with pytest.raises(UserError, match="line 1: numbers .* where column names are expected"):
        tables.read_table(tmp_path / "stars.txt")


def test_columns_of_another_length_in_a_group_are_another_table(tmp_path, capsys):
    with h5py.File(tmp_path / "stars.h5", "w") as h5:
        write_columns(h5)
        h5["wave"] = np.arange(3.0)
    assert_same(tmp_path / "stars.h5")
    assert "not read: group / (wave)" in capsys.readouterr().out
    with pytest.raises(UserError, match="has teff, wave in different tables"):
        tables.read_table(tmp_path / "stars.h5", ["teff", "wave"])
