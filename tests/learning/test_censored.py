"""The censored network: an element is read in its windows alone, at its lines in the nodes."""

import h5py
import keras
import numpy as np
import pytest
from conftest import draw_labels, write_grid

from starlabels.base import hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.config.run import Run
from starlabels.learning import jacobians
from starlabels.learning.networks import BUILDERS, build_predictor
from starlabels.learning.networks.censored import mask_windows
from starlabels.plots import jacobian as plots
from starlabels.stages import (
    element_windows,
    grid,
    jacobian_labels,
    join,
    load_model,
    preprocess,
    recipe_nodes,
    train_labels,
)
from starlabels.synthesis.sampler import Sampler

LABELS = ["teff", "mg_h", "logg", "feh", "ni_h"]
WAVE = 5000 + 0.1 * np.arange(400)
WINDOWS = {"mg_h": [(5003.0, 5005.0), (5020.0, 5021.0)], "ni_h": [(5030.0, 5032.0)]}
FLUX = np.random.default_rng(0).uniform(0.5, 1, (6, 400)).astype("f4")


def network(**arguments):
    """A small censored network of LABELS with means and ln variances."""
    keras.utils.set_random_seed(1)
    arguments = {
        "windows": WINDOWS,
        "dense": (20, 12),
        "branch": (10, 6),
        "activation": "tanh",
    } | arguments
    return BUILDERS["censored_cnn"](400, 10, LABELS, WAVE, **arguments)


def average(model, passes):
    """The mean of so many passes of a censored network."""
    return build_predictor(model, "censored_cnn", {"passes": passes})


def test_an_element_is_blind_outside_its_windows_where_the_auxiliary_values_are_held():
    model = network()
    model.get_layer("auxiliary").set_weights([np.zeros((12, 2)), np.zeros(2)])
    jacobian = jacobians.compute_jacobian(model, FLUX, 10)
    for i, name in enumerate(LABELS):
        seen = mask_windows(WAVE, WINDOWS[name]) if name in WINDOWS else np.ones(400, bool)
        for output in (i, 5 + i):  # mean and ln variance
            assert not jacobian[:, output, ~seen].any()
            assert (jacobian[:, output, seen] != 0).mean() > 0.9


def test_elements_train_the_rest_of_the_network_through_the_auxiliary_values_only():
    import tensorflow as tf

    model = network()
    weights = {v.path: v for v in model.trainable_variables}
    with tf.GradientTape() as tape:
        mean_of_mg = tf.reduce_sum(model(FLUX)[:, 1])
    gradient = tape.gradient(mean_of_mg, weights)
    trained_by_mg = {path for path, g in gradient.items() if g is not None and np.any(g)}
    assert {"auxiliary/kernel", "mg_h/kernel"} < trained_by_mg and not {
        "main/kernel",
        "ni_h/kernel",
    } & trained_by_mg
    before = model(FLUX)[:, 1]
    weights["main/kernel"].assign_add(tf.ones_like(weights["main/kernel"]))
    assert np.abs(model(FLUX)[:, 1] - before).max() > 1e-3  # though it hears of the others


def test_outputs_are_means_then_variances_in_the_order_of_the_labels():
    model = network()
    numbers = {
        "main": [0, 2, 3, 5, 7, 8],
        "mg_h": [1, 6],
        "ni_h": [4, 9],
    }  # where each layer's outputs belong
    for name, values in numbers.items():
        kernel, _ = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([0 * kernel, np.array(values, "f4")])
    np.testing.assert_array_equal(model.predict(FLUX, verbose=0), np.tile(np.arange(10.0), (6, 1)))


