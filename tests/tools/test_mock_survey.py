"""The mock survey: known stars, known statistics, and a file that the grid takes."""

import numpy as np
import pandas as pd
import pytest
from one_process import run_captured

from starlabels.tools import mock_survey


@pytest.fixture(scope="module")
def survey():
    """A survey of 8000 stars with a zero point of -0.05 mas."""
    return mock_survey.draw_survey(np.random.default_rng(1), 8000, -0.05)


def test_the_sun_is_where_it_should_be():
    age = 4.57 / mock_survey.compute_lifetime(1.0, 0.0)
    luminosity, radius = mock_survey.evolve_main_sequence(1.0, 0.0, age)
    assert luminosity == pytest.approx(1, rel=0.02) and radius == pytest.approx(1, rel=0.02)


def test_clump_stars_have_their_known_luminosity_and_giants_are_cooler_when_rich(survey):
    assert survey["m_k"][survey["kind"] == "clump"].median() == pytest.approx(-1.61, abs=0.1)
    assert mock_survey.compute_branch_radius(1.0, 0.3, 30.0) > mock_survey.compute_branch_radius(
        1.0, 0.0, 30.0
    )
    for kind, share in mock_survey.SHARES.items():
        assert (survey["kind"] == kind).mean() == pytest.approx(share, abs=0.03)


def test_gravity_temperature_and_luminosity_belong_together(survey):
    bolometric = survey["m_k"] - 6.75 * np.log10(survey["teff"] / 9500)
    mass = (
        survey["logg"] - 4.438 - 4 * np.log10(survey["teff"] / 5772) - 0.4 * (bolometric - 4.74)
    )  # log10, by g T^-4 L
    assert (mass - np.log10(survey["mass"])).std() == pytest.approx(
        0.4 * mock_survey.SCATTER["m_k"], rel=0.1
    )
    for name, (low, high) in mock_survey.LIMITS.items():
        assert survey[name].between(low, high).all()


def test_parallaxes_scatter_by_their_errors_about_truth_and_zero_point(survey):
    good = survey[survey["ruwe"] <= 1.4]
    pull = (good["parallax"] + 0.05 - 1000 / good["distance"]) / good["parallax_err"]
    assert abs(pull.mean()) < 0.05 and pull.std() == pytest.approx(1, abs=0.03)
    bad = survey[survey["ruwe"] > 1.4]
    assert (
        0.02 < len(bad) / len(survey) < 0.04
        and (bad["parallax"] - 1000 / bad["distance"]).std() > 0.2
    )
    assert (survey["parallax"] < 0).any() and mock_survey.compute_parallax_error(
        np.array([13, 15])
    ) == pytest.approx([0.013, 0.030], abs=1e-3)


def test_magnitudes_give_the_distance_back_but_for_their_errors(survey):
    known = survey.dropna()
    assert 0.03 < 1 - len(known) / len(survey) < 0.05
    far = 10 ** (0.2 * (known["k_mag"] - known["a_k"] - known["m_k"]) + 1)
    assert np.median(np.abs(far / known["distance"] - 1)) < 0.01


def test_the_command_writes_the_same_survey_for_the_same_seed(tmp_path):
    for name in ("a.csv", "b.csv"):
        options = ["--n", "200", "--seed", "3", "--out", str(tmp_path / name)]
        code, output, _ = run_captured(["-m", "starlabels.tools.mock_survey", *options])
        assert code == 0
        assert "200 stars" in output and (tmp_path / name).with_suffix(".png").exists()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert {
        "teff",
        "logg",
        "mh",
        "vsini",
        "vmic",
        "parallax",
        "parallax_err",
        "k_mag",
        "a_k",
        "distance",
        "ruwe",
    } <= set(pd.read_csv(tmp_path / "a.csv"))
