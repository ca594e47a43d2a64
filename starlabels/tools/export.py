"""Export a trained model, so that others need neither Keras nor this package: ONNX and a TensorFlow SavedModel.

Reads  models/<run>/ of --model
Writes model.onnx, saved_model/ and about.json into the folder of --out
Both go from flux to labels and errors in physical units; both are compared with the model before the folder appears.
"""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, provenance, stamp
from starlabels.base.errors import UserError
from starlabels.base.files import replace_folder
from starlabels.base.labels import get_label
from starlabels.config import load, schema
from starlabels.learning import trained_model
from starlabels.stages import command_line
from starlabels.tools import export_check

INPUTS = {
    "flux": "(n, n_pix) float32, continuum 1, at rest, on `wave`, sharp as the spectra of training",
    "features": "(n, n_features) float32, NaN where missing, by `features`",
    "snr": "(n,) float32, mean flux over the noise of a pixel",
}
SNR_OF_SURVEY = "(n,) float32, inf for spectra as the survey has them; else S/N of noise that was added to theirs"
OUTPUTS = {
    "mean": "(n, n_labels) float32, the labels in `units`",
    "err": "their errors (1 sigma), calibrated by S/N",
    "err_model": "the part of the error that the network's passes or members scatter by",
    "err_predictive": "the other part",
}
NOT_INSIDE = [
    "flags: what is unlike the training or beyond its ends is not flagged, though errors grow where a spectrum is unlike it",
    "preparation of observed spectra: wavelengths as `wave_unit` says, rest frame, resolving power, continuum; see predict.py",
]


class ExportSource(NamedTuple):
    """The Trained to export; wavelengths (n_pix,) in A and names of the features that it reads, either may be empty.

    features (2, n_features): their mean and std in training; low, high (n_labels,): the range of training.
    as_they_are: see config; medium: "air" or "vacuum".
    """

    stored: trained_model.TrainedModel
    wave: np.ndarray
    feature_names: list
    features: np.ndarray
    low: np.ndarray
    high: np.ndarray
    units: list
    as_they_are: bool = False
    medium: str = "air"

    def inputs(self):
        """{name: its size a star, None for a number} of what the graph reads."""
        from starlabels.tools.export_graph import needs_snr

        sizes = {"flux": len(self.wave), "features": len(self.feature_names)}
        return {name: n for name, n in sizes.items() if n} | (
            {"snr": None} if needs_snr(self.stored) else {}
        )


def add_arguments(parser):
    """Command-line arguments."""
    parser.add_argument(
        "--model", type=Path, required=True, help="folder of the trained model, models/<run>"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write, such as exported/<run>"
    )


def export_model(run, args):
    """Write the folder args.out and print how well it agrees and how fast it is; UserError if it does not agree."""
    check_output_folder(args.out)
    source = read_source(args.model)
    if missing := list_missing_packages():
        raise UserError(f"export needs {', '.join(missing)}: pip install -r requirements.txt")
    with replace_folder(args.out) as folder, redirect_stdout(io.StringIO()):  # TensorFlow prints
        names, serve = build_graph(source)
        about = describe_export(source, args.model)
        write_export(serve, about, source.stored, folder)
        lines = export_check.check_export(source, folder)
    print(*lines, sep="\n")
    print(
        f"{args.out}: model.onnx, saved_model/, about.json: {', '.join(names)} to {', '.join(about['outputs'])}"
    )


