"""The packaged models: which of them a spectrum gets, and the first answer of a fresh clone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, run_script

from starlabels.base.install import MODEL_FOLDER
from starlabels.spectra.spectrum import ObservedSpectrum
from starlabels.stages import model_choice

EXAMPLES = ROOT / "data/examples"


def observe(low, high, power):
    wave = np.linspace(low, high, 2000)
    return ObservedSpectrum("a.fits", wave, np.ones(2000), None, "air", power, False, False)


@pytest.mark.parametrize(
    ("low", "high", "power", "name"),
    [
        (3800, 6900, 115_000, "observed_highres"),
        (3800, 9000, 1850, "observed_lowres"),
        (3800, 9000, 16_000, "observed_lowres"),
        (3800, 9000, None, "observed_lowres"),
        (4800, 6800, 60_000, "observed_highres"),
    ],
)
def test_a_spectrum_gets_the_model_of_its_resolving_power(low, high, power, name):
    folder, reason = model_choice.choose_for_spectrum(
        model_choice.list_models(), observe(low, high, power)
    )
    assert folder.name == name and reason.startswith(f"model {name} (4450-4990 A, R ")
    assert "a.fits has " in reason


def test_a_name_is_found_in_the_box_and_a_path_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packaged = MODEL_FOLDER / "observed_lowres"
    for given in ("observed_lowres", "models/observed_lowres"):
        assert model_choice.locate_model(Path(given)) == packaged
    assert model_choice.locate_model(Path("other/observed_lowres")) != packaged
    own = Path("models/observed_lowres")
    own.mkdir(parents=True)
    (own / "config.yaml").touch()
    assert model_choice.locate_model(own) == own


def test_the_examples_are_answered_by_the_model_in_the_box(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_script("predict.py", EXAMPLES / "sun.fits", EXAMPLES / "star.fits", "--figures", 0)
    assert done.returncode == 0, done.stderr
    assert "model observed_lowres" in done.stdout
    rows = pd.read_csv("results/results.csv").set_index("name")
    for name, true in (("sun.fits", (5772, 4.44, 0.0)), ("star.fits", (8200, 4.0, -0.2))):
        row = rows.loc[name]
        assert row.status == "ok"
        for label, value in zip(("teff", "logg", "mh"), true):
            assert abs(row[label] - value) < 2 * row[f"{label}_err"], (name, label, row[label])


def test_without_a_readable_spectrum_the_reason_is_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.fits").touch()
    done = run_script("predict.py", "empty.fits")
    assert "no spectrum could be read" in done.stdout
    assert pd.read_csv("results/results.csv").status.tolist() == ["failed"]
