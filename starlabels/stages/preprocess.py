"""2_preprocess: split by star, shuffle, standardise the labels and fit principal components."""

import numpy as np

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import get_positive
from starlabels.catalogues import features
from starlabels.learning import components
from starlabels.learning.losses import gives_errors
from starlabels.stages import locks
from starlabels.stages.observed_effects import open_effects

PARTS = ("train", "validation", "test")


@locks.require_lock("lock")
def prepare_spectra(run, args=None):
    """Prepare the joined spectra for training: write 2_prepared.h5.

    Raises
    ------
    UserError
        If the joined file is missing or stale, a part would be empty, or a label cannot be trained.
    """
    cfg, paths = run.cfg, run.paths
    digest = run.digest("2_preprocess")  # computed first: databases may change meanwhile
    kind = "spectra" if cfg.wave else "rows"
    with run.open("0_join") as joined:
        labels = hdf5_labels.read_labels(joined, cfg.labels)
        if not gives_errors(cfg.train.loss):
            check_complete_labels(labels, cfg.labels, paths.joined)
        star_id = hdf5.read_text(hdf5.get_dataset(joined, "star_id"))
        rng = np.random.default_rng(cfg.seed)
        parts = read_split(joined, cfg)
        parts = parts or split_stars(star_id, cfg.preprocess.split, rng, paths.joined)
        check_components(cfg, len(parts["train"]))
        train_labels = labels[parts["train"]]
        with run.create("2_preprocess", digest, {paths.joined: joined.attrs["digest"]}) as h5:
            if cfg.wave:
                hdf5_spectra.write_wave(h5, *hdf5_spectra.read_axis(joined))
            units = hdf5_labels.read_label_units(joined)
            write_scaling(h5, train_labels, cfg.labels, units, paths.joined)
            effects = open_effects(h5, joined, parts["train"], cfg)
            for part, rows in parts.items():
                write_part(h5.create_group(part), joined, rows, cfg, effects)
                n_stars = format_count(len(np.unique(star_id[rows])))
                print(f"{part}: {format_count(len(rows))} {kind} of {n_stars} stars")
            if cfg.features:
                features.write_features(h5, joined, parts, cfg.features)
            if cfg.preprocess.components:
                n, blocks = cfg.preprocess.components, cfg.preprocess.blocks
                step = cfg.preprocess.chunk_rows
                components.write_components(h5, PARTS[:2], n, blocks, cfg.seed, step)
    print(f"{paths.prepared}: labels {', '.join(cfg.labels)}")


def check_complete_labels(labels, names, path):
    """UserError if a label (n, n_labels) is NaN in some rows, for a loss that needs all labels."""
    n_missing = np.isnan(labels).sum(axis=0)
    if not n_missing.any():
        return
    incomplete = {name: n for name, n in zip(names, n_missing) if n}
    counts = ", ".join(f"{name} in {format_count(n)}" for name, n in incomplete.items())
    where = " and ".join(f"{name} == {name}" for name in incomplete)
    hint = f"use train.loss: gaussian_nll, or exclude them by `where: {where}` in join.databases"
    raise UserError(f"{path}: NaN labels, {counts} of {format_count(len(labels))} spectra; {hint}")


