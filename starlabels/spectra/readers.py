"""Readers of observed spectra: FITS images and tables, APOGEE and SDSS products, text, our HDF5."""

import warnings
from pathlib import Path
from textwrap import shorten

from starlabels.base import fits
from starlabels.base.errors import UserError
from starlabels.spectra.assembly import build_observed_spectrum
from starlabels.spectra.fits_files import read_fits_spectra
from starlabels.spectra.hdf5_files import read_hdf5_spectra
from starlabels.spectra.text_tables import MOST_CHARACTERS, read_text_table
from starlabels.spectra.votables import is_votable, read_votable

HDF5 = b"\x89HDF\r\n\x1a\n"
KINDS = {  # first bytes of files that hold no spectrum for us -> what they are and what to do
    b"\x93NUMPY": "a NumPy file: write it as text by numpy.savetxt, with a line of names",
    b"PK\x03\x04": "a zip archive, or a workbook: unpack it, or export the table as CSV",
    b"%PDF": "a PDF document: name a file of the spectrum itself",
    b"\x1f\x8b": "packed twice by gzip: unpack it",
    b"BZh": "packed by bzip2: unpack it",
    b"\xfd7zXZ": "packed by xz: unpack it",
}


def read_spectra(path, options):
    """Yield the spectra of a file, whose format is recognised by its content.

    Parameters
    ----------
    path : str or Path
        FITS, HDF5, VOTable or text file; all but HDF5 may be packed by gzip.
    options : ReadOptions
        Options of the command line that override the file.

    Yields
    ------
    ObservedSpectrum
        Files of one star are checked; several arms, orders or exposures are combined. Rows of
        HDF5 are not checked, so that a bad one does not stop the others: call `check_spectrum`.

    Raises
    ------
    UserError
        If the file cannot be used, in one line.
    """
    path = Path(path)
    start = read_start(path)
    if start.startswith(HDF5):
        try:
            yield from read_hdf5_spectra(path, options)
        except (OSError, RuntimeError) as error:  # h5py's, of data that cannot be unpacked
            if getattr(error, "errno", None):
                raise
            reason = shorten(str(error), 80)
            raise UserError(f"{path} is a damaged HDF5 file, {reason}: copy it again") from None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, on headers that bend the standard
        if start.startswith(b"SIMPLE  ="):
            spectra = read_fits_spectra(path, fits.read_fits(path), options)
        elif is_votable(start):
            spectra = read_votable(path, fits.read_bytes(path), options)
        else:
            spectra = read_text_table(path, fits.decode_text(read_text(path)), options)
        observed = build_observed_spectrum(path, spectra, options)
    yield observed


def read_text(path):
    """Bytes of a text file, unpacked; UserError if they are more than a spectrum has."""
    data = fits.read_bytes(path, MOST_CHARACTERS + 1)
    if len(data) > MOST_CHARACTERS:
        found = f"more than {MOST_CHARACTERS / 1e6:.0f} MB of text"
        raise UserError(f"{path} holds {found}, more than any spectrum: cut it to your window")
    return data


def read_start(path):
    """First bytes of a file, unpacked; UserError if it cannot be a file of a spectrum."""
    if path.is_dir():
        raise UserError(f"{path} is a directory: name the files in it")
    if not path.is_file():
        raise UserError(f"{path} not found: check the file name")
    start = fits.read_bytes(path, 4096)
    if not start:
        raise UserError(f"{path} is empty: copy it again")
    for mark, text in KINDS.items():
        if start.startswith(mark):
            raise UserError(f"{path} is {text}")
    if start.startswith(HDF5) and fits.is_gzipped(path):
        raise UserError(f"{path} is an HDF5 file packed by gzip: unpack it")
    known = start.startswith((HDF5, b"SIMPLE  ="))
    if b"\0" in start and not known:
        found = f"neither FITS, HDF5 nor text: it begins with {start[:8]!r}"
        raise UserError(f"{path} is {found}: name another file")
    return start
