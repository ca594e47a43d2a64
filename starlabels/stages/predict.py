"""predict: labels of observed spectra, each beside the spectrum that the nodes give at those labels."""

import itertools
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from starlabels.base import hdf5, stamp, workers
from starlabels.base.console import format_count, show_progress
from starlabels.base.errors import UserError
from starlabels.base.hdf5 import file_digest
from starlabels.base.labels import get_label
from starlabels.base.provenance import stamp_figure
from starlabels.config import schema
from starlabels.config.data_sections import Cluster, Range
from starlabels.learning import components, outliers, trained_model
from starlabels.spectra import continuum, results
from starlabels.spectra import readers as io_2
from starlabels.spectra import spectrum as io
from starlabels.spectra.preparation import (
    SpectrumPreparer,
    accept_on_model_pixels,
    check_window,
    cut_around_window,
)
from starlabels.spectra.spectrum import check_spectrum
from starlabels.stages import predict_with_table, derived_columns, predict_tables
from starlabels.stages.recipe_nodes import open_sampler

DEFAULT_MODEL = Path("models/observed_highres")
BATCH_SIZE = 256  # spectra
DEFAULT_LABELS = {
    "vmic": 2.0,
    "vsini": 0.0,
}  # of the regenerated spectrum, where the recipe neither learns nor holds them
MAX_CHI2 = 10.0  # reduced chi-square; the Sun has 3, Procyon 1
MODEL_ERROR = (
    0.02  # of the continuum: lines whose atomic data are wrong, measured on the Sun and Procyon
)
BITS = outliers.BITS | {"misfit": 8, "velocity": 16}
RULES = outliers.RULES | {
    "misfit": "no node spectrum is like it: reduced chi-square above 10 with 2 % of error granted to the nodes",
    "velocity": "the radial velocity is uncertain: the peak of the correlation is hardly above the spurious ones",
}


def add_arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "files", nargs="+", type=Path, help="FITS, HDF5 or text files of spectra, or of a table"
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=DEFAULT_MODEL,
        help=f"the trained model, models/<run> (default: {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        help="folder of tables and figures (default: results)",
    )
    medium = parser.add_mutually_exclusive_group()
    medium.add_argument(
        "--air", dest="medium", action="store_const", const="air", help="wavelengths are in air"
    )
    medium.add_argument(
        "--vacuum",
        dest="medium",
        action="store_const",
        const="vacuum",
        help="wavelengths are in vacuum",
    )
    parser.add_argument(
        "--resolving-power", type=float, help="lambda / FWHM, where the file does not tell"
    )
    parser.add_argument(
        "--rv",
        type=float,
        help="radial velocity (km/s) to take instead of the measured one; 0: at rest",
    )
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="also prepare spectra that their file calls normalised",
    )
    parser.add_argument(
        "--figures", type=int, default=200, help="stars to draw at most (default: 200)"
    )
    for what in ("wave", "flux", "error"):
        parser.add_argument(
            f"--{what}-column", help=f"column of the {what}, where its name does not tell"
        )
    photometry = "CSV file with columns name, k_mag, a_k (mag) for distances; name: of the file, or the star's id in HDF5"
    parser.add_argument("--photometry", type=Path, help=photometry)
    help_table = "CSV, FITS or HDF5 table of what the model reads beside the spectra; star_id: of the file, or the star in HDF5"
    parser.add_argument("--table", type=Path, help=help_table)
    parser.add_argument("--wave-unit", help="Angstrom, nm or micron, where the file does not tell")
    add_cluster_arguments(parser)


def find_model_config(args):
    """The configuration that a model was trained with; UserError if there is no model."""
    path = args.model / "config.yaml"
    if not path.is_file():
        hint = f"run make run CONFIG=recipes/{args.model.name}.yaml, or name another"
        raise UserError(f"{args.model} has no trained model: {hint}")
    return path


class Predictor(NamedTuple):
    """What turns observed spectra into Answers: the Trained model, its basis, the nodes' Sampler, the Preparation, its pixels.

    sampler is None where no nodes cover the model's window, as that of a survey; extras: {column: Extra} for the tables.
    """

    cfg: object
    model: trained_model.TrainedModel
    basis: components.Basis | None
    sampler: object | None
    prepare_spectrum: SpectrumPreparer | None
    axis: hdf5.Axis
    extras: dict


