"""The grid of config.yaml: draw labels, find or synthesise the nodes, and sample spectra into a database."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from starlabels import catalogue, h5io, locks, provenance
from starlabels.catalogue import Catalogue
from starlabels.cli import UserError, count, progress
from starlabels.config import digest, paths
from starlabels.databases import star_ids
from starlabels.labels import ELEMENTS, OFFSETS, abundance_name, label, offset_name
from starlabels.schema import Range
from starlabels.synthesis import nodes
from starlabels.synthesis.library import CHANGES, FOLDER, PACKAGED, VMIC
from starlabels.synthesis.lines import LINE_FILE
from starlabels.synthesis.nodes import AXES, NodeGrid
from starlabels.synthesis.packaged import checked

LABELS = (*AXES, "vsini")
NUISANCES = ("rv", "resolving_power")  # may be drawn too: what a spectrum's preparation leaves
OPTIONAL = (*NUISANCES, *OFFSETS)  # and abundances of single elements, [X/M]
CHUNK, CHUNK_PIXELS = 1024, 1 << 24  # spectra in memory at a time, and all their pixels
HOME_VMIC = 2.0  # km/s, of the nodes that elements are moved in
ELEMENT_STEPS = {"teff": 500.0, "logg": 1.0, "mh": 0.5}  # of those nodes: what they change is small and smooth
FINE_TEFF = 6000.0  # K: below, nodes are twice as dense, because lines grow fast there


@locks.alone("grid_lock")
def run(cfg, args=None):
    """Write data/grids/<name>.h5: spectra (n, n_pix) at labels drawn, stepped or read, from nodes packaged or synthesised."""
    if cfg.grid is None:
        print(f"{cfg.path}: grid is null: no synthetic spectra to make")
        return
    check_room(cfg)
    target, made = paths(cfg).grid, digest(cfg, "grid")  # before grid.labels_csv is read: it may change meanwhile
    stars = stars_of(cfg)
    for remark in stars.remarks:
        print(remark)
    wave = cfg.wave.grid()
    sampler = sampler_for(cfg)
    sound = sampler.sound(stars.labels)
    if not sound.any():
        raise UserError(f"grid.labels: all {count(len(sound))} label sets lie beside failed nodes of {sampler.path}")
    if not sound.all():
        print(f"kept {count(int(sound.sum()))} of {count(len(sound))} label sets: the others lie beside failed nodes")
    stars, n = stars.rows(sound), int(sound.sum())
    files = [*sampler.files, *([cfg.grid.labels_csv] if cfg.grid.labels_csv else [])]
    inputs = {provenance.name_of(path): h5io.file_digest(path) for path in files}
    with h5io.create(target, "grid", made, cfg, inputs) as h5:
        h5io.write_wave(h5, wave, resolving_power=cfg.grid.resolving_power)
        flux = h5io.create_spectra(h5, n, len(wave))
        step = max(1, min(CHUNK, CHUNK_PIXELS // len(wave)))
        for start in progress(range(0, n, step), "sampling spectra"):
            part = {name: values[start : start + step] for name, values in stars.labels.items()}
            flux[start : start + step] = sampler.spectra(part, wave, cfg.grid.resolving_power)
        write_labels(h5, stars.labels | abundances(stars.labels) | stars.columns, stars.errors)
        h5io.write_text(h5, "star_id", stars.ids)
    print(f"{target}: {count(n)} spectra of {len(wave)} pixels from {sampler.path}")


def check_room(cfg):
    """UserError if the spectra to draw take more than the disk has free."""
    target, n = paths(cfg).grid, cfg.grid.n_spectra
    there = next(folder for folder in target.absolute().parents if folder.is_dir())
    free, needed = shutil.disk_usage(there).free, 4 * n * cfg.wave.n_pix
    if not cfg.grid.labels_csv and needed > free:
        found = f"{count(n)} spectra of {count(cfg.wave.n_pix)} pixels take {needed / 1e9:.4g} GB"
        mend = f"{there} has {free / 1e9:.3g} GB free: lower it, or raise wave.step"
        raise UserError(f"{cfg.path}: grid.n_spectra: {found}, {mend}")


def write_labels(h5, labels, errors):
    """Write labels {name: (n,)}, and their errors {name: (n,)}, NaN for those that have none, if any has."""
    unknown = np.full_like(labels["teff"], np.nan)
    error = np.column_stack([errors.get(name, unknown) for name in labels]) if errors else None
    h5io.write_labels(h5, np.column_stack(list(labels.values())), list(labels), [label(n).plain_unit for n in labels], error)


def draw(cfg, rng):
    """Labels {name: (n,)} drawn as grid.labels says, and a star id for each row: equal labels are one star."""
    check_labels(cfg)
    labels, n = {}, cfg.grid.n_spectra
    for name in (*LABELS, *(name for name in OPTIONAL if name in cfg.grid.labels)):
        entry = cfg.grid.labels[name]
        if not isinstance(entry, Range):
            labels[name] = np.full(n, float(entry))
        elif entry.step is None:
            labels[name] = entry.min + (entry.max - entry.min) * rng.uniform(0, 1, n) ** entry.power
        else:
            steps = entry.min + entry.step * np.arange(int((entry.max - entry.min) / entry.step + 1e-6) + 1)
            labels[name] = rng.choice(steps, n)
    labels = {name: values.astype("f4") for name, values in labels.items()}
    return labels, star_ids(pd.DataFrame(labels))


def abundances(labels):
    """{[X/H]: (n,)} of the elements of which labels {name: (n,)} have an [X/M]."""
    moved = [element for element in ELEMENTS if offset_name(element) in labels]
    return {abundance_name(element): labels["mh"] + labels[offset_name(element)] for element in moved}


def check_labels(cfg):
    """UserError unless grid.labels has just the labels that a synthetic spectrum depends on."""
    unknown = [name for name in cfg.grid.labels if name not in LABELS + OPTIONAL]
    missing = [name for name in LABELS if name not in cfg.grid.labels]
    if unknown or missing:
        what = f"cannot vary {', '.join(unknown)}" if unknown else f"lacks {', '.join(missing)}"
        raise UserError(f"{cfg.path}: grid.labels {what}; it takes {', '.join(LABELS + OPTIONAL)}")


def stars_of(cfg):
    """The Catalogue of the stars to make spectra of: read from grid.labels_csv, or drawn."""
    if cfg.grid.labels_csv:
        return catalogue.read(cfg, LABELS, OPTIONAL)
    return Catalogue(*draw(cfg, np.random.default_rng(cfg.seed)))


def ranges_of(cfg):
    """{label: (lowest, highest)} that a grid asks: of its CSV file, else of its configuration; always of resolving_power."""
    power = {"resolving_power": (cfg.grid.resolving_power,) * 2}
    if cfg.grid.labels_csv:
        labels = stars_of(cfg).labels
        return power | {name: (float(values.min()), float(values.max())) for name, values in labels.items()}
    check_labels(cfg)
    ends = {n: (e.min, e.max) if isinstance(e, Range) else (float(e), float(e)) for n, e in cfg.grid.labels.items()}
    return power | ends


def covers(grid, cfg, ranges):
    """Whether a NodeGrid holds the window, atmospheres, label ranges and resolving powers of the configuration."""
    window = grid.wave_min <= cfg.wave.min and cfg.wave.max - cfg.wave.step <= grid.wave_max
    inside = all(
        axis[0] - 1e-6 <= ranges[name][0] and ranges[name][1] <= axis[-1] + 1e-6 for name, axis in zip(AXES, grid.axes)
    )
    sharp = grid.resolving_power >= ranges["resolving_power"][1]
    return window and inside and sharp and grid.atmosphere == cfg.grid.nodes.atmosphere


def sampler_for(cfg, build=True):
    """The Sampler of the run: of the library named, of a packaged one that covers the grid, or of one synthesised now.

    UserError instead of a synthesis if not `build`.
    """
    from starlabels.synthesis.sampler import Sampler

    if cfg.grid is None:
        raise UserError(f"{cfg.path}: grid is null: there are no nodes")
    ranges = ranges_of(cfg)
    path, vmic = library_for(cfg, ranges, build)
    elements = element_library(cfg, ranges, path, build)
    return Sampler(path, ranges, vmic, cfg.grid.nodes.solar, elements)


def library_for(cfg, ranges, build):
    """Paths of the library of `sampler_for`, and of the one that has its changes with vmic, if that is another."""
    if cfg.grid.nodes.library != "auto":
        path = Path(cfg.grid.nodes.library)
        if not covers(nodes.read_grid(path), cfg, ranges):
            raise UserError(f"{path} does not cover `wave`, grid.labels and grid.nodes.atmosphere: set library: auto")
        return path, None
    for name, grid in PACKAGED.items():
        if covers(grid, cfg, ranges):
            return FOLDER / name, None
        coarse = f"{Path(name).stem}_vmic.h5"
        if coarse in VMIC and covers(replace(grid, vmic=VMIC[coarse].vmic), cfg, ranges):
            return FOLDER / name, FOLDER / coarse
    path, wanted = own_library(cfg), plan(cfg, ranges)
    found(path, wanted, cfg, build, "no packaged library covers the grid")
    return path, None


def element_library(cfg, ranges, home, build):
    """The library of the elements whose abundances the grid varies, packaged or else synthesised; None if it varies none.

    home: path of the nodes whose spectra they change.
    """
    moved = tuple(element for element in ELEMENTS if offset_name(element) in ranges)
    if not moved:
        return None
    ranges = ranges | {"vmic": (HOME_VMIC, HOME_VMIC)}  # what vmic does to these changes is left out
    name = f"{Path(home).stem}_elements.h5"
    if Path(home).parent == FOLDER and name in CHANGES:
        packaged = CHANGES[name]
        if set(moved) <= set(packaged.elements) and covers(packaged, cfg, ranges):
            return FOLDER / name
    axes = {name: spanning(ranges[name], step) for name, step in ELEMENT_STEPS.items()} | {"vmic": (HOME_VMIC,)}
    power = nodes.read_grid(checked(home)).resolving_power
    kind = {"atmosphere": cfg.grid.nodes.atmosphere, "resolving_power": power, "elements": moved}
    wanted = NodeGrid(cfg.wave.min, cfg.wave.max, **axes, **kind)
    path = paths(cfg).grid.with_name(f"{cfg.grid.name}_elements.h5")
    found(path, wanted, cfg, build, "single elements are moved")
    return path


def spanning(span, step):
    """Multiples of `step` as a tuple, from the last below a span to the first above it."""
    first, last = np.floor(span[0] / step + 1e-6), np.ceil(span[1] / step - 1e-6)
    return tuple((step * np.arange(first, last + 1)).tolist())


def found(path, wanted, cfg, build, why):
    """Have a library of NodeGrid `wanted` at the path; UserError if that needs a synthesis and not `build`."""
    if not path.exists() or nodes.read_grid(path).digest != wanted.digest:
        if not build:
            raise UserError(f"{path} is missing or of other settings: run python grid.py")
        checked(LINE_FILE)  # here, not in each worker
        print(f"{why}: {path} needs {count(len(wanted.points))} nodes")
        nodes.build(wanted, path, cfg.cluster)


def own_library(cfg):
    """Path of the library that grid.py synthesises for this configuration."""
    return paths(cfg).grid.with_name(f"{cfg.grid.name}_nodes.h5")


def plan(cfg, ranges):
    """The NodeGrid to synthesise for `ranges` {label: (low, high)}; UserError where lines or atmospheres end."""
    from starlabels.synthesis.atmosphere import limits
    from starlabels.synthesis.lines import COVERAGE

    if cfg.wave.min < COVERAGE[0] or cfg.wave.max > COVERAGE[1]:
        low, high = COVERAGE
        raise UserError(f"{cfg.path}: wave {cfg.wave.min:g} to {cfg.wave.max:g} A: the line list spans {low:g} to {high:g} A")
    source = cfg.grid.labels_csv or f"{cfg.path}: grid.labels"
    allowed = limits() if cfg.grid.nodes.atmosphere == "builtin" else {}
    axes = {}
    for name in AXES:
        low, high = allowed.get(name, (-np.inf if name != "vmic" else 0.0, np.inf))
        if not low <= ranges[name][0] <= ranges[name][1] <= high:
            found = f"{ranges[name][0]:g} to {ranges[name][1]:g}"
            raise UserError(f"{source}: {name} {found}: built-in atmospheres span {low:g} to {high:g}")
        step = cfg.grid.nodes.step.get(name)
        if step is None:
            raise UserError(f"{cfg.path}: grid.nodes.step has no {name}: give the spacing of its nodes")
        axes[name] = axis_nodes(name, ranges[name], step, cfg.grid.nodes.padding, (low, high))
        if not axes[name][0] <= ranges[name][0] <= ranges[name][1] <= axes[name][-1]:
            raise UserError(f"{cfg.path}: grid.nodes.step.{name} lists nodes that do not enclose grid.labels.{name}")
    return NodeGrid(cfg.wave.min, cfg.wave.max, atmosphere=cfg.grid.nodes.atmosphere, **axes)


def axis_nodes(name, span, step, padding, allowed):
    """Nodes of one label as a tuple: those listed, or multiples of `step` around the span with `padding` beyond each end."""
    if isinstance(step, (list, tuple)):
        return tuple(map(float, step))
    if span[0] == span[1]:
        return (float(span[0]),)
    first, last = np.floor(span[0] / step + 1e-6) - padding, np.ceil(span[1] / step - 1e-6) + padding
    values = step * np.arange(first, last + 1)
    if name == "teff":
        fine = values[values < FINE_TEFF] + step / 2
        values = np.unique(np.r_[values, fine[fine < min(FINE_TEFF, values[-1])]])
    inside = values[(values >= allowed[0] - 1e-6) & (values <= allowed[1] + 1e-6)]
    ends = [v for v in span if not inside.size or v < inside[0] or v > inside[-1]]  # the table ends between two nodes
    return tuple(np.unique(np.round(np.r_[inside, ends], 6)).tolist())
