"""predict.py --save-spectra and --window: what of a spectrum is used, and saved as FITS."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from conftest import run_script
from predicting import HOME, predict, spectrum, write_csv

POWER = ("--resolving-power", 35000)


def test_a_saved_spectrum_gives_the_same_labels_again(model_folder):
    wave, flux = spectrum(model_folder, rv=30.0)
    write_csv("a.csv", wave, flux)
    write_csv("bad.csv", wave, np.zeros_like(flux))
    _, rows = predict(model_folder, "a.csv", "bad.csv", *POWER, "--save-spectra")
    [path] = Path("results/spectra").iterdir()
    assert path.name == "a.csv.fits"
    with fits.open(path) as hdus:
        table, header = hdus["SPECTRUM"].data, hdus["SPECTRUM"].header
        assert table.names == ["wave", "flux", "flux_err", "model"]
        assert header["TEFF"] == pytest.approx(rows.teff["a.csv"], rel=1e-6)
        assert f"{rows.teff_err['a.csv']:.3g}" in header.comments["TEFF"]
        assert np.nanstd(table["flux"] - table["model"]) < 0.5 * np.nanstd(table["flux"])
        assert header["AIRORVAC"] == "air" and header["SPEC_RP"] == 35000
    path.rename("saved.fits")
    _, again = predict(model_folder, "saved.fits")
    for name in ("teff", "logg", "vsini", "mh"):
        error = rows[f"{name}_err"]["a.csv"]
        assert again[name]["saved.fits"] == pytest.approx(rows[name]["a.csv"], abs=0.3 * error)
    assert np.isnan(again.rv["saved.fits"])  # it is at rest


def test_the_next_run_removes_what_it_does_not_write_but_no_other_file(model_folder):
    write_csv("a.csv", *spectrum(model_folder))
    predict(model_folder, "a.csv", *POWER, "--save-spectra")
    own = Path("results/spectra/own.fits")
    fits.PrimaryHDU(np.ones(3)).writeto(own)
    predict(model_folder, "a.csv", *POWER)
    assert list(own.parent.iterdir()) == [own]


def test_pixels_outside_the_window_change_nothing(model_folder):
    wave, flux = spectrum(model_folder, rv=30.0)
    low, high = 4848.0, 4872.0
    outside = (wave < low - 3) | (wave > high + 3)
    write_csv("good.csv", wave, flux)
    write_csv("spoilt.csv", wave, np.where(outside, 3 * flux[::-1], flux))
    words = ("good.csv", "spoilt.csv", *POWER, "--window", low, high, "--save-spectra")
    _, rows = predict(model_folder, *words)
    good, spoilt = rows.loc["good.csv"], rows.loc["spoilt.csv"]
    assert good.coverage < 0.9 and good.teff > 0
    for name in ("teff", "logg", "mh"):
        assert spoilt[name] == pytest.approx(good[name], abs=0.2 * good[f"{name}_err"])
    assert spoilt.rv == pytest.approx(good.rv, abs=2 * good.rv_err)
    table = fits.getdata("results/spectra/good.csv.fits", 1)
    seen = table["wave"][np.isfinite(table["flux"])]
    assert low <= seen[0] < low + 1 and high - 1 < seen[-1] <= high


@pytest.mark.parametrize("window", [(6000, 6100), (4870, 4850), ("nan", "nan")])
def test_a_window_that_the_model_does_not_have_is_one_line(model_folder, window):
    write_csv("a.csv", *spectrum(model_folder))
    words = ("a.csv", "--model", model_folder / HOME, *POWER, "--window", *window)
    done = run_script("predict.py", *words)
    assert done.returncode == 2 and "--window: " in done.stderr and "give LOW HIGH" in done.stderr
