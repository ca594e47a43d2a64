"""Observed spectra as the input of a network: read, prepared, and with small gaps filled."""

from pathlib import Path

import numpy as np

from starlabels.base import workers
from starlabels.base.console import show_progress
from starlabels.base.errors import UserError
from starlabels.learning import components
from starlabels.spectra import readers
from starlabels.spectra.preparation import (
    accept_on_model_pixels,
    check_window,
    cut_around_window,
)
from starlabels.spectra.results import StarResult
from starlabels.spectra.spectrum import check_spectrum


def read_spectra(files, options, wave):
    """Read the spectra of files, cut around the window of a model.

    Parameters
    ----------
    files : list of Path
    options : ReadOptions
    wave : array (n_pix,)
        Pixels of the model in A.

    Yields
    ------
    ObservedSpectrum or StarResult
        The latter gives the reason why a spectrum cannot be used.
    """
    for path in show_progress(files, "spectra") if len(files) > 1 else files:
        try:
            for observed in readers.read_spectra(path, options):
                try:
                    check_spectrum(observed)
                    check_window(observed, wave)
                    yield cut_around_window(observed, wave)
                except UserError as error:
                    yield build_failure(observed.name, error)
        except UserError as error:
            yield build_failure(Path(path).name, error)


def prepare_batch(batch, preparer, axis, options, call):
    """Prepare spectra for a model.

    Parameters
    ----------
    batch : list of ObservedSpectrum or StarResult
        The latter of spectra that cannot be used.
    preparer : SpectrumPreparer or None
        None if the model was not trained for observed spectra.
    axis : SpectralAxis
        Pixels of the model.
    options : object
        `rv` and `prepare` of the command line.
    call : callable
        Of `workers.open_caller`.

    Returns
    -------
    list of (ObservedSpectrum, PreparedSpectrum) or StarResult
    """
    spectra = [item for item in batch if not isinstance(item, StarResult)]
    shared = (preparer, axis, options.rv, options.prepare)
    outcomes = iter(call(prepare_spectrum, spectra, *shared) if spectra else [])
    prepared = []
    for item in batch:
        if not isinstance(item, StarResult):
            item = pair_with_outcome(item, next(outcomes))
        prepared.append(item)
    return prepared


def prepare_spectrum(observed, preparer, axis, rv, anyway):
    """PreparedSpectrum of an ObservedSpectrum on the pixels of a model, or its failed StarResult.

    rv: radial velocity in km/s, or None; anyway: prepare also what its file calls normalised.
    """
    try:
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
        return preparer(observed, rv)
    except UserError as error:
        return build_failure(observed.name, error)


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


def build_failure(name, reason):
    """StarResult of a spectrum that cannot be used."""
    nan = float("nan")
    reason = str(reason).removeprefix(f"{name}: ")
    return StarResult(name, reason, {}, {}, nan, nan, nan, nan, 0, [], nan)