@pytest.mark.slow
def test_without_dropout_all_passes_say_what_the_network_says_and_saving_keeps_it(tmp_path):
    model = network(dropout=0.0)
    expected = model.predict(FLUX, verbose=0)
    np.testing.assert_allclose(
        average(model, 7).predict(FLUX, verbose=0)[:, :10], expected, atol=1e-5
    )
    for name, saved in (("network", model), ("passes", average(model, 7))):
        saved.save(tmp_path / f"{name}.keras")
        again = keras.models.load_model(tmp_path / f"{name}.keras", safe_mode=True)
        np.testing.assert_allclose(again.predict(FLUX, verbose=0)[:, :10], expected, atol=1e-5)


def test_passes_scatter_the_elements_too():
    output = average(network(dropout=0.3), 200).predict(FLUX, verbose=0)
    assert (
        output[:, 10:] > np.log(1e-9)
    ).all()  # ln variance of the means; without scatter it is ln 1e-12


def test_elements_alone_are_no_labels_for_it():
    with pytest.raises(ValueError, match="labels are elements only, mg_h: add teff"):
        BUILDERS["censored_cnn"](400, 2, ["mg_h"], WAVE, windows=WINDOWS)


def test_an_elements_own_pixels_are_where_it_is_strong_and_the_strongest():
    strength = np.array([[1.0, 0.5, 0.05, 0.0], [0.2, 0.6, 0.01, 0.0]])
    np.testing.assert_array_equal(
        element_windows.select_dominant_pixels(strength),
        [[True, False, False, False], [False, True, False, False]],
    )


def test_windows_are_a_resolution_element_wider_and_merged():
    mask = np.isin(np.arange(400), [0, 100, 101, 104, 200])  # 5000, 5010, 5010.1, 5010.4 and 5020 A
    expected = [[5000, 5000.125], [5009.875, 5010.225], [5010.275, 5010.525], [5019.875, 5020.125]]
    np.testing.assert_allclose(
        element_windows.merge_windows(WAVE, mask, 20_000), expected, atol=1e-3
    )
    assert len(
        element_windows.merge_windows(WAVE, mask, 10_000)
    ) == 3 and element_windows.merge_windows(WAVE, mask & False, 20_000).shape == (0, 2)


TOY = {
    "wave": {"min": 5000, "max": 5040, "step": 0.1},
    "labels": ["teff", "feh", "mg_h"],
    "grid.labels": {
        "teff": {"min": 6600, "max": 7000},
        "logg": 3.8,
        "mh": {"min": -0.3, "max": 0.1},
        "vmic": 2,
        "vsini": 5,
    },
    "preprocess.components": None,
    "model": {"builder": "censored_cnn", "windows": "auto"},
}
MOVED = {f"grid.labels.{name}": {"min": -0.3, "max": 0.3} for name in ("mg_m", "fe_m")}


@pytest.fixture
def toy(make_config, libraries, monkeypatch):
    """toy(changes): Config and open 2_prepared.h5 of 20 stars with spectra of toy nodes."""
    monkeypatch.setattr(
        recipe_nodes,
        "open_sampler",
        lambda cfg, build: Sampler(libraries[0], elements_path=libraries[1]),
    )
    with h5py.File("2_prepared.h5", "w") as h5:

        def make(changes=None):
            cfg = make_config(TOY | MOVED | (changes or {}))
            labels = draw_labels(cfg, 20)
            labels |= grid.compute_abundances(labels)
            hdf5_spectra.write_wave(h5, cfg.wave.grid())
            h5["train/labels/value"] = np.stack(list(labels.values()), axis=1)
            h5["train/labels/value"].attrs["names"] = list(labels)
            return cfg, h5

        yield make


def test_windows_of_the_nodes_are_around_the_lines_of_the_element(toy, capsys):
    cfg, h5 = toy()
    windows = element_windows.find_element_windows(cfg, h5)
    assert (
        list(windows) == ["mg_h"] and len(windows["mg_h"]) == 1
    )  # its one line; the two of iron are none of its
    low, high = windows["mg_h"][0]
    assert low < 5008 < high and 0.2 < high - low < 0.5  # 0.14 A is a resolution element
    assert capsys.readouterr().out.startswith(
        f"mg_h: {mask_windows(cfg.wave.grid(), windows['mg_h']).sum()} of 400 pixels, in 1 windows"
    )


