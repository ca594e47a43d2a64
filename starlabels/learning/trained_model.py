"""A trained model: its folder models/<run>/, and the labels, errors and flags it predicts."""

import json
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from starlabels.base import files, hdf5, hdf5_spectra, untrusted
from starlabels.base.errors import UserError
from starlabels.base.labels import get_lowest, unscale_labels
from starlabels.learning import calibration, component_models, components, outliers, sparse
from starlabels.learning.backend import start_keras
from starlabels.learning.checkpoints import write_history

BATCH_SIZE = 256  # spectra


def save_model(folder, models, tables, history, seconds, cfg, digest, h5):
    """Write the files of a model: <name>.keras, scaling.h5, history.csv and config.yaml.

    Parameters
    ----------
    folder : Path
    models : dict
        {name: keras.Model}.
    tables : dict
        {group: {name: array} or None} to write into scaling.h5.
    history : dict
        {column: one number per epoch} of the training.
    seconds : float
        Time of the training.
    cfg : Config
        Recipe of the model.
    digest : str
        Of everything that the model depends on.
    h5 : h5py.File
        Open 2_prepared.h5: scaling, wavelengths, continuum model, discrepancy, features and
        principal components are copied from it.
    """
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    inputs = {h5.filename: h5.attrs["digest"]}
    with hdf5.create_file(folder / "scaling.h5", "3_train", digest, cfg.text, inputs) as out:
        for group in ("scaling", "continuum", "features", "discrepancy"):
            if group in h5:
                h5.copy(group, out)
        if cfg.wave:
            hdf5_spectra.write_wave(out, *hdf5_spectra.read_axis(h5))
        basis = components.read_basis(h5)
        if basis and cfg.target == "labels":  # a generator does not read spectra
            components.write_basis(out, basis)
        for group, table in tables.items():
            for name, values in (table or {}).items():
                hdf5.write_dataset(out, f"{group}/{name}", values)
        sums = {f"{name}.keras": files.compute_sha256(folder / f"{name}.keras") for name in models}
        out.attrs.update(
            {"train_seconds": seconds, "target": cfg.target, "files": json.dumps(sums)}
        )
    write_history(history, folder / "history.csv")
    (folder / "config.yaml").write_text(cfg.text, encoding="utf-8")


class TrainedModel(NamedTuple):
    """A trained model that predicts labels.

    Attributes
    ----------
    model : keras.Model
        From flux and features (n, n_inputs) to scaled labels and ln variances.
    component_model : keras.Model
        The same with a second output, the components and ln noise that it reads; `model` itself if
        it reads pixels.
    names : list of str
        Its labels.
    mean, std : array (n_labels,)
        Moments of the labels in training.
    calibration : dict or None
        Output of `calibration.fit_calibration`; None if the model predicts no errors.
    detector : OutlierDetector or None
        None if the model reads no components.
    seconds : float
        Time of the training.
    digest : str
        Of the training.
    offset : float
        Offset in mas of the parallaxes that the labels were made of.
    windows : dict or None
        {element: (k, 2) in A} that a censored network reads the element from.
    sparse : dict or None
        Output of `sparse.fit_sparse_threshold`, of a network that reads a table.
    may_lack : array (n_features,) of bool, or None
        Whether some star of training lacked the feature.
    basis : Basis or None
        Principal components that it reads; None if it reads pixels or features only.
    """

    model: object
    component_model: object
    names: list
    mean: np.ndarray
    std: np.ndarray
    calibration: dict | None
    detector: outliers.OutlierDetector | None
    seconds: float
    digest: str
    offset: float = 0.0
    windows: dict | None = None
    sparse: dict | None = None
    may_lack: np.ndarray | None = None
    basis: components.Basis | None = None

    @property
    def bits(self):
        """{flag: bit} of the flags that this model can set."""
        can_set = {
            "edge": self.detector,
            "unlike": self.detector,
            "limit": True,
            "thin": self.sparse,
        }
        return {name: bit for name, bit in outliers.BITS.items() if can_set[name]}

    @property
    def splits_errors(self):
        """True if errors have two parts, `err_model` and `err_predictive`, see `predict`."""
        n_outputs = self.model.output_shape[1]
        return bool(self.calibration) and n_outputs > 2 * len(self.names)

    def predict(self, flux, snr):
        """Predict labels, errors and flags.

        Parameters
        ----------
        flux : array (n, n_inputs) or SpectrumBatches
            Flux with a continuum of 1, at rest, followed by the features if the model reads any.
        snr : array (n,)
            S/N of added noise; infinite without.

        Returns
        -------
        dict
            `mean` (n, n_labels) in physical units, clipped to the lowest possible value; `flags`
            (n,), see `outliers.BITS`. If the model predicts errors, `err` (n, n_labels), enlarged
            for stars unlike the training set. If it averages passes or members, also the parts of
            err: `err_model`, their scatter, and `err_predictive`, the mean of what they predict.
        """
        output, inputs = self._call(flux)
        n = len(self.names)
        least = get_lowest(self.names)
        mean = unscale_labels(output[:, :n], self.mean, self.std)
        flags = outliers.BITS["limit"] * (mean < least).any(axis=1).astype("u1")
        prediction = {"mean": np.maximum(mean, least).astype("f4"), "flags": flags}
        if self.calibration:
            prediction |= self._calibrate(output[:, n:], snr)
        if self.sparse:
            is_sparse = sparse.flag_sparse(self.sparse, output[:, :n])
            flags |= outliers.BITS["thin"] * is_sparse.astype("u1")
        if self.detector:
            bits, growth = outliers.flag_outliers(self.detector, inputs, output[:, :n])
            flags |= bits
            prediction["err"] *= growth[:, None].astype("f4")
        return prediction

    def _call(self, flux):
        """Output of the network, and the components and ln noise it reads if they are needed."""
        batch_size = BATCH_SIZE if isinstance(flux, np.ndarray) else None
        if self.detector:
            return self.component_model.predict(flux, batch_size=batch_size, verbose=0)
        return self.model.predict(flux, batch_size=batch_size, verbose=0), None

    def _calibrate(self, log_variances, snr):
        """{err, and its parts: (n, n_labels)} of ln variances (n, n_labels) or (n, 2 n_labels)."""
        n = len(self.names)
        columns = [log_variances[:, i : i + n] for i in range(0, log_variances.shape[1], n)]
        err, *scatter = (
            calibration.apply_calibration(
                self.calibration, np.exp(0.5 * column) * self.std, snr
            ).astype("f4")
            for column in columns
        )
        errors = {"err": err}
        if scatter:
            errors["err_model"] = scatter[0]
            errors["err_predictive"] = np.sqrt(np.maximum(err**2 - scatter[0] ** 2, 0))
        return errors


