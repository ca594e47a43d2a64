"""predict.py as a user runs it, with the model of recipes/smoke.yaml: good and bad files."""

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from conftest import run_script
from predicting import predict, spectrum, write_csv


def test_a_star_has_labels_errors_velocity_table_figure_and_page(model_folder, tmp_path):
    write_csv("star.csv", *spectrum(model_folder, rv=35.0))
    done, rows = predict(model_folder, "star.csv", "--resolving-power", 35000, figures=1)
    star = rows.loc["star.csv"]
    assert (
        star.rv == pytest.approx(35, abs=3)
        and star.status in ("ok", "flagged")
        and star.teff_err > 0
    )
    assert 4000 < star.teff < 12000 and star.vsini >= 0 and star.coverage > 0.95
    table = Table.read("results/results.fits")
    assert str(table["teff"].unit) == "K" and len(table) == 1
    assert (tmp_path / "results/star.csv.png").read_bytes().startswith(b"\x89PNG")
    assert "star.csv" in (tmp_path / "results/index.html").read_text()
    assert "1 spectra" in done.stdout or "1 spectrum" in done.stdout


def bad_files(model_folder):
    """{name: word of the reason}; each file is written, and cannot be used."""
    wave, flux = spectrum(model_folder)
    open("empty.csv", "w").close()
    write_csv("nan.csv", wave, np.full(len(wave), np.nan))
    fits.BinTableHDU(Table({"wave": np.zeros(0), "flux": np.zeros(0)})).writeto("zero.fits")
    write_csv("nm.csv", wave / 10, flux)
    write_csv("huge.csv", wave, np.full(len(wave), 1e30))
    write_csv("negative.csv", wave, -flux)
    write_csv("elsewhere.csv", wave + 2000, flux)
    with open("picture.fits", "wb") as file:
        file.write(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500))
    return {
        "empty.csv": "empty",
        "nan.csv": "numbers",
        "zero.fits": "",
        "nm.csv": "wave-unit",
        "huge.csv": "",
        "negative.csv": "",
        "elsewhere.csv": "outside the model's",
        "picture.fits": "neither FITS",
        "absent.fits": "not found",
    }


def test_each_bad_file_has_a_reason_and_the_batch_continues(model_folder):
    reasons = bad_files(model_folder)
    wave, flux = spectrum(model_folder)
    write_csv("down.csv", wave[::-1], flux[::-1])
    write_csv("twice.csv", np.repeat(wave, 2)[: len(wave) + 5], np.repeat(flux, 2)[: len(wave) + 5])
    done, rows = predict(
        model_folder, *reasons, "down.csv", "twice.csv", "--resolving-power", 35000
    )
    for name, word in reasons.items():
        assert rows.loc[name].status == "failed" and word in rows.loc[name].reasons, name
        assert np.isnan(rows.loc[name].teff)
    assert rows.loc["down.csv"].status != "failed" and "Traceback" not in done.stderr + done.stdout
    assert len(rows) == len(reasons) + 2


def test_an_unknown_resolving_power_is_asked_for_and_a_low_one_refused(model_folder):
    write_csv("star.csv", *spectrum(model_folder))
    _, rows = predict(model_folder, "star.csv")
    assert "--resolving-power" in rows.loc["star.csv"].reasons
    _, rows = predict(model_folder, "star.csv", "--resolving-power", 5000)
    assert "resolving power 5000" in rows.loc["star.csv"].reasons


def test_a_window_elsewhere_is_refused_before_the_network_is_loaded(model_folder):
    write_csv("far.csv", np.linspace(15200, 16900, 500), np.ones(500))
    done, rows = predict(model_folder, "far.csv", "--vacuum", "--resolving-power", 22500)
    assert (
        "15200 to 16900 A lies outside" in rows.loc["far.csv"].reasons
        and "Keras" not in done.stdout
    )


def test_normalised_spectra_of_our_schema_are_used_unchanged(model_folder):
    with (
        h5py.File(model_folder / "data/smoke/2_prepared.h5") as h5,
        h5py.File("stars.h5", "w") as out,
    ):
        out["spectra/wave"] = h5["spectra/wave"][:]
        out["spectra"].attrs.update({"medium": "air", "frame": "rest"})
        flux = out.create_dataset("spectra/flux", data=h5["test/flux"][:40])
        flux.attrs.update({"continuum": 1.0, "resolving_power": 35_000.0})
        flux[3] = np.nan
    done, rows = predict(model_folder, "stars.h5", figures=2)
    assert len(rows) == 40 and (rows.status == "failed").sum() == 1 and rows.rv.isna().all()
    assert rows.status.iloc[3] == "failed" and rows.teff.notna().sum() == 39


def test_a_missing_model_is_an_error_of_one_line(model_folder):
    write_csv("star.csv", *spectrum(model_folder))
    done = run_script("predict.py", "star.csv", "--model", "models/none")
    assert done.returncode == 2 and "models/none" in done.stderr and "Traceback" not in done.stderr
