"""A file without a usable spectrum gives one line: what was found and what to do."""

import gzip
import warnings

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from observed_files import FLUX, WAVE, N, write_image, write_table

from starlabels.base.errors import UserError
from starlabels.spectra.readers import read_spectra
from starlabels.spectra.spectrum import ReadOptions


def make_sound_image(path):
    """Bytes of a valid FITS image."""
    return write_image(path.with_name("sound.fits")).read_bytes()


def write_columns(path, wave, flux, **keywords):
    """Write a FITS table of two columns."""
    return write_table(path, {"wave": wave, "flux": flux}, **keywords)


def write_three_spectra(path):
    """Write a FITS table of three spectra, one per row."""
    cells = [
        fits.Column(name, f"{N}D", array=np.tile(values, (3, 1)))
        for name, values in (("wave", WAVE), ("flux", FLUX))
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(cells)]).writeto(path)


def write_unequal_columns(path):
    """Write a FITS table of one row with fewer fluxes than wavelengths."""
    write_table(path, {"WAVE": WAVE, "FLUX": FLUX[1:]}, row=True)


def write_hdf5(path, datasets=None):
    """Write an HDF5 file of datasets {name: values}."""
    with h5py.File(path, "w") as h5:
        for name, values in (datasets or {"X": np.ones((3, N))}).items():
            h5[name] = values


def write_damaged_hdf5(path):
    """Write a file of our schema with a few wrong bytes in its packed fluxes."""
    write_hdf5(path, {"spectra/wave": WAVE})
    with h5py.File(path, "r+") as h5:
        flux = h5.create_dataset(
            "spectra/flux", data=np.tile(FLUX, (9, 1)), chunks=(9, N), compression="gzip"
        )
        start = flux.id.get_chunk_info(0).byte_offset
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(100))


def write_half_hdf5(path):
    """Write half an HDF5 file."""
    write_hdf5(path)
    path.write_bytes(path.read_bytes()[:3000])


