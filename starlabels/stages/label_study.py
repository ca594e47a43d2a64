"""1_label_study: look at the labels of a joined database before a network is trained on them."""

import numpy as np

from starlabels.base import hdf5, hdf5_labels
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import find_metallicity, get_label
from starlabels.config.data_sections import Range
from starlabels.config.digests import is_own_grid
from starlabels.stages import locks

MAX_NODES = 60  # distinct values up to which a label is described as lying on a grid


@locks.require_lock("lock")
def study_labels(run, args=None):
    """Print a table of the labels and remarks on them, and draw the figures 1_*.png."""
    cfg, path = run.cfg, run.paths.joined
    kind = "spectra" if cfg.wave else "stars"
    with run.open("0_join") as h5:
        inputs = {path: h5.attrs["digest"]}
        names, units = hdf5_labels.read_label_names(h5), hdf5_labels.read_label_units(h5)
        values = hdf5_labels.read_labels(h5, names)  # (n_stars, n_labels)
        errors = hdf5_labels.read_label_errors(h5, names) if "labels/error" in h5 else None
        source = hdf5.get_dataset(h5, "source")
        databases, source = list(source.attrs["names"]), source[:]
    if not len(values):
        hint = "loosen `where` in join.databases and re-run python 0_join.py"
        raise UserError(f"{path} holds no {kind}: {hint}")
    columns = dict(zip(names, values.T))
    print(format_label_table(columns, units))
    for name, column in columns.items():
        unit = get_label(name, units[name]).plain_unit
        for remark in describe_label(name, column, unit, name in cfg.labels, kind):
            print(remark)
    with run.figures("1_*.png", inputs) as folder:
        figures = draw_label_figures(cfg, columns, errors, units, (source, databases), kind, folder)
    print(*[f"wrote {figure}" for figure in figures if figure], sep="\n")


def draw_label_figures(cfg, columns, errors, units, origin, kind, folder):
    """Draw the figures of labels {name: (n_stars,)}; their paths, None for those that do not apply.

    origin: number of the database of each star (n_stars,), and names of the databases.
    """
    from starlabels.plots import label_study as plots

    rng = np.random.default_rng(cfg.seed)
    values, names = np.column_stack(list(columns.values())), list(columns)
    path = folder / "1_histograms.png"
    return [
        plots.draw_histograms(values, names, units, *origin, path, kind),
        draw_kiel_figure(plots, cfg, columns, folder / "1_kiel.png", rng),
        draw_pairs_figure(plots, cfg, columns, units, folder / "1_pairs.png", rng),
        *draw_table_figures(columns, errors, units, folder),
    ]


def draw_table_figures(columns, errors, units, folder):
    """Draw missing values, errors (n_stars, n_labels) and sky positions if present; their paths."""
    from starlabels.plots import tables as plots

    values, names = np.column_stack(list(columns.values())), list(columns)
    paths = []
    if np.isnan(values).any():
        paths.append(plots.draw_missing_values(values, names, folder / "1_missing.png"))
    with_errors = [] if errors is None else np.flatnonzero((errors > 0).any(axis=0))
    if len(with_errors):
        labels = [names[i] for i in with_errors]
        path = folder / "1_errors.png"
        paths.append(plots.draw_errors(errors[:, with_errors], labels, units, path))
    if {"ra", "dec"} <= set(names):
        paths.append(plots.draw_sky(columns["ra"], columns["dec"], folder / "1_sky.png"))
    return paths


def draw_kiel_figure(plots, cfg, columns, path, rng):
    """Draw the Kiel diagram, with the limits of the run's own grid; None if labels are missing."""
    missing = [name for name in ("teff", "logg") if name not in columns]
    if missing:
        print(f"no Kiel diagram: {' and '.join(missing)} not among the labels")
        return None
    limits = None
    if any(is_own_grid(cfg, database.path) for database in cfg.join.databases):
        ranges = [cfg.grid.labels.get(name) for name in ("teff", "logg")]
        if not cfg.grid.labels_csv and all(isinstance(draw, Range) for draw in ranges):
            limits = [(draw.min, draw.max) for draw in ranges]
    metal = find_metallicity(columns)
    return plots.draw_kiel_diagram(
        columns["teff"], columns["logg"], columns.get(metal), metal, limits, path, rng
    )


