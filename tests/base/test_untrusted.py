"""Files that would run code are refused with one line, and nothing runs.

If possible without a network, each trap is first shown to work without the checks, or is broken.
"""

import json
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from starlabels.base import hdf5, untrusted
from starlabels.base.errors import UserError
from starlabels.catalogues import cuts, tables
from starlabels.config import load
from starlabels.learning import generator, trained_model
from starlabels.spectra import readers as io
from starlabels.spectra import spectrum
from starlabels.synthesis import atmosphere, lines


@pytest.fixture
def mark(tmp_path):
    """A file that each trap would create; at the end it must not exist."""
    path = tmp_path / "it_ran"
    yield path
    assert not path.exists()


def snapped(mark):
    """True if a trap has created its file, which is then deleted."""
    exists = mark.exists()
    if exists:
        mark.rmdir() if mark.is_dir() else mark.unlink()
    return exists


class Trap:
    """An object that touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def models(tmp_path):
    """A folder with the files of a foreign model: a dense layer."""
    import keras

    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(2, activation="relu")(inputs)).save(
        tmp_path / "model.keras"
    )
    with hdf5.create_file(tmp_path / "scaling.h5", "3_train", "d") as h5:
        for name in ("mean", "std"):
            h5.create_dataset(f"scaling/{name}", data=[1.0]).attrs["names"] = ["teff"]
    return tmp_path


def rewrite(path, change=None, **members):
    """Apply change(dict) to the configuration of a .keras file, and add or replace members."""
    with zipfile.ZipFile(path) as old:
        content = {name: old.read(name) for name in old.namelist()}
    values = json.loads(content["config.json"])
    if change:
        change(values["config"]["layers"][1])
    content |= {"config.json": json.dumps(values).encode()} | members
    with zipfile.ZipFile(path, "w") as new:
        for name, data in content.items():
            new.writestr(name, data)


def test_a_model_of_plain_layers_is_read(models):
    assert trained_model.read_keras_model(models / "model.keras").count_params() == 8


def test_a_network_saved_inside_another_as_it_was_trained_is_read(models):
    import keras

    from starlabels.learning.schedules import build_cosine_schedule

    network = keras.models.load_model(models / "model.keras")
    network.compile(
        keras.optimizers.Adam(build_cosine_schedule(0.1, 10), global_clipnorm=5.0), loss="mse"
    )
    inputs = keras.Input((3,))
    keras.Model(inputs, network(inputs)).save(models / "model.keras")
    assert "CosineDecay" in zipfile.ZipFile(models / "model.keras").read("config.json").decode()
    assert trained_model.read_keras_model(models / "model.keras").count_params() == 8


def test_a_model_with_a_lambda_layer_is_refused(models, mark, monkeypatch):
    import keras

    monkeypatch.chdir(models)
    inputs = keras.Input((3,))
    layer = keras.layers.Lambda(lambda x: [open("it_ran", "w").close(), x][1])
    keras.Model(inputs, layer(inputs)).save(models / "model.keras")
    snapped(mark)
    keras.models.load_model(models / "model.keras", safe_mode=False)
    assert snapped(mark)
    with pytest.raises(
        UserError, match="model.keras is refused: it would run keras.layers Lambda"
    ) as error:
        trained_model.read_keras_model(models / "model.keras")
    assert "3_train" not in one_line(error)


FUNCTION = {"class_name": "function", "registered_name": None}
TRICKS = {
    "os": {"module": "os", "config": "system", **FUNCTION},
    "builtins": {"module": "builtins", "config": "eval", **FUNCTION, "registered_name": "function"},
    "get_file": {"module": "keras.utils", "config": "get_file", **FUNCTION},  # CVE-2025-8747
    "unsafe": {"module": "keras.config", "config": "enable_unsafe_deserialization", **FUNCTION},
    "package": {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": "true"},
        "registered_name": "Popen",
    },
    "disguise": {
        "module": "starlabels.x",
        "class_name": "Lambda",
        "config": {},
        "registered_name": "Lambda",
    },
    "ours": {
        "module": "starlabels.base.workers",
        "class_name": "unpack_call",
        "config": {},
        "registered_name": "starlabels>unpack_call",
    },
    "our name": {
        "module": "starlabels.base.workers",
        "class_name": "unpack_call",
        "config": {},
        "registered_name": "starlabels>Components",
    },
    "code": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
}


@pytest.mark.parametrize("place", ["layer", "activation", "argument"])
@pytest.mark.parametrize("trick", TRICKS)
def test_a_model_that_names_anything_but_layers_is_refused(models, mark, trick, place):
    def change(layer):
        if (
            place == "layer"
        ):  # CVE-2025-1550: any callable of any module, called with the arguments of a node
            layer |= TRICKS[trick]
            layer["inbound_nodes"] = [{"args": [f"touch {mark}"], "kwargs": {}}]
        elif place == "activation":
            layer["config"]["activation"] = TRICKS[trick]
        else:
            layer["inbound_nodes"][0]["kwargs"] = {"x": [{"deeper": TRICKS[trick]}]}

    rewrite(models / "model.keras", change)
    with pytest.raises(
        UserError, match="is refused: it would run .* which no model of ours does"
    ) as error:
        trained_model.read_keras_model(models / "model.keras")
    one_line(error)


def test_a_model_with_files_to_be_read_is_refused(models, tmp_path):
    whole = (models / "model.keras").read_bytes()
    rewrite(models / "model.keras", **{"assets/vocabulary.txt": b"x"})
    with pytest.raises(UserError, match="is refused: it has assets/vocabulary.txt"):
        trained_model.read_keras_model(models / "model.keras")
    (models / "model.keras").write_bytes(whole)
    with h5py.File(tmp_path / "w.h5", "w") as h5:
        h5["layers"] = h5py.ExternalLink("secret.h5", "/")
    rewrite(models / "model.keras", **{"model.weights.h5": (tmp_path / "w.h5").read_bytes()})
    with pytest.raises(UserError, match="is refused: layers lies in another file, secret.h5"):
        trained_model.read_keras_model(models / "model.keras")


def test_a_pickle_under_any_name_is_not_unpickled(models, tmp_path, mark):
    pickle.loads(pickle.dumps(Trap(mark)))
    assert snapped(mark)
    for name in ("model.keras", "scaling.h5", "a.h5", "a.npy", "a.fits", "a.csv"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap(mark)))
    for read in (trained_model.read_keras_model, trained_model.check_checksum):
        with pytest.raises(UserError, match="3_train.py"):
            read(tmp_path / "model.keras")
    with pytest.raises(UserError, match="scaling.h5 is not a sound HDF5 file"):
        generator.open_folder(tmp_path)
    for name in ("a.h5", "a.fits", "a.csv"):
        for read in (
            tables.read_table,
            lambda path: list(io.read_spectra(path, spectrum.ReadOptions())),
        ):
            with pytest.raises(UserError) as error:
                read(tmp_path / name)
            one_line(error)
    with pytest.raises(UserError, match="a.npy holds Python objects, which may run code"):
        untrusted.read_arrays(tmp_path / "a.npy")


def test_arrays_of_python_objects_are_refused(tmp_path, mark, monkeypatch):
    objects, path = np.array([Trap(mark)], dtype=object), tmp_path / "a.npz"
    np.savez(path, **dict.fromkeys(["wave", "factor", "table", *lines.COLUMNS], objects))
    dict(np.load(path, allow_pickle=True))
    assert snapped(mark)
    for module, name, read in (
        (lines, "LINE_FILE", lambda: lines.read_lines(4500, 4600)),
        (atmosphere, "TABLE_FILE", lambda: atmosphere._read_table.__wrapped__()),
    ):
        monkeypatch.setattr(module, name, path)
        with pytest.raises(UserError, match="a.npz holds Python objects, which may run code"):
            read()


def test_python_objects_in_hdf5_stay_bytes(tmp_path, mark):
    path, code = tmp_path / "a.h5", pickle.dumps(Trap(mark))
    with h5py.File(path, "w") as h5:
        rows = h5.create_dataset(
            "table", 1, dtype=h5py.vlen_dtype("u1")
        )  # as pandas and PyTables store objects
        rows[0] = np.frombuffer(code, "u1")
        rows.attrs["pickled"] = np.void(code)
    for read in (
        tables.read_table,
        lambda path: list(io.read_spectra(path, spectrum.ReadOptions())),
    ):
        try:
            read(path)
        except UserError as error:
            assert "\n" not in str(error)


def test_yaml_makes_no_python_objects(make_config, mark):
    make_config()
    text = f"!!python/object/apply:os.mkdir [{mark}]"
    yaml.unsafe_load(text)
    assert snapped(mark)
    for line in (f"\nextra: {text}\n", f"\n{text}: 1\n"):
        Path("trap.yaml").write_text(Path("config.yaml").read_text() + line)
        with pytest.raises(UserError, match="trap.yaml:.*not valid YAML") as error:
            load.load_config("trap.yaml")
        one_line(error)


QUERIES = [
    "@pd.io.common.os.system('touch {mark}') == 0 & teff > 0",
    "teff.to_csv('{mark}') == 1",
    "teff.between(0, teff.to_pickle('{mark}'))",
    "`teff`.to_json('{mark}') == 1",
    "teff.__class__.__init__.__globals__['os'].system('touch {mark}') == 0",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_condition_on_columns_calls_nothing(mark, query):
    frame, query = pd.DataFrame({"teff": [1.0, 2.0]}), query.format(mark=mark)
    if not query.startswith("teff.__"):
        try:
            frame.eval(query)
        except (TypeError, ValueError):
            assert mark.exists()
        assert snapped(mark)
    with pytest.raises(UserError, match="is not allowed") as error:
        cuts.evaluate_query(frame, query, "where")
    one_line(error)


@pytest.mark.parametrize(
    "query",
    ["1 < teff & ~(teff > 3)", "teff.isna() or sqrt(`teff`) > 1", "teff in [2, 5]", "not teff < 2"],
)
def test_conditions_that_compare_and_calculate_are_allowed(query):
    assert cuts.evaluate_query(pd.DataFrame({"teff": [1.0, 2.0]}), query, "where").tolist() == [
        False,
        True,
    ]


def test_the_layers_that_are_accepted_are_those_that_we_register():
    import keras

    from starlabels.learning.networks import bayesian, layers

    modules = (bayesian.__name__, layers.__name__)
    ours = keras.saving.get_custom_objects().values()
    registered = {layer.__name__ for layer in ours if layer.__module__ in modules}
    assert untrusted.OWN_LAYERS == registered
