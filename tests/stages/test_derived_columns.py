"""Columns that only some models give: Astra's flags, distances, parts of the errors."""

import types

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from conftest import draw_labels, run_script, toy_spectra

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.catalogues import derived_labels, distances, sdss_flags
from starlabels.config.run import Run
from starlabels.spectra import results
from starlabels.stages import derived_columns, join, preprocess, train_labels

WINDOW = {"wave.min": 15160.0, "wave.max": 15260.0, "wave.step": 0.2}  # where there are no nodes
SMALL = {"train.max_epochs": 3, "train.passes": 2, "train.batch_size": 32, "test.snr": [[100, 200]]}
NAN = float("nan")


def recipe(names, loss="gaussian_nll", **arguments):
    """The part of a configuration that decides on derived columns."""
    builder = "bayesian_cnn" if "passes" in arguments else "residual_mlp"
    train = types.SimpleNamespace(loss=loss)
    model = types.SimpleNamespace(builder=builder, arguments=arguments)
    preprocess = types.SimpleNamespace(observed=None)
    return types.SimpleNamespace(labels=names, train=train, model=model, preprocess=preprocess)


@pytest.mark.parametrize(
    ("cfg", "columns"),
    [
        (recipe(["teff", "logg", "vsini", "mh"]), ["astra_flags", "flag_warn", "flag_bad"]),
        (recipe(["teff", "logg", "mh"], "mse"), []),
        (recipe(["teff", "mh"]), []),
        (recipe(["teff"], passes=20), ["teff_err_model", "teff_err_predictive"]),
        (recipe(["fakemag"], "parallax_nll"), list(derived_labels.DISTANCE_COLUMNS)),
    ],
)
def test_a_model_adds_the_columns_that_its_labels_allow(cfg, columns):
    assert list(derived_columns.list_derived_columns(cfg)) == columns


def test_iron_is_taken_before_all_metals():
    names = ["teff", "logg", "mh", "feh"]
    mean, err = (
        np.array([[5000, 2.5, 0.0, -1.0]] * 2),
        np.array([[50, 0.1, 9, 0.1], [400, 0.1, 0, 0.3]]),
    )
    found = derived_columns.compute_derived_values(
        derived_columns.FLAG_COLUMNS, names, {"mean": mean, "err": err}, np.full((2, 2), NAN)
    )
    assert found[0] == {"astra_flags": 0, "flag_warn": False, "flag_bad": False}
    assert found[1] == {"astra_flags": 2 | 4, "flag_warn": True, "flag_bad": True}


def test_distances_and_their_flags_are_those_of_each_star():
    found = {"mean": np.array([[100.0], [100], [100]]), "err": np.array([[5.0], [5], [30]])}
    photometry = np.array([[5.0, 0.0], [NAN, 0.1], [9.0, NAN]])
    one, two, three = derived_columns.compute_derived_values(
        derived_labels.DISTANCE_COLUMNS, ["fakemag"], found, photometry
    )
    assert one["distance"] == pytest.approx(100) and one["distance_err"] == pytest.approx(5)
    assert (
        one["parallax"] == pytest.approx(10)
        and one["distance_flags"] == 0
        and not one["distance_bad"]
    )
    assert (
        np.isnan(two["distance"])
        and two["distance_flags"] == sdss_flags.MISSING_PHOTOMETRY
        and two["distance_bad"]
    )
    assert (
        three["distance_flags"] == sdss_flags.FAKEMAG_UNRELIABLE | sdss_flags.MISSING_EXTINCTION
        and three["distance_warn"]
    )
    assert three["distance"] == pytest.approx(distances.compute_distance(100, 30, 9, 0)[0])


