"""Wavelengths and spectra in the HDF5 files of this package, see docs/hdf5.md."""

from typing import NamedTuple

import numpy as np

from starlabels.base import integrity
from starlabels.base.hdf5 import get_dataset, write_dataset

# A few rows at most: reading one row reads, and verifies, its whole chunk
CHUNK_BYTES = 1 << 16


class SpectralAxis(NamedTuple):
    """Wavelengths and the properties that all spectra on them share.

    Parameters
    ----------
    wave : array (n_pix,)
        Wavelengths (Angstrom).
    medium : str
        "air" or "vacuum".
    resolving_power : float or None
        lambda / FWHM if it is common to all spectra.
    frame : str
        "rest", or "observer" if some spectra are shifted by a radial velocity.
    """

    wave: np.ndarray
    medium: str = "air"
    resolving_power: float | None = None
    frame: str = "rest"


def write_wave(h5, wave, medium="air", resolving_power=None, frame="rest"):
    """Write a SpectralAxis: write_wave(h5, *axis)."""
    data = write_dataset(h5, "spectra/wave", np.asarray(wave, "f8"))
    data.attrs.update({"unit": "Angstrom", "medium": medium, "frame": frame})
    h5["spectra"].attrs["medium"] = medium
    if resolving_power is not None:
        h5["spectra"].attrs["resolving_power"] = float(resolving_power)


def read_wave(h5):
    """Wavelengths (n_pix,) in Angstrom; UserError if absent."""
    return integrity.read_whole(get_dataset(h5, "spectra/wave"))


def read_axis(h5):
    """Read the SpectralAxis of a file.

    Defaults for absent attributes: the medium of `assume_medium`, spectra at rest.
    """
    wave = read_wave(h5)
    group = h5["spectra"]
    power = integrity.read_attribute(group, "resolving_power")
    power = float(power) if isinstance(power, (int, float)) and 0 < power < np.inf else None
    medium = (
        integrity.read_attribute(group, "medium")
        or integrity.read_attribute(group["wave"], "medium")
        or assume_medium(wave)
    )
    frame = integrity.read_attribute(group["wave"], "frame")
    frame = "observer" if frame == "observer" else "rest"
    return SpectralAxis(wave, str(medium).lower(), power, frame)


def assume_medium(wave):
    """The usual medium, "air" or "vacuum", of wavelengths (n_pix,) in Angstrom.

    Air from 2000 Angstrom on: the convention of the IAU and of optical spectrographs on the ground
    (HARPS, UVES, FEROS, ELODIE, ...). Surveys that differ are recognised by their headers.
    """
    return "air" if np.median(wave) >= 2000 else "vacuum"


def create_spectra(group, n, n_pix, name="spectra/flux"):
    """Create an empty float32 dataset (n, n_pix), chunked by rows.

    With n = None it grows by resize(n, axis=0).
    """
    n_rows = max(1, CHUNK_BYTES // (4 * n_pix))
    n_rows = n_rows if n is None else min(n_rows, n)
    shape = {"shape": (n or 0, n_pix), "maxshape": (n, n_pix), "chunks": (n_rows, n_pix)}
    data = group.create_dataset(name, dtype="f4", fletcher32=True, **shape)
    data.attrs["continuum"] = 1.0
    return data
