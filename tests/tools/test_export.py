"""Exported models give the labels and errors of the model, without Keras and this package."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from conftest import slow, train_toy_model
from exporting import list_files, write_export

from starlabels.base.errors import UserError
from starlabels.config import load, paths
from starlabels.config.run import Run
from starlabels.learning import calibration, trained_model
from starlabels.learning.networks import BUILDERS, build_predictor
from starlabels.stages import load_model, train_labels
from starlabels.tools import export, export_check

NAMES = ["teff", "logg", "vsini", "mg_h"]
N_PIX = 60
WINDOWS = {"mg_h": [(5001.0, 5002.0)]}


def exported(model, out="exported"):
    """Export a model's folder; what it says of itself."""
    export.export_model(None, Namespace(model=model, out=Path(out)))
    return json.loads((Path(out) / "about.json").read_text())


def answers(flux, snr):
    """{output: array} of the ONNX file in exported/."""
    import onnxruntime

    session = onnxruntime.InferenceSession("exported/model.onnx")
    given = {"flux": flux, "snr": snr}
    names = [one.name for one in session.get_outputs()]
    return dict(
        zip(names, session.run(names, {one.name: given[one.name] for one in session.get_inputs()}))
    )


@pytest.mark.slow
def test_the_default_network_is_exported_with_scaling_calibration_and_growth_of_errors(run, capsys):
    import onnx

    about, stored = (
        exported(paths.run_paths(run).model_dir),
        load_model.load_trained_model(Run(run)),
    )
    assert about["labels"] == run.labels and about["units"] == ["K", "dex", "km/s", "dex"]
    assert np.allclose(about["wave"], run.wave.grid()) and about["recipe"] == run.text
    assert list(about["outputs"]) == ["mean", "err"] and "flags" in about["not_inside"][0]
    said = capsys.readouterr().out
    assert (
        "onnxruntime: greatest difference of 256 spectra: mean" in said
        and "spectra/s: Keras" in said
    )
    rng, snr = np.random.default_rng(1), np.full(50, 80, "f4")
    flux = (1 + 0.01 * rng.normal(size=(50, 500))).astype("f4")
    flux[::2] -= 0.3 * rng.random(
        (25, 500), dtype="f4"
    )  # unlike any in training: their errors grow
    found, expected = answers(flux, snr), stored.predict(flux, snr)
    assert (np.abs(found["mean"] - expected["mean"]) < 1e-3 * expected["err"]).all()
    np.testing.assert_allclose(found["err"], expected["err"], rtol=1e-3)
    assert (found["err"][::2] > 3 * found["err"][1::2].max(axis=0)).any()
    properties = {one.key: one.value for one in onnx.load("exported/model.onnx").metadata_props}
    assert (
        json.loads(properties["labels"]) == run.labels
        and json.loads(properties["wave"]) == about["wave"]
    )
    assert json.loads(Path("exported/saved_model/assets.extra/about.json").read_text()) == about


@pytest.fixture(autouse=True)
def few_stars(monkeypatch):
    monkeypatch.setattr(export_check, "N_STARS", 256)


@pytest.fixture(scope="module")
def seed_folder(tmp_path_factory):
    """A folder with models/toy, the published network trained on toy spectra."""
    values = {"model": {"builder": "seed_cnn", "dense": [16]}}
    return train_toy_model(
        tmp_path_factory.mktemp("seed"),
        train_labels.train_label_network,
        values,
        max_epochs=1,
        passes=1,
        loss="mse",
        noise=None,
    )


@pytest.mark.slow
def test_the_published_network_is_exported(seed_folder, monkeypatch, capsys):
    monkeypatch.chdir(seed_folder)
    cfg = load.load_config("config.yaml")
    assert list(exported(paths.run_paths(cfg).model_dir)["outputs"]) == ["mean"]
    flux = (1 - 0.3 * np.random.default_rng(0).random((20, 500))).astype("f4")
    stored = load_model.load_trained_model(Run(cfg))
    difference = np.abs(
        answers(flux, None)["mean"] - stored.predict(flux, np.full(20, 100.0))["mean"]
    )
    assert (difference < 1e-4 * stored.std).all()