def check_output_folder(out):
    """UserError if it is a file, or a folder with anything but an earlier export, for that is replaced as a whole."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: name a folder that is empty or not there")
    if out.is_dir() and any(out.iterdir()) and not (out / "about.json").is_file():
        raise UserError(f"--out {out} holds other files: name a folder that is empty or not there")


def list_missing_packages():
    """Those of the packages that only an export needs that are not installed."""
    from importlib.util import find_spec

    return [name for name in ("onnx", "onnxruntime", "tf2onnx") if not find_spec(name)]


def read_source(folder):
    """The Source in models/<run>/; UserError as trained.open_folder, or of another backend than TensorFlow."""
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        axis = hdf5.read_axis(h5) if "spectra/wave" in h5 else hdf5.Axis(np.empty(0))
        table = h5.get("features")
        names = list(map(str, table.attrs["names"])) if table else []
        moments = np.array([table["mean"][:], table["std"][:]]) if table else np.empty((2, 0))
        ends = (
            [h5[f"scaling/{end}"][:] for end in ("min", "max")]
            if "scaling/min" in h5
            else [np.empty(0)] * 2
        )
        units = dict(zip(h5["scaling/mean"].attrs["names"], h5["scaling/mean"].attrs["units"]))
    stored = trained_model.open_folder(folder)
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"export works with TensorFlow, Keras runs on {keras.backend.backend()}: unset KERAS_BACKEND"
        )
    own = schema.has_own_noise(load.load_config(folder / "config.yaml"))
    units = [get_label(name, str(units[name])).plain_unit for name in stored.names]
    return ExportSource(stored, axis.wave, names, moments, *ends, units, own, axis.medium)


def build_graph(source):
    """Names of the inputs, and the tf.function of them that gives {output: array}."""
    import tensorflow as tf

    from starlabels.tools.export_graph import build_predictor

    sizes, call = source.inputs(), build_predictor(source.stored)
    signature = [
        tf.TensorSpec((None,) if n is None else (None, n), tf.float32, name)
        for name, n in sizes.items()
    ]

    @tf.function(input_signature=signature)
    def serve(*arrays):
        given = dict(zip(sizes, arrays))
        read = [given[name] for name in ("flux", "features") if name in given]
        return call(tf.concat(read, axis=1) if len(read) > 1 else read[0], given.get("snr"))

    return list(sizes), serve


def describe_export(source, folder):
    """What a user of the export must know, as JSON can hold it; `folder` is the model's."""
    stored, made = source.stored, provenance.read(folder)
    inputs = INPUTS | ({"snr": SNR_OF_SURVEY} if source.as_they_are else {})
    outputs = ["mean", *(["err"] if stored.calibration else [])]
    outputs += (
        ["err_model", "err_predictive"]
        if stored.calibration and stored.model.output_shape[1] == 3 * len(stored.names)
        else []
    )
    return {
        "model": str(folder),
        "labels": stored.names,
        "units": source.units,
        "training_min": source.low.tolist(),
        "training_max": source.high.tolist(),
        "inputs": {name: inputs[name] for name in source.inputs()},
        "outputs": {name: OUTPUTS[name] for name in outputs},
        "features": source.feature_names,
        "wave": source.wave.tolist(),
        "wave_unit": f"Angstrom, in {source.medium}",
        "not_inside": NOT_INSIDE,
        "trained": {
            "digest": made.digest,
            "commit": made.commit,
            "created": made.created,
            "command": made.command,
        },
        "exported": {
            "commit": stamp.commit(),
            "created": stamp.now(),
            "versions": stamp.versions(),
        },
        "recipe": made.config,
    }


def write_export(serve, about, stored, folder):
    """Write the graph of a Trained twice into a folder, and what it is beside it and inside."""
    import onnx
    import tensorflow as tf

    from starlabels.tools.export_onnx import convert_to_onnx

    model = convert_to_onnx(serve, serve.input_signature, folder / "model.onnx")
    onnx.helper.set_model_props(
        model, {key: one if isinstance(one, str) else json.dumps(one) for key, one in about.items()}
    )
    onnx.save(model, folder / "model.onnx")
    module = tf.Module()
    models = [stored.model, *([stored.guard.decoder] if stored.guard else [])]
    module.state = [
        one.value for model in models for one in model.variables
    ]  # weights and seeds, which go along
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=serve)
    text = json.dumps(about, indent=1) + "\n"
    for path in (folder / "about.json", folder / "saved_model/assets.extra/about.json"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    command_line.run_command(export_model, __doc__, add_arguments, recipe=lambda args: None)
