"""A trained model: its folder models/<run>/, and the labels, errors and flags it gives for spectra."""

import json
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from starlabels.base import files, hdf5, untrusted
from starlabels.base.errors import UserError
from starlabels.base.labels import get_lowest, unscale_labels
from starlabels.learning import calibration, components, outliers, sparse
from starlabels.learning.backend import start_keras
from starlabels.learning.training import write_history

BATCH_SIZE = 256  # spectra


def prepend_components(network, basis, n_features=0):
    """The model from flux (n, n_pix), and n_features beside it (n, n_pix + n_features).

    It is the network itself, or with the components that it was trained on before it.
    """
    import keras
    from keras import ops

    network = keras.Model(
        network.inputs, network.outputs[0], name=network.name
    )  # without optimiser: a third of the size
    if not basis:
        return network
    from starlabels.learning.networks.layers import Components

    n_pix, layer = (
        len(basis.mean),
        Components(len(basis.components), basis.n_blocks, name="components"),
    )
    flux = keras.Input((n_pix + n_features,), name="flux")
    read = layer(flux[:, :n_pix]) if n_features else layer(flux)
    outputs = network(ops.concatenate([read, flux[:, n_pix:]], axis=1) if n_features else read)
    layer.set_weights([basis.mean, basis.components])
    return keras.Model(flux, outputs, name=network.name)


def save_model(folder, models, tables, history, seconds, cfg, digest, h5):
    """Write {name: Keras model} as <name>.keras, scaling.h5, history.csv and config.yaml into the folder of a model.

    scaling.h5 has the moments of the labels, the wavelengths, `tables` {group: {name: values} or None}, and the files' SHA-256.
    """
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    with hdf5.create(
        folder / "scaling.h5", "3_train", digest, cfg.text, {h5.filename: h5.attrs["digest"]}
    ) as out:
        for group in ("scaling", "continuum", "features"):
            if group in h5:
                h5.copy(group, out)
        if cfg.wave:
            hdf5.write_wave(out, *hdf5.read_axis(h5))
        for group, table in tables.items():
            for name, values in (table or {}).items():
                hdf5.write(out, f"{group}/{name}", values)
        sums = {f"{name}.keras": files.compute_sha256(folder / f"{name}.keras") for name in models}
        out.attrs.update(
            {"train_seconds": seconds, "target": cfg.target, "files": json.dumps(sums)}
        )
    write_history(history, folder / "history.csv")
    (folder / "config.yaml").write_text(cfg.text, encoding="utf-8")


class TrainedModel(NamedTuple):
    """A model from flux, the names of its labels and their moments in training (n_labels,), the calibration of its errors.

    reader gives the model's output and what it reads; calibration is None if the model gives no errors, guard if it cannot
    tell what is outside; seconds is the time of training.
    """

    model: object
    add_components_output: object
    names: list
    mean: np.ndarray
    std: np.ndarray
    calibration: dict | None
    guard: outliers.OutlierDetector | None
    seconds: float
    digest: str
    offset: float = 0.0  # mas, of the parallaxes that fakemag was learnt from
    windows: dict | None = (
        None  # {element: (k, 2) in A} that it is read from, of a censored network
    )
    thin: dict | None = None  # what thin.fit gives, of a network that reads a table
    may_lack: np.ndarray | None = (
        None  # (k,) of the table's features, whether some star of training lacked it
    )

    @property
    def bits(self):
        """{flag: bit} of those that this model can set."""
        can = {"edge": self.guard, "unlike": self.guard, "limit": True, "thin": self.thin}
        return {name: bit for name, bit in outliers.BITS.items() if can[name]}

    def predict(self, flux, snr):
        """{mean, err (n, n_labels), flags (n,)} of flux: an array (n, n_pix) or batches of it, of S/N snr (n,).

        In physical units; flags are guard.BITS, and errors grow with how unlike those of training a star is. A label below the
        least in nature is given as that, and flagged "limit". Of Monte-Carlo passes also the parts of err: err_model, their
        scatter, and err_predictive, what they say themselves.
        """
        output, inputs = self._outputs(flux)
        n, least = len(self.names), get_lowest(self.names)
        mean = unscale_labels(output[:, :n], self.mean, self.std)
        flags = outliers.BITS["limit"] * (mean < least).any(axis=1).astype("u1")
        found = {"mean": np.maximum(mean, least).astype("f4"), "flags": flags}
        if self.calibration:
            parts = [
                np.exp(0.5 * output[:, i : i + n]) * self.std for i in range(n, output.shape[1], n)
            ]
            found["err"], *scatter = (
                calibration.apply_calibration(self.calibration, part, snr).astype("f4") for part in parts
            )
            for err in scatter:
                found |= {
                    "err_model": err,
                    "err_predictive": np.sqrt(np.maximum(found["err"] ** 2 - err**2, 0)),
                }
        if self.thin:
            flags |= outliers.BITS["thin"] * sparse.flag_sparse(self.thin, output[:, :n]).astype("u1")
        if self.guard:
            unlike, growth = outliers.flag_outliers(self.guard, inputs, output[:, :n])
            flags |= unlike
            found["err"] *= growth[:, None].astype("f4")
        return found

    def _outputs(self, flux):
        """What the network says of each spectrum, and what it reads of it where that is components (else None)."""
        options = {"batch_size": BATCH_SIZE if isinstance(flux, np.ndarray) else None, "verbose": 0}
        return (
            self.reader.predict(flux, **options)
            if self.guard
            else (self.model.predict(flux, **options), None)
        )


