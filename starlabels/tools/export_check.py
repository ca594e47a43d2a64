"""Whether what was exported answers as the model does, and how fast, on spectra like those of training."""

import time

import numpy as np

from starlabels.base.console import format_count
from starlabels.base.errors import UserError
from starlabels.learning import trained_model

N_STARS, BATCH_SIZE = 2048, 256  # compared, and at a time
N_RANDOM_STARS, N_REPEATS = (
    64,
    12,
)  # of a network that answers differently each time, and how often it is asked
MAX_DIFFERENCE = 1e-3  # sigma; and relative difference of the errors
MAX_RANDOM_DIFFERENCE = (
    9.0  # standard errors of the mean over REPEATS: one in 10 000 comparisons exceeds it by chance
)
SIGMA_FRACTION = (
    0.01  # of the scatter of a label in training: counts as sigma where the model gives no errors
)


def check_export(source, folder):
    """Lines that tell how the graphs in a folder agree with the Source, and their speed; UserError if they do not agree."""
    given = make_examples(source, N_STARS, np.random.default_rng(0))
    graphs = {"onnxruntime": load_onnx(folder), "SavedModel": load_saved_model(folder)}
    first, again = (
        predict_with_keras(source, take_first(given, N_RANDOM_STARS)) for _ in range(2)
    )  # the first call takes longer, too
    if any(value > MAX_DIFFERENCE for value in compare_outputs(again, first, source.stored).values()):
        return compare_random_outputs(source, graphs, take_first(given, N_RANDOM_STARS))
    lines, start = [], time.perf_counter()
    expected = predict_with_keras(source, given)
    speed = {"Keras, with flags": N_STARS / (time.perf_counter() - start)}
    for kind, graph in graphs.items():
        graph(take_first(given, BATCH_SIZE))  # the first call takes longer
        start = time.perf_counter()
        parts = [
            graph({name: one[i : i + BATCH_SIZE] for name, one in given.items()})
            for i in range(0, N_STARS, BATCH_SIZE)
        ]
        speed[kind] = N_STARS / (time.perf_counter() - start)
        found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        worst = compare_outputs(found, expected, source.stored)
        lines.append(f"{kind}: greatest difference of {format_count(N_STARS)} spectra: {describe_differences(worst)}")
        if not all(value <= MAX_DIFFERENCE for value in worst.values()):  # NaN too
            raise UserError(
                f"{kind} disagrees with Keras, {describe_differences(worst)}, more than {MAX_DIFFERENCE:g}: nothing was exported"
            )
    return lines + [
        "spectra/s: " + ", ".join(f"{kind} {value:.0f}" for kind, value in speed.items())
    ]


def take_first(given, n):
    """The first n stars."""
    return {name: one[:n] for name, one in given.items()}


def describe_differences(worst):
    """`mean 1.2e-05 sigma, err 3.1e-06 of itself`."""
    return ", ".join(
        f"{name} {value:.1e} {'sigma' if name == 'mean' else 'of itself'}"
        for name, value in worst.items()
    )


def predict_with_keras(source, given):
    """{mean, err, ...} of the model itself for what a graph is given."""
    read = np.concatenate([given[name] for name in ("flux", "features") if name in given], axis=1)
    found = source.stored.predict(read, given.get("snr", np.full(len(read), 100.0)))
    return {name: one for name, one in found.items() if name != "flags"}


def compare_outputs(found, expected, stored):
    """{output: greatest difference}: of the labels in sigma, of errors relative."""
    sigma = expected | {"mean": expected.get("err", SIGMA_FRACTION * stored.std)}
    return {
        name: float(np.max(np.abs(found[name] - one) / np.maximum(sigma[name], 1e-30)))
        for name, one in expected.items()
    }


def compare_random_outputs(source, graphs, given):
    """As `check` of a network that draws numbers, which no graph draws alike: its mean answers agree within their scatter."""
    lines, expected = [], repeat_predictions(lambda given: predict_with_keras(source, given), given)
    for kind, graph in graphs.items():
        found, worst = repeat_predictions(graph, given), {}
        for name in expected:
            scatter = np.sqrt(
                (found[name].var(axis=0, ddof=1) + expected[name].var(axis=0, ddof=1)) / N_REPEATS
            )
            worst[name] = float(
                np.max(np.abs(found[name].mean(axis=0) - expected[name].mean(axis=0)) / scatter)
            )
        words = ", ".join(f"{name} {value:.1f}" for name, value in worst.items())
        lines.append(
            f"{kind}: draws its passes anew; greatest difference of means in standard errors: {words}"
        )
        if not all(value <= MAX_RANDOM_DIFFERENCE for value in worst.values()):
            raise UserError(
                f"{kind} disagrees with Keras, {words} standard errors, over {MAX_RANDOM_DIFFERENCE:g}: nothing was exported"
            )
    return lines


def repeat_predictions(graph, given):
    """{output: (REPEATS, n, n_labels)} of REPEATS answers; ln of errors."""
    many = [graph(given) for _ in range(N_REPEATS)]
    stacked = {name: np.array([one[name] for one in many], float) for name in many[0]}
    return {
        name: one if name == "mean" else np.log(np.maximum(one, 1e-30))
        for name, one in stacked.items()
    }


def load_onnx(folder):
    """A function({input: array}) -> {output: array} of the ONNX file in a folder."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]
    return lambda given: dict(zip(names, session.run(names, given)))


def load_saved_model(folder):
    """The same of the SavedModel."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / "saved_model"))
    serve = loaded.signatures["serving_default"]

    def call(given):
        found = serve(**{name: tf.constant(one) for name, one in given.items()})
        return (
            {name: one.numpy() for name, one in found.items()} if loaded else {}
        )  # which must outlive the function

    return call


def make_examples(source, n, rng):
    """{input: array} of n stars as those of training, with noise of S/N 20 to 400, some with a block or features missing.

    Of some it is told that no noise was added, for which errors have a factor of their own.
    """
    snr = np.exp(rng.uniform(np.log(20), np.log(400), n)).astype("f4")
    found = {"snr": np.where(np.arange(n) % 8 == 1, np.float32(np.inf), snr)}
    if len(source.wave):
        flux = make_spectra(source.stored, len(source.wave), n, rng)
        flux += (flux.mean(axis=1) / snr)[:, None] * rng.normal(size=flux.shape).astype("f4")
        basis = trained_model.extract_basis(source.stored.model)
        if basis and basis.n_blocks > 1:
            flux.reshape(n, basis.n_blocks, -1)[::4, 0] = np.nan
        found["flux"] = flux
    if source.feature_names:
        mean, std = source.features
        values = mean + std * rng.normal(size=(n, len(mean)))
        found["features"] = np.where(rng.uniform(size=values.shape) < 0.2, np.nan, values).astype(
            "f4"
        )
    return {name: found[name] for name in source.inputs()}


def make_spectra(stored, n_pix, n, rng):
    """Noise-free flux (n, n_pix) near the mean of training: of random labels where there is a decoder, or of random lines."""
    basis = trained_model.extract_basis(stored.model)
    if basis is None:
        return (1 - 0.3 * rng.beta(0.5, 3, (n, n_pix))).astype("f4")
    if stored.guard:
        labels = np.clip(rng.normal(size=(n, len(stored.names))), -1.5, 1.5)
        numbers = stored.guard.decoder.predict(labels.astype("f4"), verbose=0)
    else:
        numbers = np.sqrt(basis.variance) * rng.normal(size=(n, len(basis.components)))
    return (1 - basis.mean - numbers @ basis.components).astype("f4")
