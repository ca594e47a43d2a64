"""predict.py with models that read columns of a table in addition to the spectrum."""

from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import draw_labels, run_script, write_grid

from starlabels.base.errors import UserError
from starlabels.catalogues import features
from starlabels.config.run import Run
from starlabels.spectra.spectrum import ObservedSpectrum
from starlabels.stages import join, predict_with_table, preprocess, train_labels

SECTION = {
    "magnitudes": {"j_mag": "J", "k_mag": "Ks"},
    "a_v": None,
    "parallax": None,
    "least_parallax": 0.1,
    "distance": None,
}
SECTION |= {"give": ["colours"], "columns": ["snr"], "hidden": 0}
RECIPE = {
    "grid": None,
    "join.databases": [{"path": "survey.h5", "where": None}],
    "jacobian": None,
    "labels": ["teff", "mh"],
    "features": SECTION,
    "test.snr": [],
    "train.max_epochs": 5,
}
RECIPE |= {
    "model": {"builder": "residual_mlp", "width": 32, "blocks": 1},
    "train.batch_size": 32,
    "train.passes": 2,
}
N = 200


@pytest.fixture
def survey(make_config):
    """Config of a model of survey.h5: normalised spectra at rest with magnitudes and S/N."""
    base, rng = make_config(), np.random.default_rng(0)
    labels = draw_labels(base, N)
    cfg = make_config(RECIPE)
    columns = labels | {
        "j_mag": 9 + rng.normal(size=N),
        "k_mag": 8 + labels["teff"] / 8000,
        "snr": np.full(N, 100.0),
    }
    write_grid(base, path="survey.h5", labels=columns, star_id=[f"s{i}".encode() for i in range(N)])
    run = Run(cfg)
    join.join_databases(run)
    preprocess.prepare_spectra(run)
    train_labels.train_label_network(run)
    return cfg


def predict(*words):
    """The rows of predict.py's results of survey.h5, by star; its output if it fails."""
    done = run_script("predict.py", "survey.h5", "--model", "models/afgk", "--figures", 1, *words)
    if done.returncode:
        return done.stderr
    rows = pd.read_csv("results/results.csv", index_col="name")
    return rows.set_axis([name.split()[-1] for name in rows.index])


@pytest.mark.slow
def test_columns_are_those_of_the_file_or_of_a_table_and_a_star_that_lacks_one_says_so(survey):
    own = predict()
    assert own["status"].isin(["ok", "flagged"]).all() and own["teff_err"].gt(0).all()
    with open("t.csv", "w") as file:
        file.write("star_id,j_mag,k_mag\ns0,9,7\ns1,9,\n")
    rows = predict("--table", "t.csv")
    assert rows["teff"]["s0"] != own["teff"]["s0"]
    assert (
        rows["status"]["s1"] == "failed"
        and "lacks k_mag, as no training star did" in rows["reasons"]["s1"]
    )
    assert np.isnan(rows["teff"]["s1"])
    pd.testing.assert_series_equal(rows["teff"].drop(["s0", "s1"]), own["teff"].drop(["s0", "s1"]))
    with h5py.File("survey.h5", "a") as h5:
        del h5["labels"]
    assert (predict()["status"] == "failed").all()
    with open("t.csv", "w") as file:
        file.write("star_id,u\ns0,9\n")
    assert "t.csv has none of the columns that the model reads, j_mag, k_mag, snr" in predict(
        "--table", "t.csv"
    )


def test_a_table_has_one_row_per_star_and_needs_a_model_that_reads_it(make_config):
    with open("t.csv", "w") as file:
        file.write("star_id,j_mag,k_mag\na,9,7\na,9,8\n")
    with open("u.csv", "w") as file:
        file.write("name,j_mag,k_mag\na,9,7\n")
    with pytest.raises(UserError, match="u.csv has no column star_id: add it"):
        predict_with_table.read_star_table("u.csv", make_config(RECIPE))
    with pytest.raises(UserError, match="t.csv: a comes twice"):
        predict_with_table.read_star_table("t.csv", make_config(RECIPE))
    with pytest.raises(
        UserError, match="--table t.csv: the model reads nothing in addition to the spectrum"
    ):
        predict_with_table.read_star_table("t.csv", make_config())


@pytest.mark.parametrize(("name", "star"), [("a.fits", ""), ("a", ""), ("x.h5 a", "a")])
def test_the_row_of_a_spectrum_is_found_by_its_name_or_star(name, star):
    observed = ObservedSpectrum(
        name, None, None, None, "air", None, True, True, star, {"j_mag": 1.0, "snr": 50.0}
    )
    stars = predict_with_table.StarTable(None, None, {"a": {"j_mag": 2.0}})
    assert stars.add_row(observed).table == {"j_mag": 2.0, "snr": 50.0}
    others = predict_with_table.StarTable(None, None, {"b": {"j_mag": 2.0}})
    assert others.add_row(observed).table == observed.table


def test_only_what_no_training_star_lacked_is_asked_of_a_star():
    asked = SimpleNamespace(**SECTION)
    columns = {
        "j_mag": np.array([9.0, np.nan, 9]),
        "k_mag": np.array([8.0, 8, np.nan]),
        "snr": np.array([9.0, 9, np.nan]),
    }
    made = features.compute_features(asked, columns)
    assert list(features.explain_missing(made, columns, np.array([False, True]))) == [
        "",
        "lacks j_mag, as no training star did",
        "lacks k_mag, as no training star did",
    ]
    assert not any(features.explain_missing(made, columns, np.array([True, True])))
    assert not any(features.explain_missing(made, columns, None))