def open_folder(folder):
    """The Trained in models/<run>/, whatever the recipe in force; UserError naming 3_train.py if it is missing or damaged."""
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        if h5.attrs.get("target", "labels") != "labels":
            raise UserError(
                f"{folder} gives spectra of labels, not labels of spectra: use it with generate.py"
            )
        scaling = h5["scaling/mean"]
        names, mean, std = list(scaling.attrs["names"]), scaling[:], h5["scaling/std"][:]
        seconds, digest = float(h5.attrs["train_seconds"]), h5.attrs["digest"]
        may_lack = h5["features/may_lack"][:].astype(bool) if "features/may_lack" in h5 else None
        offset = float(h5["parallax/offset"][()]) if "parallax" in h5 else 0.0
        errors, table, windows, few = (
            {name: data[()] for name, data in h5[group].items()} if group in h5 else None
            for group in ("calibration", "guard", "windows", "thin")
        )
    print(start_keras())
    model = read_keras_model(folder / "model.keras")
    watch = outliers.OutlierDetector(read_keras_model(folder / "decoder.keras"), table) if table else None
    return TrainedModel(
        model,
        add_components_output(model),
        names,
        mean,
        std,
        errors,
        watch,
        seconds,
        digest,
        offset,
        windows,
        few,
        may_lack,
    )


def add_components_output(model):
    """The model with a second output, the components that it reads; itself if it reads pixels."""
    import keras

    found = [layer for layer in model.layers if layer.name == "components"]
    return keras.Model(model.input, [model.output, found[0].output]) if found else model


def extract_basis(model):
    """The components.Basis that a model reads, None if it reads pixels."""
    found = [layer for layer in model.layers if layer.name == "components"]
    if not found:
        return None
    mean, vectors = found[0].get_weights()
    [variance] = (
        next(layer for layer in model.layers if hasattr(layer, "layers"))
        .get_layer("wiener")
        .get_weights()
    )
    return components.Basis(mean, vectors, variance, found[0].n_blocks)


def read_keras_model(path):
    """The Keras model in a file beside its scaling.h5; UserError naming 3_train.py if it is missing, damaged or of another one.

    One that would run code is refused.
    """
    import keras

    from starlabels.learning.networks import bayesian, layers  # noqa: F401  registers them

    try:
        untrusted.check_keras(path)
        check_checksum(path)
        return keras.models.load_model(path, safe_mode=True)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UserError(f"{path} cannot be read: run python 3_train.py") from error


def check_checksum(path):
    """UserError if the scaling.h5 beside a model's file was written with another one; those of old do not tell."""
    with hdf5.open_stage(path.with_name("scaling.h5"), "3_train") as h5:
        known = json.loads(h5.attrs.get("files", "{}")).get(path.name)
    if known and known != files.compute_sha256(path):
        raise UserError(
            f"{path} is not the one that the scaling.h5 beside it was written with: re-run python 3_train.py"
        )
