"""Generated spectra as files: FITS, CSV, HDF5 of our schema, PNG."""

import contextlib
import csv
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base import hdf5, stamp
from starlabels.base.console import show_progress
from starlabels.base.files import replace_file
from starlabels.base.labels import get_label
from starlabels.base.provenance import stamp_figure
from starlabels.catalogues.databases import format_star_ids
from starlabels.config.digests import is_own_grid, short_hash
from starlabels.config.data_sections import Range
from starlabels.learning import generator

MAX_SPECTRA = {".csv": 1000, ".png": 8}  # spectra: columns that programs open, panels that can be read


class GeneratedSpectra(NamedTuple):
    """What to write: a Generator, labels (n, n_labels) in its order, star ids (n,) or None, the model's recipe and folder."""

    made: generator.Generator
    values: np.ndarray
    ids: list | None
    cfg: object
    model: Path

    def blocks(self):
        """Yield flux (m, n_pix), CHUNK spectra at a time."""
        for start in show_progress(
            range(0, len(self.values), generator.CHUNK), "generating spectra"
        ):
            yield self.made.flux(self.values[start : start + generator.CHUNK])

    def flux(self):
        """Flux (n, n_pix) of all."""
        return np.concatenate(list(self.blocks()))

    def names(self):
        """Name of each star (n,): its id, else its number from 1."""
        return self.ids or [str(i + 1) for i in range(len(self.values))]

    def units(self):
        """Unit of each label (n_labels,)."""
        return [get_label(name).plain_unit for name in self.made.names]

    def column(self, name, otherwise):
        """Values (n,) of a label; (1,) the other value if the model has no such label."""
        return (
            self.values[:, self.made.names.index(name)]
            if name in self.made.names
            else np.array([otherwise])
        )

    def power(self):
        """Resolving power that all share; None if they differ, or nobody knows: databases from elsewhere do not say."""
        grid = self.cfg.grid
        drawn = grid.labels.get("resolving_power", grid.resolving_power) if grid else np.nan
        own = all(is_own_grid(self.cfg, database.path) for database in self.cfg.join.databases)
        power = self.column(
            "resolving_power", drawn if own and not isinstance(drawn, Range) else np.nan
        )
        return float(power[0]) if (power == power[0]).all() else None

    def at_rest(self):
        """Whether none is shifted by a radial velocity."""
        return not self.column("rv", 0.0).any()


def write_csv(spectra, path):
    """Columns wave and flux, or wave and the name of each star."""
    flux, names = spectra.flux(), spectra.names()
    with replace_file(path) as tmp, tmp.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["wave", *(names if len(names) > 1 else ["flux"])])
        table.writerows(
            [f"{place:.10g}", *(f"{x:.7g}" for x in row)]
            for place, row in zip(spectra.made.wave, flux.T)
        )


def write_png(spectra, path):
    """A figure with a panel a star."""
    from starlabels.plots import generated_spectra as plots

    names = spectra.names() if len(spectra.values) > 1 else [""]
    titles = [
        plots.format_heading(name, dict(zip(spectra.made.names, row)))
        for name, row in zip(names, spectra.values)
    ]
    plots.draw_generated_spectra(
        spectra.made.wave, spectra.flux(), titles, path, spectra.cfg.lines, spectra.made.medium
    )
    stamp_figure(path, spectra.cfg.text, {spectra.model: spectra.made.digest})


def write_h5(spectra, path):
    """A database in our schema; without star ids, stars of equal labels have one."""
    made, values = spectra.made, spectra.values.astype("f4")
    ids = (
        format_star_ids(pd.DataFrame(values, columns=made.names))
        if spectra.ids is None
        else np.char.encode(spectra.ids, "utf-8")
    )
    digest = short_hash([made.digest, values.tolist(), spectra.ids])
    with hdf5.create(
        path, "generate", digest, spectra.cfg.text, {spectra.model / "scaling.h5": made.digest}
    ) as h5:
        hdf5.write_wave(
            h5, made.wave, made.medium, spectra.power(), "rest" if spectra.at_rest() else "observer"
        )
        flux, start = hdf5.create_spectra(h5, len(values), len(made.wave)), 0
        for block in spectra.blocks():
            flux[start : start + len(block)] = block
            start += len(block)
        hdf5.write_labels(h5, values, made.names, spectra.units())
        hdf5.write_text(h5, "star_id", ids)