BAD = {
    "missing": (lambda p: None, "not found"),
    "directory": (lambda p: p.mkdir(), "is a directory"),
    "empty": (lambda p: p.touch(), "is empty"),
    "jpeg": (
        lambda p: p.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(500)),
        "neither FITS, HDF5 nor text",
    ),
    "truncated": (lambda p: p.write_bytes(make_sound_image(p)[:3500]), "is truncated"),
    "half a header": (lambda p: p.write_bytes(make_sound_image(p)[:300]), "damaged FITS file"),
    "gzip": (lambda p: p.write_bytes(gzip.compress(make_sound_image(p))[:100]), "damaged"),
    "prose": (
        lambda p: p.write_text("This is a letter.\nIt holds no numbers at all,\nnone.\n"),
        "no table",
    ),
    "two words": (lambda p: p.write_text("hello world\nno numbers\n"), "no table of numbers"),
    "comments": (lambda p: p.write_text("# wave flux\n"), "has no rows"),
    "strange names": (
        lambda p: p.write_text("a,b\n" + "4500.0,1.0\n" * 60),
        "has columns a, b: name those.*--wave-column",
    ),
    "spectra of several stars": (write_three_spectra, "holds 3 spectra in the rows of a table"),
    "unequal columns": (write_unequal_columns, "columns of unequal length, WAVE 400, FLUX 399"),
    "HDF5 of a dataset": (
        lambda p: write_hdf5(p, {"spectra": WAVE}),
        "holds spectra; expected spectra/wave",
    ),
    "HDF5 of other sizes": (
        lambda p: write_hdf5(p, {"spectra/wave": WAVE, "spectra/flux": np.ones((2, 9))}),
        "expected numbers",
    ),
    "HDF5 of text": (
        lambda p: write_hdf5(p, {"spectra/wave": WAVE, "spectra/flux": np.full((2, N), b"x")}),
        "expected numbers",
    ),
    "HDF5 without rows": (
        lambda p: write_hdf5(p, {"spectra/wave": WAVE, "spectra/flux": np.ones((0, N))}),
        "holds no spectra",
    ),
    "HDF5 cut short": (write_half_hdf5, "is truncated"),
    "HDF5 damaged": (write_damaged_hdf5, "is damaged, spectra/flux cannot be read"),
    "HDF5": (write_hdf5, "holds X; expected spectra/wave and spectra/flux"),
    "photograph": (
        lambda p: write_image(p, data=np.ones((500, 500))),
        "no spectrum but an image 500 x 500",
    ),
    "sky": (lambda p: write_image(p, {"CTYPE1": "RA---TAN"}, np.ones((5, N))), "no spectrum"),
    "no rows": (lambda p: write_columns(p, [], []), "a table of 0 rows"),
    "NaN": (lambda p: write_image(p, data=np.full(N, np.nan)), "all 400 pixels are NaN or masked"),
    "1e30": (lambda p: write_image(p, data=np.full(N, 1e30)), "400 of 400 fluxes are beyond 1e"),
    "negative": (lambda p: write_image(p, data=-FLUX), "no flux is above 0"),
    "mostly negative": (
        lambda p: write_image(p, data=np.sin(np.arange(N)) - 0.2),
        "the median flux is -0.19.*below 0",
    ),
    "short": (lambda p: write_image(p, data=FLUX[:40]), "40 of 40 pixels are good, expected 50"),
    "nm": (
        lambda p: write_columns(p, WAVE / 10, FLUX),
        "445-446.995 have no unit and look like nm: give --wave-unit nm",
    ),
    "micron": (
        lambda p: write_columns(p, WAVE / 1e4, FLUX),
        "look like micron: give --wave-unit micron",
    ),
    "pixels": (
        lambda p: write_columns(p, WAVE, FLUX, units={"wave": "pixel"}),
        "'pixel' is no unit of wavelength.*--wave-unit",
    ),
    "one wavelength": (
        lambda p: write_columns(p, np.full(N, 4500.0), FLUX),
        "wavelengths are all 4500",
    ),
    "no wavelength": (
        lambda p: write_columns(p, -WAVE, FLUX),
        "none of its 400 wavelengths is a positive number",
    ),
    "multispec": (lambda p: write_image(p, {"CTYPE1": "MULTISPE"}), "multispec"),
    "image without wavelengths": (
        lambda p: fits.PrimaryHDU(FLUX).writeto(p),
        "an image 400: give it wavelengths: CRVAL1 and CDELT1",
    ),
    "photograph of two": (
        lambda p: write_image(p, data=np.ones((50, 60))),
        "an image 50 x 60: extract one spectrum from it",
    ),
    "pixels of an image": (
        lambda p: write_image(p, {"CRVAL1": 1.0, "CDELT1": 1.0}),
        "1 to 400 in steps of 1 count pixels",
    ),
    "unit of a number": (lambda p: write_image(p, {"CUNIT1": 5}), "'5' is no unit of wavelength"),
    "offset of text": (
        lambda p: write_columns(p, WAVE, FLUX, extra={"TZERO1": "text"}),
        "has a damaged table|damaged FITS file",
    ),
    "LibreEsprit of one column": (
        lambda p: p.write_text("*** Sun\n 60 1\n" + "4450.0\n" * 60),
        "no table of numbers",
    ),
    "NumPy": (
        lambda p: p.write_bytes(b"\x93NUMPY\x01\0" + bytes(100)),
        "is a NumPy file: write it as text",
    ),
    "workbook": (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(100)), "export the table as CSV"),
    "VOTable of names": (
        lambda p: Table({"a": WAVE, "b": FLUX}).write(p, format="votable"),
        "is a VOTable with columns a, b: name those",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_raises_one_line_that_names_it(tmp_path, capfd, case):
    write_file, message = BAD[case]
    path = tmp_path / "bad.fits"
    write_file(path)
    with pytest.raises(UserError, match=message) as error, warnings.catch_warnings():
        warnings.simplefilter("error")
        list(read_spectra(path, ReadOptions()))
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
