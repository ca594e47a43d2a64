"""Files that declare more than they hold, or hold too much, give one line and take no time."""

import gzip

import h5py
import numpy as np
import pytest
from astropy.io import fits
from observed_files import FLUX, WAVE, N, write_image

from starlabels.base import fits as safe_fits
from starlabels.base.errors import UserError
from starlabels.spectra import text_tables
from starlabels.spectra.readers import read_spectra
from starlabels.spectra.spectrum import ReadOptions

EXTENSION = ("XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 0", "PCOUNT  = 0", "GCOUNT  = 1")
PRIMARY = ("SIMPLE  =                    T", "BITPIX  =                  -32")


def write_header(*cards):
    """Bytes of a FITS header."""
    text = "".join(card.ljust(80) for card in (*cards, "END"))
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


def write_huge_image(path):
    """An image of 36 TB in its header, and none in the file."""
    path.write_bytes(write_header(*PRIMARY, "NAXIS   = 1", "NAXIS1  = 9000000000000"))


def write_packed_huge_image(path):
    """The same, packed by gzip."""
    write_huge_image(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def write_tiles(path, key, value):
    """A compressed image whose size or tiles are changed in its header."""
    fits.CompImageHDU(np.ones((1, N), "i4")).writeto(path)
    content = path.read_bytes()
    place = content.find(f"{key:8}=".encode())
    card = f"{key:8}= {value:>20}".ljust(80).encode()
    path.write_bytes(content[:place] + card + content[place + 80 :])


def write_long_header(path):
    """A header of 80 000 comments."""
    comments = ["COMMENT " + "x" * 70] * 80_000
    path.write_bytes(write_header(*PRIMARY, "NAXIS   = 0", *comments))


def write_many_extensions(path):
    """3000 empty extensions."""
    primary = write_header(*PRIMARY, "NAXIS   = 0")
    path.write_bytes(primary + write_header(*EXTENSION) * 3000)


def write_votable(path, content):
    """A VOTable around some elements."""
    path.write_text(f'<?xml version="1.0"?><VOTABLE version="1.4">{content}</VOTABLE>')


def write_datasets(path, **shapes):
    """Our HDF5 with datasets of some shapes that were never written."""
    with h5py.File(path, "w") as h5:
        for name, shape in {"wave": (N,), "flux": (2, N), **shapes}.items():
            chunks = tuple(min(n, 1000) for n in shape)
            h5.create_dataset(f"spectra/{name}", shape, "f8", chunks=chunks)


def write_deep_groups(path, n=200):
    """Groups within each other."""
    with h5py.File(path, "w") as h5:
        h5.create_group("/".join(["a"] * n))


def write_loop(path):
    """A group that is in itself."""
    with h5py.File(path, "w") as h5:
        h5["a/b"] = h5["/"]


BOMBS = {
    "image": (write_huge_image, "declares more data than it holds|is truncated|take .* GB"),
    "packed image": (write_packed_huge_image, "declares more data than it holds|damaged|take"),
    "negative image": (
        lambda p: p.write_bytes(write_header(*PRIMARY, "NAXIS   = 1", "NAXIS1  = -5")),
        "damaged FITS file",
    ),
    "size in words": (
        lambda p: p.write_bytes(write_header(*PRIMARY, "NAXIS   = 1", "NAXIS1  = -  600")),
        "extension 0 has NAXIS1 '-  600'",
    ),
    "1000 axes": (
        lambda p: p.write_bytes(write_header(*PRIMARY, "NAXIS   = 1000")),
        "extension 0 has NAXIS '1000'",
    ),
    "999 axes": (
        lambda p: p.write_bytes(write_header(*PRIMARY, "NAXIS   = 999")),
        "damaged FITS file",
    ),
    **{
        f"{key} {value}": (lambda p, k=key, v=value: write_tiles(p, k, v), "damaged|GB of memory")
        for key in ("ZNAXIS1", "ZTILE1", "ZTILE2")
        for value in (10**12, -1)
    },
    "header": (write_long_header, "header of extension 0 is longer than 2880000 bytes"),
    "extensions": (write_many_extensions, "more than 2000 extensions"),
    "columns": (
        lambda p: p.write_text("\n".join([",".join(["1.0"] * 10**6)] * 2)),
        "has 1000000 columns: write a line for each pixel",
    ),
    "columns and names": (
        lambda p: p.write_text(",".join(map("c{}".format, range(10**5))) + "\n" + "1," * 10**5),
        "columns: write a line for each pixel",
    ),
    "gzip twice": (
        lambda p: p.write_bytes(gzip.compress(gzip.compress(b"4450 1\n" * 100))),
        "packed twice by gzip",
    ),
    "resources": (
        lambda p: write_votable(p, "<RESOURCE>" * 10**5 + "</RESOURCE>" * 10**5),
        "has 100000 elements RESOURCE",
    ),
    "fields": (
        lambda p: write_votable(p, '<FIELD name="a" datatype="double"/>' * 10**4),
        "has 10000 columns",
    ),
    "open elements": (lambda p: write_votable(p, "<RESOURCE><TABLE>" + "<b>" * 10**4), "damaged"),
    "rows never written": (
        lambda p: write_datasets(p, flux=(10**9, N)),
        r"flux \(1000000000, 400\) would be .* GB.*never written",
    ),
    "wavelengths never written": (
        lambda p: write_datasets(p, wave=(10**10,), flux=(1, 10**10)),
        "never written",
    ),
    "deep groups": (write_deep_groups, "groups more than .* deep"),
    "loop": (write_loop, "deep|holds"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_refused_in_one_line(tmp_path, case):
    write_file, message = BOMBS[case]
    path = tmp_path / "bomb"
    write_file(path)
    with pytest.raises(UserError, match=message) as error:
        list(read_spectra(path, ReadOptions()))
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_a_gzip_file_is_refused_if_it_holds_far_more_than_data_would(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_fits, "LEAST_LIMIT", 100_000)
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(write_image(tmp_path / "a", data=np.zeros(10**6)).read_bytes()))
    with pytest.raises(UserError, match="is refused: it holds more than"):
        list(read_spectra(path, ReadOptions()))


def test_a_text_of_more_lines_than_a_spectrum_has_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "MOST_LINES", 1000)
    path = tmp_path / "a.txt"
    path.write_text("4450 1\n" * 1001)
    with pytest.raises(UserError, match="1001 lines .* more than any spectrum"):
        list(read_spectra(path, ReadOptions()))


def test_references_in_the_header_of_an_ecsv_table_are_not_expanded(tmp_path):
    path = tmp_path / "a.ecsv"
    columns = "".join(f"# - {{name: {name}, datatype: float64}}\n" for name in ("wave", "flux"))
    doubled = "".join(
        f"#   {new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi")
    )
    head = f"# %ECSV 1.0\n# ---\n# datatype:\n{columns}# meta:\n#   a: &a [1, 1]\n{doubled}"
    rows = "".join(f"{w:.2f} {f:.5f}\n" for w, f in zip(WAVE, FLUX))
    path.write_text(f"{head}wave flux\n{rows}")
    [observed] = read_spectra(path, ReadOptions())
    np.testing.assert_allclose(observed.wave, WAVE)
