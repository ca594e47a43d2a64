"""The grid of config.yaml: draw labels, find or synthesise the nodes, and sample spectra into a database."""

import shutil

import numpy as np

from starlabels.base import hdf5, provenance
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import ELEMENTS, abundance_name, get_label, offset_name
from starlabels.stages import locks
from starlabels.stages.recipe_nodes import open_sampler
from starlabels.stages.recipe_stars import list_stars

CHUNK, CHUNK_PIXELS = 1024, 1 << 24  # spectra in memory at a time, and all their pixels


@locks.require_lock("grid_lock")
def make_grid(run, args=None):
    """Write data/grids/<name>.h5: spectra (n, n_pix) at labels drawn, stepped or read, from nodes packaged or synthesised."""
    cfg = run.cfg
    if cfg.grid is None:
        print(f"{cfg.path}: grid is null: no synthetic spectra to make")
        return
    check_disk_space(run)
    made = run.digest("grid")  # before grid.labels_csv is read: it may change meanwhile
    stars = list_stars(cfg)
    for remark in stars.remarks:
        print(remark)
    wave = cfg.wave.grid()
    sampler = open_sampler(cfg)
    sound = sampler.covers(stars.labels)
    if not sound.any():
        raise UserError(
            f"grid.labels: all {format_count(len(sound))} label sets lie beside failed nodes of {sampler.path}"
        )
    if not sound.all():
        print(
            f"kept {format_count(int(sound.sum()))} of {format_count(len(sound))} label sets: the others lie beside failed nodes"
        )
    stars, n = stars.rows(sound), int(sound.sum())
    files = [*sampler.files, *([cfg.grid.labels_csv] if cfg.grid.labels_csv else [])]
    inputs = {provenance.path_from_root(path): hdf5.file_digest(path) for path in files}
    with run.create("grid", made, inputs) as h5:
        hdf5.write_wave(h5, wave, resolving_power=cfg.grid.resolving_power)
        flux = hdf5.create_spectra(h5, n, len(wave))
        step = max(1, min(CHUNK, CHUNK_PIXELS // len(wave)))
        for start in show_progress(range(0, n, step), "sampling spectra"):
            part = {name: values[start : start + step] for name, values in stars.labels.items()}
            flux[start : start + step] = sampler.sample_spectra(
                part, wave, cfg.grid.resolving_power
            )
        write_star_labels(h5, stars.labels | compute_abundances(stars.labels) | stars.columns, stars.errors)
        hdf5.write_text(h5, "star_id", stars.ids)
    print(f"{run.paths.grid}: {format_count(n)} spectra of {len(wave)} pixels from {sampler.path}")


def check_disk_space(run):
    """UserError if the spectra to draw take more than the disk has free."""
    cfg, target = run.cfg, run.paths.grid
    n = cfg.grid.n_spectra
    there = next(folder for folder in target.absolute().parents if folder.is_dir())
    free, needed = shutil.disk_usage(there).free, 4 * n * cfg.wave.n_pix
    if not cfg.grid.labels_csv and needed > free:
        found = f"{format_count(n)} spectra of {format_count(cfg.wave.n_pix)} pixels take {needed / 1e9:.4g} GB"
        mend = f"{there} has {free / 1e9:.3g} GB free: lower it, or raise wave.step"
        raise UserError(f"{cfg.path}: grid.n_spectra: {found}, {mend}")


def write_star_labels(h5, labels, errors):
    """Write labels {name: (n,)}, and their errors {name: (n,)}, NaN for those that have none, if any has."""
    unknown = np.full_like(labels["teff"], np.nan)
    error = np.column_stack([errors.get(name, unknown) for name in labels]) if errors else None
    hdf5.write_labels(
        h5,
        np.column_stack(list(labels.values())),
        list(labels),
        [get_label(n).plain_unit for n in labels],
        error,
    )


def compute_abundances(labels):
    """{[X/H]: (n,)} of the elements of which labels {name: (n,)} have an [X/M]."""
    moved = [element for element in ELEMENTS if offset_name(element) in labels]
    return {
        abundance_name(element): labels["mh"] + labels[offset_name(element)] for element in moved
    }