def predict_labels(run, args):
    """Write results.csv, results.fits, a figure a star and index.html into the folder args.out; print a line a star."""
    cfg = run.cfg
    if cfg.wave is None:
        return predict_tables.predict_from_tables(run, args)
    options = io.ReadOptions(
        args.medium,
        args.resolving_power,
        args.wave_column,
        args.flux_column,
        args.error_column,
        args.wave_unit,
    )
    units = [get_label(name).plain_unit for name in cfg.labels]
    meta = {
        "MODEL": args.model,
        "STARLAB": stamp.commit(),
        "DATE": stamp.now(),
        "KERAS": version("keras"),
    }
    answers, pictures, taken, machine, more = [], [], set(), None, derived_columns.list_derived_columns(cfg)
    known = derived_columns.read_photometry(args.photometry, more) if args.photometry else {}
    rows = predict_with_table.StarTable(args.table, cfg, known)
    with (
        workers.open_caller(read_cluster_options(args), BATCH_SIZE) as call,
        results.ResultTables(args.out, cfg.labels, units, meta, more) as tables,
    ):
        stream = iterate_spectra(args.files, options, cfg.wave.grid())
        while batch := list(itertools.islice(stream, BATCH_SIZE)):
            ready = [one for one in batch if not isinstance(one, results.StarResult)]
            if ready and not machine:
                machine = open_predictor(cfg, args.model)
            batch = [
                one if isinstance(one, results.StarResult) else rows.onto(one) for one in batch
            ]
            found, drawn = predict_batch(machine, prepare_batch(machine, batch, args, call))
            tables.add(found)
            pictures += draw_figures(found, drawn, machine, args, taken, args.figures - len(taken))
            answers += found
            for one in found if len(answers) <= args.figures else []:
                print(format_result(one))
    results.write_page(answers, pictures, args.out)
    for words in filter(None, (derived_columns.summarise_distances(answers), rows.summary(len(answers)))):
        print(words)
    kinds = [results.classify_result(one) for one in answers]
    summary = ", ".join(
        f"{format_count(kinds.count(kind))} {kind}" for kind in ("ok", "flagged", "failed")
    )
    print(
        f"{format_count(len(answers))} spectra: {summary}; {args.out}/results.csv, results.fits, index.html"
    )


def iterate_spectra(files, options, wave):
    """Each spectrum of the files as Observed, or the Answer that says why it has none."""
    for path in show_progress(files, "spectra") if len(files) > 1 else files:
        try:
            for observed in io_2.read_spectra(path, options):
                try:
                    check_spectrum(observed)
                    check_window(observed, wave)
                    yield cut_around_window(observed, wave)
                except UserError as error:
                    yield describe_failure(observed.name, error)
        except UserError as error:
            yield describe_failure(Path(path).name, error)


def describe_failure(name, error):
    """The Answer of a spectrum that cannot be used."""
    nan, reason = float("nan"), str(error).removeprefix(f"{name}: ")
    return results.StarResult(name, reason, {}, {}, nan, nan, nan, nan, 0, [], nan)


def open_predictor(cfg, folder):
    """The Machine of a model's folder; UserError if it lacks something."""
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        curve, axis = continuum.read_continuum(h5), hdf5.read_axis(h5)
    model = trained_model.open_folder(folder)
    sampler = open_nodes(cfg, needed=curve is not None) if axis.medium == "air" else None
    prepare = (
        SpectrumPreparer(axis.wave, cfg.grid.resolving_power, find_least_power(cfg), curve, sampler)
        if curve
        else None
    )
    return Predictor(
        cfg,
        model,
        trained_model.extract_basis(model.model),
        sampler,
        prepare,
        axis,
        derived_columns.list_derived_columns(cfg),
    )


def open_nodes(cfg, needed):
    """The Sampler of the recipe; None if there are no nodes and they are not needed: a survey has spectra of its own."""
    try:
        return open_sampler(cfg, build=False)
    except UserError:
        if needed:
            raise
        return None


def find_least_power(cfg):
    """The lowest resolving power of the training spectra."""
    drawn = cfg.grid.labels.get("resolving_power", cfg.grid.resolving_power)
    return drawn.min if isinstance(drawn, Range) else float(drawn)


