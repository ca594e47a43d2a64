"""Odd observations: spectra as real files have them, and as none should, in usual containers."""

import gzip
import io

import h5py
import numpy as np
from astropy.io import fits
from astropy.table import Table

from benchmarks.fuzz_damage import pick_item
from benchmarks.fuzz_inputs import WAVE

LIGHT = 299_792.458  # km/s
ERROR_NAMES = ["err", "flux_err", "IVAR", "B_IVAR", "OPT_COUNTS_IVAR", "invvar", "var", "snr", "x"]
SENTINELS = [-9999.0, -999.0, 1e30, -1e30, 0.0, -1.0, np.nan, np.inf, 65535.0, 99.99]
OF_PIXELS = "arms velocity pairs descending shuffled unit log few coarse integers".split()
ODDITIES = [*OF_PIXELS, *"mask mask_window error sentinel scale negative constant".split()]
CONTAINERS = ("csv", "txt", "fits", "row.fits", "image.fits", "h5", "csv.gz")
BOMBS = ("naxis", "unit", "gzip", "columns", "hdf5", "text_axis")


def draw_spectrum(rng):
    """{column: (n,)} of a spectrum with up to three oddities; wave is the first column."""
    lines = 0.3 * np.exp(-0.5 * ((WAVE[:, None] - [4475, 4485]) / 0.5) ** 2).sum(axis=1)
    flux = 1 - lines + rng.normal(0, 0.01, len(WAVE))
    columns = {"wave": WAVE.copy(), "flux": flux, "err": np.full(len(WAVE), 0.01)}
    for _ in range(rng.integers(1, 4)):
        columns = make_odd(columns, pick_item(rng, ODDITIES), rng)
    return columns


def make_odd(columns, kind, rng):
    """The columns {name: (n,)} of a spectrum with one oddity."""
    names = list(columns)
    if kind == "error":
        names[2] = pick_item(rng, ERROR_NAMES)
    change = change_pixels if kind in OF_PIXELS else change_values
    arrays = change(*columns.values(), kind, rng)
    return dict(zip(names, (np.array(values, float) for values in arrays)))


def change_pixels(wave, flux, error, kind, rng):
    """The arrays (n,) with other wavelengths, or with fewer, more or disordered pixels (m,)."""
    n = len(wave)
    keep = slice(None)
    if kind == "arms":
        keep = np.abs(wave - np.median(wave)) > rng.random() * 0.6 * np.ptp(wave) if n else keep
    elif kind == "velocity":
        wave = wave * (1 + rng.choice([1, -1]) * 10 ** rng.uniform(1, 5.6) / LIGHT)
    elif kind == "pairs":
        shift = 10 ** rng.uniform(-6, -1.5)
        wave, flux, error = np.r_[wave, wave + shift], np.r_[flux, flux], np.r_[error, error]
        keep = np.argsort(wave) if rng.random() < 0.5 else keep
    elif kind == "descending":
        keep = slice(None, None, -1)
    elif kind == "shuffled":
        keep = rng.permutation(n)
    elif kind == "unit":
        wave = wave * pick_item(rng, [0.1, 1e-4, 1e-10, 10.0])
    elif kind == "log":
        wave = pick_item(rng, [np.log10, np.log])(np.abs(wave) + 1e-9)
    elif kind == "few":
        keep = slice(0, rng.integers(0, 60))
    elif kind == "coarse":
        keep = slice(None, None, rng.integers(2, 100))
    elif kind == "integers":
        wave = np.arange(float(n))
    return wave[keep], flux[keep], error[keep]


def change_values(wave, flux, error, kind, rng):
    """The arrays (n,) with other fluxes or errors."""
    n = len(wave)
    if kind == "mask":
        flux = np.where(rng.random(n) < rng.random(), np.nan, flux)
    elif kind == "mask_window":
        first, last = np.sort(rng.integers(0, n + 1, 2))
        flux[first:last] = np.nan
    elif kind == "error":
        with np.errstate(divide="ignore"):
            error = pick_item(rng, [error, error**-2, error**2, error * 1e18, error * 0, -error])
    elif kind == "sentinel":
        values = pick_item(rng, [flux, error, wave])
        values[rng.random(n) < 10 ** rng.uniform(-3, 0)] = pick_item(rng, SENTINELS)
    elif kind == "scale":
        factor = 10.0 ** rng.integers(-45, 38)
        flux, error = flux * factor, error * factor
    elif kind == "negative":
        flux = -flux
    else:
        flux = np.full(n, pick_item(rng, SENTINELS))
    return wave, flux, error


def draw_observation(rng):
    """(path, bytes) of an odd observation."""
    if rng.random() < 0.1:
        return draw_bomb(pick_item(rng, BOMBS))
    columns = draw_spectrum(rng)
    kind = pick_item(rng, CONTAINERS)
    with np.errstate(all="ignore"):
        data = pack_columns(columns, kind.removesuffix(".gz"))
    if kind.endswith(".gz"):
        data = gzip.compress(data)
    return f"inputs/odd.{kind}", data


def pack_columns(columns, kind):
    """Bytes of a file of columns {name: (n,)}."""
    file = io.BytesIO()
    wave, flux, error = columns.values()
    if kind in ("csv", "txt"):
        comma = "," if kind == "csv" else " "
        header = comma.join(columns)
        table = np.column_stack([wave, flux, error])
        np.savetxt(
            file, table, delimiter=comma, header=header, comments="" if comma == "," else "# "
        )
    elif kind == "h5":
        with h5py.File(file, "w") as h5:
            for name, values in columns.items():
                h5[name] = values
    elif kind == "image.fits":
        hdu = fits.PrimaryHDU(flux.astype("f4"))
        start, step = (wave[0], wave[1] - wave[0]) if len(wave) > 1 else (4450.0, 0.1)
        if np.isfinite([start, step]).all():
            hdu.header.update({"CRVAL1": start, "CDELT1": step, "CRPIX1": 1.0})
        fits.HDUList([hdu, fits.ImageHDU(error.astype("f4"), name="ERR")]).writeto(file)
    elif kind == "row.fits":
        Table({name: values[None] for name, values in columns.items()}).write(file, format="fits")
    else:
        Table(columns).write(file, format="fits")
    return file.getvalue()


def draw_bomb(kind):
    """(path, bytes) of a small file that declares, or unpacks to, much more than it holds."""
    file = io.BytesIO()
    if kind == "gzip":
        return "inputs/odd.csv.gz", gzip.compress(b"wave,flux\n" + b"4450.0,1.0\n" * 20_000_000)
    if kind == "columns":
        return "inputs/odd.csv", (",".join(map(str, range(1_000_000))) + "\n").encode() * 2
    if kind == "hdf5":
        with h5py.File(file, "w") as h5:
            h5["wave"] = WAVE
            h5.create_dataset("flux", (10**6, 10**6), "f8", chunks=(1, 1000))
        return "inputs/odd.h5", file.getvalue()
    hdu = fits.PrimaryHDU(np.ones(len(WAVE), "f4"))
    hdu.header.update({"CRVAL1": WAVE[0], "CDELT1": 0.1, "CRPIX1": 1.0})
    if kind == "unit":
        hdu.header["CUNIT1"] = 1.5
    elif kind == "text_axis":
        hdu.header["CRVAL1"] = "blue"
    hdu.writeto(file)
    data = file.getvalue()
    if kind == "naxis":
        card = f"NAXIS1  = {len(WAVE):>20}".encode()
        data = data.replace(card, f"NAXIS1  = {10**14:>20}".encode())
    return "inputs/odd.fits", data
