"""A catalogue of stars in a CSV file: the labels to make their spectra by, and whatever else is known of them.

Columns that a spectrum depends on must be numbers in their range. All others may have holes: numbers are kept beside the
labels, `<name>_err` as the error of column `<name>`; text is not.
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
from starlabels.config.rules import BUILTIN_RANGES, GRID_RANGES
from starlabels.config.data_sections import Range
from starlabels.synthesis.nodes import AXES


class Catalogue(NamedTuple):
    """n stars: {name: (n,)} of labels that a spectrum depends on, their ids (n,) and, of other columns and of errors, the same.

    Columns and errors are NaN where not known; remarks say what was left out.
    """

    labels: dict
    ids: np.ndarray
    columns: dict = {}
    errors: dict = {}
    remarks: tuple = ()

    def rows(self, keep):
        """The stars of a mask (n,)."""
        tables = (
            {name: values[keep] for name, values in one.items()}
            for one in (self.labels, self.columns, self.errors)
        )
        labels, columns, errors = tables
        return Catalogue(labels, self.ids[keep], columns, errors, self.remarks)


def read_stars(cfg, required, optional):
    """The Catalogue of grid.labels_csv, stars outside the built-in atmospheres left out; UserError naming file and line.

    A label of `required` that the file lacks must be one number in grid.labels, which may hold those of `optional` too.
    """
    path = Path(cfg.grid.labels_csv)
    if not path.is_file():
        raise UserError(f"{path} not found: name a CSV file in grid.labels_csv or set it to null")
    table = tables.read_table(path, texts=["star_id"])
    names = [
        name
        for name in (*required, *optional)
        if name in required or name in table.frame or name in cfg.grid.labels
    ]
    labels = {name: extract_label(table, name, cfg.grid.labels.get(name)) for name in names}
    made = [abundance_name(element) for element in ELEMENTS if offset_name(element) in labels]
    others = table_columns.extract_columns(table, leave=("star_id", *names, *made), known=names)
    unused = [*others.unused, *(f"{name} (made here)" for name in made if name in table.frame)]
    columns, errors = (
        {name: one.astype("f4") for name, one in kind.items()}
        for kind in (others.values, others.errors)
    )
    found = Catalogue(labels, name_stars(table, labels), columns, errors)
    remarks = [f"{path}: not used: {', '.join(unused)}"] if unused else []
    if cfg.grid.nodes.atmosphere == "builtin":
        spans = {name: span for name, span in BUILTIN_RANGES.items() if name in labels}
        inside = np.all(
            [(labels[name] >= low) & (labels[name] <= high) for name, (low, high) in spans.items()],
            axis=0,
        )
        if not inside.any():
            raise UserError(
                f"{path}: all {format_count(len(inside))} stars lie outside the built-in atmospheres, {format_ranges(spans)}"
            )
        if not inside.all():
            left = format_count(int((~inside).sum()))
            remarks.append(
                f"{path}: left out {left} stars outside the built-in atmospheres, {format_ranges(spans)}"
            )
        found = found.rows(inside)
    return found._replace(remarks=tuple(remarks))


def format_ranges(spans):
    """Ranges {name: (low, high)} in words."""
    return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in spans.items())


def extract_label(table, name, fixed):
    """A label (n,) float32 that spectra depend on: of the Table, else the number `fixed`; UserError if it is neither."""
    path, frame = table.path, table.frame
    if name in frame:
        values = table_columns.parse_numbers(frame[name])[0]
    elif fixed is not None and not isinstance(fixed, Range):
        values = pd.Series(float(fixed), index=frame.index)
    else:
        raise UserError(
            f"{path} has columns {', '.join(frame)} but no {name}: add it, or one number in grid.labels"
        )
    low, high = GRID_RANGES[name]
    bad = ~values.between(low, high)  # NaN is not between
    if bad.any():
        row = bad.idxmax()
        found = f"{table.place(row)}: {name} is {frame.get(name, values)[row]}"
        raise UserError(
            f"{path}: {found}, expected a number in [{low:g}, {high:g}]: mend it or leave the row out"
        )
    return values.to_numpy("f4")


def name_stars(table, labels):
    """The ids (n,) of the stars: column star_id, else equal labels are one star."""
    if "star_id" not in table.frame:
        return format_star_ids(pd.DataFrame(labels))
    return table_columns.read_star_ids(table, "star_id")


REQUIRED_LABELS = (*AXES, "vsini")
NUISANCE_LABELS = ("rv", "resolving_power")  # may be drawn too: what a spectrum's preparation leaves
OPTIONAL_LABELS = (*NUISANCE_LABELS, *OFFSETS)  # and abundances of single elements, [X/M]


def draw_labels(cfg, rng):
    """Labels {name: (n,)} drawn as grid.labels says, and a star id for each row: equal labels are one star."""
    check_grid_labels(cfg)
    labels, n = {}, cfg.grid.n_spectra
    for name in (*REQUIRED_LABELS, *(name for name in OPTIONAL_LABELS if name in cfg.grid.labels)):
        entry = cfg.grid.labels[name]
        if not isinstance(entry, Range):
            labels[name] = np.full(n, float(entry))
        elif entry.step is None:
            labels[name] = entry.min + (entry.max - entry.min) * rng.uniform(0, 1, n) ** entry.power
        else:
            steps = entry.min + entry.step * np.arange(
                int((entry.max - entry.min) / entry.step + 1e-6) + 1
            )
            labels[name] = rng.choice(steps, n)
    labels = {name: values.astype("f4") for name, values in labels.items()}
    return labels, format_star_ids(pd.DataFrame(labels))


def check_grid_labels(cfg):
    """UserError unless grid.labels has just the labels that a synthetic spectrum depends on."""
    unknown = [name for name in cfg.grid.labels if name not in REQUIRED_LABELS + OPTIONAL_LABELS]
    missing = [name for name in REQUIRED_LABELS if name not in cfg.grid.labels]
    if unknown or missing:
        what = f"cannot vary {', '.join(unknown)}" if unknown else f"lacks {', '.join(missing)}"
        raise UserError(f"{cfg.path}: grid.labels {what}; it takes {', '.join(REQUIRED_LABELS + OPTIONAL_LABELS)}")


def list_stars(cfg):
    """The Catalogue of the stars to make spectra of: read from grid.labels_csv, or drawn."""
    if cfg.grid.labels_csv:
        return read_stars(cfg, REQUIRED_LABELS, OPTIONAL_LABELS)
    return Catalogue(*draw_labels(cfg, np.random.default_rng(cfg.seed)))


def find_label_ranges(cfg):
    """{label: (lowest, highest)} that a grid asks: of its CSV file, else of its configuration; always of resolving_power."""
    power = {"resolving_power": (cfg.grid.resolving_power,) * 2}
    if cfg.grid.labels_csv:
        labels = list_stars(cfg).labels
        return power | {
            name: (float(values.min()), float(values.max())) for name, values in labels.items()
        }
    check_grid_labels(cfg)
    ends = {
        n: (e.min, e.max) if isinstance(e, Range) else (float(e), float(e))
        for n, e in cfg.grid.labels.items()
    }
    return power | ends
