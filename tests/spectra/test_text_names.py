"""Columns of text are known by names, units or numbers; what is not known is an error."""

import numpy as np
import pytest
from observed_files import ERROR, FLUX, WAVE, N, read_single

from starlabels.base.errors import UserError

PIXEL = np.arange(1, N + 1)


def write_rows(path, head, *columns, separator=" ", digits=6):
    """Write a head and rows of columns; the path."""
    rows = (separator.join(f"{v:.{digits}f}" for v in row) for row in zip(*columns))
    path.write_text(head + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    "head, order",
    [
        ("# pixel lambda_air flux_adu\n", "pwf"),
        ("# pixel wave flux\n", "pwf"),
        ("# F_lambda(adu) Lambda_air(A)\n", "fw"),
        ("pixel wavelength flux err\n", "pwfe"),
        ("# spectral_axis flux uncertainty\n", "wfe"),
        ("# The Sun: observed by HARPS\n", "wfe"),
        ("BITPIX = 8\nORIGIN = 'NOAO-IRAF'\nEND\n\n", "wf"),
        ("wave flux err\n-- -- --\n", "wfe"),
        ("Star (Å) counts\n", "wf"),
    ],
)
def test_columns_are_taken_by_their_names(tmp_path, head, order):
    columns = {"p": PIXEL, "w": WAVE, "f": FLUX, "e": ERROR}
    path = write_rows(tmp_path / "a.txt", head, *(columns[key] for key in order))
    observed = read_single(path)
    np.testing.assert_allclose(observed.wave, WAVE)
    np.testing.assert_allclose(observed.flux, FLUX, atol=1e-6)
    assert (observed.flux_err is None) == ("e" not in order)


@pytest.mark.parametrize(
    "head, message",
    [
        ("# pix x y\n", "has columns pix, x, y: name those of the spectrum with --wave-column"),
        ("alpha beta gamma\n", "has columns alpha, beta, gamma: name those"),
        ("", "its wavelengths 1 to 400 in steps of 1 count pixels: name others"),
        ("# wave flux error\n", "its wavelengths 1 to 400 in steps of 1 count pixels"),
        ("wave flux error more\n", "names 4 columns but its lines have 3: fix the line of names"),
    ],
)
def test_unknown_names_and_numbers_of_pixels_are_errors(tmp_path, head, message):
    path = write_rows(tmp_path / "a.txt", head, PIXEL, WAVE, FLUX)
    with pytest.raises(UserError, match=message):
        read_single(path)
    if "fix the line" not in message:
        observed = read_single(path, wave_column="2", flux_column="3")
        np.testing.assert_allclose(observed.wave, WAVE)
        assert observed.flux_err is None


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_of_pixels_from_0_or_1_are_no_wavelengths(tmp_path, first):
    path = write_rows(tmp_path / "a.txt", "", np.arange(first, 4000 + first), np.ones(4000))
    with pytest.raises(UserError, match="count pixels"):
        read_single(path)
    wave = write_rows(tmp_path / "b.txt", "", np.arange(4000, 8000), np.ones(4000))
    assert read_single(wave).wave[0] == 4000


def test_wavelengths_of_no_optical_spectrum_are_errors(tmp_path):
    path = write_rows(tmp_path / "a.txt", "wave(A) flux\n", WAVE / 100, FLUX)
    with pytest.raises(UserError, match="44.5 to 44.6995 Angstrom are none of an optical spectrum"):
        read_single(path)


@pytest.mark.parametrize("kind", ["fortran", "commas", "trailing", "row names", "units", "iSpec"])
def test_usual_habits_of_programs_are_read(tmp_path, kind):
    path = tmp_path / "a.txt"
    rows = [f"{w:.4f},{f:.6f},{e:.6f}" for w, f, e in zip(WAVE, FLUX, ERROR)]
    if kind == "fortran":
        lines = [f"{w:.8E} {f:.6E} {e:.6E}".replace("E", "D") for w, f, e in zip(WAVE, FLUX, ERROR)]
    elif kind == "commas":
        lines = [row.replace(",", "\t").replace(".", ",") for row in rows]
    elif kind == "trailing":
        lines = ["wave,flux,err", *(f"{row}," for row in rows)]
    elif kind == "row names":
        lines = ["wave,flux,err", *(f"{i},{row}" for i, row in enumerate(rows, 1))]
    elif kind == "units":
        lines = ["wavelength,flux,error", "nm,adu,adu"]
        lines += [f"{w / 10:.5f},{f:.6f},{e:.6f}" for w, f, e in zip(WAVE, FLUX, ERROR)]
    else:
        lines = ["waveobs\tflux\terr"]
        lines += [f"{w / 10:.5f}\t{f:.6f}\t{e:.6f}" for w, f, e in zip(WAVE, FLUX, ERROR)]
    path.write_text("\n".join(lines))
    observed = read_single(path)
    np.testing.assert_allclose(observed.wave, WAVE, rtol=1e-8)
    np.testing.assert_allclose(observed.flux, FLUX, atol=1e-6)
    np.testing.assert_allclose(observed.flux_err, ERROR, atol=1e-6)


def test_spectra_of_libre_esprit_are_in_nm_and_air(tmp_path):
    head = f"*** Reduced spectrum of 'Sun'\n {N} 2\n"
    observed = read_single(write_rows(tmp_path / "a.s", head, WAVE / 10, FLUX, ERROR))
    np.testing.assert_allclose(observed.wave, WAVE)
    np.testing.assert_allclose(observed.flux_err, ERROR, atol=1e-6)
    assert (observed.medium, observed.medium_source) == ("air", "survey format")