def prepare_batch(machine, batch, args, call):
    """The batch with (Observed, Prepared) for each Observed that can be prepared, the Answer that says why for the others."""
    good = [one for one in batch if not isinstance(one, results.StarResult)]
    found = iter(
        call(prepare_spectrum, good, machine.prepare, machine.axis, args.rv, args.prepare) if good else []
    )
    return [
        one if isinstance(one, results.StarResult) else pair_with_input(one, next(found)) for one in batch
    ]


def pair_with_input(observed, found):
    """(Observed, Prepared), or the Answer that `prepare` found or that tells of its end."""
    if found is workers.LOST:
        found = describe_failure(
            observed.name,
            "the process that prepared it ended, again and again: run it without --workers",
        )
    return found if isinstance(found, results.StarResult) else (observed, found)


def prepare_spectrum(observed, preparation, axis, rv, anyway):
    """The Prepared of an Observed spectrum on the pixels of a model's Axis, or its Answer if that fails.

    anyway: also if its file calls it normalised. preparation: None if the model was not trained for observed spectra.
    """
    try:
        if observed.normalised and (observed.rest or axis.frame == "observer") and not anyway:
            return accept_on_model_pixels(observed, axis, preparation)
        if preparation is None:
            hint = 'give HDF5 with attributes frame "rest" of spectra/wave and continuum 1 of spectra/flux, without --prepare, '
            hint += "or, if the recipe has a grid, train it with preprocess.observed, as recipes/observed_highres.yaml does"
            raise UserError(
                f"{observed.name}: the model was not trained for observed spectra: {hint}"
            )
        return preparation(observed, rv)
    except UserError as error:
        return describe_failure(observed.name, error)


def predict_batch(machine, prepared):
    """Answers, and the Spectrum for the figure or None, of a list of (Observed, Prepared) and Answers of what failed."""
    good = [i for i, one in enumerate(prepared) if not isinstance(one, results.StarResult)]
    answers, drawn = list(prepared), [None] * len(prepared)
    if not good:
        return answers, drawn
    stars, ready = zip(*(prepared[i] for i in good))
    flux = np.array([fill_flux(one, machine.basis, as_stored=not machine.cfg.grid) for one in ready])
    read, lacks = predict_with_table.build_inputs(
        flux, stars, ready, machine.cfg.features, machine.model.may_lack
    )
    own = schema.has_own_noise(machine.cfg)  # the S/N that a model knows is that of added noise
    found = machine.model.predict(read, np.array([np.inf if own else one.snr for one in ready]))
    found.setdefault("err", np.full_like(found["mean"], np.nan))
    model = regenerate_spectra(machine, found["mean"], ready)
    photometry = np.array(
        [[one.table.get(name, np.nan) for name in derived_columns.PHOTOMETRY_COLUMNS] for one in stars]
    )
    more = derived_columns.compute_derived_values(machine.extras, machine.model.names, found, photometry)
    for k, i in enumerate(good):
        row = {key: values[k] for key, values in found.items()}
        answers[i] = build_result(
            stars[k].name, ready[k], row, model[k], machine.model.names
        )._replace(extras=more[k])
        seen = model[k] if np.isfinite(model[k]).all() else None
        drawn[i] = results.FittedSpectrum(
            machine.axis.wave, ready[k].flux, ready[k].error, seen, machine.axis.medium
        )
        if lacks[k]:
            answers[i], drawn[i] = describe_failure(stars[k].name, lacks[k]), None
    return answers, drawn


def build_result(name, one, found, model, labels):
    """The Answer of a Prepared, from what the network found {mean, err (n_labels,), flags} and regenerated flux (n_pix,)."""
    misfit = (one.flux - model) ** 2 / (one.error.astype(float) ** 2 + MODEL_ERROR**2)
    chi2 = float(np.nanmean(misfit)) if np.isfinite(misfit).any() else np.nan
    flags = int(found["flags"]) | BITS["misfit"] * (chi2 > MAX_CHI2) | BITS["velocity"] * one.weak
    values, errors = (dict(zip(labels, map(float, found[key]))) for key in ("mean", "err"))
    rv, rv_err = (one.velocity.rv, one.velocity.err) if one.velocity else (np.nan, np.nan)
    return results.StarResult(
        name, "", values, errors, rv, rv_err, one.snr, chi2, flags, explain_flags(flags), one.coverage
    )


