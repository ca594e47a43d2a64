"""2_preprocess: effects of observation that are added to synthetic spectra."""

from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.spectra import continuum
from starlabels.spectra.discrepancy import NAMES, Discrepancy, load_discrepancy
from starlabels.spectra.faults import disturb_spectra


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
        """Spectra (n, n_pix) of rows (n,) with all effects, normalised as observed ones are.

        generators: three, for the lines, the continuum and the discrepancy.
        """
        if self.discrepancy:
            flux = flux + self.discrepancy.draw(self.labels[rows], generators[2])
        wave, power = self.cfg.wave.grid(), self.cfg.grid.resolving_power
        settings = self.cfg.preprocess.observed
        disturbed = disturb_spectra(flux, wave, power, settings, generators[:2])
        return self.continuum.normalise(disturbed)


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
    flux = hdf5.read_rows(hdf5.get_dataset(joined, "spectra/flux"), rows[: continuum.FIT_ON])
    curve = continuum.fit_continuum_model(flux, cfg.wave.grid(), settings.order)
    continuum.write_continuum(h5, curve)
    if not settings.discrepancy:
        return ObservedEffects(cfg, curve, None, None)
    discrepancy = load_discrepancy(settings.discrepancy).resample(cfg.wave.grid())
    return ObservedEffects(cfg, curve, discrepancy, hdf5_labels.read_labels(joined, NAMES))
