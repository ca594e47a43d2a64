"""Comparison of exported graphs with the model, on spectra like those of training."""

import time

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError

N_STARS, BATCH_SIZE = 2048, 256
N_RANDOM_STARS = 64  # of a network that draws random numbers
N_REPEATS = 12  # predictions of such a network
MAX_DIFFERENCE = 1e-3  # of labels in sigma, of errors relative
# standard errors of the mean over N_REPEATS: chance exceeds it in one of 10 000 comparisons
MAX_RANDOM_DIFFERENCE = 9.0
SIGMA_FRACTION = 0.01  # of the scatter of a label in training, as sigma if there are no errors


def check_export(source, folder):
    """Compare the graphs in a folder with the model, and time them.

    Parameters
    ----------
    source : ExportSource.
    folder : folder of the export.

    Returns
    -------
    Lines with the greatest differences and the speeds.

    Raises
    ------
    UserError
        If a graph disagrees with the model.
    """
    given = make_examples(source, N_STARS, np.random.default_rng(0))
    graphs = {"onnxruntime": load_onnx(folder), "SavedModel": load_saved_model(folder)}
    few = take_first(given, N_RANDOM_STARS)
    first = predict_with_keras(source, few)  # the first call takes longer, too
    again = predict_with_keras(source, few)
    differences = compare_outputs(again, first, source.model)
    if any(value > MAX_DIFFERENCE for value in differences.values()):
        return compare_random_outputs(source, graphs, few)
    start = time.perf_counter()
    expected = predict_with_keras(source, given)
    speed = {"Keras, with flags": N_STARS / (time.perf_counter() - start)}
    lines = []
    for kind, graph in graphs.items():
        outputs, speed[kind] = predict_in_batches(graph, given)
        differences = compare_outputs(outputs, expected, source.model)
        words = describe_differences(differences)
        lines.append(f"{kind}: greatest difference of {format_count(N_STARS)} spectra: {words}")
        if not all(value <= MAX_DIFFERENCE for value in differences.values()):  # NaN too
            limit = f"more than {MAX_DIFFERENCE:g}"
            raise UserError(f"{kind} disagrees with Keras, {words}, {limit}: nothing was exported")
    speeds = ", ".join(f"{kind} {value:.0f}" for kind, value in speed.items())
    return [*lines, f"spectra/s: {speeds}"]


def predict_in_batches(graph, given):
    """({output: array}, spectra per second) of a graph."""
    graph(take_first(given, BATCH_SIZE))  # the first call takes longer
    start = time.perf_counter()
    parts = [
        graph({name: array[i : i + BATCH_SIZE] for name, array in given.items()})
        for i in range(0, N_STARS, BATCH_SIZE)
    ]
    speed = N_STARS / (time.perf_counter() - start)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, speed


def take_first(given, n):
    """The first n stars of {input: array}."""
    return {name: array[:n] for name, array in given.items()}


def describe_differences(differences):
    """`mean 1.2e-05 sigma, err 3.1e-06 of itself`."""
    units = {"mean": "sigma"}
    return ", ".join(
        f"{name} {value:.1e} {units.get(name, 'of itself')}" for name, value in differences.items()
    )


def predict_with_keras(source, given):
    """{mean, err, ...} of the model itself for the inputs of a graph."""
    arrays = [given[name] for name in ("flux", "features") if name in given]
    inputs = np.concatenate(arrays, axis=1)
    outputs = source.model.predict(inputs, given.get("snr", np.full(len(inputs), 100.0)))
    return {name: array for name, array in outputs.items() if name != "flags"}


def compare_outputs(outputs, expected, model):
    """{output: greatest difference}, of labels in sigma, of errors relative."""
    sigma = expected | {"mean": expected.get("err", SIGMA_FRACTION * model.std)}
    return {
        name: float(np.max(np.abs(outputs[name] - array) / np.maximum(sigma[name], 1e-30)))
        for name, array in expected.items()
    }


