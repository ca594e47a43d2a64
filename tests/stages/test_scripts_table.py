"""The scripts on a table without spectra, as a user runs them: a catalogue with gaps."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, STAGES, run_script, slow, write_blank_figures

from starlabels.config.load import read_recipe

LABELS = ["teff", "logg", "mh", "alpha_m"]


def catalogue(n, rng):
    """A random catalogue of n stars with magnitudes from their labels; 10 % is missing."""
    teff, logg, mh = rng.uniform(4500, 6500, n), rng.uniform(1, 5, n), rng.normal(0, 0.3, n)
    table = pd.DataFrame(
        {
            "teff": teff,
            "logg": logg,
            "mh": mh,
            "alpha_m": 0.1 - 0.2 * mh + 0.02 * rng.normal(size=n),
        }
    )
    for i, name in enumerate(
        ("g_mag", "bp_mag", "rp_mag", "j_mag", "h_mag", "k_mag", "w1_mag", "w2_mag")
    ):
        table[name] = (
            9 + 0.3 * (i - 4) * (teff / 5500 - 1) + logg + 0.02 * i * mh + 0.02 * rng.normal(size=n)
        )
    table["parallax"], table["parallax_err"] = rng.uniform(-0.1, 3, n), rng.uniform(0.01, 0.1, n)
    table["a_v"] = rng.uniform(0, 1, n)
    table["teff_other"] = teff + 200 * rng.normal(size=n)
    table = table.mask(rng.uniform(size=table.shape) < 0.1)
    table.insert(0, "id", [f"star{i}" for i in range(n)])
    return table


@pytest.fixture(scope="module", params=["blank figures", slow("figures")])
def finished(request, tmp_path_factory):
    """A folder in which all stages have run on 200 stars, and what each printed."""
    folder = tmp_path_factory.mktemp("table")
    printed = {}
    recipe = read_recipe(ROOT / "recipes/sos_ours.yaml") | {
        "run": "table",
        "labels": LABELS,
    }
    recipe["train"] |= {"max_epochs": 3, "batch_size": 32}
    recipe["model"] |= {"width": 16, "members": 2}
    recipe["test"] |= {"reference": {"teff": "teff_other"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(recipe))
    (folder / "data").mkdir()
    catalogue(200, np.random.default_rng(0)).to_csv(folder / "data/catalogue.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "blank figures":
            write_blank_figures(patch)
        patch.chdir(folder)
        for stage in STAGES:
            result = run_script(stage)
            assert result.returncode == 0, f"{stage}: {result.stderr}"
            assert "Warning" not in result.stderr, result.stderr
            printed[stage] = result.stdout
    return folder, printed


def test_every_stage_passes_and_scores_have_true_errors_flags_and_the_other_estimates(finished):
    metrics = json.loads((finished[0] / "models/table/metrics.json").read_text())
    scores = metrics["snr"]["inf"]
    assert set(scores["rmse"]) == set(scores["coverage_68"]) == set(LABELS)
    assert (
        set(metrics["flagged"]["inf"]) == {"limit", "thin"}
        and metrics["flagged"]["inf"]["thin"] <= 0.5
    )
    assert set(metrics["reference"]["rmse"]) == {"teff"} and metrics["reference"]["rmse"][
        "teff"
    ] == pytest.approx(200, rel=0.4)
    assert "thin" in finished[1]["4_test.py"]


def test_grid_and_jacobian_say_that_there_is_nothing_to_do(finished):
    assert (
        "no Jacobians to average" in finished[1]["jacobian.py"]
        and "grid is null" in finished[1]["grid.py"]
    )


def test_every_figure_of_a_table_is_drawn(finished):
    figures = {path.name for path in (finished[0] / "figures/table").iterdir()}
    wanted = {
        "1_kiel.png",
        "3_loss.png",
        "4_kiel.png",
        "4_alpha_plane.png",
        "4_error_histograms.png",
        "4_error_vs_parallax.png",
    }
    assert (
        wanted
        | {"4_pulls.png", "4_reliability.png", "4_residuals.png", "4_one_to_one_as_they_are.png"}
        <= figures
    )


def test_the_model_keeps_the_training_stars_that_the_flag_thin_needs(finished):
    with h5py.File(finished[0] / "models/table/scaling.h5") as h5:
        assert h5["thin/labels"].shape == (128, len(LABELS)) and h5["thin/threshold"][()] > 0
        assert np.isfinite(h5["thin/labels"][:]).all()
