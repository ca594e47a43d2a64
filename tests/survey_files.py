"""Small files of a survey as APOGEE writes them: a table, apStar and apVisit files."""

import numpy as np
from astropy.io import fits
from astropy.table import Table

from starlabels.spectra import apogee
from starlabels.synthesis.broaden import LIGHT

WAVE = 10 ** (4.179 + 6e-6 * np.arange(8575))  # A, of every apStar
LINES = 15200 + 7.3 * np.arange(230)
NAMES = ["2M00000001+0000001", "2M00000002-0000002", "2M00000003+0000003", "2M00000004+0000004"]


def shape(wave, depth=0.3):
    """Flux (n,) of narrow lines in a continuum of 1."""
    flux = np.ones(len(wave))
    for centre in LINES:
        near = np.abs(wave - centre) < 3
        flux[near] -= depth * np.exp(-0.5 * ((wave[near] - centre) / 0.35) ** 2)
    return flux


def curved(wave):
    """A continuum that differs from chip to chip."""
    return 800 * (1 + 0.3 * np.sin(wave / 400)) * np.where(wave > 15830, 1.7, 1.0)


def hdu(data, **keywords):
    return fits.ImageHDU(data, fits.Header(keywords))


def ap_star(path, depth=0.3, snr=200, bad=(), visits=2, seed=0):
    """An apStar file; its first row is the combined spectrum, `bad` pixels have bit 0."""
    rng = np.random.default_rng(seed)
    level = curved(WAVE)
    error = np.full(8575, 1.0) * level / snr
    flux = shape(WAVE, depth) * level + rng.normal(0, 1, 8575) * error
    mask = np.zeros(8575, "i2")
    out = ~apogee.select_chip_pixels(WAVE)
    flux[out], error[out], mask[out] = 0, 1e10, 1
    flux[list(bad)], mask[list(bad)] = 9e4, 1
    other = np.full(8575, 7.0)  # of a visit: never to be read
    rows = [
        np.array([one] + [fill] * visits)
        for one, fill in ((flux, other), (error, other), (mask, np.zeros(8575, "i2")))
    ]
    scale = {"CRVAL1": 4.179, "CDELT1": 6e-6, "CRPIX1": 1, "CTYPE1": "LOG-LINEAR"}
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            hdu(rows[0].astype("f4"), **scale),
            hdu(rows[1].astype("f4")),
            hdu(rows[2]),
        ]
    ).writeto(path)


def ap_visit(path, velocity, **keywords):
    """An apVisit file at velocity km/s: three chips, red first, wavelengths descending."""
    chip = [np.linspace(high + 4, low - 4, 4096) for low, high in reversed(apogee.CHIPS)]
    wave = np.array(chip)
    flux = np.array([shape(one / (1 + velocity / LIGHT)) * curved(one) for one in wave])
    mask = np.zeros(wave.shape, "i2")
    arrays = {
        "Flux": flux.astype("f4"),
        "Flux Error": (flux / 300).astype("f4"),
        "Mask": mask,
        "Wavelength (Ang)": wave,
    }
    primary = fits.PrimaryHDU(header=fits.Header(keywords))
    fits.HDUList([primary, *(hdu(data, BUNIT=name) for name, data in arrays.items())]).writeto(path)


def all_star(path, n=4, small=False, **changes):
    """A table of n stars; changes {COLUMN: values, or None for no such column}."""
    rng = np.random.default_rng(1)
    columns = {
        "APOGEE_ID": np.array(NAMES[:n]),
        "FILE": np.array([f"apStar-dr17-{name}.fits" for name in NAMES[:n]]),
        "TELESCOPE": np.array(["apo25m"] * n),
        "FIELD": np.array(["M67"] * n),
        "TEFF": rng.uniform(4000, 5000, n),
        "TEFF_ERR": np.full(n, 30.0),
        "LOGG": rng.uniform(1, 3, n),
        "LOGG_ERR": np.full(n, 0.05),
        "FE_H": np.full(n, -0.5),
        "FE_H_ERR": np.full(n, 0.03),
        "MG_FE": np.full(n, 0.2),
        "MG_FE_ERR": np.full(n, 0.04),
        "M_H": np.full(n, -0.4),
        "K": np.full(n, 9.0),
        "AK_TARG": np.full(n, 0.1),
        "GAIAEDR3_PARALLAX": np.full(n, 1.5),
        "GAIAEDR3_PARALLAX_ERROR": np.full(n, 0.02),
        "SNR": np.full(n, 200.0),
        "ASPCAPFLAG": np.zeros(n, "i8"),
        "STARFLAG": np.zeros(n, "i4"),
        "X_H": np.zeros((n, 26)),
        "STARFLAGS": np.array(["BRIGHT_NEIGHBOR"] * n),
    } | changes
    found = {
        name.lower() if small else name: values
        for name, values in columns.items()
        if values is not None
    }
    Table(found).write(path)
    return path
