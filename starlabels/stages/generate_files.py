"""Files of generated spectra: FITS, CSV, HDF5 in our schema, PNG."""

import contextlib
import csv
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra, stamp
from starlabels.base.console import show_progress
from starlabels.base.files import replace_file
from starlabels.base.labels import get_label
from starlabels.base.provenance import stamp_figure
from starlabels.catalogues.databases import format_star_ids
from starlabels.config.data_sections import Range
from starlabels.config.digests import is_own_grid, short_hash
from starlabels.learning import generator

# Spectra: more columns than this do not open in other programs, more panels cannot be read
MAX_SPECTRA = {".csv": 1000, ".png": 8}


class GeneratedSpectra(NamedTuple):
    """Spectra to write.

    Attributes
    ----------
    generator : Generator
    values : array (n, n_labels)
        Labels in the order of the generator.
    ids : list of str or None
        Identifiers (n,) of the stars.
    cfg : Config
        Recipe of the model.
    model : Path
        Folder of the model.
    """

    generator: generator.Generator
    values: np.ndarray
    ids: list | None
    cfg: object
    model: Path

    def iterate_flux(self):
        """Yield flux (m, n_pix), CHUNK spectra at a time."""
        starts = range(0, len(self.values), generator.CHUNK)
        for start in show_progress(starts, "generating spectra"):
            yield self.generator.flux(self.values[start : start + generator.CHUNK])

    def compute_flux(self):
        """Flux (n, n_pix) of all spectra."""
        return np.concatenate(list(self.iterate_flux()))

    @property
    def labels(self):
        """{label: (n,)} of the spectra."""
        return dict(zip(self.generator.names, self.values.T))

    @property
    def names(self):
        """Names (n,) of the stars: their identifiers, else numbers from 1."""
        return self.ids or [str(i + 1) for i in range(len(self.values))]

    @property
    def units(self):
        """Units (n_labels,) of the labels."""
        return [get_label(name).plain_unit for name in self.generator.names]

    @property
    def resolving_power(self):
        """Resolving power common to all spectra; None if it differs or is unknown."""
        if "resolving_power" in self.labels:
            powers = self.labels["resolving_power"]
            return float(powers[0]) if (powers == powers[0]).all() else None
        # Databases from elsewhere do not state it
        if not all(is_own_grid(self.cfg, database.path) for database in self.cfg.join.databases):
            return None
        grid = self.cfg.grid
        power = grid.labels.get("resolving_power", grid.resolving_power) if grid else np.nan
        return None if isinstance(power, Range) or np.isnan(power) else float(power)

    @property
    def at_rest(self):
        """True if no spectrum is shifted by a radial velocity."""
        return "rv" not in self.labels or not self.labels["rv"].any()


def write_csv(spectra, path):
    """Write columns wave and flux, or wave and one column per star with its name."""
    flux = spectra.compute_flux()
    columns = spectra.names if len(spectra.values) > 1 else ["flux"]
    with replace_file(path) as tmp, tmp.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["wave", *columns])
        for wave, row in zip(spectra.generator.wave, flux.T):
            table.writerow([f"{wave:.10g}", *(f"{value:.7g}" for value in row)])


def write_png(spectra, path):
    """Write a figure with one panel per star."""
    from starlabels.plots import generated_spectra

    made = spectra.generator
    names = spectra.names if len(spectra.values) > 1 else [""]
    titles = []
    for name, row in zip(names, spectra.values):
        titles.append(generated_spectra.format_heading(name, dict(zip(made.names, row))))
    lines = spectra.cfg.get_lines(made.medium)
    generated_spectra.draw_generated_spectra(
        made.wave, spectra.compute_flux(), titles, path, lines, made.medium
    )
    stamp_figure(path, spectra.cfg.text, {spectra.model: made.digest})


def write_h5(spectra, path):
    """Write a database in our schema; without identifiers, stars of equal labels are one star."""
    made = spectra.generator
    values = spectra.values.astype("f4")
    if spectra.ids is None:
        ids = format_star_ids(pd.DataFrame(values, columns=made.names))
    else:
        ids = np.char.encode(spectra.ids, "utf-8")
    digest = short_hash([made.digest, values.tolist(), spectra.ids])
    inputs = {spectra.model / "scaling.h5": made.digest}
    frame = "rest" if spectra.at_rest else "observer"
    with hdf5.create_file(path, "generate", digest, spectra.cfg.text, inputs) as h5:
        hdf5_spectra.write_wave(h5, made.wave, made.medium, spectra.resolving_power, frame)
        flux = hdf5_spectra.create_spectra(h5, len(values), len(made.wave))
        start = 0
        for block in spectra.iterate_flux():
            flux[start : start + len(block)] = block
            start += len(block)
        hdf5_labels.write_labels(h5, values, made.names, spectra.units)
        hdf5.write_text(h5, "star_id", ids)


