"""The mock catalogue: known colours, honest errors, and gaps in the shares it says."""

import numpy as np
import pytest

from starlabels.base.photometry import compute_relative_extinction
from starlabels.tools import mock_catalogue, mock_survey


@pytest.fixture(scope="module")
def table():
    """A catalogue of 20 000 stars."""
    return mock_catalogue.draw_catalogue(np.random.default_rng(1), 20_000)


def test_the_sun_has_its_colours_and_vega_none():
    sun = {
        band: mock_catalogue.compute_colour(band, 5772.0, 0.0)
        for band in ("BP", "RP", "G", "J", "Ks")
    }
    assert sun["BP"] - sun["RP"] == pytest.approx(0.82, abs=0.05) and sun["Ks"] == 0
    assert sun["G"] == pytest.approx(1.4, abs=0.2) and sun["J"] == pytest.approx(0.4, abs=0.1)
    assert mock_catalogue.compute_colour("BP", mock_catalogue.VEGA, 0.0) == pytest.approx(0)


def test_cool_dusty_and_metal_rich_stars_are_redder():
    teff = np.linspace(4500, 8000, 20)
    assert np.all(
        np.diff(
            mock_catalogue.compute_colour("BP", teff, 0.0)
            - mock_catalogue.compute_colour("RP", teff, 0.0)
        )
        < 0
    )
    assert mock_catalogue.compute_colour("BP", 5000.0, 0.5) > mock_catalogue.compute_colour(
        "BP", 5000.0, 0.0
    )
    star = mock_survey.draw_stars(np.random.default_rng(0), 500)
    clean, dusty = (
        mock_catalogue.draw_photometry(np.random.default_rng(1), star, 5.0, a_v)
        for a_v in (0.0, 1.0)
    )
    assert np.nanmedian(dusty["j_mag"] - clean["j_mag"]) == pytest.approx(
        compute_relative_extinction("J"), abs=0.01
    )


def test_bright_stars_have_the_floor_and_the_faintest_a_tenth_of_a_magnitude(table):
    assert table["k_mag_err"].min() == pytest.approx(mock_catalogue.FLOORS["Ks"], rel=0.01)
    assert 0.08 < table["bp_mag_err"].max() <= np.hypot(0.1, mock_catalogue.FLOORS["BP"])
    assert (
        table["bp_mag"].max() == pytest.approx(mock_catalogue.LIMITS["BP"], abs=0.3)
        and table["bp_mag"].min() > 4
    )


def test_values_are_missing_in_the_shares_it_says_and_errors_with_them(table):
    missing = table.isna()
    assert missing["w1_mag"].mean() == pytest.approx(0.085, abs=0.02) and missing[
        "a_v"
    ].mean() == pytest.approx(0.05, abs=0.01)
    assert missing["mh"].mean() == pytest.approx(0.02, abs=0.005) and not missing[
        ["id", "ra", "dec"]
    ].any(axis=None)
    for name in [*mock_catalogue.MAGNITUDES, "parallax", *mock_catalogue.LABEL_ERRORS]:
        assert missing[name].equals(missing[f"{name}_err"])


def test_stars_lie_within_twenty_degrees_of_the_plane_of_the_galaxy(table):
    from astropy.coordinates import SkyCoord

    b = SkyCoord(table["ra"], table["dec"], unit="deg").galactic.b.deg
    assert np.abs(b).max() < 20.001 and abs(np.mean(b > 0) - 0.5) < 0.02


def test_other_estimates_are_worse_than_the_labels(table):
    assert (table["teff_other"] - table["teff"]).std() > 1.5 * mock_catalogue.LABEL_ERRORS["teff"]
    assert (table["feh_other"] - table["mh"]).median() == pytest.approx(-0.1, abs=0.02)
