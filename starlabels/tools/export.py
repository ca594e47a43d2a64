"""Export a trained model as ONNX and as a TensorFlow SavedModel, for use without this package.

Reads  models/<run>/ of --model
Writes model.onnx, saved_model/, about.json and SHA256SUMS into the folder of --out

Both map flux to labels and errors in physical units. Both are compared with the model before they
appear. The folder must be new, empty, or hold an earlier export and nothing else.
"""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np

from starlabels.base import hdf5, hdf5_spectra, provenance, stamp
from starlabels.base.errors import UserError
from starlabels.base.labels import get_label
from starlabels.config import load, schema
from starlabels.learning import trained_model
from starlabels.stages import command_line
from starlabels.tools import export_check, export_folder

INPUTS = {
    "flux": "(n, n_pix) float32, continuum 1, at rest, on `wave`, resolved as in training",
    "features": "(n, n_features) float32, NaN where missing, by `features`",
    "snr": "(n,) float32, mean flux over the noise of a pixel",
}
# for a model trained on spectra of a survey with their own noise
SNR_OF_SURVEY = "(n,) float32, inf for spectra of the survey; else S/N of noise added to theirs"
OUTPUTS = {
    "mean": "(n, n_labels) float32, the labels in `units`",
    "err": "their errors (1 sigma), calibrated by S/N",
    "err_model": "the part of the error due to the scatter of the network's passes or members",
    "err_predictive": "the other part",
}
NOT_INSIDE = [
    "flags: spectra unlike the training set or beyond its ends are not flagged, though errors grow "
    "where a spectrum is unlike it",
    "preparation of observed spectra: wavelengths as in `wave_unit`, rest frame, resolving power, "
    "continuum; see predict.py",
]


class ExportSource(NamedTuple):
    """What is exported.

    Attributes
    ----------
    model : TrainedModel.
    wave : wavelengths (n_pix,) in Angstrom; empty if the model reads no flux.
    feature_names : names of the features that it reads, may be empty.
    features : mean and std (2, n_features) of the features in training.
    low, high : ends (n_labels,) of the training range.
    units : units (n_labels,) of the labels.
    has_own_noise : True if it was trained on spectra with their own noise.
    medium : "air" or "vacuum".
    """

    model: trained_model.TrainedModel
    wave: np.ndarray
    feature_names: list
    features: np.ndarray
    low: np.ndarray
    high: np.ndarray
    units: list
    has_own_noise: bool = False
    medium: str = "air"

    def input_sizes(self):
        """{input of the graph: its size per star, None for a number}."""
        from starlabels.tools.export_graph import needs_snr

        sizes = {"flux": len(self.wave), "features": len(self.feature_names)}
        sizes = {name: size for name, size in sizes.items() if size}
        return sizes | ({"snr": None} if needs_snr(self.model) else {})


def add_arguments(parser):
    """Add the command-line arguments to a parser."""
    parser.add_argument(
        "--model", type=Path, required=True, help="folder of the trained model, models/<run>"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write, such as exported/<run>"
    )


def export_model(run, args):
    """Write the folder args.out, and print differences and speeds; UserError if they disagree."""
    if missing := list_missing_packages():
        raise UserError(f"export needs {', '.join(missing)}: pip install -r requirements.txt")
    with export_folder.fill_folder(args.out, args.model) as folder:
        source = read_source(args.model)
        with redirect_stdout(io.StringIO()):  # TensorFlow prints
            names, serve = build_graph(source)
            about = describe_export(source, args.model)
            write_export(serve, about, source.model, folder)
            lines = export_check.check_export(source, folder)
    print(*lines, sep="\n")
    files = ", ".join(export_folder.NAMES)
    print(f"{args.out}: {files}: {', '.join(names)} to {', '.join(about['outputs'])}")


def list_missing_packages():
    """Packages needed for an export that are not installed."""
    from importlib.util import find_spec

    return [name for name in ("onnx", "onnxruntime", "tf2onnx") if not find_spec(name)]