def test_windows_that_the_nodes_cannot_tell_are_an_error(toy):
    foreign = {"join.databases": [{"path": "data/elsewhere.h5", "where": None}]}
    with pytest.raises(
        UserError,
        match="auto needs the nodes, but not all spectra are from grid.py; give windows instead",
    ):
        element_windows.find_element_windows(*toy(foreign))


def test_windows_of_an_element_that_the_nodes_do_not_move_are_an_error(toy):
    with pytest.raises(UserError, match="the nodes do not vary ni_m"):
        element_windows.find_element_windows(*toy({"labels": ["teff", "mg_h", "ni_h"]}))


def test_an_element_without_a_line_of_its_own_is_an_error(toy, monkeypatch):
    monkeypatch.setattr(
        element_windows, "select_dominant_pixels", lambda strength: np.zeros(strength.shape, bool)
    )
    with pytest.raises(UserError, match="auto finds no line of mg_h that is not blended"):
        element_windows.find_element_windows(*toy())


@pytest.mark.parametrize(
    "given, message",
    [
        (
            {"mg_h": [[5003, 5005]], "ni_h": [[5003, 5005]]},
            r"model.windows.ni_h: expected an element among labels: mg_h",
        ),
        (
            {"feh": [[5003, 5005]]},
            r"model.windows: found none of mg_h, expected some for each element",
        ),
        (
            {"mg_h": [[4990, 5005]]},
            r"model.windows.mg_h: found \[4990, 5005\], expected inside 5000 to 5040 Angstrom",
        ),
        (
            {"mg_h": [[5003.02, 5003.04]]},
            r"model.windows.mg_h: \[5003.02, 5003.04\] holds no pixel",
        ),
        ({"mg_h": [[5005, 5003]]}, r"expected windows of mg_h as \[\[low, high\], ...\] in A"),
        ({"mg_h": []}, r"expected windows of mg_h as"),
        ("lines", r"model.windows: found 'lines', expected auto, or \{element: "),
    ],
)
def test_windows_that_are_not_apt_are_one_line(make_config, given, message):
    with pytest.raises(UserError, match=message):
        make_config(TOY | MOVED | {"model": {"builder": "censored_cnn", "windows": given}})


def test_a_network_of_pixels_gets_no_components(make_config):
    with pytest.raises(
        UserError,
        match="preprocess.components: found 8, expected null where model.builder is censored_cnn",
    ):
        make_config(TOY | MOVED | {"preprocess.components": 8})


@pytest.mark.slow
def test_a_model_keeps_its_windows_and_the_jacobian_shows_them(make_config, monkeypatch):
    model = {"builder": "censored_cnn", "windows": {"mg_h": [[4475, 4478]]}, "passes": 10}
    changes = {
        "labels": ["teff", "logg", "mg_h"],
        "model": model,
        "preprocess.components": None,
        "grid.labels.mg_h": {"min": -0.2, "max": 0.2},
    }
    cfg = make_config(
        changes
        | {"train.max_epochs": 1, "train.passes": 1, "train.batch_size": 64, "jacobian.n_stars": 10}
    )
    labels = draw_labels(cfg, 300)
    write_grid(cfg, labels=labels | {"mg_h": labels["mh"]})
    for stage in (
        join.join_databases,
        preprocess.prepare_spectra,
        train_labels.train_label_network,
    ):
        stage(Run(cfg))
    assert {
        name: pairs.tolist()
        for name, pairs in load_model.load_trained_model(Run(cfg)).windows.items()
    } == {"mg_h": [[4475, 4478]]}
    shaded = []
    monkeypatch.setattr(
        plots, "shade_windows", lambda ax, windows: shaded.append(np.array(windows).tolist())
    )
    jacobian_labels.average_jacobians(Run(cfg))
    assert shaded[:3] == [[], [], [[4475, 4478]]]