def open_model(folder):
    """Open the TrainedModel in a folder models/<run>/, independent of the current recipe.

    Raises
    ------
    UserError
        If it is missing, damaged or a generator; the message says what to run.
    """
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        if h5.attrs.get("target", "labels") != "labels":
            raise UserError(
                f"{folder} gives spectra of labels, not labels of spectra: use it with generate.py"
            )
        names = list(h5["scaling/mean"].attrs["names"])
        mean = h5["scaling/mean"][:]
        std = h5["scaling/std"][:]
        seconds = float(h5.attrs["train_seconds"])
        digest = h5.attrs["digest"]
        may_lack = h5["features/may_lack"][:].astype(bool) if "features/may_lack" in h5 else None
        offset = float(h5["parallax/offset"][()]) if "parallax" in h5 else 0.0
        basis = components.read_basis(h5)
        errors, thresholds, windows, sparse_table = (
            read_table(h5, group) for group in ("calibration", "guard", "windows", "thin")
        )
    print(start_keras())
    model = read_keras_model(folder / "model.keras")
    detector = None
    if thresholds:
        decoder = read_keras_model(folder / "decoder.keras")
        detector = outliers.OutlierDetector(decoder, thresholds)
    basis = basis or component_models.extract_basis(model)
    component_model = component_models.add_components_output(model) if basis else model
    return TrainedModel(
        model,
        component_model,
        names,
        mean,
        std,
        errors,
        detector,
        seconds,
        digest,
        offset,
        windows,
        sparse_table,
        may_lack,
        basis,
    )


def read_table(h5, group):
    """{name: array} of the datasets of a group of an open file; None if there is no such group."""
    return {name: data[()] for name, data in h5[group].items()} if group in h5 else None


def read_keras_model(path):
    """Read a Keras model; one that would run code is refused.

    Parameters
    ----------
    path : Path
        File next to its scaling.h5.

    Returns
    -------
    keras.Model

    Raises
    ------
    UserError
        If it is missing, damaged or of another scaling.h5; the message says what to run.
    """
    import keras

    from starlabels.learning.networks import bayesian, layers  # noqa: F401  registers them

    zip_errors = (EOFError, zipfile.BadZipFile, zlib.error)
    try:
        untrusted.check_keras(path)
        check_checksum(path)
        return keras.models.load_model(path, safe_mode=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, *zip_errors) as error:
        raise UserError(f"{path} cannot be read: run python 3_train.py") from error


def check_checksum(path):
    """UserError if the scaling.h5 next to a model's file was written with another one.

    Files of old versions have no checksum and pass.
    """
    with hdf5.open_stage(path.with_name("scaling.h5"), "3_train") as h5:
        checksum = json.loads(h5.attrs.get("files", "{}")).get(path.name)
    if checksum and checksum != files.compute_sha256(path):
        raise UserError(
            f"{path} is not the one that the scaling.h5 next to it was written with: "
            "re-run python 3_train.py"
        )
