"""Observed spectra as the input of a network: read, prepared, and with small gaps filled."""

from collections import Counter

import numpy as np

from starlabels.base import workers
from starlabels.base.console import show_progress
from starlabels.base.errors import UserError
from starlabels.learning import components
from starlabels.spectra import readers
from starlabels.spectra.model_window import check_window, cut_around_window
from starlabels.spectra.preparation import accept_on_model_pixels
from starlabels.spectra.results import StarResult
from starlabels.spectra.spectrum import check_spectrum
from starlabels.stages.guard import build_failure, explain_error, run_guarded


def read_spectra(files, options, wave):
    """Read the spectra of files, cut around the window of a model.

    Parameters
    ----------
    files : list of Path
    options : SpectrumOptions
    wave : array (n_pix,)
        Pixels of the model in A.

    Yields
    ------
    ObservedSpectrum or StarResult
        The latter gives the reason why a spectrum cannot be used.
    """
    names = name_files(files)
    for path in show_progress(files, "spectra") if len(files) > 1 else files:
        try:
            given = options.get_file_options(path)
            read = given.read._replace(window=(wave[0], wave[-1]))
            for observed in readers.read_spectra(path, read):
                name = names[path] + observed.name.removeprefix(path.name)
                observed = observed._replace(name=name, rv=given.rv)
                yield run_guarded(name, "reading", select_window, observed, wave, options.reach)
        except Exception as error:
            yield explain_error(names[path], "reading", error)


def name_files(files):
    """{path: name in tables}: the name of the file, or its path if several have that name."""
    counts = Counter(path.name for path in set(files))
    return {path: str(path) if counts[path.name] > 1 else path.name for path in files}


def select_window(observed, wave, reach):
    """An ObservedSpectrum around the pixels (n_pix,) of a model; UserError if it cannot be used.

    reach: greatest radial velocity to either side of 0 (km/s).
    """
    check_spectrum(observed)
    check_window(observed, wave)
    return cut_around_window(observed, wave, reach)


def prepare_batch(batch, preparer, axis, anyway, call):
    """Prepare spectra for a model.

    Parameters
    ----------
    batch : list of ObservedSpectrum or StarResult
        The latter of spectra that cannot be used.
    preparer : SpectrumPreparer or None
        None if the model was not trained for observed spectra.
    axis : SpectralAxis
        Pixels of the model.
    anyway : bool
        Prepare also spectra that their file calls normalised.
    call : callable
        Of `workers.open_caller`.

    Returns
    -------
    list of (ObservedSpectrum, PreparedSpectrum) or StarResult
    """
    spectra = [item for item in batch if not isinstance(item, StarResult)]
    shared = (preparer, axis, anyway)
    outcomes = iter(call(prepare_spectrum, spectra, *shared) if spectra else [])
    prepared = []
    for item in batch:
        if not isinstance(item, StarResult):
            item = pair_with_outcome(item, next(outcomes))
        prepared.append(item)
    return prepared


def prepare_spectrum(observed, preparer, axis, anyway):
    """PreparedSpectrum of an ObservedSpectrum on the pixels of a model, or its failed StarResult.

    anyway: prepare also what its file calls normalised.
    """
    arguments = (observed, preparer, axis, anyway)
    return run_guarded(observed.name, "preparation", prepare_on_axis, *arguments)


def prepare_on_axis(observed, preparer, axis, anyway):
    """PreparedSpectrum of an ObservedSpectrum; UserError if it cannot be prepared."""
    is_on_axis = observed.normalised and (observed.rest or axis.frame == "observer")
    if is_on_axis and not anyway:
        return accept_on_model_pixels(observed, axis, preparer)
    if preparer is None:
        raise UserError(
            f"{observed.name}: the model was not trained for observed spectra: "
            'give HDF5 with attributes frame "rest" of spectra/wave and continuum 1 of '
            "spectra/flux, without --prepare, or, if the recipe has a grid, train it with "
            "preprocess.observed, as recipes/observed_highres.yaml does"
        )
    return preparer(observed, observed.rv)


def pair_with_outcome(observed, outcome):
    """(ObservedSpectrum, PreparedSpectrum) of an outcome of `prepare_spectrum`, or a StarResult."""
    if outcome is workers.LOST:
        reason = "the process that prepared it ended several times: run it without --workers"
        return build_failure(observed.name, reason)
    return outcome if isinstance(outcome, StarResult) else (observed, outcome)


def fill_flux(prepared, basis, as_stored=False):
    """Fill small gaps of a spectrum for the network; missing blocks stay NaN.

    Parameters
    ----------
    prepared : PreparedSpectrum
    basis : Basis or None
        None of a network that reads pixels: gaps get the continuum.
    as_stored : bool
        Keep the flux that the file stores in gaps, for a network that was trained on the spectra
        of a survey with these values.

    Returns
    -------
    array (n_pix,)
    """
    flux = prepared.flux
    if as_stored and prepared.stored is not None:
        flux = prepared.stored.astype("f4")
    if np.isfinite(flux).all():
        return flux
    if basis is None:
        return np.where(np.isfinite(flux), flux, 1).astype("f4")
    noise = max(float(np.nanmedian(prepared.flux_err)), 1e-3)
    return components.fill_missing_pixels(flux.copy(), basis, noise)
