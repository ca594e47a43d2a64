"""Compare synthetic spectra with observed stars at the labels of the literature.

    python -m benchmarks.real_spectra FOLDER [--library wide.h5] [--before FILE] [--figure FILE]

FOLDER has labels.csv (columns file, teff, logg, feh, quality, caution) and one FITS image a star,
at rest in air, such as stars of MILES (FWHM 2.5 A). The continua are matched, and no label is
fitted. Printed is the median over stars of the mean |observed - synthetic| per 500 K.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d

from starlabels.plots import save_figure
from starlabels.spectra.nuisances import choose_vmic
from starlabels.synthesis.broaden import FWHM
from starlabels.synthesis.library import NODE_FOLDER
from starlabels.synthesis.sampler import Sampler

SPECTRUM_FWHM = 2.5  # A, of MILES
STEP = 0.2  # A, of the synthetic spectra before they are degraded
CONTINUUM_SCALE = 110.0  # A for each degree of the polynomial that matches the continua
CLIP = 3.0  # scatters: pixels further off do not determine the continuum
TRUSTED = ("A", "B", "C+")
BIN = 500.0  # K
EDGE = 15.0  # A left out at either end of the library
# A, in air: names of strong features in the figure
REGIONS = {"H & K": 3951.0, r"H$\delta$": 4102.0, "G band": 4305.0, r"H$\beta$": 4861.0,
           "Mg b": 5175.0, "Na D": 5893.0, r"H$\alpha$": 6563.0}  # fmt: skip


def read_stars(folder):
    """Stars to compare with: trusted labels, or, above 7000 K, all without a caution."""
    table = pd.read_csv(folder / "labels.csv")
    trusted = table.quality.isin(TRUSTED) | (table.teff > 7000)
    is_normal = table.caution.isna() | (table.teff < 4500)  # cooler ones all have one
    return table[trusted & is_normal].sort_values("teff", ignore_index=True)


def read_spectrum(path):
    """Wavelengths (n,) in A and flux (n,) of a FITS image with a linear scale."""
    with fits.open(path) as hdus:
        header, flux = hdus[0].header, np.ravel(hdus[0].data).astype(float)
    step = header.get("CDELT1") or header["CD1_1"]
    return header["CRVAL1"] + step * (np.arange(len(flux)) + 1 - header.get("CRPIX1", 1)), flux


def degrade(wave, flux, power):
    """Flux (n,) on a linear scale, degraded from a resolving power to SPECTRUM_FWHM."""
    out = np.empty_like(flux)
    for part in np.array_split(np.arange(len(wave)), 20):
        missing = SPECTRUM_FWHM**2 - (wave[part].mean() / power) ** 2
        out[part] = gaussian_filter1d(flux, np.sqrt(missing) / FWHM / STEP)[part]
    return out


def match_continuum(wave, observed, model):
    """The observed flux (n,) on the continuum of the model (n,)."""
    x = np.linspace(-1, 1, len(wave))
    degree = int(np.ceil((wave[-1] - wave[0]) / CONTINUUM_SCALE))
    ratio = observed / model
    good = np.isfinite(ratio) & (observed > 0)
    for _ in range(6):
        curve = np.polynomial.chebyshev.chebfit(x[good], ratio[good], degree, w=model[good])
        fitted = np.polynomial.chebyshev.chebval(x, curve)
        residual = ratio / fitted - 1
        scatter = 1.4826 * np.median(np.abs(residual[good]))
        good = (np.abs(residual) < CLIP * scatter) & (observed > 0)
    return observed / fitted


def compare_stars(folder, sampler):
    """Stars that the library covers, wavelengths (n,) and residuals (n_stars, n)."""
    stars = read_stars(folder)
    stars["vmic"] = choose_vmic(stars.teff.to_numpy(), stars.logg.to_numpy())
    if not sampler.vmic_sampler:  # the library has a single vmic
        stars["vmic"] = sampler.grid.vmic[0]
    labels = {name: stars[name].to_numpy(float) for name in ("teff", "logg", "vmic")}
    labels["mh"] = stars.feh.to_numpy(float)
    covered = sampler.covers(labels)
    stars = stars[covered].reset_index(drop=True)
    labels = {name: values[covered] for name, values in labels.items()}
    low, high = sampler.grid.wave_min, sampler.grid.wave_max
    fine = np.arange(low, high, STEP)
    power = sampler.grid.resolving_power
    model = sampler.sample_spectra(labels, fine, power)
    wave, _ = read_spectrum(folder / stars.file[0])
    wave = wave[(wave > low + EDGE) & (wave < high - EDGE)]
    residuals = np.empty((len(stars), len(wave)))
    for i, file in enumerate(stars.file):
        synthetic = np.interp(wave, fine, degrade(fine, model[i].astype(float), power))
        observed = np.interp(wave, *read_spectrum(folder / file))
        residuals[i] = match_continuum(wave, observed, synthetic) - synthetic
    return stars, wave, residuals


def summarise(stars, residuals):
    """Table of the median over stars of mean |residual| per BIN of Teff."""
    stars = stars.assign(error=np.abs(residuals).mean(axis=1), bin=(stars.teff // BIN) * BIN)
    return stars.groupby("bin").error.agg(["count", "median"])


def draw_comparison(after, before, path):
    """Draw the errors of stars by Teff, and mean residuals by Teff and wavelength.

    after, before: outputs of `compare_stars` of a library and of another one, or None.
    """
    fig, (top, low) = plt.subplots(2, 1, figsize=(7.1, 6.4), height_ratios=(2, 3))
    for found, name, colour in ((before, "before", "0.6"), (after, "now", "C0")):
        if found is None:
            continue
        stars, _, residuals = found
        medians = summarise(stars, residuals)
        top.scatter(stars.teff, np.abs(residuals).mean(axis=1), s=5, color=colour, alpha=0.5)
        top.plot(medians.index + BIN / 2, medians["median"], color=colour, label=name)
    top.set(xlabel=r"$T_\mathrm{eff}$ (K)", ylabel=r"mean $|\Delta f|$ of a star", yscale="log")
    top.legend(title="median in 500 K")
    stars, wave, residuals = after
    bins = np.sort(np.unique(stars.teff // BIN))
    mean = [residuals[stars.teff // BIN == number].mean(axis=0) for number in bins]
    image = low.pcolormesh(
        wave, np.arange(len(bins)), mean, cmap="RdBu", vmin=-0.05, vmax=0.05, rasterized=True
    )
    for name, centre in REGIONS.items():
        if wave[0] < centre < wave[-1]:
            low.annotate(name, (centre, 1), xycoords=("data", "axes fraction"), ha="center",
                         xytext=(0, 3), textcoords="offset points", fontsize=8)  # fmt: skip
    low.set_yticks(np.arange(len(bins)), [f"{number * BIN:.0f}" for number in bins])
    low.set(xlabel=r"Wavelength in air ($\mathrm{\AA}$)", ylabel=r"$T_\mathrm{eff}$ from (K)")
    fig.colorbar(image, ax=low, label="observed \N{MINUS SIGN} synthetic flux")
    return save_figure(fig, path)


def open_library(path):
    """Sampler of a library, with its changes with vmic if they have a library too."""
    vmic_path = path.with_name(path.stem + "_vmic.h5")
    return Sampler(path, vmic_path=vmic_path if vmic_path.exists() else None)


def main():
    """Print the comparison and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--library", default="wide.h5", help="in data/nodes (default: wide.h5)")
    parser.add_argument("--before", type=Path, help="library to compare with, any path")
    parser.add_argument("--figure", type=Path, help="PNG file to draw")
    args = parser.parse_args()
    found = []
    for path in (NODE_FOLDER / args.library, args.before):
        found.append(path and compare_stars(args.folder, open_library(path)))
        if path:
            stars, _, residuals = found[-1]
            print(f"{path.name}:")
            print(summarise(stars, residuals).to_string(float_format="{:.4f}".format))
    if args.figure:
        print(draw_comparison(*found, args.figure))


if __name__ == "__main__":
    main()
