"""2_preprocess: effects of observation that are added to synthetic spectra."""

from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.spectra import continuum
from starlabels.spectra.discrepancy import NAMES, Discrepancy, RemainderDraws, predict_mean
from starlabels.spectra.discrepancy_files import load_discrepancy, write_discrepancy
from starlabels.spectra.faults import disturb_spectra

RESPONSE_STEP = 0.005  # of the continuum


class ObservedEffects(NamedTuple):
    """Effects of observation for the rows of 0_joined.h5.

    Attributes
    ----------
    cfg : Config
    continuum : ContinuumModel
    discrepancy : Discrepancy or None
        On the pixels of the recipe.
    labels : array (n_joined, 3) or None
        Teff (K), log g and [M/H], for the discrepancy.
    """

    cfg: object
    continuum: continuum.ContinuumModel
    discrepancy: Discrepancy | None
    labels: np.ndarray | None

    def add(self, flux, rows, generators):
        """Add all effects to spectra, and normalise them as observed ones.

        Parameters
        ----------
        flux : array (n, n_pix)
        rows : array (n,)
            Of 0_joined.h5.
        generators : sequence of numpy.random.Generator
            Three: for the lines, the continuum and the discrepancy.

        Returns
        -------
        array (n, n_pix) float32
        array (n, k) or None
            Remainders that were drawn, in the basis of the discrepancy.
        """
        remainder = None
        if self.discrepancy:
            labels, rng = self.labels[rows], generators[2]
            draws = RemainderDraws(self.discrepancy, labels)
            remainder = draws.draw(rng)
            mean, _ = predict_mean(self.discrepancy, labels)
            flux = flux + (mean + remainder) @ self.discrepancy.basis + draws.draw_outside(rng)
        wave, power = self.cfg.wave.grid(), self.cfg.grid.resolving_power
        settings = self.cfg.preprocess.observed
        disturbed = disturb_spectra(flux, wave, power, settings, generators[:2])
        return self.continuum.normalise(disturbed), remainder

    def compute_response(self, flux):
        """Change (k, n_pix) of a normalised spectrum (n_pix,) by the basis of the discrepancy.

        The continuum that is fitted takes up a part of each component.
        """
        step = RESPONSE_STEP / np.abs(self.discrepancy.basis).max()
        changed = self.continuum.normalise(flux + step * self.discrepancy.basis)
        return (changed - self.continuum.normalise(flux[None])) / step


def open_effects(h5, joined, rows, cfg):
    """ObservedEffects of a recipe, whose continuum model is fitted to the training rows, written.

    Parameters
    ----------
    h5 : h5py.File
        2_prepared.h5, where the continuum model is written.
    joined : h5py.File
        The open 0_joined.h5.
    rows : array (n_train,)
    cfg : Config

    Returns
    -------
    ObservedEffects or None
        None if spectra stay as they are.

    Raises
    ------
    UserError
        If the spectra are not in the medium of the recipe, to which observed spectra are brought,
        or if the discrepancy does not fit the recipe.
    """
    settings = cfg.preprocess.observed
    if not settings:
        return None
    if (medium := hdf5_spectra.read_axis(joined).medium) != cfg.medium:
        hint = f"set wave.medium: {medium}, or join others"
        raise UserError(f"{joined.filename} is in {medium}, expected {cfg.medium}: {hint}")
    wave = cfg.wave.grid()
    flux = hdf5.read_rows(hdf5.get_dataset(joined, "spectra/flux"), rows[: continuum.FIT_ON])
    if not settings.discrepancy:
        curve = continuum.fit_continuum_model(flux, wave, settings.order)
        continuum.write_continuum(h5, curve)
        return ObservedEffects(cfg, curve, None, None)
    discrepancy, curve = load_discrepancy(settings.discrepancy, wave, settings.order)
    continuum.write_continuum(h5, curve)
    effects = ObservedEffects(cfg, curve, discrepancy, hdf5_labels.read_labels(joined, NAMES))
    write_discrepancy(h5, discrepancy)
    hdf5.write_dataset(h5, "discrepancy/response", effects.compute_response(flux.mean(axis=0)))
    return effects