def fill_flux(one, basis, as_stored=False):
    """Flux (n_pix,) of a Prepared with its small holes filled, for the network: blocks that are missing stay NaN.

    as_stored: holes that its file fills stay as there, for a network that was trained on a survey's spectra, holes and all.
    """
    flux = one.stored.astype("f4") if as_stored and one.stored is not None else one.flux
    if np.isfinite(flux).all():
        return flux
    if basis is None:
        return np.where(np.isfinite(flux), flux, 1).astype("f4")
    return components.fill_missing_pixels(
        flux.copy(), basis, max(float(np.nanmedian(one.error)), 1e-3)
    )


def regenerate_spectra(machine, mean, ready):
    """Flux (n, n_pix) from the nodes at labels `mean` (n, n_labels), NaN for those outside the nodes.

    It is normalised as the n Prepared were, on the same pixels.
    """
    labels = {
        name: np.full(len(mean), get_held_value(machine.cfg, name))
        for name in ("teff", "logg", "mh", "vmic", "vsini")
    }
    labels |= {
        name: values.astype(float)
        for name, values in zip(machine.model.names, mean.T)
        if name in labels
    }
    flux = np.full((len(mean), len(machine.axis.wave)), np.nan, "f4")
    if machine.sampler and (sound := machine.sampler.covers(labels)).any():
        inside = {name: values[sound] for name, values in labels.items()}
        flux[sound] = machine.sampler.sample_spectra(
            inside, machine.axis.wave, machine.cfg.grid.resolving_power
        )
        own = np.flatnonzero(sound & ~np.array([one.as_it_is for one in ready]))
        if len(own):
            seen = np.isfinite([ready[i].flux for i in own])
            flux[own] /= machine.prepare.continuum.fit(np.where(seen, flux[own], np.nan))
    return flux


def get_held_value(cfg, name):
    """The value that the recipe holds a label at, else one that is as good as any."""
    held = (cfg.grid.labels if cfg.grid else {}).get(name, DEFAULT_LABELS.get(name, np.nan))
    return DEFAULT_LABELS.get(name, np.nan) if isinstance(held, Range) else float(held)


def explain_flags(flags):
    """Each flag that is set, in words."""
    return [RULES[name] for name, bit in BITS.items() if flags & bit]


def draw_figures(answers, drawn, machine, args, taken, most):
    """Draw the stars that have a Spectrum, `most` of them; the path of each figure seen from args.out, or None."""
    from starlabels.plots import observed_spectra as plots

    found = []
    for one, spectrum in zip(answers, drawn):
        if spectrum is None or sum(path is not None for path in found) >= most:
            found.append(None)
            continue
        found.append(results.choose_picture_name(one.name, taken))
        path = args.out / found[-1]
        plots.draw_star(spectrum, one, path, machine.cfg.lines)
        files = [path for path in args.files if one.name.startswith(path.name)]
        inputs = {args.model: machine.model.digest} | {file: file_digest(file) for file in files}
        stamp_figure(path, machine.cfg.text, inputs)
    return found


def format_result(one):
    """An Answer in a line."""
    if one.failure:
        return f"{one.name}: failed: {one.failure}"
    labels = ", ".join(
        f"{name} {results.format_value(value, one.errors[name])}"
        for name, value in one.labels.items()
    )
    far = one.extras.get("distance", np.nan)
    labels += (
        f", distance {results.format_value(far, one.extras['distance_err'])} pc"
        if np.isfinite(far)
        else ""
    )
    rv = f", rv {results.format_value(one.rv, one.rv_err)}" if np.isfinite(one.rv) else ""
    return f"{one.name}: {labels}{rv}" + "".join(f"; {reason}" for reason in one.reasons)


def add_cluster_arguments(parser):
    """Command-line arguments of scripts that have no `cluster` section."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="prepare spectra in N processes (default: in this one)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="prepare spectra by the workers of this dask scheduler",
    )


def read_cluster_options(args):
    """The `cluster` section that these arguments ask for, None if none; UserError if N is out of range."""
    if args.workers is None and args.scheduler is None:
        return None
    try:
        return Cluster(
            scheduler=args.scheduler, workers=1 if args.workers is None else args.workers
        )
    except ValidationError as error:
        raise UserError(f"--workers: found {args.workers}, {error.errors()[0]['msg']}") from None
