"""One bad spectrum never ends a batch of predict.py; rows say what was assumed and what is odd."""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_quickly, run_script
from predicting import HOME, predict, spectrum, write_csv

from starlabels.base.errors import UserError
from starlabels.plots import observed_spectra
from starlabels.spectra import readers
from starlabels.spectra.preparation import SpectrumPreparer
from starlabels.stages import locks, spectrum_options
from starlabels.stages.predict_spectra import Predictor

POWER = ("--resolving-power", 35000)
ERRORS = [
    np.linalg.LinAlgError("Singular matrix"),
    IndexError("list index out of range"),
    OverflowError("too large"),
    MemoryError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    OSError(36, "File name too long"),
    RecursionError("maximum recursion depth exceeded"),
    KeyError("NAXIS1"),
]


def fail_for(name, function, error, get_name):
    """The function, which raises the error where get_name(arguments) begins with the name."""

    def call(*arguments, **options):
        if get_name(arguments).startswith(name):
            raise error
        return function(*arguments, **options)

    return call


@pytest.mark.parametrize("step", ["reading", "preparation", "prediction"])
def test_any_exception_fails_one_row_which_names_the_step_and_the_log(
    model_folder, monkeypatch, step
):
    star = spectrum(model_folder)
    names = [f"bad_{type(error).__name__}.csv" for error in ERRORS]
    for name in [*names, "good.csv"]:
        write_csv(name, *star)
    for name, error in zip(names, ERRORS):
        if step == "reading":
            owner, attribute, get_name = readers, "read_spectra", lambda words: words[0].name
        elif step == "preparation":
            owner, attribute = SpectrumPreparer, "__call__"
            get_name = lambda words: words[1].name  # noqa: E731
        else:
            owner, attribute = Predictor, "_predict"
            get_name = lambda words: "".join(star.name for star in words[1])  # noqa: E731
        function = getattr(owner, attribute)
        if step == "prediction":  # of a batch, which fails for the sake of one of its stars
            monkeypatch.setattr(owner, attribute, fail_in_batch(name, function, error))
        else:
            monkeypatch.setattr(owner, attribute, fail_for(name, function, error, get_name))
    done, rows = predict(model_folder, *names, "good.csv", *POWER)
    assert list(rows.index) == [*names, "good.csv"]
    assert list(rows.status[:-1]) == ["failed"] * len(names) and np.isfinite(rows.teff["good.csv"])
    assert rows.reasons[:-1].str.contains(f"{step} failed|{step} needs more memory").all()
    log = Path("results/log.txt").read_text()
    assert all(name in log for name in names) and "good.csv" not in log
    assert "Traceback" not in done.stdout + done.stderr


def fail_in_batch(name, function, error):
    """Predictor._predict, which raises the error if a star of the name is among the batch."""

    def call(self, stars, prepared):
        if any(star.name == name for star in stars):
            raise error
        return function(self, stars, prepared)

    return call


def test_a_figure_that_cannot_be_drawn_leaves_the_labels(model_folder, monkeypatch):
    write_csv("star.csv", *spectrum(model_folder))
    monkeypatch.setattr(observed_spectra, "draw_star", lambda *_: 1 / 0)
    _, rows = predict(model_folder, "star.csv", *POWER, figures=3)
    assert np.isfinite(rows.teff["star.csv"])
    assert "ZeroDivisionError" in Path("results/log.txt").read_text()


def test_masked_windows_gaps_and_velocities_are_refused_in_words(model_folder):
    wave, flux = spectrum(model_folder)
    cases = {
        "masked.csv": (wave, np.where((wave > 4839) & (wave < 4881), np.nan, flux)),
        "arms.csv": (
            np.r_[np.linspace(4500, 4830, 900), np.linspace(4890, 5000, 900)],
            np.ones(1800),
        ),
        "negative.csv": (
            np.r_[np.linspace(4500, 4800, 2000), wave],
            np.r_[np.ones(2000), -0.1 * flux],
        ),
    }
    for name, values in cases.items():
        write_csv(name, *values)
    write_csv("good.csv", wave, flux)
    _, rows = predict(model_folder, *cases, "good.csv", *POWER)
    assert np.isfinite(rows.teff["good.csv"]) and list(rows.status[:3]) == ["failed"] * 3
    assert not rows.reasons[:3].str.contains("log.txt").any()
    assert "of the model's pixels are observed" in rows.reasons["masked.csv"]
    assert not Path("results/log.txt").exists()


def test_files_of_equal_names_have_their_paths_in_the_rows(model_folder):
    for name in ("a", "b"):
        Path(name).mkdir()
        write_csv(f"{name}/star.csv", *spectrum(model_folder))
    write_csv("other.csv", *spectrum(model_folder))
    _, rows = predict(model_folder, "a/star.csv", "b/star.csv", "other.csv", *POWER)
    assert list(rows.index) == ["a/star.csv", "b/star.csv", "other.csv"]


