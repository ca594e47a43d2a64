"""predict.py --truth: known labels against predicted ones; and figures of all stars of a run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import run_script
from predicting import HOME, predict, spectrum, write_csv
from star_results import FAILED, FINE

from starlabels.base.errors import UserError
from starlabels.stages.predict_truth import KnownLabels

POWER = ("--resolving-power", 35000)


def write_truth(rows, path="truth.csv"):
    """Write a table of known labels; its path."""
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_known_labels_are_compared_in_figure_page_and_words(model_folder):
    wave, flux = spectrum(model_folder)
    names = [f"star{i}.csv" for i in range(11)]
    for i, name in enumerate(names):
        write_csv(name, wave, flux + np.random.default_rng(i).normal(0, 10, len(wave)))
    truth = write_truth({"file": names[:9] + ["other.csv"], "teff": 7000.0, "teff_err": 50.0})
    done, rows = predict(model_folder, *names, *POWER, "--truth", truth)
    assert "9 stars with labels in truth.csv" in done.stdout
    residual = np.median(rows.teff[names[:9]] - 7000)
    assert f"{residual:.3g}" in done.stdout
    page = Path("results/index.html").read_text()
    for name in ("truth.png", "population.png"):
        assert name in page and Path("results", name).read_bytes()[:4] == b"\x89PNG"
    predict(model_folder, names[0], *POWER)
    assert "truth.png" not in Path("results/index.html").read_text()
    assert not list(Path("results").glob("*.png"))


def test_stars_are_found_by_file_path_and_stem(tmp_path):
    results = [FINE, FINE._replace(name="a/b.fits"), FAILED]
    table = {"file": ["sun", "b.fits", "empty.fits"], "teff": [5772.0, 5700.0, 1.0]}
    known = KnownLabels(write_truth(table, tmp_path / "t.csv"), ["teff", "logg"])
    arrays = known.match_results(results)
    assert known.names == ["teff"] and arrays["true"].ravel().tolist() == [5772.0, 5700.0]
    assert arrays["mean"].ravel().tolist() == [FINE.labels["teff"]] * 2
    assert (arrays["true_err"] == 0).all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"star": ["a"], "teff": [1.0]}, "its columns are star, teff: expected file and any of"),
        ({"file": ["a"], "colour": [1.0]}, "expected file and any of teff, logg"),
        ({"file": ["a", "a"], "teff": [1.0, 2.0]}, "a comes twice: leave one row per star"),
        ({"file": ["a", "b"], "teff": ["hot", "5000"]}, "teff"),
    ],
)
def test_tables_that_do_not_serve_are_refused(tmp_path, table, message):
    path = write_truth(table, tmp_path / "t.csv")
    with pytest.raises(UserError, match=message):
        KnownLabels(path, ["teff", "logg"])


def test_no_star_in_the_table_is_said(model_folder):
    write_csv("a.csv", *spectrum(model_folder))
    truth = write_truth({"file": ["other.csv"], "teff": [7000.0]})
    done, _ = predict(model_folder, "a.csv", *POWER, "--truth", truth)
    assert "no star with labels has a row in truth.csv" in done.stdout


def test_a_wrong_table_is_one_line_before_the_work(model_folder):
    write_csv("a.csv", *spectrum(model_folder))
    words = ("a.csv", "--model", model_folder / HOME, "--truth", "none.csv")
    done = run_script("predict.py", *words)
    assert done.returncode == 2 and "none.csv not found" in done.stderr
