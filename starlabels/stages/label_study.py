"""What the labels of a joined database look like, before a network is trained on them: a table, words and figures."""

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.config.digests import is_own_grid
from starlabels.config.data_sections import Range
from starlabels.stages import locks

FEW_NODES = 60


@locks.require_lock("lock")
def study_labels(run, args=None):
    """Print the table and remarks on the labels of the joined file and draw its figures."""
    from starlabels.plots import label_study as plots

    cfg, files = run.cfg, run.paths
    what = "spectra" if cfg.wave else "stars"
    with run.open("0_join") as h5:
        inputs = {files.joined: h5.attrs["digest"]}
        names, units = hdf5.label_names(h5), hdf5.label_units(h5)
        values = hdf5.read_labels(h5, names)  # (n_stars, n_labels)
        errors = hdf5.read_label_errors(h5, names) if "labels/error" in h5 else None
        source = hdf5.dataset(h5, "source")
        databases, source = list(source.attrs["names"]), source[:]
    if not len(values):
        raise UserError(
            f"{files.joined} holds no {what}: loosen `where` in join.databases and re-run python 0_join.py"
        )
    columns = dict(zip(names, values.T))
    print(table(columns, units))
    for name, column in columns.items():
        for remark in remarks(
            name, column, get_label(name, units[name]).plain_unit, name in cfg.labels, what
        ):
            print(remark)
    rng = np.random.default_rng(cfg.seed)
    with run.figures("1_*.png", inputs) as folder:
        path = folder / "1_histograms.png"
        made = [plots.draw_histograms(values, names, units, source, databases, path, what)]
        made += [draw_kiel(plots, cfg, columns, folder / "1_kiel.png", rng)]
        made += [draw_pairs(plots, cfg, columns, units, folder / "1_pairs.png", rng)]
        made += draw_tables(columns, errors, units, folder)
    print(*[f"wrote {path}" for path in made if path], sep="\n")


def draw_tables(columns, errors, units, folder):
    """Draw what is missing, the errors (n, n_labels) and the sky, where there are such; the paths of those drawn."""
    from starlabels.plots import tables as plots

    values, names = np.column_stack(list(columns.values())), list(columns)
    known = [] if errors is None else [i for i in range(len(names)) if (errors[:, i] > 0).any()]
    holes = [i for i, some in enumerate(np.isnan(values).any(axis=0)) if some]
    figures = {  # {name: how to draw it, None for what there is not}
        "1_missing.png": holes and (lambda path: plots.draw_missing_values(values, names, path)),
        "1_errors.png": known
        and (
            lambda path: plots.draw_errors(errors[:, known], [names[i] for i in known], units, path)
        ),
        "1_sky.png": {"ra", "dec"} <= set(names)
        and (lambda path: plots.draw_sky(columns["ra"], columns["dec"], path)),
    }
    return [draw(folder / name) for name, draw in figures.items() if draw]


def draw_kiel(plots, cfg, columns, path, rng):
    """Draw the Kiel diagram, with the limits of our grid if it was joined; its path, None if labels are missing."""
    missing = [name for name in ("teff", "logg") if name not in columns]
    if missing:
        print(f"no Kiel diagram: {' and '.join(missing)} not among the labels")
        return None
    own = (
        any(is_own_grid(cfg, database.path) for database in cfg.join.databases)
        and not cfg.grid.labels_csv
    )
    draws = [cfg.grid.labels.get(name) for name in ("teff", "logg")] if own else []
    limits = (
        [(d.min, d.max) for d in draws]
        if own and all(isinstance(d, Range) for d in draws)
        else None
    )
    metal = next((name for name in ("mh", "feh") if name in columns), None)
    return plots.draw_kiel_diagram(
        columns["teff"], columns["logg"], columns.get(metal), metal, limits, path, rng
    )


def draw_pairs(plots, cfg, columns, units, path, rng):
    """Draw the labels that vary against each other, those to learn first; the path, or None if fewer than two vary."""
    names = [*cfg.labels, *(name for name in columns if name not in cfg.labels)]
    names = [name for name in names if len(nodes(columns[name])) > 1]
    if len(names) < 2:
        print("no pairs to draw: fewer than two labels vary")
        return None
    return plots.draw_label_pairs(
        np.stack([columns[name] for name in names], axis=1), names, units, path, rng
    )


def nodes(values):
    """The distinct finite values, ascending."""
    return np.unique(values[np.isfinite(values)])


def table(columns, units):
    """Minimum, maximum, mean, standard deviation, number of distinct and of missing values of each label, as text."""
    head = f"{'label':<16}{'unit':<8}" + "".join(
        f"{name:>12}" for name in ("min", "max", "mean", "std", "distinct", "missing")
    )
    lines = [head]
    for name, values in columns.items():
        ok = values[np.isfinite(values)].astype("f8")
        moments = [ok.min(), ok.max(), ok.mean(), ok.std()] if len(ok) else [np.nan] * 4
        counts = [format_count(len(nodes(values))), format_count(len(values) - len(ok))]
        unit = get_label(name, units[name]).plain_unit
        lines.append(
            f"{name:<16}{unit:<8}"
            + "".join(f"{m:>12.5g}" for m in moments)
            + "".join(f"{c:>12}" for c in counts)
        )
    return "\n".join(lines)


def remarks(name, values, unit, learnt, what="spectra"):
    """Sentences on what is odd in the values (n,) of a label: missing, constant, on few nodes, with gaps."""
    found, n_missing = nodes(values), int((~np.isfinite(values)).sum())
    unit = f" {unit}" if unit else ""
    said = (
        [f"{name} is missing in {format_count(n_missing)} of {format_count(len(values))} {what}"]
        if n_missing
        else []
    )
    if len(found) == 1:
        said += [
            f"{name} is constant ({found[0]:.7g}{unit})"
            + (": the network cannot learn it" if learnt else "")
        ]
    elif 1 < len(found) <= FEW_NODES and len(values) >= 5 * len(found):
        said += [f"{name} sits on {len(found)} nodes{spell(found, unit)}"]
    else:
        said += [
            f"{name} has a gap: none between {a:.6g} and {b:.6g}{unit}" for a, b in gaps(values)
        ]
    return said


def spell(found, unit):
    """Nodes (n,) in words: a range and a step if they are equally spaced, else a list."""
    steps = np.diff(found)
    if np.allclose(steps, steps[0], rtol=1e-3):
        return f", {found[0]:.6g}..{found[-1]:.6g}{unit} in steps of {steps.mean():.4g}"
    listed = ", ".join(f"{value:.6g}" for value in found[:12])
    return f", not equally spaced: {listed}{' ...' if len(found) > 12 else ''}{unit}"


def gaps(values):
    """Up to three (low, high) with no value (n,) between them, wider than chance leaves; the outer 0.5 % aside."""
    ok = np.sort(values[np.isfinite(values)].astype("f8"))
    ok = ok[len(ok) // 200 : len(ok) - len(ok) // 200]
    if len(ok) < 50:
        return []
    steps, extent = np.diff(ok), ok[-1] - ok[0]
    wide = np.flatnonzero(
        steps > extent * max(0.04, 3 * np.log(len(ok)) / len(ok))
    )  # uniform draws leave ln(n)/n
    widest = sorted(wide[np.argsort(-steps[wide])][:3])
    return [(ok[i], ok[i + 1]) for i in widest]