def write_fits(spectra, path):
    """Write one spectrum as a table, or several as an image with tables."""
    write = write_fits_table if len(spectra.values) == 1 else write_fits_image
    with replace_file(path) as tmp:
        write(spectra, tmp)


def write_fits_table(spectra, path):
    """Write a table SPECTRUM with columns WAVE and FLUX."""
    from astropy.io import fits

    header = fits.Header(build_header_cards(spectra))
    columns = [
        fits.Column("WAVE", "D", "Angstrom", array=spectra.generator.wave),
        fits.Column("FLUX", "E", array=spectra.compute_flux()[0]),
    ]
    table = fits.BinTableHDU.from_columns(columns, header, name="SPECTRUM")
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(path, overwrite=True)


def write_fits_image(spectra, path):
    """Write an image (n, n_pix), a table WAVE, and a table LABELS with one row per star."""
    from astropy.io import fits

    made = spectra.generator
    ids = [name.encode("ascii", "backslashreplace") for name in spectra.names]
    shape = [("NAXIS", 2), ("NAXIS1", len(made.wave)), ("NAXIS2", len(ids))]
    cards = [*describe_linear_axis(made.wave, made.medium), *build_header_cards(spectra)]
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), *shape, ("EXTEND", True), *cards])
    with contextlib.closing(fits.StreamingHDU(str(path), header)) as image:
        for block in spectra.iterate_flux():
            image.write(block)
    wave = [fits.Column("WAVE", "D", "Angstrom", array=made.wave)]
    stars = [fits.Column("star_id", f"{max(map(len, ids))}A", array=np.array(ids))]
    for (name, values), unit in zip(spectra.labels.items(), spectra.units):
        stars.append(fits.Column(name, "D", unit, array=values))
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU.from_columns(wave, name="WAVE"))
        hdus.append(fits.BinTableHDU.from_columns(stars, name="LABELS"))


def describe_linear_axis(wave, medium="air"):
    """Cards of a FITS header for wavelengths (n_pix,) in A; [] if their steps differ."""
    # Rounded: 0.1, not 0.09999999999999927
    step = float(f"{(wave[-1] - wave[0]) / (len(wave) - 1):.9g}")
    if not np.allclose(np.diff(wave), step, rtol=1e-4, atol=0):
        return []
    return [
        ("CTYPE1", "AWAV" if medium == "air" else "WAVE", f"wavelength in {medium}"),
        ("CUNIT1", "Angstrom"),
        ("CRPIX1", 1.0),
        ("CRVAL1", wave[0]),
        ("CDELT1", step),
    ]


def build_header_cards(spectra):
    """Cards of a FITS header: the kind of flux, the labels of a single star, and the model."""
    medium = spectra.generator.medium
    cards = [
        ("AIRORVAC", medium[:3], f"wavelengths are in {medium}"),
        ("CONTNORM", True, "normalised: the continuum is 1"),
    ]
    if spectra.at_rest:
        cards.append(("SPECSYS", "SOURCE", "at rest in the frame of the star"))
    if power := spectra.resolving_power:
        cards.append(("R", power, "resolving power, lambda / FWHM"))
    for (name, values), unit in zip(spectra.labels.items(), spectra.units):
        if len(values) == 1 and name != "resolving_power":
            key = name.upper() if re.fullmatch(r"\w{1,8}", name, re.ASCII) else f"HIERARCH {name}"
            cards.append((key, values[0], f"[{unit}]" if unit else ""))
    return [
        *cards,
        ("MODEL", ascii(str(spectra.model))[1:-1]),
        ("DIGEST", spectra.generator.digest, "of the model's settings"),
        ("STARLAB", stamp.get_commit(), "version of starlabels"),
        ("DATE", stamp.format_utc_now()[:19], "UTC"),
    ]


WRITERS = {
    ".fits": write_fits,
    ".csv": write_csv,
    ".h5": write_h5,
    ".hdf5": write_h5,
    ".png": write_png,
}
