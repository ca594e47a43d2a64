"""predict.py with models that read tables."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from starlabels.base.errors import UserError
from starlabels.config.run import Run
from starlabels.learning import trained_model
from starlabels.stages import predict_tables

SECTION = {
    "magnitudes": {"g_mag": "G", "k_mag": "Ks"},
    "a_v": None,
    "parallax": None,
    "least_parallax": 0.1,
    "distance": None,
}
SECTION |= {"give": ["colours"], "columns": [], "hidden": 0}
TABLE = {
    "wave": None,
    "grid": None,
    "preprocess.components": None,
    "jacobian": None,
    "train.noise": None,
    "features": SECTION,
}


class Model:
    """A model whose label is its only feature, a colour."""

    names, may_lack = ("teff",), None

    def predict(self, values, snr):
        mean = np.nan_to_num(values)
        return {"mean": mean, "err": 0.1 + 0 * mean, "flags": np.zeros(len(values), "u1")}


@pytest.fixture
def predict(make_config, monkeypatch, tmp_path):
    """predict(text, **database): results.csv for a table of that text."""
    monkeypatch.setattr(trained_model, "open_model", lambda folder: Model())

    def run(text, **database):
        cfg = make_config(
            {**TABLE, "labels": ["teff"], "join.databases": [{"path": "train.csv", **database}]}
        )
        (tmp_path / "stars.csv").write_text(text)
        predict_tables.predict_from_tables(
            Run(cfg), SimpleNamespace(model="models/x", files=["stars.csv"], out=tmp_path / "out")
        )
        return pd.read_csv(tmp_path / "out/results.csv", dtype={"star_id": str})

    return run


def test_each_star_of_a_table_has_a_row_under_its_identifier(predict):
    found = predict(
        "name,G,K\n9007199254740993,12.5,10\nb,9,8\n",
        id="name",
        columns={"g_mag": "G", "k_mag": "K"},
    )
    assert list(found["star_id"]) == ["9007199254740993", "b"]
    np.testing.assert_allclose(found["teff"], [2.5, 1.0], atol=1e-6)


def test_a_star_without_data_has_no_labels_but_a_reason(predict):
    found = predict("star_id,g_mag,k_mag\na,12.5,10\nb,9,\n")
    assert np.isnan(found["teff"][1]) and found["reasons"][1] == "no data"


def test_columns_that_the_model_does_not_read_may_be_anything(predict):
    found = predict("star_id,g_mag,k_mag,chi2,note_err,note\na,12.5,10,inf,-9999,n/a\n")
    assert found["teff"][0] == pytest.approx(2.5)


def test_options_of_spectra_are_refused_and_old_results_of_spectra_are_deleted(
    predict, make_config, tmp_path
):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/index.html").write_text("of spectra")
    predict("star_id,g_mag,k_mag\na,12.5,10\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["results.csv"]
    cfg = make_config({**TABLE, "labels": ["teff"], "join.databases": [{"path": "train.csv"}]})
    with pytest.raises(UserError, match="models/x reads tables, no spectra: leave out table, rv"):
        predict_tables.predict_from_tables(
            Run(cfg),
            SimpleNamespace(
                model="models/x", files=["stars.csv"], out=tmp_path / "out", table="t.csv", rv=3.0
            ),
        )


def test_a_table_without_the_columns_is_an_error_that_names_them(predict):
    with pytest.raises(UserError, match="none of the columns that the model reads, g_mag, k_mag"):
        predict("star_id,u\na,12.5\n")
