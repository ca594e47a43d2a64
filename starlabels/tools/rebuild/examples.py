"""Rebuild data/examples: small spectra for a first try of predict.py.

`python -m starlabels.tools.rebuild.examples SPECTRUM`. The packaged sun.fits is from the HARPS
spectrum of Ganymede in the FASMA-synthesis repository (Tsantaki et al. 2018, MIT), degraded to
R 1800. star.fits is synthetic, with noise.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d

from starlabels.base import checksums
from starlabels.base.files import replace_file
from starlabels.base.install import DATA_FOLDER
from starlabels.base.wavelengths import convert_air_to_vacuum
from starlabels.spectra import readers, spectrum
from starlabels.synthesis.broaden import FWHM, LIGHT
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

FOLDER = DATA_FOLDER / "examples"
POWER = 1800.0
WAVE = np.arange(4455.0, 4985.0, 1.0)  # A, in air
STAR = {"teff": 8200.0, "logg": 4.0, "mh": -0.2, "vmic": 2.0, "vsini": 90.0, "rv": 35.0}
SNR = 80.0
SEED = 7


def degrade_sun(path):
    """Flux (n,) of an observed spectrum on WAVE at POWER."""
    [observed] = readers.read_spectra(path, spectrum.ReadOptions(medium="air"))
    inside = (observed.wave > WAVE[0] - 50) & (observed.wave < WAVE[-1] + 50)
    wave, flux = observed.wave[inside], observed.flux[inside]
    sigma = WAVE.mean() / POWER / FWHM / np.median(np.diff(wave))
    return np.interp(WAVE, wave, gaussian_filter1d(flux, sigma))


def make_star():
    """Noisy flux (n,) of a synthetic star that recedes, on WAVE at POWER."""
    labels = {name: np.array([value]) for name, value in STAR.items()}
    rest = {name: values for name, values in labels.items() if name != "rv"}
    fine = np.arange(WAVE[0] - 4, WAVE[-1] + 4, 0.25)
    flux = Sampler(NODE_FOLDER / "blue.h5").sample_spectra(rest, fine, POWER)[0]
    seen = np.interp(WAVE, fine * (1 + STAR["rv"] / LIGHT), flux)
    return seen + np.random.default_rng(SEED).normal(0, 1 / SNR, len(WAVE))


def write_example(name, wave, flux, error, medium, comment):
    """Write a table of a spectrum with its metadata, and record its checksum."""
    columns = [
        fits.Column("WAVELENGTH", "D", "Angstrom", array=wave),
        fits.Column("FLUX", "E", array=flux),
        fits.Column("ERROR", "E", array=error),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="SPECTRUM")
    hdu.header["AIRORVAC"] = (medium, "medium of the wavelengths")
    hdu.header["SPEC_RP"] = (POWER, "lambda / FWHM")
    hdu.header["COMMENT"] = comment
    path = FOLDER / name
    with replace_file(path) as tmp:
        hdu.writeto(tmp, overwrite=True)
    checksums.record_checksum(path)


def main():
    """Write both examples; the argument is the file of the observed Sun."""
    FOLDER.mkdir(exist_ok=True)
    flux = degrade_sun(Path(sys.argv[1]))
    comment = "Sun (Ganymede), HARPS, from FASMA-synthesis, Tsantaki et al. 2018, MIT"
    write_example("sun.fits", WAVE, flux, 0.01 * flux, "air", comment)
    flux = make_star()
    values = ", ".join(f"{name} {value:g}" for name, value in STAR.items())
    error = np.full(len(flux), 1 / SNR)
    vacuum = convert_air_to_vacuum(WAVE)
    write_example("star.fits", vacuum, flux, error, "vacuum", f"synthetic: {values}")


if __name__ == "__main__":
    main()
