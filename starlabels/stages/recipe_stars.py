"""Stars of a recipe: the labels to synthesise spectra at, read from a CSV file or drawn.

Columns that a spectrum depends on must be numbers in their range. Other columns of numbers may
have gaps and are kept, `<name>_err` as the error of column `<name>`; columns of text are not.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import ELEMENTS, OFFSETS, abundance_name, offset_name
from starlabels.catalogues import table_columns, tables
from starlabels.catalogues.databases import format_star_ids
from starlabels.config.data_sections import Range
from starlabels.config.rules import GRID_RANGES
from starlabels.synthesis.atmosphere_choice import LABEL_RANGES
from starlabels.synthesis.nodes import AXES

REQUIRED_LABELS = (*AXES, "vsini")
# May be drawn too: what the preparation of an observed spectrum leaves uncorrected
NUISANCE_LABELS = ("rv", "resolving_power")
OPTIONAL_LABELS = (*NUISANCE_LABELS, *OFFSETS)  # the latter are abundances [X/M] of single elements


class Catalogue(NamedTuple):
    """Stars to synthesise.

    Attributes
    ----------
    labels : dict
        {name: (n,)} of the labels that a spectrum depends on.
    ids : array (n,)
        Identifiers of the stars.
    columns, errors : dict
        {name: (n,)} of other columns and of errors, NaN where unknown.
    remarks : tuple of str
        What was left out.
    """

    labels: dict
    ids: np.ndarray
    columns: dict = {}
    errors: dict = {}
    remarks: tuple = ()

    def select(self, mask):
        """Catalogue of the stars of a mask (n,)."""
        fields = {"ids": self.ids[mask]}
        for field in ("labels", "columns", "errors"):
            table = getattr(self, field)
            fields[field] = {name: values[mask] for name, values in table.items()}
        return self._replace(**fields)


def list_stars(cfg):
    """Stars to synthesise: read from grid.labels_csv, or drawn.

    Parameters
    ----------
    cfg : Config

    Returns
    -------
    Catalogue

    Raises
    ------
    UserError
        If the CSV file or grid.labels does not fit; the message names the line or the label.
    """
    if cfg.grid.labels_csv:
        return read_stars(cfg, REQUIRED_LABELS, OPTIONAL_LABELS)
    return Catalogue(*draw_labels(cfg, np.random.default_rng(cfg.seed)))


def find_label_ranges(cfg):
    """{label: (lowest, highest)} of the stars of a recipe; always includes resolving_power."""
    power = cfg.grid.resolving_power
    ranges = {"resolving_power": (power, power)}
    if cfg.grid.labels_csv:
        for name, values in list_stars(cfg).labels.items():
            ranges[name] = (float(values.min()), float(values.max()))
        return ranges
    check_grid_labels(cfg)
    for name, entry in cfg.grid.labels.items():
        is_range = isinstance(entry, Range)
        ranges[name] = (entry.min, entry.max) if is_range else (float(entry), float(entry))
    return ranges


def draw_labels(cfg, rng):
    """Draw labels as grid.labels describes.

    Parameters
    ----------
    cfg : Config
    rng : numpy.random.Generator

    Returns
    -------
    labels : dict
        {name: (n,)} in float32.
    ids : array (n,)
        Equal labels are one star.
    """
    check_grid_labels(cfg)
    n = cfg.grid.n_spectra
    labels = {}
    optional = [name for name in OPTIONAL_LABELS if name in cfg.grid.labels]
    for name in (*REQUIRED_LABELS, *optional):
        labels[name] = draw_label(cfg.grid.labels[name], n, rng).astype("f4")
    return labels, format_star_ids(pd.DataFrame(labels))


def draw_label(entry, n, rng):
    """Values (n,) of a label: constant, or from a Range, continuous or in steps."""
    if not isinstance(entry, Range):
        return np.full(n, float(entry))
    if entry.step is None:
        return entry.min + (entry.max - entry.min) * rng.uniform(0, 1, n) ** entry.power
    n_steps = int((entry.max - entry.min) / entry.step + 1e-6)
    return rng.choice(entry.min + entry.step * np.arange(n_steps + 1), n)


def check_grid_labels(cfg):
    """Raise a UserError unless grid.labels has the labels that a synthetic spectrum depends on."""
    known = REQUIRED_LABELS + OPTIONAL_LABELS
    unknown = [name for name in cfg.grid.labels if name not in known]
    missing = [name for name in REQUIRED_LABELS if name not in cfg.grid.labels]
    if unknown or missing:
        problem = f"lacks {', '.join(missing)}"
        if unknown:
            problem = f"cannot vary {', '.join(unknown)}"
        raise UserError(f"{cfg.path}: grid.labels {problem}; it takes {', '.join(known)}")


def read_stars(cfg, required, optional):
    """Read the stars of grid.labels_csv, without those outside the model atmospheres.

    Parameters
    ----------
    cfg : Config
    required, optional : sequences of str
        Labels. One of `required` that the file lacks must be a number in grid.labels, which may
        also hold those of `optional`.

    Returns
    -------
    Catalogue

    Raises
    ------
    UserError
        If a column is missing or a value out of range; the message names file and line.
    """
    path = Path(cfg.grid.labels_csv)
    if not path.is_file():
        raise UserError(f"{path} not found: name a CSV file in grid.labels_csv or set it to null")
    table = tables.read_table(path, texts=["star_id"])
    names = list(required)
    names += [name for name in optional if name in table.frame or name in cfg.grid.labels]
    labels = {name: extract_label(table, name, cfg.grid.labels.get(name)) for name in names}
    derived = [abundance_name(element) for element in ELEMENTS if offset_name(element) in labels]
    others = table_columns.extract_columns(table, leave=("star_id", *names, *derived), known=names)
    unused = others.unused + [f"{name} (made here)" for name in derived if name in table.frame]
    stars = Catalogue(
        labels,
        name_stars(table, labels),
        {name: values.astype("f4") for name, values in others.values.items()},
        {name: values.astype("f4") for name, values in others.errors.items()},
        (f"{path}: not used: {', '.join(unused)}",) if unused else (),
    )
    if cfg.grid.nodes.atmosphere not in LABEL_RANGES:
        return stars
    return drop_uncovered(stars, path, *LABEL_RANGES[cfg.grid.nodes.atmosphere])


def drop_uncovered(stars, path, source, limits):
    """Stars inside the limits {label: (low, high)} of atmospheres; UserError if there are none."""
    ranges = {name: span for name, span in limits.items() if name in stars.labels}
    inside = np.ones(len(stars.ids), bool)
    for name, (low, high) in ranges.items():
        inside &= (stars.labels[name] >= low) & (stars.labels[name] <= high)
    where = f"outside the {source} atmospheres, {format_ranges(ranges)}"
    if not inside.any():
        raise UserError(f"{path}: all {format_count(len(inside))} stars lie {where}")
    stars = stars.select(inside)
    if not inside.all():
        n_out = format_count(int((~inside).sum()))
        remark = f"{path}: left out {n_out} stars {where}"
        stars = stars._replace(remarks=(*stars.remarks, remark))
    return stars


def format_ranges(ranges):
    """Ranges {name: (low, high)} as a text."""
    return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in ranges.items())


def extract_label(table, name, constant):
    """Values (n,) of a label that spectra depend on: of a Table, else the number `constant`.

    UserError if the table lacks the column and `constant` is no number, or if a value is out of
    range.
    """
    frame = table.frame
    if name in frame:
        values = table_columns.parse_numbers(frame[name])[0]
    elif constant is not None and not isinstance(constant, Range):
        values = pd.Series(float(constant), index=frame.index)
    else:
        problem = f"has columns {', '.join(frame)} but no {name}"
        raise UserError(f"{table.path} {problem}: add it, or one number in grid.labels")
    low, high = GRID_RANGES[name]
    bad = ~values.between(low, high)  # NaN is not between
    if bad.any():
        row = bad.idxmax()
        problem = f"{table.place(row)}: {name} is {frame.get(name, values)[row]}"
        expected = f"expected a number in [{low:g}, {high:g}]"
        raise UserError(f"{table.path}: {problem}, {expected}: fix it or leave the row out")
    return values.to_numpy("f4")


def name_stars(table, labels):
    """Identifiers (n,) of the stars of a Table: its column star_id, else equal labels are one."""
    if "star_id" not in table.frame:
        return format_star_ids(pd.DataFrame(labels))
    return table_columns.read_star_ids(table, "star_id")
