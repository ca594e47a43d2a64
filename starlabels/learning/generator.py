"""A trained generator: labels in, spectra out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.learning import trained_model
from starlabels.learning.backend import start_keras
from starlabels.learning.intrinsic import Intrinsic, build_intrinsic

CHUNK = 1024  # spectra at a time: the memory of one layer, not of all spectra


def call_model(model, x):
    """The output of a Keras model as an array; `predict` would take 30 ms to start."""
    return model.predict_on_batch(np.asarray(x, "f4"))


class Generator(NamedTuple):
    """A trained generator: its Keras model, wavelengths (n_pix,) in A, names of its labels and their range in training.

    medium: "air" or "vacuum".

    intrinsic: what makes flux of the model's answers, if they are not flux already.
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
        """Flux (n, n_pix) float32, continuum 1, at labels {name: (n,)}; UserError outside the range of training."""
        return self.flux(self.checked(labels))

    def checked(self, labels):
        """Labels {name: (n,)} as (n, n_labels) in the order of the model; UserError where one is missing or out of range."""
        missing, unknown = (
            [n for n in self.names if n not in labels],
            [n for n in labels if n not in self.names],
        )
        if missing or unknown:
            what = (
                f"lacks {', '.join(missing)}" if missing else f"does not know {', '.join(unknown)}"
            )
            raise UserError(f"labels: the generator {what}: give it {', '.join(self.names)}")
        values = np.column_stack([np.atleast_1d(labels[name]).astype(float) for name in self.names])
        for name, column, low, high in zip(self.names, values.T, self.low, self.high):
            bad = np.flatnonzero(~((column >= low) & (column <= high)))  # NaN too
            if len(bad):
                where = f" of star {bad[0]}" if len(column) > 1 else ""
                unit = get_label(name).plain_unit
                found = f"{name} {column[bad[0]]:g}{where} is outside the range of training"
                raise UserError(
                    f"{found}: give it within [{low:g}, {high:g}]{' ' + unit if unit else ''}"
                )
        return values

    def flux(self, values):
        """Flux (n, n_pix) float32 at labels (n, n_labels) in the order of `names`, in range or not."""
        return np.concatenate(
            [self._flux(values[start : start + CHUNK]) for start in range(0, len(values), CHUNK)]
        )

    def _flux(self, values):
        found = call_model(self.model, values)
        return (
            self.intrinsic.flux(found, dict(zip(self.names, values.T)), self.wave)
            if self.intrinsic
            else found
        )


def open_folder(folder):
    """The Generator in models/<run>/; UserError naming 3_train.py if it is missing, damaged or of another kind."""
    folder = Path(folder)
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        if h5.attrs.get("target", "labels") != "flux":
            raise UserError(
                f"{folder} gives labels of spectra, not spectra of labels: name a model of target flux"
            )
        scaling = h5["scaling/min"]
        names, low, high = list(scaling.attrs["names"]), scaling[:], h5["scaling/max"][:]
        axis, digest = hdf5.read_axis(h5), h5.attrs["digest"]
        table = (
            {name: data[()] for name, data in h5["intrinsic"].items()}
            if "intrinsic" in h5
            else None
        )
    start_keras()
    model = trained_model.read_keras_model(folder / "model.keras")
    return Generator(
        model, axis.wave, names, low, high, digest, build_intrinsic(table) if table else None, axis.medium
    )


def generate(model, **labels):
    """Wavelengths (n_pix,) in A, as those of training, and flux (n, n_pix) at labels.

    wave, flux = generate("models/rvs", teff=9950, ...).
    """
    found = open_folder(model)
    return found.wave, found.spectra(labels)
