"""The stage predict: labels of observed spectra as tables, figures and a page."""

import contextlib
import itertools
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from starlabels.base import stamp, workers
from starlabels.base.console import format_count, make_printable
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.base.provenance import read_record
from starlabels.config.data_sections import Cluster
from starlabels.spectra import result_page, spectrum_files
from starlabels.spectra.results import ResultTables, StarResult
from starlabels.stages import derived_columns, locks, model_choice, predict_tables
from starlabels.stages.guard import LOG, log_traces, run_guarded
from starlabels.stages.observed_inputs import prepare_batch, read_spectra
from starlabels.stages.predict_figures import FigureFolder
from starlabels.stages.predict_spectra import open_predictor
from starlabels.stages.predict_truth import KnownLabels
from starlabels.stages.predict_with_table import StarTable
from starlabels.stages.spectrum_options import SpectrumOptions, add_file_arguments

BATCH_SIZE = 256  # spectra
LOCK = "results.lock"


def add_arguments(parser):
    """Add the arguments of predict.py to a parser."""
    text = "FITS, HDF5 or text files of spectra, or of a table"
    parser.add_argument("files", nargs="+", type=Path, help=text)
    text = "a trained model, models/<run> or the name of one in data/models "
    text += "(default: the one there that suits the first spectrum)"
    parser.add_argument("--model", type=Path, help=text)
    text = "folder of tables and figures (default: results)"
    parser.add_argument("--out", type=Path, default=Path("results"), help=text)
    text = "also prepare spectra that their file calls normalised"
    parser.add_argument("--prepare", action="store_true", help=text)
    text = "maximum number of stars to draw (default: 200)"
    parser.add_argument("--figures", type=int, default=200, help=text)
    text = "also write the prepared spectra and those at the labels, as FITS in <out>/spectra"
    parser.add_argument("--save-spectra", action="store_true", help=text)
    text = "CSV file with columns name, k_mag, a_k (mag) for distances; "
    text += "name: of the file, or the star's id in HDF5"
    parser.add_argument("--photometry", type=Path, help=text)
    text = "table of known labels to compare with: file and any labels, <label>_err"
    parser.add_argument("--truth", type=Path, help=text)
    text = "CSV, FITS or HDF5 table of what the model reads in addition to the spectra; "
    text += "star_id: of the file, or the star in HDF5"
    parser.add_argument("--table", type=Path, help=text)
    add_file_arguments(parser)
    add_cluster_arguments(parser)


def add_cluster_arguments(parser):
    """Add the arguments that replace a `cluster` section."""
    group = parser.add_mutually_exclusive_group()
    text = "prepare spectra in N processes (default: in this one)"
    group.add_argument("--workers", type=int, metavar="N", help=text)
    text = "prepare spectra by the workers of this dask scheduler"
    group.add_argument("--scheduler", metavar="ADDRESS", help=text)


def read_cluster_options(args):
    """Section `cluster` of the command line, or None; UserError if N is out of range."""
    if args.workers is None and args.scheduler is None:
        return None
    n_workers = 1 if args.workers is None else args.workers
    try:
        return Cluster(scheduler=args.scheduler, workers=n_workers)
    except ValidationError as error:
        problem = f"found {args.workers}, {error.errors()[0]['msg']}"
        raise UserError(f"--workers: {problem}") from None


def find_model_config(args):
    """Path of the configuration of the model; UserError if there is no model.

    args.model becomes the folder of the model.
    """
    if args.model is None:
        args.model, reason = model_choice.choose_model(args.files, SpectrumOptions(args))
        print(reason)
    args.model = model_choice.locate_model(args.model)
    path = args.model / model_choice.CONFIG
    if not path.is_file():
        hint = f"run make run CONFIG=recipes/{args.model.name}.yaml, or name another"
        raise UserError(f"{args.model} has no trained model: {hint}")
    return path


def predict_labels(run, args):
    """Write the tables, figures and index.html into args.out, and print the labels.

    Parameters
    ----------
    run : Run
        Run of the model's recipe.
    args : argparse.Namespace
        See `add_arguments`.

    Raises
    ------
    UserError
        If the model or a table is missing or does not fit. A spectrum that cannot be used has a
        row with the reason instead.
    """
    cfg = run.cfg
    if cfg.wave is None:
        return predict_tables.predict_from_tables(run, args)
    columns = derived_columns.list_derived_columns(cfg)
    photometry = {}
    if args.photometry:
        photometry = derived_columns.read_photometry(args.photometry, columns)
    stars = StarTable(args.table, cfg, photometry)
    truth = KnownLabels(args.truth, cfg.labels) if args.truth else None
    options = SpectrumOptions(args)
    with locks.hold_lock(args.out / LOCK, "give another --out"):
        clear_folder(args.out)
        results = predict_files(run, args, options, stars, columns, truth)
    print_summary(results, stars, args.out)


