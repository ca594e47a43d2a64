"""starlabels from Python: Predictor and Star."""

import numpy as np
import pytest
from astropy import units
from predicting import HOME, predict, spectrum, write_csv

import starlabels
from starlabels import Predictor, UserError
from starlabels.interface import build_raw_spectrum


@pytest.fixture
def predictor(model_folder, predictors):
    """The Predictor of the smoke model, loaded once."""
    if "interface" not in predictors:
        predictors["interface"] = Predictor.load(model_folder / HOME)
    return predictors["interface"]


@pytest.fixture
def observed(model_folder):
    """Wavelengths and flux of a star that recedes at 40 km/s."""
    return spectrum(model_folder, rv=40.0)


def test_labels_are_those_of_the_script(predictor, observed, model_folder):
    wave, flux = observed
    error = np.full(len(flux), 10.0)
    write_csv("a.csv", *np.round([wave, flux], 9))
    table = np.column_stack([wave, flux, error])
    np.savetxt("a.csv", table, delimiter=",", header="wave,flux,error", comments="")
    _, rows = predict(model_folder, "a.csv", "--resolving-power", 35000, "--air")
    star = predictor(wave, flux, error, resolving_power=35_000, medium="air")
    row = rows.loc["a.csv"]
    for name in predictor.labels:
        assert star.labels[name] == pytest.approx(row[name], rel=1e-3, abs=1e-3)
        assert star.errors[name] == pytest.approx(row[f"{name}_err"], rel=1e-2)
    assert star.rv == pytest.approx(row.rv, abs=0.05) and abs(star.rv - 40) < 5
    assert star.status == row.status and "teff" in repr(star)
    diagonal = np.sqrt(np.diag(star.covariance))
    assert diagonal == pytest.approx(np.array(list(star.errors.values())))


def test_units_vacuum_lists_and_arms_are_understood(predictor, observed):
    wave, flux = observed
    given = {"resolving_power": 35_000, "medium": "air", "rv": 40.0}
    teff = predictor(wave, flux, **given).labels["teff"]
    nm, electrons = (wave / 10) * units.nm, flux * units.electron
    assert predictor(nm, electrons, **given).labels["teff"] == pytest.approx(teff, rel=1e-4)
    assert predictor(list(wave), list(flux), **given).labels["teff"] == pytest.approx(teff)
    arms = [(wave[:500], flux[:500]), (wave[500:], flux[500:])]
    assert predictor(arms, **given).labels["teff"] == pytest.approx(teff, rel=1e-3)


class Uncertainty:
    uncertainty_type, array = "ivar", np.array([4.0, 0.0])


class Spectrum:
    """As specutils.Spectrum."""

    spectral_axis, flux = np.array([500.0, 501.0]) * units.nm, np.array([1.0, 2.0]) * units.ct
    uncertainty = Uncertainty()


def test_a_spectrum_of_specutils_brings_its_units_and_uncertainty():
    raw = build_raw_spectrum("a", Spectrum())
    assert raw.wave == pytest.approx([5000.0, 5010.0]) and raw.flux.tolist() == [1.0, 2.0]
    assert raw.flux_err[0] == 0.5 and not np.isfinite(raw.flux_err[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([4840.0, 4841.0], [1.0]), "found 2 wavelengths and 1 fluxes"),
        (([4840.0, 4841.0],), "no flux"),
        ((np.linspace(6000, 6100, 999), np.ones(999)), "window"),
    ],
)
def test_a_spectrum_that_cannot_be_used_is_one_line(predictor, arguments, message):
    with pytest.raises(UserError, match=message) as error:
        predictor(*arguments, resolving_power=35_000)
    assert "\n" not in str(error.value)


def test_a_resolving_power_out_of_range_and_a_missing_model_are_refused(predictor, observed):
    with pytest.raises(UserError, match="resolving_power: found 1, expected 50"):
        predictor(*observed, resolving_power=1)
    with pytest.raises(UserError, match="nothing has no trained model"):
        Predictor.load("nothing")


def test_the_figure_leaves_the_style_of_the_user(predictor, observed, tmp_path):
    import matplotlib

    matplotlib.rcParams["lines.linewidth"] = 7.5
    star = predictor(*observed, resolving_power=35_000)
    assert star.plot(tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert star._repr_png_()[:4] == b"\x89PNG"
    assert matplotlib.rcParams["lines.linewidth"] == 7.5


def test_only_what_is_exported_is_found_in_the_package():
    assert starlabels.Predictor is Predictor
    with pytest.raises(AttributeError, match="no attribute 'Oracle'"):
        starlabels.Oracle  # noqa: B018
