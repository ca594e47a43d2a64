"""Labels of prepared spectra by a trained model, and the spectra regenerated from the nodes."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from starlabels.base import hdf5, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.catalogues.derived_labels import find_derived
from starlabels.config import schema
from starlabels.config.data_sections import Range
from starlabels.learning import trained_model
from starlabels.spectra import continuum
from starlabels.spectra.discrepancy_files import read_discrepancy
from starlabels.spectra.preparation import SpectrumPreparer
from starlabels.spectra.results import FittedSpectrum, StarResult
from starlabels.spectra.velocity import REACH
from starlabels.stages import derived_columns, predict_with_table
from starlabels.stages.guard import build_failure, explain_error
from starlabels.stages.observed_inputs import fill_flux
from starlabels.stages.predict_flags import BITS, RULES, build_result, describe_reading
from starlabels.stages.predict_refined import correct_velocity, open_refiner, refine_prediction
from starlabels.stages.recipe_nodes import open_sampler
from starlabels.synthesis.library import find_trusted_teff

# Of the regenerated spectrum, if the recipe neither predicts nor fixes them
DEFAULT_LABELS = {"vmic": 2.0, "vsini": 0.0}
NODE_LABELS = ("teff", "logg", "mh", "vmic", "vsini")


@dataclass
class Predictor:
    """Predicts labels of observed spectra.

    Attributes
    ----------
    cfg : Config
        Configuration of the model.
    model : TrainedModel
    axis : SpectralAxis
        Pixels of the model.
    preparer : SpectrumPreparer or None
        None if the model was not trained for observed spectra.
    sampler : Sampler or None
        None if no nodes cover the window of the model, as of a survey.
    refiner : Refiner or None
        None if the model was trained without a model discrepancy.
    """

    cfg: object
    model: trained_model.TrainedModel
    axis: hdf5_spectra.SpectralAxis
    preparer: SpectrumPreparer | None
    sampler: object | None
    refiner: object | None = None

    @cached_property
    def columns(self):
        """{column: ResultColumn} that this model adds to the tables."""
        return derived_columns.list_derived_columns(self.cfg)

    def predict_batch(self, batch):
        """Predict the labels of prepared spectra.

        If the batch fails, its spectra are tried one by one.

        Parameters
        ----------
        batch : list of (ObservedSpectrum, PreparedSpectrum) or StarResult
            Output of `observed_inputs.prepare_batch`.

        Returns
        -------
        results : list of StarResult
        fitted : list of FittedSpectrum or None
            None for spectra without labels.
        """
        try:
            return self._predict_rows(batch)
        except Exception as error:
            if len(batch) > 1:
                outcomes = [self.predict_batch([item]) for item in batch]
                return [list(chain(*column)) for column in zip(*outcomes)]
            [(observed, _)] = batch
            return [explain_error(observed.name, "prediction", error)], [None]

    def _predict_rows(self, batch):
        """Results and FittedSpectra, as `predict_batch`, of all spectra at once."""
        results = list(batch)
        fitted = [None] * len(batch)
        rows = [i for i, item in enumerate(batch) if not isinstance(item, StarResult)]
        if not rows:
            return results, fitted
        stars, prepared = zip(*(batch[i] for i in rows))
        prediction, problems = self._predict(stars, prepared)
        flux = self.regenerate(prediction["mean"], prepared)
        refined = None
        if self.refiner:
            refined, prepared = refine_prediction(
                self.refiner, self.model.names, prediction, stars, prepared
            )
            flux = np.where(np.isfinite(refined.chi2)[:, None], refined.flux, flux)
        extras = self._derive_columns(stars, prediction)
        for k, i in enumerate(rows):
            if problems[k]:
                results[i] = build_failure(stars[k].name, problems[k])
                continue
            row = {key: values[k] for key, values in prediction.items()}
            chi2 = float(refined.chi2[k]) if refined else np.nan
            result = build_result(stars[k].name, prepared[k], row, flux[k], self.model.names, chi2)
            if refined:
                result = correct_velocity(result, refined, k)
            result = self._flag_cool_star(result)
            results[i] = describe_reading(result._replace(extras=extras[k]), stars[k])
            scatter = refined.scatter[k] if refined and np.isfinite(chi2) else None
            fitted[i] = self._build_fitted(prepared[k], flux[k], scatter)
        return results, fitted

    def _flag_cool_star(self, result):
        """The StarResult, flagged if the model learned from nodes that do not hold at its teff."""
        trusted = find_trusted_teff(self.axis.wave[0], self.axis.wave[-1])
        if not self.sampler or not result.labels.get("teff", np.inf) < trusted:
            return result
        flags = result.flags | BITS["cool"]
        return result._replace(flags=flags, reasons=[*result.reasons, RULES["cool"]])

    def _predict(self, stars, prepared):
        """{mean, err, ...: (n, n_labels), flags: (n,)}, and why (n,) a star has no labels or ""."""
        as_stored = not self.cfg.grid
        flux = np.array([fill_flux(item, self.model.basis, as_stored) for item in prepared])
        inputs, problems = predict_with_table.build_inputs(
            flux, stars, prepared, self.cfg.features, self.model.may_lack
        )
        # The S/N that a model calibrates its errors with is of added noise
        own_noise = schema.has_own_noise(self.cfg)
        snr = np.array([np.inf if own_noise else item.snr for item in prepared])
        prediction = self.model.predict(inputs, snr)
        prediction.setdefault("err", np.full_like(prediction["mean"], np.nan))
        return prediction, problems

    def _derive_columns(self, stars, prediction):
        """[{column: value}] (n,) that this model adds to the tables."""
        derived = find_derived(self.model.names)
        names = derived.photometry if derived else ()
        photometry = [[star.table.get(name, np.nan) for name in names] for star in stars]
        return derived_columns.compute_derived_values(
            self.columns, self.model.names, prediction, np.array(photometry)
        )

    def _build_fitted(self, prepared, flux, scatter):
        """FittedSpectrum, with the regenerated flux (n_pix,) unless that is NaN."""
        model = flux if np.isfinite(flux).all() else None
        return FittedSpectrum(
            self.axis.wave, prepared.flux, prepared.flux_err, model, self.axis.medium, scatter
        )

    def regenerate(self, mean, prepared):
        """Regenerate spectra from the nodes, normalised as the prepared spectra.

        Parameters
        ----------
        mean : array (n, n_labels)
            Labels of the model.
        prepared : sequence of PreparedSpectrum

        Returns
        -------
        array (n, n_pix)
            Flux, NaN outside the nodes.
        """
        flux = np.full((len(mean), len(self.axis.wave)), np.nan, "f4")
        if not self.sampler:
            return flux
        labels = {name: np.full(len(mean), get_constant(self.cfg, name)) for name in NODE_LABELS}
        for name, values in zip(self.model.names, mean.T):
            if name in labels:
                labels[name] = values.astype(float)
        covered = self.sampler.covers(labels)
        if not covered.any():
            return flux
        inside = {name: values[covered] for name, values in labels.items()}
        power = self.cfg.grid.resolving_power
        flux[covered] = self.sampler.sample_spectra(inside, self.axis.wave, power)
        rows = np.flatnonzero(covered & ~np.array([item.unchanged for item in prepared]))
        if len(rows):
            observed = np.isfinite([prepared[i].flux for i in rows])
            level = self.preparer.continuum.fit(np.where(observed, flux[rows], np.nan))
            flux[rows] /= level
        return flux


def open_predictor(cfg, folder, reach=REACH, window=None):
    """Open the Predictor of a model.

    Parameters
    ----------
    cfg : Config
        Configuration of the model.
    folder : Path
        models/<run>.
    reach : float
        Radial velocities to search on either side of 0 (km/s).
    window : (low, high), optional
        Part of the model's pixels to use (A).

    Returns
    -------
    Predictor

    Raises
    ------
    UserError
        If a file or the nodes are missing, or if the model cannot use a part of its pixels.
    """
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        curve = continuum.read_continuum(h5)
        axis = hdf5_spectra.read_axis(h5)
        discrepancy = read_discrepancy(h5)
    model = trained_model.open_model(folder)
    sampler = open_nodes(cfg, needed=curve is not None) if axis.medium == cfg.medium else None
    preparer = None
    if curve:
        power = cfg.grid.resolving_power
        least = schema.get_least_power(cfg)
        preparer = SpectrumPreparer(axis.wave, power, least, curve, sampler, reach, window)
    elif window:
        raise UserError(f"{folder} reads whole spectra, on its own pixels: leave out --window")
    refiner = open_refiner(discrepancy, preparer, sampler)
    return Predictor(cfg, model, axis, preparer, sampler, refiner)


def open_nodes(cfg, needed):
    """Sampler of a recipe; None if it has no nodes and they are not needed, as of a survey."""
    try:
        return open_sampler(cfg, build=False)
    except UserError:
        if needed:
            raise
        return None


def get_constant(cfg, name):
    """Value of a label in grid.labels if it is a number, else its default or NaN."""
    entry = cfg.grid.labels.get(name) if cfg.grid else None
    if entry is None or isinstance(entry, Range):
        return DEFAULT_LABELS.get(name, np.nan)
    return float(entry)