def write_fits(spectra, path):
    """One spectrum as a table, several as an image with tables of wavelengths and labels; the first header tells of them."""
    with replace_file(path) as tmp:
        (write_fits_table if len(spectra.values) == 1 else write_fits_image)(spectra, tmp)


def write_fits_table(spectra, path):
    """A table SPECTRUM with columns WAVE and FLUX."""
    from astropy.io import fits

    header = fits.Header(build_header_cards(spectra))
    columns = [
        fits.Column("WAVE", "D", "Angstrom", array=spectra.made.wave),
        fits.Column("FLUX", "E", array=spectra.flux()[0]),
    ]
    table = fits.BinTableHDU.from_columns(columns, header, name="SPECTRUM")
    fits.HDUList([fits.PrimaryHDU(header=header), table]).writeto(path, overwrite=True)


def write_fits_image(spectra, path):
    """An image (n, n_pix), a table WAVE of its wavelengths, and a table LABELS with a row a star."""
    from astropy.io import fits

    made, ids = spectra.made, [name.encode("ascii", "backslashreplace") for name in spectra.names()]
    shape = [("NAXIS", 2), ("NAXIS1", len(made.wave)), ("NAXIS2", len(ids))]
    about = [*describe_linear_axis(made.wave, made.medium), *build_header_cards(spectra)]
    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), *shape, ("EXTEND", True), *about])
    with contextlib.closing(fits.StreamingHDU(str(path), header)) as image:
        for block in spectra.blocks():
            image.write(block)
    wave = [fits.Column("WAVE", "D", "Angstrom", array=made.wave)]
    stars = [fits.Column("star_id", f"{max(map(len, ids))}A", array=np.array(ids))]
    stars += [
        fits.Column(name, "D", unit, array=x)
        for name, unit, x in zip(made.names, spectra.units(), spectra.values.T)
    ]
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU.from_columns(wave, name="WAVE"))
        hdus.append(fits.BinTableHDU.from_columns(stars, name="LABELS"))


def describe_linear_axis(wave, medium="air"):
    """Cards of a FITS header for the wavelengths (n_pix,) of an image; none if their steps differ."""
    step = float(f"{(wave[-1] - wave[0]) / (len(wave) - 1):.9g}")  # 0.1, not 0.09999999999999927
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
    """Cards of a FITS header: what the flux is, the labels of a single star with units, and how it was made."""
    medium = spectra.made.medium
    found = [
        ("AIRORVAC", medium[:3], f"wavelengths are in {medium}"),
        ("CONTNORM", True, "normalised: the continuum is 1"),
    ]
    if spectra.at_rest():
        found.append(("SPECSYS", "SOURCE", "at rest in the frame of the star"))
    if power := spectra.power():
        found.append(("R", power, "resolving power, lambda / FWHM"))
    for name, unit, column in zip(spectra.made.names, spectra.units(), spectra.values.T):
        if len(column) == 1 and name != "resolving_power":
            key = name.upper() if re.fullmatch(r"\w{1,8}", name, re.ASCII) else f"HIERARCH {name}"
            found.append((key, column[0], f"[{unit}]" if unit else ""))
    found += [
        ("MODEL", ascii(str(spectra.model))[1:-1]),
        ("DIGEST", spectra.made.digest, "of the model's settings"),
    ]
    return found + [
        ("STARLAB", stamp.commit(), "version of starlabels"),
        ("DATE", stamp.now()[:19], "UTC"),
    ]


WRITERS = {
    ".fits": write_fits,
    ".csv": write_csv,
    ".h5": write_h5,
    ".hdf5": write_h5,
    ".png": write_png,
}
