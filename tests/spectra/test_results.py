"""Tables, page and figures of invented answers on observed stars."""

import struct
import warnings

import numpy as np
import pandas as pd
import pytest

from starlabels import plots as plots_2
from starlabels.plots import observed_spectra as plots
from starlabels.spectra import results
from starlabels.spectra.results import StarResult, FittedSpectrum, format_value

NAN = float("nan")
NAMES, UNITS = ["teff", "logg", "vsini"], ["K", "dex", "km/s"]
META = {"model": "models/\xe9toiles", "digest": "0123abcd", "version": "0.2", "date": "2025-01-01"}
LABELS, ERRORS = (
    {"teff": 5771.6, "logg": 4.4382, "vsini": 1.62},
    {"teff": 31.2, "logg": 0.0123, "vsini": 0.71},
)
FINE = StarResult("sun.fits", "", LABELS, ERRORS, NAN, NAN, 154.2, 1.02, 0, [], 1.0)
FLAGGED = FINE._replace(
    name="hot, \u03b1.fits", rv=-12.34, rv_err=0.21, flags=3, reasons=["too hot", "odd"]
)
FAILED = StarResult("empty.fits", "no pixel\nwas observed", {}, {}, NAN, NAN, NAN, NAN, 0, [], 0.0)
ANSWERS = [FLAGGED, FAILED, FINE]


def read_fits(path):
    """The table; astropy warns that FITS does not define the unit dex."""
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Table.read(path)


def test_tables_give_back_labels_units_and_failures_in_order(tmp_path):
    results.write_tables(ANSWERS, tmp_path / "out", NAMES, UNITS, META)
    csv, table = pd.read_csv(tmp_path / "out/results.csv"), read_fits(tmp_path / "out/results.fits")
    assert list(csv) == table.colnames
    assert list(csv)[:4] == ["name", "status", "teff", "teff_err"] and list(csv)[-2:] == [
        "flags",
        "reasons",
    ]
    assert list(csv["name"]) == list(table["name"]) == [answer.name for answer in ANSWERS]
    assert list(csv["status"]) == list(table["status"]) == ["flagged", "failed", "ok"]
    assert (
        list(csv["reasons"][:2])
        == list(table["reasons"][:2])
        == ["too hot; odd", "no pixel was observed"]
    )
    assert list(table["flags"]) == [3, 0, 0]
    for column, values in (
        ("logg", [4.4382, NAN, 4.4382]),
        ("vsini_err", [0.71, NAN, 0.71]),
        ("rv", [-12.34, NAN, NAN]),
    ):
        np.testing.assert_allclose(csv[column], values)
        np.testing.assert_allclose(np.ma.filled(table[column], NAN), values)
    units = ["teff_err", "logg", "vsini", "rv", "snr"]
    assert [str(table[name].unit) for name in units] == ["K", "dex", "km / s", "km / s", "None"]
    assert table.meta["MODEL"] == "models/\\xe9toiles" and table.meta["DIGEST"] == "0123abcd"


