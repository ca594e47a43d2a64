"""Sections of the configuration about data: wavelengths, grid, databases and preprocessing."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, StrictBool, Tag

from starlabels.base.photometry import BANDS
from starlabels.base.ranges import File, Query, Section, Text, integer_type, number_type
from starlabels.config.fields import (
    A,
    Columns,
    Name,
    check_label_names,
    parse_fixed_value,
    parse_spacing,
    setting,
)

MOST_PIXELS = 1_000_000  # of a spectrum
OWN_GRID = "null: the grid's own file, data/grids/<grid.name>.h5"
FRACTION = "fraction of the stars"


class Cluster(Section):
    """The dask workers that synthesise spectra. They do not change results."""

    scheduler: Text | None = setting(
        "address of a running dask scheduler, such as tcp://host:8786; "
        "null: processes on this machine"
    )
    workers: integer_type(1, 256) = setting("number of processes on this machine")


class Wave(Section):
    """Wavelength grid of all spectra of the run."""

    min: number_type(900, 60_000, A) = setting("first pixel", A)
    max: number_type(900, 60_000, A) = setting("end, exclusive: (max - min)/step pixels", A)
    step: number_type(0.001, 10, A) = setting("width of a pixel", A)
    medium: Literal["air", "vacuum"] | None = setting(
        "of these and all other wavelengths of the run, but for jacobian.lines; null: that of the "
        "databases, and air for a grid",
        default=None,
    )

    @property
    def n_pix(self):
        """Number of pixels."""
        return round((self.max - self.min) / self.step)

    def grid(self):
        """Wavelengths (n_pix,) in Angstrom, max exclusive."""
        return self.min + self.step * np.arange(self.n_pix)


class Range(Section):
    """Range from which a label is drawn: uniformly, or on steps if `step` is given."""

    min: number_type(-1e6, 1e6) = setting("lower end", "unit of the label")
    max: number_type(-1e6, 1e6) = setting("upper end", "unit of the label")
    step: number_type(1e-6, 1e6) | None = setting(
        "draw only multiples of this step above min; null: any value", "unit of the label", None
    )
    power: number_type(0.1, 10) = setting(
        "draw min + (max - min) u^power, with u uniform in [0, 1]", default=1
    )


class Nodes(Section):
    """The synthesised spectra between which the grid is interpolated."""

    library: File = setting(
        "auto: the packaged library if it covers the grid, "
        "else data/grids/<name>_nodes.h5, synthesised; or a file"
    )
    step: dict[Text, Annotated[Any, BeforeValidator(parse_spacing)]] = setting(
        "spacing of nodes that must be synthesised (teff: 250 K at most below 6000 K)",
        "unit of each label",
    )
    padding: integer_type(0, 2) = setting(
        "nodes beyond the sampled range, where the atmospheres allow"
    )
    atmosphere: File = setting(
        "builtin, our own; atlas9; marcs; published: MARCS up to 7250 K, ATLAS9 above, ours where "
        "neither reaches; or an atmosphere file that PySME downloads, such as marcs2012.sav"
    )
    solar: StrictBool = setting(
        "of models trained before the line list fitted the Sun; new recipes leave it out",
        default=False,
    )


Draw = Annotated[
    Annotated[Range, Tag("range")]
    | Annotated[float, BeforeValidator(parse_fixed_value), Tag("number")],
    Discriminator(lambda value: "range" if isinstance(value, (dict, Range)) else "number"),
]


class Grid(Section):
    """Synthetic spectra that grid.py writes to data/grids/<name>.h5."""

    name: Name = setting("name of the grid's file")
    n_spectra: integer_type(10, 10_000_000) = setting("number of spectra to draw")
    labels: Annotated[dict[Text, Draw], BeforeValidator(check_label_names)] = setting(
        "{min, max}: drawn uniformly; {min, max, step}: drawn on steps; a number: constant",
        "unit of each label",
        min_length=1,
    )
    labels_csv: File | None = setting(
        "CSV file of labels to use instead of drawing: a column per label, optional star_id; "
        "other numeric columns are kept, <name>_err as errors; null: draw"
    )
    resolving_power: number_type(500, 120_000) = setting(
        "lambda/FWHM of a Gaussian instrument; for spectra without such a label"
    )
    nodes: Nodes = setting("synthesised spectra between which the grid is interpolated")


class Database(Section):
    """A file of stars: spectra, or a table (CSV, FITS or HDF5)."""

    path: File = setting("the file")
    where: Query | None = setting(
        'condition on the labels, such as "mh != 0 and teff < 9000"; null: all rows',
        default=None,
    )
    missing: dict[Text, dict[Text, list[integer_type(0, 23)]]] | None = setting(
        "{label: {column of bits: [bits that make the label missing]}}", default=None
    )
    columns: Columns | None = setting(
        "for tables, {our name: name in the file}; null: all numeric columns, names unchanged",
        default=None,
    )
    id: Text | None = setting("for tables, the column that identifies a star", default=None)


class Positions(Section):
    """Columns of positions and proper motions in a table."""

    ra: Text = setting("column of right ascension", "deg")
    dec: Text = setting("column of declination", "deg")
    pmra: Text | None = setting(
        "column of the proper motion in right ascension, times cos(dec)", "mas/yr", None
    )
    pmdec: Text | None = setting("column of the proper motion in declination", "mas/yr", None)
    epoch: number_type(1800, 2200, "years") = setting("epoch of the positions", "years", 2000.0)


class SkyMatch(Positions):
    """Match by position: columns of the catalogue, and in `to` columns of the databases."""

    radius: number_type(0.001, 3600, "arcsec") = setting("largest separation", "arcsec")
    to: Positions = setting("the columns of the databases")


class IdMatch(Section):
    """Match by identifier."""

    id: Text = setting("column of the catalogue")
    to: Text = setting("column of the databases")


def match_kind(value):
    """Whether a value describes a match by position ("sky") or by identifier ("id")."""
    is_sky = isinstance(value, SkyMatch) or (isinstance(value, dict) and "ra" in value)
    return "sky" if is_sky else "id"


Match = Annotated[
    Annotated[SkyMatch, Tag("sky")] | Annotated[IdMatch, Tag("id")], Discriminator(match_kind)
]


class Catalogue(Section):
    """A table whose columns are added to the stars of the databases."""

    path: File = setting("the file")
    match: Match = setting("how its rows are matched with stars")
    columns: Columns | None = setting(
        "{our name: name in the file}; null: all numeric columns, names unchanged", default=None
    )
    duplicates: Literal["nearest", "first", "error"] = setting(
        "which row is used if several match a star", default="nearest"
    )


class Join(Section):
    """Input of 0_join.py."""

    databases: Annotated[list[Database], Field(min_length=1, max_length=255)] | None = setting(
        f"files stacked in this order; each row keeps its file and row number; {OWN_GRID}",
        default=None,
    )
    catalogues: list[Catalogue] | None = setting(
        "tables to match with the databases, by identifier or position", default=None
    )
    cuts: list[Query] | None = setting(
        'queries applied in order, such as ["parallax_err < 0.1", "ruwe < 1.4"]; '
        "the number of removed rows is printed for each",
        default=None,
    )
    resample: StrictBool = setting(
        "true: resample databases on other wavelength grids to `wave`; false: they are an error"
    )


class Split(Section):
    """How stars are shared out; the three fractions sum to 1."""

    train: number_type(0, 1) = setting(FRACTION)
    validation: number_type(0, 1) = setting(FRACTION)
    test: number_type(0, 1) = setting(FRACTION)
    column: Text | None = setting(
        "column that holds 0 (train), 1 (validation) or 2 (test) instead of a random split",
        default=None,
    )


class Observed(Section):
    """Effects of observation added to synthetic spectra; all spectra are then normalised alike."""

    order: integer_type(0, 30) = setting(
        "order of the polynomial continuum that is fitted together with the star"
    )
    continuum_error: number_type(0, 0.2) = setting(
        "rms of random polynomials of twice that order, added before the fit", "of the continuum"
    )
    line_error: number_type(0, 0.5) = setting(
        "rms relative error of the depth of each line, because log gf values are inexact"
    )
    discrepancy: File | None = setting(
        "file of python -m starlabels.tools.discrepancy, or name of one in data/discrepancy: "
        "differences between observed and synthetic spectra, of which random draws are added, and "
        "with which predict.py refines labels; null: none",
        default=None,
    )


class Preprocess(Section):
    """Input of 2_preprocess.py."""

    split: Split = setting("fractions of the stars for training, validation and test")
    chunk_rows: integer_type(16, 1_000_000) = setting("spectra in memory at a time")
    observed: Observed | None = setting(
        "effects of observation to add to synthetic spectra; null: none"
    )
    components: integer_type(2, 4000) | None = setting(
        "number of principal components that represent a spectrum; "
        "null: the network reads pixels, and there are no flags"
    )
    blocks: integer_type(1, 200) = setting(
        "equal parts of the window, each with its own components and noise; "
        "a part may be missing from a spectrum"
    )


PHOTOMETRY = Literal[
    "apparent", "apparent_0", "absolute", "absolute_0", "colours", "colours_0"
]  # _0: corrected for extinction


class Features(Section):
    """Columns that the network reads for each star; a missing value is set to 0 and flagged."""

    magnitudes: dict[Text, Literal[tuple(BANDS)]] = setting("{column: photometric band}", "mag")
    a_v: Text | None = setting("column of the extinction A_V; null: none", "mag")
    parallax: Text | None = setting("column of the parallax; null: none", "mas")
    least_parallax: number_type(1e-4, 10, "mas") = setting(
        "a smaller or negative parallax is set to this value", "mas"
    )
    distance: Text | None = setting("column of the distance, instead of a parallax", "pc")
    give: list[PHOTOMETRY] = setting(
        "what to compute from the magnitudes; _0: corrected for extinction"
    )
    columns: list[Text] = setting("other columns to read, unchanged")
    hidden: number_type(0, 0.9) = setting(
        "fraction of the values that training hides at random, anew in each batch"
    )