def draw_pairs_figure(plots, cfg, columns, units, path, rng):
    """Draw all pairs of labels that vary, the recipe's first; None if fewer than two vary."""
    names = [*cfg.labels, *(name for name in columns if name not in cfg.labels)]
    names = [name for name in names if len(find_distinct_values(columns[name])) > 1]
    if len(names) < 2:
        print("no pairs to draw: fewer than two labels vary")
        return None
    values = np.stack([columns[name] for name in names], axis=1)
    return plots.draw_label_pairs(values, names, units, path, rng)


def find_distinct_values(values):
    """The distinct finite values, ascending."""
    return np.unique(values[np.isfinite(values)])


def format_label_table(columns, units):
    """Table of range, mean, standard deviation, distinct and missing values per label."""
    heads = ("min", "max", "mean", "std", "distinct", "missing")
    lines = [f"{'label':<16}{'unit':<8}" + "".join(f"{name:>12}" for name in heads)]
    for name, values in columns.items():
        finite = values[np.isfinite(values)].astype("f8")
        moments = [np.nan] * 4
        if len(finite):
            moments = [finite.min(), finite.max(), finite.mean(), finite.std()]
        counts = [len(find_distinct_values(values)), len(values) - len(finite)]
        cells = [f"{moment:>12.5g}" for moment in moments]
        cells += [f"{format_count(n):>12}" for n in counts]
        unit = get_label(name, units[name]).plain_unit
        lines.append(f"{name:<16}{unit:<8}" + "".join(cells))
    return "\n".join(lines)


def describe_label(name, values, unit, is_target, kind="spectra"):
    """Remarks on the values (n,) of a label: missing, constant, on few nodes, with gaps."""
    distinct = find_distinct_values(values)
    n_missing = int((~np.isfinite(values)).sum())
    unit = f" {unit}" if unit else ""
    remarks = []
    if n_missing:
        total = format_count(len(values))
        remarks.append(f"{name} is missing in {format_count(n_missing)} of {total} {kind}")
    if len(distinct) == 1:
        consequence = ": the network cannot learn it" if is_target else ""
        remarks.append(f"{name} is constant ({distinct[0]:.7g}{unit}){consequence}")
    elif 1 < len(distinct) <= MAX_NODES and len(values) >= 5 * len(distinct):
        remarks.append(f"{name} takes {len(distinct)} values{describe_nodes(distinct, unit)}")
    else:
        for low, high in find_gaps(values):
            remarks.append(f"{name} has a gap: none between {low:.6g} and {high:.6g}{unit}")
    return remarks


def describe_nodes(values, unit):
    """Distinct values (n,) in words: a range and a step if they are equally spaced, else a list."""
    steps = np.diff(values)
    if np.allclose(steps, steps[0], rtol=1e-3):
        return f", {values[0]:.6g}..{values[-1]:.6g}{unit} in steps of {steps.mean():.4g}"
    listed = ", ".join(f"{value:.6g}" for value in values[:12])
    return f", not equally spaced: {listed}{' ...' if len(values) > 12 else ''}{unit}"


def find_gaps(values):
    """Up to three intervals (low, high) without values (n,) that are wider than chance explains.

    The outer 0.5 % of the values are ignored.
    """
    values = np.sort(values[np.isfinite(values)].astype("f8"))
    values = values[len(values) // 200 : len(values) - len(values) // 200]
    n = len(values)
    if n < 50:
        return []
    steps, extent = np.diff(values), values[-1] - values[0]
    # the widest gap of n uniform draws is ln(n) / n of their range
    wide = np.flatnonzero(steps > extent * max(0.04, 3 * np.log(n) / n))
    widest = sorted(wide[np.argsort(-steps[wide])][:3])
    return [(values[i], values[i + 1]) for i in widest]