def read_source(folder):
    """The ExportSource in models/<run>/.

    UserError as trained_model.open_model, or if Keras does not run on TensorFlow.
    """
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        axis = (
            hdf5_spectra.read_axis(h5)
            if "spectra/wave" in h5
            else hdf5_spectra.SpectralAxis(np.empty(0))
        )
        names, moments = [], np.empty((2, 0))
        if table := h5.get("features"):
            names = list(map(str, table.attrs["names"]))
            moments = np.array([table["mean"][:], table["std"][:]])
        low = high = np.empty(0)
        if "scaling/min" in h5:
            low = h5["scaling/min"][:]
            high = h5["scaling/max"][:]
        units = dict(zip(h5["scaling/mean"].attrs["names"], h5["scaling/mean"].attrs["units"]))
    model = trained_model.open_model(folder)
    import keras

    if keras.backend.backend() != "tensorflow":
        problem = f"export works with TensorFlow, Keras runs on {keras.backend.backend()}"
        raise UserError(f"{problem}: unset KERAS_BACKEND")
    return ExportSource(
        model=model,
        wave=axis.wave,
        feature_names=names,
        features=moments,
        low=low,
        high=high,
        units=[get_label(name, str(units[name])).plain_unit for name in model.names],
        has_own_noise=schema.has_own_noise(
            load.load_config(folder / "config.yaml", is_trained=True)
        ),
        medium=axis.medium,
    )


def build_graph(source):
    """Names of the inputs, and the tf.function of them that returns {output: array}."""
    import tensorflow as tf

    from starlabels.tools.export_graph import build_predictor

    predict = build_predictor(source.model)
    sizes = source.input_sizes()
    signature = [
        tf.TensorSpec((None,) if size is None else (None, size), tf.float32, name)
        for name, size in sizes.items()
    ]

    @tf.function(input_signature=signature)
    def serve(*arrays):
        given = dict(zip(sizes, arrays))
        inputs = [given[name] for name in ("flux", "features") if name in given]
        inputs = tf.concat(inputs, axis=1) if len(inputs) > 1 else inputs[0]
        return predict(inputs, given.get("snr"))

    return list(sizes), serve


def describe_export(source, folder):
    """Metadata for users of the export, as JSON can hold them; folder: of the model."""
    model = source.model
    record = provenance.read_record(folder)
    inputs = INPUTS | ({"snr": SNR_OF_SURVEY} if source.has_own_noise else {})
    outputs = ["mean"]
    if model.calibration:
        outputs.append("err")
    if model.splits_errors:
        outputs += ["err_model", "err_predictive"]
    return {
        "model": str(folder),
        "labels": model.names,
        "units": source.units,
        "training_min": source.low.tolist(),
        "training_max": source.high.tolist(),
        "inputs": {name: inputs[name] for name in source.input_sizes()},
        "outputs": {name: OUTPUTS[name] for name in outputs},
        "features": source.feature_names,
        "wave": source.wave.tolist(),
        "wave_unit": f"Angstrom, in {source.medium}",
        "not_inside": NOT_INSIDE,
        "trained": {
            "digest": record.digest,
            "commit": record.commit,
            "created": record.created,
            "command": record.command,
        },
        "exported": {
            "commit": stamp.get_commit(),
            "created": stamp.format_utc_now(),
            "versions": stamp.get_versions(),
        },
        "recipe": record.config,
    }


def write_export(serve, about, model, folder):
    """Write the model as ONNX and as SavedModel, with the metadata embedded and in about.json.

    Parameters
    ----------
    serve : tf.function of `build_graph`.
    about : metadata of `describe_export`.
    model : TrainedModel.
    folder : folder to write into.
    """
    import onnx
    import tensorflow as tf

    from starlabels.tools.export_onnx import convert_to_onnx

    graph = convert_to_onnx(serve, serve.input_signature, folder / "model.onnx")
    properties = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()
    }
    onnx.helper.set_model_props(graph, properties)
    onnx.save(graph, folder / "model.onnx")
    module = tf.Module()
    networks = [model.model, *([model.detector.decoder] if model.detector else [])]
    # weights and seeds, which are saved with the graph
    module.state = [variable.value for network in networks for variable in network.variables]
    tf.saved_model.save(module, str(folder / "saved_model"), signatures=serve)
    text = json.dumps(about, indent=1) + "\n"
    for path in (folder / "about.json", folder / "saved_model/assets.extra/about.json"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    command_line.run_command(export_model, __doc__, add_arguments, recipe=lambda args: None)