def test_a_broken_run_leaves_the_rows_of_the_csv_and_no_fits_table(tmp_path):
    results.write_tables(ANSWERS, tmp_path, NAMES, UNITS, META)
    with pytest.raises(KeyboardInterrupt), results.ResultTables(tmp_path, NAMES, UNITS, META) as tables:
        tables.add([FINE, FAILED])
        assert len(pd.read_csv(tmp_path / "results.csv")) == 2
        raise KeyboardInterrupt
    assert len(pd.read_csv(tmp_path / "results.csv")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_tables_take_many_stars_and_none(tmp_path):
    with results.ResultTables(tmp_path, NAMES, UNITS, META) as tables:
        for _ in range(100):
            tables.add(ANSWERS * 40)
    assert (
        len(pd.read_csv(tmp_path / "results.csv"))
        == len(read_fits(tmp_path / "results.fits"))
        == 12_000
    )
    results.write_tables([], tmp_path, NAMES, UNITS, META)
    assert (
        len(pd.read_csv(tmp_path / "results.csv")) == len(read_fits(tmp_path / "results.fits")) == 0
    )


def test_names_that_are_no_utf8_can_be_written(tmp_path):
    strange = [
        FINE._replace(name="\udce9.fits"),
        FAILED._replace(name="\udce8.fits", failure="\udce8.fits is no FITS file"),
    ]
    results.write_tables(strange, tmp_path, NAMES, UNITS, META)
    results.write_page(strange, [None, None], tmp_path)
    assert list(read_fits(tmp_path / "results.fits")["name"]) == ["\\udce9.fits", "\\udce8.fits"]


@pytest.mark.parametrize(
    ("value", "err", "text"),
    [
        (5771.6, 31.2, "5772 ± 31"),
        (5771.6, 311.9, "5770 ± 310"),
        (4.4382, 0.0123, "4.438 ± 0.012"),
        (4.4382, 0.0996, "4.44 ± 0.10"),
        (-0.0342, 0.25, "\N{MINUS SIGN}0.03 ± 0.25"),
        (-0.0004, 0.02, "0.000 ± 0.020"),
        (5771.64, NAN, "5771.6"),
        (0.0, 0.0, "0"),
        (NAN, 1.0, "unknown"),
    ],
)
def test_values_are_rounded_to_two_digits_of_their_error(value, err, text):
    assert format_value(value, err) == text


def test_pictures_have_safe_names_of_their_own():
    taken = set()
    names = ["a b.fits", "a/b.fits", "A_b.fits", "../../etc/passwd", "", "x" * 300, "x" * 300]
    found = [results.choose_picture_name(name, taken) for name in names]
    assert found[:5] == [
        "a_b.fits.png",
        "a_b.fits_2.png",
        "A_b.fits_3.png",
        "_.._etc_passwd.png",
        "star.png",
    ]
    assert len({name.lower() for name in found}) == len(names) and max(map(len, found)) < 100


def test_page_escapes_all_text_and_lists_failures_at_the_end(tmp_path):
    bad = '<script>alert("1")</script>'
    answers = [
        FAILED._replace(name=bad, failure=bad),
        FLAGGED._replace(name=bad, reasons=[bad]),
        FINE,
    ]
    page = results.write_page(answers, [None, "pictures/a&b.png", None], tmp_path).read_text()
    assert "<script" not in page and page.count("&lt;script&gt;") == 5  # a picture's text too
    assert "<title>3 stars, 1 flagged, 1 failed</title>" in page
    assert page.index("Failed") > page.index("sun.fits") and page.index(FINE.name) < page.rindex(
        "&lt;script&gt;"
    )
    assert '<a href="pictures/a%26b.png"><img src="pictures/a%26b.png" loading="lazy"' in page
    assert "5772 ± 31 K" in page and "\N{MINUS SIGN}12.34 ± 0.21 km/s" in page and "154" in page
    assert "http" not in page and [path.name for path in tmp_path.iterdir()] == ["index.html"]


def toy(n_pix=400, gaps=True, model=True, step=1.0):
    """A Spectrum with a line at its middle, noise, and runs and single pixels missing."""
    wave, rng = 4450.0 + step * np.arange(n_pix), np.random.default_rng(0)
    smooth = 1 - 0.6 * np.exp(-0.5 * ((wave - wave.mean()) / 3) ** 2)
    flux, error = smooth + rng.normal(0, 0.01, n_pix), np.full(n_pix, 0.01)
    if gaps:
        flux[:50], flux[200], flux[-1] = NAN, NAN, NAN
    return FittedSpectrum(wave, flux, error, smooth if model else None)


def size(path):
    """Width and height in pixels, of a PNG only."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:])


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("model", [False, True])
def test_a_star_has_a_figure_with_and_without_model_and_gaps(tmp_path, model, gaps):
    answer = FLAGGED._replace(name="$cheap$ \\$tar_^{" + "x" * 200)  # no mathematics
    lines = {"H beta": [4600.0], "Fe II": [4700.0, 4705.0]}
    path = plots.draw_star(toy(gaps=gaps, model=model), answer, tmp_path / "star.png", lines)
    width, height = size(path)
    assert width == pytest.approx(7.09 * 300, abs=2) and height > 1000


@pytest.mark.parametrize("medium", ["air", "vacuum"])
def test_a_figure_says_whether_wavelengths_are_in_air(medium):
    fig, _ = plots.draw_rows(toy()._replace(medium=medium), 2, "model")
    label = fig.axes[-1].get_xlabel()
    plots_2.plt.close(fig)
    assert f"in {medium} (" in label


def test_figures_are_as_wide_for_a_failed_star_without_a_single_pixel(tmp_path):
    nothing = toy()._replace(flux=np.full(400, NAN), error=None, model=None)
    assert size(plots.draw_star(nothing, FAILED, tmp_path / "nothing.png"))[0] == pytest.approx(
        7.09 * 300, abs=2
    )


def test_each_run_of_missing_pixels_is_shaded_once():
    fig, ax = plots_2.plt.subplots()
    plots.shade_missing(ax, np.arange(10.0), np.isin(np.arange(10), [0, 1, 5, 9]))
    spans = [path.get_extents().intervalx.tolist() for path in ax.collections[0].get_paths()]
    plots_2.plt.close(fig)
    assert spans == [[-0.5, 1.5], [4.5, 5.5], [8.5, 9.5]]


def test_flux_limits_leave_out_dead_and_hot_pixels_but_no_line():
    spectrum = toy(4000, gaps=False, step=0.1)
    spectrum.flux[[100, 900]] = [-5, 50]
    low, high, top = plots.compute_flux_limits(spectrum, [])
    assert 0.3 < low < 0.4 and 1.0 < high < top < 1.2


def test_comparison_draws_an_observed_spectrum_over_ours(tmp_path):
    spectrum = toy(gaps=False)
    path = plots.draw_model_comparison(
        spectrum.wave, spectrum.flux, spectrum.model, "the Sun", tmp_path / "sun.png"
    )
    assert size(path)[1] == pytest.approx((0.2 + 3 * plots.ROW) * 300, abs=2)