def check_components(cfg, n_train):
    """UserError if the recipe has more components than n_train spectra allow."""
    n_components, n_blocks = cfg.preprocess.components, cfg.preprocess.blocks
    if not n_components:
        return
    most = (min(n_train, cfg.wave.n_pix // n_blocks) - 1) * n_blocks
    if n_components > most:
        size = f"{format_count(n_train)} training spectra of {format_count(cfg.wave.n_pix)} pixels"
        setting = f"{cfg.path}: preprocess.components is {n_components}"
        raise UserError(f"{setting}, but {size} have at most {most}")


def read_split(joined, cfg):
    """{part: shuffled rows} from the column preprocess.split.column: 0 train, 1 validation, 2 test.

    None if the recipe names no column. Rows with other values are dropped and counted.
    UserError if the column is absent or a part is empty.
    """
    name = cfg.preprocess.split.column
    if not name:
        return None
    names = hdf5_labels.read_label_names(joined)
    if name not in names:
        hint = "correct preprocess.split.column"
        raise UserError(f"{joined.filename} has columns {', '.join(names)}, no {name}: {hint}")
    number = hdf5_labels.read_labels(joined, [name])[:, 0]
    rng = np.random.default_rng(cfg.seed)
    parts = {part: rng.permutation(np.flatnonzero(number == i)) for i, part in enumerate(PARTS)}
    for i, part in enumerate(PARTS):
        if not len(parts[part]):
            raise UserError(f"{joined.filename}: no row has {name} {i}, {part}: correct the column")
    if n_dropped := len(number) - sum(map(len, parts.values())):
        print(f"{format_count(n_dropped)} rows are in no part: their {name} is not 0, 1 or 2")
    return parts


def split_stars(star_id, fractions, rng, path=""):
    """Split rows into {part: shuffled rows} by whole stars, so that no star is in two parts.

    Parameters
    ----------
    star_id : array (n,)
        Identifier of the star of each row.
    fractions : Split
        Fraction of the stars in train, validation and test.
    rng : numpy.random.Generator
    path : str
        Name of the file, for the message.

    Raises
    ------
    UserError
        If a part is empty.
    """
    stars, star = np.unique(star_id, return_inverse=True)  # star: (n,) number of each row's star
    ends = np.rint(np.cumsum([getattr(fractions, part) for part in PARTS]) * len(stars)).astype(int)
    part_of_star = np.empty(len(stars), int)
    order = rng.permutation(len(stars))
    part_of_star[order] = np.searchsorted(ends, np.arange(len(stars)), side="right")
    part_of_row = part_of_star[star]
    parts = {
        part: rng.permutation(np.flatnonzero(part_of_row == i)) for i, part in enumerate(PARTS)
    }
    for part, rows in parts.items():
        if not len(rows):
            what = f"the {part} part of {format_count(len(stars))} stars is empty"
            raise UserError(f"{path}: {what}: raise preprocess.split.{part} or join more")
    return parts


def write_scaling(h5, labels, names, units, path):
    """Write moments and range of the training labels (n, n_labels); UserError if constant."""
    hint = "take it out of `labels`"
    empty = [name for name, column in zip(names, labels.T) if np.isnan(column).all()]
    if empty:
        what = f"{', '.join(empty)}: missing in every training spectrum"
        raise UserError(f"{path}: {what}: {hint}")
    mean = np.where(get_positive(names), 0, np.nanmean(labels, axis=0, dtype="f8"))
    std = np.sqrt(np.nanmean((labels - mean) ** 2, axis=0, dtype="f8"))
    for name, value, spread in zip(names, mean, std):
        if spread <= 1e-6 * max(1e-3, abs(value)):
            what = f"{name} is constant ({value:g}) in the training part"
            raise UserError(f"{path}: {what}: {hint}")
    low, high = find_label_range(labels)
    attributes = {"names": names, "units": [units[name] for name in names]}
    for key, data in (("mean", mean), ("std", std), ("min", low), ("max", high)):
        hdf5.write_dataset(h5, f"scaling/{key}", data).attrs.update(attributes)


def find_label_range(labels):
    """Least and greatest (n_labels,) of labels (n, n_labels), rounded outward to 1/500 or finer."""
    low = np.nanmin(labels, axis=0).astype("f8")
    high = np.nanmax(labels, axis=0).astype("f8")
    unit = 10.0 ** np.floor(np.log10((high - low) / 500))
    return np.floor(low / unit) * unit, np.ceil(high / unit) * unit


def write_part_flux(group, source, rows, cfg, effects):
    """Write rows of the spectra `source` (n_joined, n_pix), in that order, as flux of a part."""
    generators = np.random.default_rng((cfg.seed, *group.name.encode())).spawn(3)
    flux = hdf5_spectra.create_spectra(group, len(rows), cfg.wave.n_pix, "flux")
    step = cfg.preprocess.chunk_rows
    remainders = []
    for start in show_progress(range(0, len(rows), step), f"shuffling {group.name.strip('/')}"):
        block = hdf5.read_rows(source, rows[start : start + step])
        if effects:
            block, remainder = effects.add(block, rows[start : start + step], generators)
            remainders.append(remainder)
        flux[start : start + step] = block
    if effects and effects.discrepancy:
        hdf5.write_dataset(group, "remainder", np.concatenate(remainders).astype("f4"))


def write_part(group, joined, rows, cfg, effects):
    """Write joined rows as one part: flux, labels, star_id, row in 0_joined.h5.

    With effects of observation, spectra get them and are normalised as observed ones are.
    """
    if cfg.wave:
        write_part_flux(group, hdf5.get_dataset(joined, "spectra/flux"), rows, cfg, effects)
    units = hdf5_labels.read_label_units(joined)
    labels = hdf5_labels.read_labels(joined, list(units))[rows]
    errors = None
    if "labels/error" in joined:
        errors = hdf5_labels.read_label_errors(joined, list(units))[rows]
    hdf5_labels.write_labels(group, labels, units, units.values(), errors)
    hdf5.write_text(group, "star_id", hdf5.get_dataset(joined, "star_id")[:][rows])
    hdf5.write_dataset(group, "joined_row", rows.astype("i8"))
