"""The stage grid: labels are drawn, nodes found or synthesised, and spectra sampled from them."""

import shutil

import numpy as np

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra, provenance
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import ELEMENTS, abundance_name, get_label, offset_name
from starlabels.config.recipe_rules import is_only_source
from starlabels.stages import locks
from starlabels.stages.recipe_nodes import open_sampler
from starlabels.stages.recipe_stars import list_stars

CHUNK = 1024  # spectra in memory at a time, at most
CHUNK_PIXELS = 1 << 24  # of all these spectra, at most


@locks.require_lock("grid_lock")
def make_grid(run, args=None):
    """Write data/grids/<name>.h5, the database of synthetic spectra that `grid` describes.

    Parameters
    ----------
    run : Run
    args : unused

    Raises
    ------
    UserError
        If the spectra do not fit on the disk, if a label to learn is constant, or if no star has
        sound nodes around it.
    """
    cfg = run.cfg
    if cfg.grid is None:
        print(f"{cfg.path}: grid is null: no synthetic spectra to make")
        return
    check_disk_space(run)
    digest = run.digest("grid")  # before grid.labels_csv is read: it may change meanwhile
    stars = list_stars(cfg)
    for remark in stars.remarks:
        print(remark)
    check_varied_labels(cfg, stars)
    sampler = open_sampler(cfg)
    stars = drop_failed_nodes(stars, sampler)
    files = [*sampler.files, *([cfg.grid.labels_csv] if cfg.grid.labels_csv else [])]
    inputs = {provenance.get_portable_path(path): hdf5.compute_file_digest(path) for path in files}
    with run.create("grid", digest, inputs) as h5:
        write_spectra(h5, cfg, stars.labels, sampler)
        columns = stars.labels | compute_abundances(stars.labels) | stars.columns
        write_star_labels(h5, columns, stars.errors)
        hdf5.write_text(h5, "star_id", stars.ids)
    spectra = f"{format_count(len(stars.ids))} spectra of {cfg.wave.n_pix} pixels"
    print(f"{run.paths.grid}: {spectra} from {sampler.path}")


def check_disk_space(run):
    """Raise a UserError if the spectra to draw need more disk space than is free."""
    cfg = run.cfg
    n = cfg.grid.n_spectra
    target = run.paths.grid.absolute()
    folder = next(parent for parent in target.parents if parent.is_dir())
    free = shutil.disk_usage(folder).free
    needed = 4 * n * cfg.wave.n_pix
    if not cfg.grid.labels_csv and needed > free:
        size = f"{format_count(n)} spectra of {format_count(cfg.wave.n_pix)} pixels"
        problem = f"{size} take {needed / 1e9:.4g} GB, {folder} has {free / 1e9:.3g} GB free"
        raise UserError(f"{cfg.path}: grid.n_spectra: {problem}: lower it, or raise wave.step")


def check_varied_labels(cfg, stars):
    """UserError if a label to learn is the same for all stars, before anything is synthesised."""
    for name in cfg.labels if is_only_source(cfg) else []:
        values = stars.labels.get(name, stars.columns.get(name))
        if values is not None and len(values) > 1 and (values == values[0]).all():
            source = cfg.grid.labels_csv or "grid.labels"
            problem = f"{name} is constant, {values[0]:g} in every row of {source}"
            raise UserError(f"{cfg.path}: labels: {problem}: vary it, or take it out of labels")


def drop_failed_nodes(stars, sampler):
    """Stars without those that need a failed node; UserError if none is left."""
    covered = sampler.covers(stars.labels)
    n_all = format_count(len(covered))
    failed = f"synthetic spectra (nodes of {sampler.path}) that could not be computed"
    if not covered.any():
        raise UserError(f"grid.labels: all {n_all} stars need {failed}: change the ranges")
    if not covered.all():
        n_out = format_count(int((~covered).sum()))
        print(f"left out {n_out} of {n_all} stars: they need {failed}")
    return stars.select(covered)


def write_spectra(h5, cfg, labels, sampler):
    """Write wavelengths (n_pix,) and the flux (n, n_pix) sampled at labels {name: (n,)}."""
    wave = cfg.wave.grid()
    power = cfg.grid.resolving_power
    n = len(labels["teff"])
    hdf5_spectra.write_wave(h5, wave, cfg.medium, power)
    flux = hdf5_spectra.create_spectra(h5, n, len(wave))
    step = max(1, min(CHUNK, CHUNK_PIXELS // len(wave)))
    for start in show_progress(range(0, n, step), "sampling spectra"):
        part = {name: values[start : start + step] for name, values in labels.items()}
        flux[start : start + step] = sampler.sample_spectra(part, wave, power)


def write_star_labels(h5, labels, errors):
    """Write labels {name: (n,)} and their errors {name: (n,)}, if any; NaN where absent."""
    names = list(labels)
    units = [get_label(name).plain_unit for name in names]
    error = None
    if errors:
        unknown = np.full_like(labels["teff"], np.nan)
        error = np.column_stack([errors.get(name, unknown) for name in names])
    hdf5_labels.write_labels(h5, np.column_stack(list(labels.values())), names, units, error)


def compute_abundances(labels):
    """{[X/H]: (n,)} of the elements whose [X/M] is among labels {name: (n,)}."""
    abundances = {}
    for element in ELEMENTS:
        if offset_name(element) in labels:
            abundances[abundance_name(element)] = labels["mh"] + labels[offset_name(element)]
    return abundances