def test_tables_have_units_whole_numbers_and_no_result_where_a_star_failed(tmp_path):
    more = derived_columns.FLAG_COLUMNS | derived_labels.DISTANCE_COLUMNS
    values = {
        "astra_flags": 5,
        "flag_warn": True,
        "flag_bad": False,
        "distance": 321.5,
        "distance_flags": 0,
    }
    fine = results.StarResult(
        "a",
        "",
        {"teff": 5000.0},
        {"teff": 20.0},
        NAN,
        NAN,
        90.0,
        NAN,
        0,
        [],
        1.0,
        more_of(more, values),
    )
    bad = results.StarResult("b", "no pixel", {}, {}, NAN, NAN, NAN, NAN, 0, [], NAN)
    results.write_tables([fine, bad], tmp_path, ["teff"], ["K"], {}, more)
    csv, table = pd.read_csv(tmp_path / "results.csv"), Table.read(tmp_path / "results.fits")
    assert list(csv) == table.colnames
    assert list(csv["astra_flags"]) == list(table["astra_flags"]) == [5, sdss_flags.NO_RESULT]
    assert list(csv["flag_warn"]) == list(table["flag_warn"]) == [True, True]
    assert list(csv["distance_bad"]) == list(table["distance_bad"]) == [False, True]
    assert [str(table[name].unit) for name in ("distance", "distance_err", "parallax_err")] == [
        "pc",
        "pc",
        "mas",
    ]
    assert table["astra_flags"].dtype.kind == "i" and table["flag_bad"].dtype.kind == "b"
    assert csv["distance"][0] == 321.5 and np.isnan(csv["distance"][1])