def compare_random_outputs(source, graphs, given):
    """As `check_export`, for a network that draws random numbers.

    The mean of N_REPEATS predictions must agree within its scatter.
    """
    expected = repeat_predictions(lambda given: predict_with_keras(source, given), given)
    lines = []
    for kind, graph in graphs.items():
        outputs = repeat_predictions(graph, given)
        differences = {}
        for name in expected:
            variance = outputs[name].var(axis=0, ddof=1) + expected[name].var(axis=0, ddof=1)
            change = np.abs(outputs[name].mean(axis=0) - expected[name].mean(axis=0))
            differences[name] = float(np.max(change / np.sqrt(variance / N_REPEATS)))
        words = ", ".join(f"{name} {value:.1f}" for name, value in differences.items())
        lines.append(
            f"{kind}: draws new passes; greatest difference of means in standard errors: {words}"
        )
        if not all(value <= MAX_RANDOM_DIFFERENCE for value in differences.values()):
            limit = f"{words} standard errors, over {MAX_RANDOM_DIFFERENCE:g}"
            raise UserError(f"{kind} disagrees with Keras, {limit}: nothing was exported")
    return lines


def repeat_predictions(graph, given):
    """{output: (N_REPEATS, n, n_labels)} of N_REPEATS predictions; ln of errors."""
    predictions = [graph(given) for _ in range(N_REPEATS)]
    stacked = {}
    for name in predictions[0]:
        values = np.array([prediction[name] for prediction in predictions], float)
        stacked[name] = values if name == "mean" else np.log(np.maximum(values, 1e-30))
    return stacked


def load_onnx(folder):
    """Function({input: array}) -> {output: array} of the ONNX file in a folder."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return lambda given: dict(zip(names, session.run(names, given)))


def load_saved_model(folder):
    """Function({input: array}) -> {output: array} of the SavedModel in a folder."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / "saved_model"))
    serve = loaded.signatures["serving_default"]

    def predict(given):
        outputs = serve(**{name: tf.constant(array) for name, array in given.items()})
        # `loaded` must exist as long as this function, which is why it is named here
        return {name: tensor.numpy() for name, tensor in outputs.items()} if loaded else {}

    return predict


def make_examples(source, n, rng):
    """{input: array} of n stars like those of training.

    Spectra have noise of S/N 20 to 400. Some stars lack a block or features. For some the S/N is
    given as infinite, because errors have another factor without added noise.
    """
    snr = np.exp(rng.uniform(np.log(20), np.log(400), n)).astype("f4")
    inputs = {"snr": np.where(np.arange(n) % 8 == 1, np.float32(np.inf), snr)}
    if len(source.wave):
        flux = make_spectra(source.model, len(source.wave), n, rng)
        flux += (flux.mean(axis=1) / snr)[:, None] * rng.normal(size=flux.shape).astype("f4")
        basis = source.model.basis
        if basis and basis.n_blocks > 1:
            flux.reshape(n, basis.n_blocks, -1)[::4, 0] = np.nan
        inputs["flux"] = flux
    if source.feature_names:
        mean, std = source.features
        values = mean + std * rng.normal(size=(n, len(mean)))
        missing = rng.uniform(size=values.shape) < 0.2
        inputs["features"] = np.where(missing, np.nan, values).astype("f4")
    return {name: inputs[name] for name in source.input_sizes()}


def make_spectra(model, n_pix, n, rng):
    """Noise-free flux (n, n_pix) near the mean of training.

    With random labels if the model has a decoder, else with random lines.
    """
    basis = model.basis
    if basis is None:
        return (1 - 0.3 * rng.beta(0.5, 3, (n, n_pix))).astype("f4")
    if model.detector:
        labels = np.clip(rng.normal(size=(n, len(model.names))), -1.5, 1.5)
        numbers = model.detector.decoder.predict(labels.astype("f4"), verbose=0)
    else:
        numbers = np.sqrt(basis.variance) * rng.normal(size=(n, len(basis.components)))
    return (1 - basis.mean - numbers @ basis.components).astype("f4")