def make_source(name, each=2, features=0, fit=calibration.fit_calibration, **arguments):
    """ExportSource of an untrained network.

    each: numbers per label that it predicts; features: number of features in addition to the flux.
    """
    import keras

    from starlabels.learning.networks.layers import Flagged

    keras.utils.set_random_seed(1)
    wave, n = 5000 + 0.1 * np.arange(N_PIX), each * len(NAMES)
    known = {
        "censored_cnn": {"labels": NAMES, "wave": wave, "windows": WINDOWS},
        "spectrum_table_cnn": {"n_features": 2 * features},
    }
    model = BUILDERS[name](N_PIX + 2 * features, n, **known.get(name, {}), **arguments)
    if features:  # what is missing is flagged, as inference.build does
        inputs = keras.Input((N_PIX + features,))
        read = [inputs[:, :N_PIX], Flagged()(inputs[:, N_PIX:])]
        model = keras.Model(inputs, model(keras.ops.concatenate(read, axis=1)))
    model = build_predictor(model, name, arguments)
    rng = np.random.default_rng(0)
    true, snr = rng.normal(size=(4000, 4)), np.exp(rng.uniform(3, 6, 4000))
    table = fit(
        true, true + rng.normal(size=true.shape) * (1 + snr[:, None] / 100), np.ones_like(true), snr
    )
    std = np.array([1000.0, 1, 100, 1])
    stored = trained_model.TrainedModel(model, model, NAMES, 3 * std, std, table, None, 0.0, "")
    moments = np.array([np.full(features, 10.0), np.ones(features)])
    return export.ExportSource(
        stored,
        wave,
        [f"mag{i}" for i in range(features)],
        moments,
        std,
        std,
        ["K", "dex", "km/s", "dex"],
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        slow("spectrum_table_cnn", {"features": 5}),
        slow("residual_mlp", {"members": 2, "width": 16, "blocks": 1, "harmonics": 1}),
        # and so bayesian_cnn, of which it is made
        slow("censored_cnn", {"passes": 5, "dense": (8, 6), "branch": (6, 4)}),
    ],
)
def test_other_networks_are_exported_too(tmp_path, name, options):
    source = make_source(name, **options)
    names, serve = export.build_graph(source)
    assert names == ["flux", *(["features"] if "features" in options else []), "snr"]
    export.write_export(serve, {"labels": NAMES}, source.model, tmp_path)
    given = export_check.make_examples(source, 10, np.random.default_rng(0))
    outputs = {"mean", "err"} | (
        {"err_model", "err_predictive"} if "features" not in options else set()
    )
    for graph in (export_check.load_onnx(tmp_path), export_check.load_saved_model(tmp_path)):
        assert set(graph(given)) == outputs
    lines = export_check.check_export(source, tmp_path)
    assert ("draws new passes" in lines[0]) == ("passes" in options)
    wrong = source._replace(model=source.model._replace(mean=source.model.mean * 1.01))
    with pytest.raises(
        UserError, match="onnxruntime disagrees with Keras, mean .*: nothing was exported"
    ):
        export_check.check_export(wrong, tmp_path)


def shifted(graph):
    """A graph that is wrong by a hundredth of sigma."""

    def call(given):
        found = graph(given)
        return found | {"mean": found["mean"] + 0.01 * found["err"]}

    return call


@pytest.mark.slow
def test_an_export_that_disagrees_leaves_nothing_and_the_old_one_whole(run, monkeypatch):
    before = write_export("exported")
    as_it_is = export_check.load_onnx
    monkeypatch.setattr(export_check, "load_onnx", lambda folder: shifted(as_it_is(folder)))
    with pytest.raises(
        UserError, match="onnxruntime disagrees with Keras, mean .* sigma, .*nothing was exported"
    ) as error:
        exported(paths.run_paths(run).model_dir)
    assert "\n" not in str(error.value) and not list(Path().glob("exported.*"))
    assert list_files("exported") == before


def test_a_folder_of_other_files_is_not_replaced(run):
    with pytest.raises(
        UserError, match="--out data holds other files: name an empty or a new folder"
    ):
        exported(paths.run_paths(run).model_dir, "data")
    assert paths.run_paths(run).prepared.is_file()


def test_the_folder_of_out_is_checked_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(export, "read_source", lambda folder: pytest.fail("work has begun"))
    Path("models/toy").mkdir(parents=True)
    Path("thesis.tex").write_text("mine")
    for out, message in {
        ".": "holds other files: name an empty or a new folder .found models, thesis.tex",
        "models": "holds other files",
        "models/toy": "is in models/toy, which training replaces",
        "models/toy/exported": "is in models/toy, which training replaces",
        "thesis.tex": "is a file: name an empty or a new folder",
    }.items():
        with pytest.raises(UserError, match=message):
            exported(Path("models/toy"), out)
    assert list_files(".") == {"models": None, "models/toy": None, "thesis.tex": b"mine"}