def more_of(columns, values):
    """Derived columns of a star: the given values, 0 for the others."""
    return {name: values.get(name, type(extra.blank)(0)) for name, extra in columns.items()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,k_mag\na,9\n", "expected name, k_mag, a_k: a_k is missing"),
        ("name,k_mag,a_k\na,9,0\n,8,0\n", "line 3: no name: name the file of the star"),
        ("name,k_mag,a_k\na,9,0\na,8,0\n", "line 3: a comes twice: leave one out"),
        (
            "name,k_mag,a_k\na,9,0\nb,bright,0\n",
            "k.csv: line 3: k_mag is bright, expected a number, or nothing",
        ),
        ("", "is empty: expected a CSV table"),
        (None, "k.csv not found: name a table in CSV, FITS or HDF5"),
    ],
)
def test_a_table_of_magnitudes_that_is_none_is_one_line(tmp_path, text, message):
    if text is not None:
        (tmp_path / "k.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        derived_columns.read_photometry(tmp_path / "k.csv", derived_labels.DISTANCE_COLUMNS)


def test_magnitudes_are_refused_for_a_model_without_distances(tmp_path):
    with pytest.raises(UserError, match="the model predicts no distances"):
        derived_columns.read_photometry(tmp_path / "k.csv", derived_columns.FLAG_COLUMNS)


def test_what_stands_for_a_missing_magnitude_is_missing(tmp_path, capsys):
    (tmp_path / "k.csv").write_text("Name, K_mag, A_K\n001, 99.99, 0.1\nb, 9.5,\n")
    found = derived_columns.read_photometry(tmp_path / "k.csv", derived_labels.DISTANCE_COLUMNS)
    assert np.isnan(found["001"]["k_mag"]) and found["001"]["a_k"] == 0.1
    assert found["b"]["k_mag"] == 9.5 and np.isnan(found["b"]["a_k"])
    said = "K_mag is outside -50 to 50 mag in 1 of 2 rows, such as 99.99: taken as missing"
    assert said in capsys.readouterr().out


@pytest.fixture
def train(make_config):
    """train({key: value}): Config of a model trained on survey.h5, in a window without nodes."""

    def make(changes):
        cfg = make_config(
            WINDOW
            | SMALL
            | changes
            | {"join.databases": [{"path": "survey.h5", "where": "k_mag > 0"}]}
        )
        labels, n = draw_labels(cfg, 300), 300
        flux = toy_spectra(cfg.wave.grid(), labels)
        k_mag = 9 + np.arange(n) / n
        labels |= {
            "parallax": 5 - np.arange(n) / n,
            "k_mag": k_mag,
            "a_k": 0.1 + np.arange(n) / 1e4,
        }
        labels["k_mag"][:3], labels["a_k"][3] = NAN, NAN
        errors = np.full((n, len(labels)), NAN)
        errors[:, list(labels).index("parallax")] = 0.05
        with hdf5.create_file("survey.h5", "survey", "0") as h5:
            hdf5_spectra.write_wave(h5, cfg.wave.grid(), "vacuum", 22_500)
            hdf5_spectra.create_spectra(h5, n, cfg.wave.n_pix)[:] = flux
            hdf5_labels.write_labels(
                h5, np.column_stack(list(labels.values())), labels, [""] * len(labels), errors
            )
            hdf5.write_text(h5, "star_id", [f"s{i}".encode() for i in range(n)])
        run = Run(cfg)
        join.join_databases(run)
        preprocess.prepare_spectra(run)
        train_labels.train_label_network(run)
        return cfg

    return make


def predict(*words):
    """Output of predict.py for survey.h5 and other arguments, and the rows of its results."""
    done = run_script("predict.py", "survey.h5", "--model", "models/afgk", "--figures", 1, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout, pd.read_csv("results/results.csv").set_index("name")


@pytest.mark.slow
def test_a_survey_of_luminosities_gets_distances(train):
    network = {"model": {"builder": "residual_mlp", "width": 32, "blocks": 1}}
    train(network | {"labels": ["fakemag"], "train.loss": "parallax_nll"})
    with open("k.csv", "w") as file:
        file.write("name,k_mag,a_k\ns0,9.0,0.1\nsurvey.h5 s1,4.0,0.1\n")
    printed, rows = predict("--photometry", "k.csv")
    reasons = "1 without K_s magnitude, 1 of unknown extinction, taken as none"
    assert f"299 of 300 stars have a distance: {reasons}" in printed
    rows.index = [name.split()[-1] for name in rows.index]
    assert (
        rows.distance_flags["s2"] & sdss_flags.MISSING_PHOTOMETRY
        and np.isnan(rows.distance["s2"])
        and rows.distance_bad["s2"]
    )
    assert rows.distance_flags["s3"] & sdss_flags.MISSING_EXTINCTION and rows.distance_warn["s3"]
    for name, k_mag in (("s0", 9.0), ("s1", 4.0), ("s30", 9.1)):
        a_k = (
            0.103 if name == "s30" else 0.1
        )  # of the database; the others are those of the CSV file
        distance = distances.compute_distance(rows.fakemag[name], 0, k_mag, a_k)[0]
        assert rows.distance[name] == pytest.approx(distance, rel=1e-5)
        assert rows.parallax[name] == pytest.approx(1000 / rows.distance[name], rel=1e-5)
    assert (rows.distance_err.drop("s2") > 0).all() and "astra_flags" not in rows


@pytest.mark.slow
def test_a_network_of_passes_gives_both_parts_of_its_errors_and_astras_flags(train):
    network = {"model": {"builder": "bayesian_cnn", "passes": 20}, "preprocess.components": None}
    train(network | {"labels": ["teff", "logg", "mh"]})
    with h5py.File("survey.h5", "a") as h5:
        h5["spectra/flux"][5] = np.nan
    _, rows = predict()
    parts = rows.teff_err_model**2 + rows.teff_err_predictive**2
    np.testing.assert_allclose(parts, rows.teff_err**2, rtol=1e-4)
    assert (
        rows.status.iloc[5] == "failed"
        and rows.astra_flags.iloc[5] == sdss_flags.NO_RESULT
        and rows.flag_warn.iloc[5]
    )
    good = rows[rows.status != "failed"]
    columns = (good[name] for name in ("teff", "logg", "mh", "teff_err", "logg_err", "mh_err"))
    np.testing.assert_array_equal(good.astra_flags, sdss_flags.flag_labels(*columns))
    np.testing.assert_array_equal(good.flag_bad, sdss_flags.find_bad_labels(good.astra_flags))
    table = Table.read("results/results.fits")
    assert str(table["teff_err_model"].unit) == "K" and "distance" not in table.colnames