def predict_files(run, args, options, stars, columns, truth):
    """Write tables, figures and page of all files; list of StarResult.

    columns: {column: ResultColumn} that the model adds to the tables; truth: KnownLabels or None.
    """
    cfg = run.cfg
    units = [get_label(name).plain_unit for name in cfg.labels]
    figures = FigureFolder(run, args)
    spectra = SpectrumFolder(args.out, cfg.grid and cfg.grid.resolving_power)
    results = []
    pictures = []
    with (
        workers.open_caller(read_cluster_options(args), BATCH_SIZE) as call,
        ResultTables(args.out, cfg.labels, units, describe_origin(args), columns) as tables,
    ):
        for batch, fitted in predict_batches(cfg, args, options, stars, call):
            tables.add(batch)
            log_traces(batch, args.out)
            pictures += [figures.draw_star(*star) for star in zip(batch, fitted)]
            if args.save_spectra:
                spectra.save(batch, fitted)
            results += batch
            if len(results) <= args.figures:
                for result in batch:
                    print(format_result(result))
    overviews = figures.draw_overviews(results, truth)
    result_page.write_page(results, pictures, args.out, overviews)
    return results


def clear_folder(folder):
    """Delete what an earlier run of predict.py left in a folder; other files stay."""
    for name in (LOG, result_page.PAGE):
        (folder / name).unlink(missing_ok=True)
    for path in (folder / SpectrumFolder.NAME).glob("*.fits"):
        if spectrum_files.is_written_here(path):
            path.unlink()
    for path in folder.glob("*.png"):
        with contextlib.suppress(UserError, OSError):
            if "predict" in read_record(path).command:
                path.unlink()


def describe_origin(args):
    """Cards {keyword: value} for the header of the FITS table."""
    return {
        "MODEL": args.model,
        "STARLAB": stamp.get_commit(),
        "DATE": stamp.format_utc_now(),
        "KERAS": version("keras"),
    }


def predict_batches(cfg, args, options, stars, call):
    """Yield (StarResults, FittedSpectra or Nones) of the files, BATCH_SIZE spectra at a time.

    The model is opened when the first usable spectrum has been read.
    """
    predictor = None
    spectra = read_spectra(args.files, options, cfg.wave.grid())
    while batch := list(itertools.islice(spectra, BATCH_SIZE)):
        if predictor is None and not all(isinstance(item, StarResult) for item in batch):
            predictor = open_predictor(cfg, args.model, args.rv_range, args.window)
        if predictor is None:
            yield batch, [None] * len(batch)
            continue
        batch = [
            item
            if isinstance(item, StarResult)
            else run_guarded(item.name, "the table", stars.add_row, item)
            for item in batch
        ]
        prepared = prepare_batch(batch, predictor.preparer, predictor.axis, args.prepare, call)
        yield predictor.predict_batch(prepared)


class SpectrumFolder:
    """The folder <out>/spectra of prepared spectra, and those at the predicted labels."""

    NAME = "spectra"

    def __init__(self, out, resolving_power):
        self.folder = out / self.NAME
        self.resolving_power = resolving_power
        self.names = set()

    def save(self, results, fitted):
        """Write the FittedSpectrum of each StarResult that has one."""
        self.folder.mkdir(exist_ok=True)
        for result, spectrum in zip(results, fitted):
            if spectrum is not None:
                name = result_page.choose_file_name(result.name, self.names, ".fits")
                path = self.folder / name
                spectrum_files.write_spectrum(path, spectrum, result, self.resolving_power)


def format_result(result):
    """A StarResult as one line of text."""
    if result.problem:
        return make_printable(f"{result.name}: failed: {result.problem}")
    parts = []
    for name, value in result.labels.items():
        parts.append(f"{name} {result_page.format_value(value, result.errors[name])}")
    distance = result.extras.get("distance", np.nan)
    if np.isfinite(distance):
        text = result_page.format_value(distance, result.extras["distance_err"])
        parts.append(f"distance {text} pc")
    if np.isfinite(result.rv):
        parts.append(f"rv {result_page.format_value(result.rv, result.rv_err)}")
    return make_printable("; ".join([f"{result.name}: {', '.join(parts)}", *result.reasons]))


def print_summary(results, stars, folder):
    """Print how many StarResults have distances, a row in the table, labels and flags."""
    remarks = (derived_columns.summarise_distances(results), stars.summarise(len(results)))
    for remark in filter(None, remarks):
        print(remark)
    statuses = [result.status for result in results]
    counts = [f"{format_count(statuses.count(s))} {s}" for s in ("ok", "flagged", "failed")]
    files = f"{folder}/results.csv, results.fits, results.vot, index.html"
    print(f"{format_count(len(results))} spectra: {', '.join(counts)}; {files}")
