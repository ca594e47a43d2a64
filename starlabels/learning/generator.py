"""A trained generator: labels in, spectra out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.learning import trained_model
from starlabels.learning.backend import start_keras
from starlabels.learning.intrinsic import Intrinsic, build_intrinsic

CHUNK = 1024  # spectra at a time: the memory of one layer, not of all spectra


def call_model(model, x):
    """Output of a Keras model as an array; `predict` would take 30 ms to start."""
    return model.predict_on_batch(np.asarray(x, "f4"))


class Generator(NamedTuple):
    """A trained generator of spectra.

    Attributes
    ----------
    model : keras.Model
        From labels (n, n_labels), in physical units, to flux or to the code of `intrinsic`.
    wave : array (n_pix,)
        Wavelengths in A.
    names : list of str
        Its labels.
    low, high : array (n_labels,)
        Their range in training.
    digest : str
        Of the training.
    intrinsic : Intrinsic or None
        Converts the model's output to flux, if it is not flux already.
    medium : str
        "air" or "vacuum".
    """

    model: object
    wave: np.ndarray
    names: list
    low: np.ndarray
    high: np.ndarray
    digest: str
    intrinsic: Intrinsic | None = None
    medium: str = "air"

    def spectra(self, labels):
        """Generate spectra.

        Parameters
        ----------
        labels : dict
            {name: (n,)} in physical units, exactly the labels of the generator.

        Returns
        -------
        array (n, n_pix)
            Flux, float32, with a continuum of 1.

        Raises
        ------
        UserError
            If a label is missing, unknown or outside the range of training.
        """
        return self.flux(self.checked(labels))

    def checked(self, labels):
        """Labels {name: (n,)} as (n, n_labels); UserError if one is missing or out of range."""
        expected = f"give it {', '.join(self.names)}"
        if missing := [name for name in self.names if name not in labels]:
            raise UserError(f"labels: the generator lacks {', '.join(missing)}: {expected}")
        if unknown := [name for name in labels if name not in self.names]:
            raise UserError(f"labels: the generator does not know {', '.join(unknown)}: {expected}")
        values = np.column_stack([np.atleast_1d(labels[name]).astype(float) for name in self.names])
        for name, column, low, high in zip(self.names, values.T, self.low, self.high):
            check_range(name, column, low, high)
        return values

    def flux(self, values):
        """Flux (n, n_pix) float32 at labels (n, n_labels) in the order of `names`, unchecked."""
        starts = range(0, len(values), CHUNK)
        return np.concatenate([self._flux(values[start : start + CHUNK]) for start in starts])

    def _flux(self, values):
        """`flux` of one chunk."""
        output = call_model(self.model, values)
        if not self.intrinsic:
            return output
        return self.intrinsic.flux(output, dict(zip(self.names, values.T)), self.wave)


def check_range(name, column, low, high):
    """UserError if a label's values (n,) are not all in [low, high]; it names the first star."""
    outside = np.flatnonzero(~((column >= low) & (column <= high)))  # NaN too
    if not len(outside):
        return
    star = f" of star {outside[0]}" if len(column) > 1 else ""
    unit = get_label(name).plain_unit
    raise UserError(
        f"{name} {column[outside[0]]:g}{star} is outside the range of training: "
        f"give it within [{low:g}, {high:g}]{' ' + unit if unit else ''}"
    )


def open_folder(folder):
    """Open the generator in a folder models/<run>/.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    Generator

    Raises
    ------
    UserError
        If it is missing, damaged or a model that predicts labels; the message says what to run.
    """
    folder = Path(folder)
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        if h5.attrs.get("target", "labels") != "flux":
            raise UserError(
                f"{folder} gives labels of spectra, not spectra of labels: "
                "name a model of target flux"
            )
        names = list(h5["scaling/min"].attrs["names"])
        low = h5["scaling/min"][:]
        high = h5["scaling/max"][:]
        axis = hdf5_spectra.read_axis(h5)
        digest = h5.attrs["digest"]
        table = trained_model.read_table(h5, "intrinsic")
    start_keras()
    model = trained_model.read_keras_model(folder / "model.keras")
    intrinsic = build_intrinsic(table) if table else None
    return Generator(model, axis.wave, names, low, high, digest, intrinsic, axis.medium)


def generate(model, **labels):
    """Generate spectra at given labels.

    ``wave, flux = generate("models/rvs", teff=9950, logg=3.5, ...)``

    Parameters
    ----------
    model : str or Path
        Folder models/<run>/ of a generator.
    **labels
        Number or array (n,) of each label, in physical units.

    Returns
    -------
    wave : array (n_pix,)
        Wavelengths in A, those of the training.
    flux : array (n, n_pix)
        Flux with a continuum of 1.

    Raises
    ------
    UserError
        As of `open_folder` and `Generator.spectra`.
    """
    generator = open_folder(model)
    return generator.wave, generator.spectra(labels)
