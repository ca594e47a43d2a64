"""Split by star, shuffle on disk, and fit the scaling of the labels and the components on the training part."""

import numpy as np

from starlabels.base import hdf5
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.labels import get_positive
from starlabels.catalogues import features
from starlabels.learning import components
from starlabels.spectra import continuum
from starlabels.spectra.faults import disturb_spectra
from starlabels.stages import locks

PARTS = ("train", "validation", "test")


@locks.require_lock("lock")
def prepare_spectra(run, args=None):
    """Prepare the joined spectra for training; UserError if a part would be empty or a label cannot be learnt."""
    cfg, files = run.cfg, run.paths
    made = run.digest("2_preprocess")  # now: databases may change meanwhile
    with run.open("0_join") as joined:
        labels = hdf5.read_labels(joined, cfg.labels)
        if cfg.train.loss == "mse":
            check_complete(labels, cfg.labels, files.joined)
        star_id = hdf5.read_text(hdf5.dataset(joined, "star_id"))
        parts = given_split(joined, cfg) or split(
            star_id, cfg.preprocess.split, np.random.default_rng(cfg.seed), files.joined
        )
        check_components(cfg, len(parts["train"]))
        inputs = {files.joined: joined.attrs["digest"]}
        with run.create("2_preprocess", made, inputs) as h5:
            if cfg.wave:
                hdf5.write_wave(h5, *hdf5.read_axis(joined))
            write_scaling(
                h5, labels[parts["train"]], cfg.labels, hdf5.label_units(joined), files.joined
            )
            curve = learn_continuum(h5, joined, parts["train"], cfg)
            for part, rows in parts.items():
                write_part(h5.create_group(part), joined, rows, cfg, curve)
                what = "spectra" if cfg.wave else "rows"
                print(
                    f"{part}: {format_count(len(rows))} {what} of {format_count(len(np.unique(star_id[rows])))} stars"
                )
            if cfg.features:
                features.write_features(h5, joined, parts, cfg.features)
            if cfg.preprocess.components:
                n, blocks = cfg.preprocess.components, cfg.preprocess.blocks
                components.write_components(
                    h5, PARTS[:2], n, blocks, cfg.seed, cfg.preprocess.chunk_rows
                )
    print(f"{files.prepared}: labels {', '.join(cfg.labels)}")


def check_complete(labels, names, path):
    """UserError if a label (n, n_labels) is NaN in some rows, for a loss that cannot leave it out."""
    missing = np.isnan(labels).sum(axis=0)
    if missing.any():
        found = ", ".join(f"{name} in {format_count(n)}" for name, n in zip(names, missing) if n)
        complete = " and ".join(f"{name} == {name}" for name, n in zip(names, missing) if n)
        found += f" of {format_count(len(labels))} spectra"
        mend = f"use train.loss: gaussian_nll, or exclude them by `where: {complete}` in join.databases"
        raise UserError(f"{path}: NaN labels, {found}; {mend}")


