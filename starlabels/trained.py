"""A trained model: its folder models/<run>/, and the labels, errors and flags it gives for spectra."""

import csv
import shutil
import zipfile
from typing import NamedTuple

import numpy as np

from starlabels import calibration, config, h5io
from starlabels.cli import UserError
from starlabels.labels import lowest, unscale
from starlabels.models import start_keras


def whole(network, basis):
    """The model from flux (n, n_pix): the network itself, or behind the components that it was trained on."""
    import keras

    network = keras.Model(network.inputs, network.outputs, name=network.name)  # without optimiser: a third of the size
    if not basis:
        return network
    from starlabels.models.layers import Components

    layer = Components(len(basis.components), name="components")
    flux = keras.Input((len(basis.mean),), name="flux")
    outputs = network(layer(flux))
    layer.set_weights([basis.mean, basis.components])
    return keras.Model(flux, outputs, name=network.name)


def save(folder, network, basis, history, errors, cfg, digest, h5):
    """Write model.keras, scaling.h5 (moments of labels, wavelengths, calibration of errors), history.csv and config.yaml."""
    whole(network, basis).save(folder / "model.keras")
    with h5io.create(folder / "scaling.h5", "3_train", digest, cfg, {"2_prepared.h5": h5.attrs["digest"]}) as out:
        h5.copy("scaling", out)
        h5io.write_wave(out, h5io.read_wave(h5))
        for name, values in (errors or {}).items():
            out[f"calibration/{name}"] = values
        out.attrs["train_seconds"] = sum(history["seconds"])
    with (folder / "history.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", *history])
        table.writerows((i, *row) for i, row in enumerate(zip(*history.values()), start=1))
    (folder / "config.yaml").write_text(cfg.text, encoding="utf-8")


def remove(folder):
    """Delete a folder, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)


class Trained(NamedTuple):
    """A model from flux, the names of its labels and their moments in training (n_labels,), the calibration of its errors.

    calibration is None if the model gives no errors; seconds is the time of its training.
    """

    model: object
    names: list
    mean: np.ndarray
    std: np.ndarray
    calibration: dict | None
    seconds: float
    digest: str

    def predict(self, flux, snr):
        """{mean, err (n, n_labels)} in physical units of flux: an array (n, n_pix) or batches of it, of S/N snr (n,)."""
        output = self.model.predict(flux, batch_size=256 if isinstance(flux, np.ndarray) else None, verbose=0)
        n = len(self.names)
        mean = unscale(output[:, :n], self.mean, self.std)
        found = {"mean": np.maximum(mean, lowest(self.names)).astype("f4")}
        if self.calibration:
            err = np.exp(0.5 * output[:, n:]) * self.std
            found["err"] = calibration.apply(self.calibration, err, snr).astype("f4")
        return found


def load(cfg):
    """The Trained of the recipe; UserError naming 3_train.py if it is missing, damaged or stale."""
    folder = config.paths(cfg).model_dir
    with h5io.open_stage(folder / "scaling.h5", "3_train", config.digest(cfg, "3_train")) as h5:
        mean, std = h5["scaling/mean"][:], h5["scaling/std"][:]
        seconds, digest = float(h5.attrs["train_seconds"]), h5.attrs["digest"]
        table = {name: data[:] for name, data in h5["calibration"].items()} if "calibration" in h5 else None
    print(start_keras())
    import keras

    from starlabels.models import layers  # noqa: F401  load_model finds our layers by it

    try:
        model = keras.models.load_model(folder / "model.keras", safe_mode=True)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder}/model.keras cannot be read: run python 3_train.py") from error
    return Trained(model, list(cfg.labels), mean, std, table, seconds, digest)