@pytest.mark.slow
def test_two_runs_do_not_write_the_same_folder_and_old_figures_go(model_folder, monkeypatch):
    draw_quickly(monkeypatch)
    write_csv("first.csv", *spectrum(model_folder))
    predict(model_folder, "first.csv", *POWER, figures=3)
    shutil.copy("results/first.csv.png", "results/mine.png")
    (Path("results") / "notes.txt").write_text("of the user")
    shutil.copy(model_folder / "figures/smoke/4_pulls.png", "results/of_a_stage.png")
    write_csv("second.csv", *spectrum(model_folder))
    with locks.hold_lock(Path("results/results.lock")):
        done = run_script("predict.py", "second.csv", *POWER, "--model", model_folder / HOME)
    assert done.returncode == 2 and "another --out" in done.stderr
    predict(model_folder, "second.csv", *POWER, figures=3)
    left = {path.name for path in Path("results").iterdir()}
    assert "first.csv.png" not in left and "results.lock" not in left
    assert {"second.csv.png", "notes.txt", "of_a_stage.png"} <= left


@pytest.mark.parametrize("factor", [1e15, 1e-6])
def test_errors_far_from_the_scatter_are_flagged_and_both_ratios_reported(model_folder, factor):
    wave, flux = spectrum(model_folder)
    for name, error in (("sound.csv", 10.0), ("odd.csv", 10.0 * factor)):
        table = np.column_stack([wave, flux, np.full(len(wave), error)])
        np.savetxt(name, table, delimiter=",", header="wave,flux,err", comments="")
    _, rows = predict(model_folder, "sound.csv", "odd.csv", *POWER)
    odd, sound = rows.loc["odd.csv"], rows.loc["sound.csv"]
    assert odd["flags"] & 64 and not sound["flags"] & 64 and "snr_scatter" in odd.reasons
    assert sound.snr_scatter / sound.snr == pytest.approx(1, rel=0.5)
    assert odd.snr_scatter == pytest.approx(sound.snr_scatter, rel=0.5)


def test_a_velocity_beyond_the_search_is_no_velocity_until_the_search_is_wider(model_folder):
    write_csv("fast.csv", *spectrum(model_folder, rv=108.0))
    _, rows = predict(model_folder, "fast.csv", *POWER, "--rv-range", 100)
    assert np.isnan(rows.rv["fast.csv"]) and rows["flags"]["fast.csv"] & 16
    _, rows = predict(model_folder, "fast.csv", *POWER)
    assert rows.rv["fast.csv"] == pytest.approx(108, abs=5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rv", "nan"], "--rv: found nan"),
        (["--rv", "inf"], "--rv: found inf"),
        (["--rv", "400000"], "--rv: found 400000"),
        (["--resolving-power", "0"], "--resolving-power: found 0"),
        (["--resolving-power", "-5"], "--resolving-power: found -5"),
        (["--resolving-power", "nan"], "--resolving-power: found nan"),
        (["--rv-range", "0"], "--rv-range: found 0"),
        (["--instrument", "SPYGLASS"], "'SPYGLASS' is not known"),
        (["--settings", "none.csv"], "none.csv"),
    ],
)
def test_values_that_cannot_be_are_one_line(words, message):
    parser = argparse.ArgumentParser()
    spectrum_options.add_file_arguments(parser)
    with pytest.raises(UserError) as error:
        spectrum_options.SpectrumOptions(parser.parse_args(words))
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


def test_an_unknown_instrument_in_a_table_is_named_with_its_row(tmp_path):
    (tmp_path / "settings.csv").write_text("file,instrument\na.csv,FEROS\nb.csv,SPYGLASS\n")
    with pytest.raises(UserError, match=r"settings.csv: b.csv: instrument 'SPYGLASS' is not known"):
        spectrum_options.read_settings(str(tmp_path / "settings.csv"))


def test_settings_and_instrument_give_each_file_what_it_does_not_state(model_folder):
    wave, flux = spectrum(model_folder, rv=35.0)
    for name in ("a.csv", "b.csv", "c.csv"):
        write_csv(name, wave, flux)
    Path("settings.csv").write_text(
        "file,resolving_power,rv,instrument\na.csv,35000,35,\nb.csv,,,FEROS\n"
    )
    _, rows = predict(model_folder, "a.csv", "b.csv", "c.csv", "--settings", "settings.csv")
    assert np.isnan(rows.rv["a.csv"]) and rows.rv["b.csv"] == pytest.approx(35, abs=3)
    assert "--resolving-power" in rows.reasons["c.csv"]


@pytest.mark.slow
def test_control_characters_and_mathtext_in_names_do_no_harm(model_folder, monkeypatch):
    draw_quickly(monkeypatch)
    names = ["\x1b[31mred.csv", "$\\frac{a}.csv", os.fsdecode(b"caf\xe9.csv")]
    for name in names:
        write_csv(name, *spectrum(model_folder))
    done, rows = predict(model_folder, *names, *POWER, figures=3)
    assert "\x1b" not in done.stdout and np.isfinite(rows.teff).all()
    assert len(list(Path("results").glob("*.png"))) == 3
    assert not Path("results/log.txt").exists()