def check_components(cfg, n):
    """UserError if more components are asked than n training spectra, or their pixels, can have."""
    if not cfg.preprocess.components:
        return
    most = (min(n, cfg.wave.n_pix // cfg.preprocess.blocks) - 1) * cfg.preprocess.blocks
    if cfg.preprocess.components > most:
        found = f"{format_count(n)} training spectra of {format_count(cfg.wave.n_pix)} pixels"
        raise UserError(
            f"{cfg.path}: preprocess.components is {cfg.preprocess.components}, but {found} have at most {most}"
        )


def given_split(joined, cfg):
    """{part: shuffled row numbers} by a column that says 0 for train, 1 for validation, 2 for test; None if none is named.

    Rows with anything else are left out and counted. UserError if the column is not there or a part is empty.
    """
    name = cfg.preprocess.split.column
    if not name:
        return None
    if name not in hdf5.label_names(joined):
        there = ", ".join(hdf5.label_names(joined))
        raise UserError(
            f"{joined.filename} has columns {there}, no {name}: mend preprocess.split.column"
        )
    number, rng = hdf5.read_labels(joined, [name])[:, 0], np.random.default_rng(cfg.seed)
    parts = {part: rng.permutation(np.flatnonzero(number == i)) for i, part in enumerate(PARTS)}
    if empty := [part for part, rows in parts.items() if not len(rows)]:
        raise UserError(
            f"{joined.filename}: no row has {name} {PARTS.index(empty[0])}, {empty[0]}: mend the column"
        )
    if left := len(number) - sum(map(len, parts.values())):
        print(f"{format_count(left)} rows are in no part, for {name} is not 0, 1 or 2")
    return parts


def split(star_id, fractions, rng, path=""):
    """{part: shuffled row numbers}: whole stars are drawn into the parts, so that none has spectra in two."""
    stars, star = np.unique(star_id, return_inverse=True)  # star: (n,) number of each row's star
    ends = np.rint(np.cumsum([getattr(fractions, part) for part in PARTS]) * len(stars)).astype(int)
    part_of_star = np.empty(len(stars), int)
    part_of_star[rng.permutation(len(stars))] = np.searchsorted(
        ends, np.arange(len(stars)), side="right"
    )
    parts = {
        part: rng.permutation(np.flatnonzero(part_of_star[star] == i))
        for i, part in enumerate(PARTS)
    }
    for part, rows in parts.items():
        if not len(rows):
            raise UserError(
                f"{path}: the {part} part of {format_count(len(stars))} stars is empty: raise preprocess.split.{part} or join more"
            )
    return parts


def write_scaling(h5, labels, names, units, path):
    """Write moments and range of the training labels (n, n_labels); UserError if one of them is constant."""
    empty = [name for name, column in zip(names, labels.T) if np.isnan(column).all()]
    if empty:
        raise UserError(
            f"{path}: {', '.join(empty)}: missing in every training spectrum: take it out of `labels`"
        )
    mean = np.where(get_positive(names), 0, np.nanmean(labels, axis=0, dtype="f8"))
    std = np.sqrt(np.nanmean((labels - mean) ** 2, axis=0, dtype="f8"))
    for name, value, spread in zip(names, mean, std):
        if spread <= 1e-6 * max(1e-3, abs(value)):
            raise UserError(
                f"{path}: {name} is constant ({value:g}) in the training part: take it out of `labels`"
            )
    low, high = whole_range(labels)
    for key, data in (("mean", mean), ("std", std), ("min", low), ("max", high)):
        hdf5.write(h5, f"scaling/{key}", data).attrs.update(
            {"names": names, "units": [units[name] for name in names]}
        )


def whole_range(labels):
    """Least and greatest (n_labels,) of labels (n, n_labels), outward to a round number of a thousandth of the range or so."""
    low, high = np.nanmin(labels, axis=0).astype("f8"), np.nanmax(labels, axis=0).astype("f8")
    unit = 10.0 ** np.floor(np.log10((high - low) / 500))
    return np.floor(low / unit) * unit, np.ceil(high / unit) * unit


def learn_continuum(h5, joined, rows, cfg):
    """The Continuum that spectra are normalised by, learnt from the training rows and written; None if they stay.

    UserError if they are not in air, to which observed spectra are brought.
    """
    if not cfg.preprocess.observed:
        return None
    if (medium := hdf5.read_axis(joined).medium) != "air":
        raise UserError(
            f"{joined.filename} is in {medium}, expected air: set preprocess.observed: null, or join others"
        )
    flux = hdf5.read_rows(hdf5.dataset(joined, "spectra/flux"), rows[: continuum.FIT_ON])
    curve = continuum.fit_continuum_model(flux, cfg.wave.grid(), cfg.preprocess.observed.order)
    continuum.write_continuum(h5, curve)
    return curve


def write_flux(group, source, rows, cfg, curve):
    """Write the rows of spectra `source` (n_joined, n_pix), in the order given, as the flux of a part."""
    generators = np.random.default_rng((cfg.seed, *group.name.encode())).spawn(2)
    flux, step = (
        hdf5.create_spectra(group, len(rows), cfg.wave.n_pix, "flux"),
        cfg.preprocess.chunk_rows,
    )
    for start in show_progress(range(0, len(rows), step), f"shuffling {group.name.strip('/')}"):
        block = hdf5.read_rows(source, rows[start : start + step])
        if curve:
            block = disturb_spectra(
                block,
                cfg.wave.grid(),
                cfg.grid.resolving_power,
                cfg.preprocess.observed,
                generators,
            )
            block = curve.normalise(block)
        flux[start : start + step] = block


def write_part(group, joined, rows, cfg, curve):
    """Write the joined rows, in the order given, as one part: flux, labels to learn, all labels, star, joined row.

    With a Continuum, spectra are given the errors of observed ones and normalised as those are.
    """
    if cfg.wave:
        write_flux(group, hdf5.dataset(joined, "spectra/flux"), rows, cfg, curve)
    units = hdf5.label_units(joined)
    for key, names in (("labels", cfg.labels), ("grid_labels", hdf5.label_names(joined))):
        data = hdf5.write(group, key, hdf5.read_labels(joined, names)[rows])
        data.attrs.update({"names": names, "units": [units[name] for name in names]})
    if "labels/error" in joined:
        hdf5.write(group, "label_errors", hdf5.read_label_errors(joined, cfg.labels)[rows])
        hdf5.write(
            group,
            "grid_label_errors",
            hdf5.read_label_errors(joined, hdf5.label_names(joined))[rows],
        )
    hdf5.write_text(group, "star_id", hdf5.dataset(joined, "star_id")[:][rows])
    hdf5.write(group, "joined_row", rows.astype("i8"))
