"""predict.py with models that read tables."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Table

from starlabels.base.errors import UserError
from starlabels.config.run import Run
from starlabels.learning import trained_model
from starlabels.spectra.results import NO_RESULT
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


def test_identifiers_may_have_any_letters(predict):
    found = predict("star_id,g_mag,k_mag\n\u03b1 Cen,12.5,10\nb,9,8\n")
    assert list(found["star_id"]) == ["\u03b1 Cen", "b"]


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


def test_sentinels_and_impossible_magnitudes_are_missing_and_said(predict, capsys):
    rows = "".join(f"{i},12.5,10\n" for i in range(4))
    found = predict(f"star_id,g_mag,k_mag\n{rows}a,99.99,10\nb,12.5,-9999\nc,12.5,-9999\n")
    assert np.isnan(found["teff"][4:]).all() and found["teff"][:4].notna().all()
    said = capsys.readouterr().out
    assert "stars.csv: k_mag is -9999 in 2 of 7 rows: taken as missing" in said
    assert "g_mag is outside -50 to 50 mag in 1 of 7 rows, such as 99.99: taken as missing" in said


def test_a_star_without_labels_is_failed_with_a_bit_and_counted(predict, capsys, monkeypatch):
    found = predict("star_id,g_mag,k_mag\na,12.5,10\nb,9,\n")
    assert list(found["status"]) == ["ok", "failed"]
    assert list(found["flags"]) == [0, NO_RESULT]
    assert "2 stars, 0 flagged, 1 without labels" in capsys.readouterr().out
    answer = Model().predict(np.ones((2, 1)), None)
    answer["mean"] = np.array([[np.nan], [1.0]])
    monkeypatch.setattr(Model, "predict", lambda *_: answer)
    found = predict("star_id,g_mag,k_mag\na,12.5,10\nb,9,8\n")
    assert list(found["status"]) == ["failed", "ok"] and found["flags"][0] == NO_RESULT
    assert found["reasons"][0] == "the network gave no number" and np.isnan(found["teff_err"][0])


def test_identifiers_are_no_formulas_and_control_no_terminal(predict, tmp_path):
    names = ["=1+1", "@SUM(A1)", "-x", "-12", "\x1b[2Ja"]
    predict("star_id,g_mag,k_mag\n" + "".join(f"{name},12.5,10\n" for name in names))
    lines = (tmp_path / "out/results.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [
        "'=1+1",
        "'@SUM(A1)",
        "'-x",
        "-12",
        "\\x1b[2Ja",
    ]


def test_columns_may_differ_in_case_and_units_are_converted(predict, capsys, tmp_path):
    table = Table({"STAR_ID": ["a"], "G_MAG": [12_500.0] * u.mmag, "K_MAG": [10.0] * u.mag})
    table.write(tmp_path / "table.ecsv")
    found = predict((tmp_path / "table.ecsv").read_text())
    assert found["teff"][0] == pytest.approx(2.5)
    assert "G_MAG: converted from mmag to mag" in capsys.readouterr().out
