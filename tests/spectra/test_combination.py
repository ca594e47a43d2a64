"""Arms, orders, extensions and exposures of one star become one spectrum, without pairs."""

import numpy as np
import pytest
from astropy.io import fits
from observed_files import ERROR, FLUX, WAVE, N, assert_spectrum, read_single

from starlabels.base.errors import UserError
from starlabels.spectra.combination import Piece, combine_spectra, merge_close_pixels

LINES = np.random.default_rng(5).uniform(4400, 5050, 300)
SCALE = {"CTYPE1": "AWAV", "CRVAL1": 4450.0, "CDELT1": 0.05, "CRPIX1": 1.0}


def compute_flux(wave):
    """Flux (n,) of a star with smooth lines at 300 places."""
    depth = sum(0.4 * np.exp(-0.5 * ((wave - line) / 0.12) ** 2) for line in LINES)
    return np.exp(-depth)


def write_extensions(path, *extensions):
    """Write images (name, data, keywords) after an empty primary; the path."""
    images = [fits.ImageHDU(d, fits.Header(k), name=name) for name, d, k in extensions]
    fits.HDUList([fits.PrimaryHDU(), *images]).writeto(path)
    return path


def make_orders(n_orders=12, blaze=True):
    """(wavelengths, flux, errors) (n_orders, n) of orders that overlap by a third."""
    wave = np.array([np.linspace(4400 + 40 * i, 4460 + 40 * i, 1200) for i in range(n_orders)])
    shape = np.sin(np.pi * np.linspace(0.08, 0.92, 1200)) ** 2 if blaze else 1.0
    flux = 1e4 * compute_flux(wave) * shape
    return wave, flux, np.sqrt(flux)


@pytest.mark.parametrize("offset", [1e-5, 1e-3, 0.004, 0.02])
@pytest.mark.parametrize("in_order", [True, False])
def test_two_exposures_in_one_list_are_averaged(tmp_path, offset, in_order):
    rng = np.random.default_rng(2)
    first = 4450 + 0.02 * np.arange(2000)
    wave = np.concatenate([first, first + offset])
    error = np.full(4000, 0.01)
    flux = compute_flux(wave) + rng.normal(0, 0.01, 4000)
    order = np.argsort(wave) if in_order else slice(None)
    path = tmp_path / "a.txt"
    rows = np.column_stack([wave, flux, error])[order]
    np.savetxt(path, rows, fmt="%.6f", header="wave flux err")
    observed = read_single(path)
    assert np.diff(observed.wave).min() > 0.009
    pull = (observed.flux - compute_flux(observed.wave)) / observed.flux_err
    assert np.abs(pull).max() < 6 and 0.8 < pull.std() < 1.3
    assert np.median(observed.flux_err) == pytest.approx(0.01 / np.sqrt(2), rel=0.02)


def test_a_spectrum_without_pairs_stays_as_it_is():
    step = np.where(np.arange(3000) < 1500, 0.02, 0.1)  # two detectors
    piece = Piece(4400 + np.cumsum(step), np.ones(3000), None)
    assert merge_close_pixels(piece) is piece
    assert combine_spectra([piece]) == (piece, ())


def test_pairs_keep_the_flux_of_the_better_pixel_where_one_is_masked():
    wave = 4400 + 0.02 * np.arange(1000)
    wave[500] = wave[499] + 1e-4
    flux, error = np.ones(1000), np.full(1000, 0.1)
    flux[499], flux[500], error[500] = np.nan, 3.0, 0.2
    merged = merge_close_pixels(Piece(wave, flux, error))
    assert len(merged.wave) == 999
    assert (merged.flux[499], merged.flux_err[499], merged.wave[499]) == (3.0, 0.2, wave[500])


@pytest.mark.parametrize("container", ["text", "images", "table"])
def test_orders_with_their_blaze_become_one_spectrum(tmp_path, container):
    wave, flux, error = make_orders()
    path = tmp_path / "a"
    if container == "text":
        np.savetxt(path, np.column_stack([wave.ravel(), flux.ravel(), error.ravel()]), fmt="%.5f")
    elif container == "images":
        names = ("SCIDATA", flux), ("ERRDATA", error), ("WAVEDATA_AIR_BARY", wave)
        write_extensions(path, *((name, data, {}) for name, data in names))
    else:
        named = (("wavelength", wave), ("spectrum", flux), ("uncertainty", error))
        columns = [fits.Column(name, "1200D", array=values) for name, values in named]
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    observed = read_single(path)
    assert (np.diff(observed.wave) > 0.02).all()
    ratio = observed.flux / compute_flux(observed.wave)
    ratio /= np.median(ratio)
    assert np.percentile(np.abs(ratio - 1), 95) < 0.02
    assert "12 spectra were combined by inverse variance" in observed.notes
    assert any("divided by their common blaze" in note for note in observed.notes)


def test_orders_of_one_level_are_not_scaled():
    wave, flux, error = make_orders(blaze=False)
    piece, notes = combine_spectra([Piece(*order) for order in zip(wave, flux, error)])
    assert notes == ("12 spectra were combined by inverse variance",)
    np.testing.assert_allclose(piece.flux, 1e4 * compute_flux(piece.wave), rtol=0.01)


def test_sorted_orders_with_their_blaze_are_refused(tmp_path):
    rows = np.column_stack([values.ravel() for values in make_orders()])
    rows = rows[np.argsort(rows[:, 0])]
    np.savetxt(tmp_path / "a.txt", rows, fmt="%.5f", header="wave flux err")
    with pytest.raises(UserError, match="neighbouring pixels, of several orders.*by their blaze"):
        read_single(tmp_path / "a.txt")


def test_arms_are_joined_and_brought_to_one_level_where_they_overlap(tmp_path):
    blue = ("BLUE", np.ones(N) * 5, SCALE | {"CRVAL1": 3800.0})
    green = ("GREEN", FLUX, SCALE)
    red = ("RED", 2 * FLUX[200:], SCALE | {"CRVAL1": 4460.0})
    observed = read_single(write_extensions(tmp_path / "a.fits", blue, green))
    assert len(observed.wave) == 2 * N and observed.notes == (
        "2 spectra without overlap were joined",
    )
    np.testing.assert_allclose(observed.flux[N:], FLUX)
    observed = read_single(write_extensions(tmp_path / "b.fits", green, red))
    np.testing.assert_allclose(observed.flux, FLUX * np.median(observed.flux / FLUX), rtol=1e-3)
    assert "their levels were matched" in observed.notes[1]


def test_arms_outside_the_window_of_the_model_are_left_out(tmp_path):
    blue = ("BLUE", np.ones(N), SCALE | {"CRVAL1": 3800.0, "SPEC_RES": 5400.0})
    green = ("GREEN", FLUX, SCALE | {"SPEC_RES": 8900.0})
    path = write_extensions(tmp_path / "a.fits", blue, green)
    observed = read_single(path, window=(4452.0, 4460.0))
    assert_spectrum(observed)
    assert observed.resolving_power == 8900
    assert observed.notes == ("1 of 2 spectra reach into the window of the model",)
    everything = read_single(path, window=(6000.0, 6100.0))
    assert len(everything.wave) == 2 * N and everything.resolving_power == 5400


def test_every_arm_has_its_own_errors_and_wavelengths(tmp_path):
    extensions = []
    for arm, part in (("B", slice(0, 250)), ("R", slice(200, N))):
        extensions += [(f"{arm}_WAVELENGTH", WAVE[part], {}), (f"{arm}_FLUX", FLUX[None, part], {})]
        extensions += [(f"{arm}_IVAR", ERROR[None, part] ** -2, {})]
    observed = read_single(write_extensions(tmp_path / "a.fits", *extensions))
    assert_spectrum(observed._replace(flux_err=None))
    alone = np.r_[0:195, 255:N]
    np.testing.assert_allclose(observed.flux_err[alone], ERROR[alone])
    np.testing.assert_allclose(observed.flux_err[205:245], ERROR[205:245] / np.sqrt(2))


def test_exposures_are_averaged_but_sky_and_models_are_not_taken(tmp_path):
    exposures = [(f"EXP{i}", FLUX * i, SCALE) for i in (1, 3)]
    others = [(name, 50 * FLUX, SCALE) for name in ("SKY", "CONTINUUM", "MODEL", "NORMALIZED")]
    observed = read_single(write_extensions(tmp_path / "a.fits", *exposures, *others))
    np.testing.assert_allclose(observed.flux / np.median(observed.flux), FLUX, rtol=1e-3)
    assert "EXP3 was taken for an exposure" in observed.notes
    unnamed = [(None, values, SCALE) for values in (FLUX, ERROR)]
    observed = read_single(write_extensions(tmp_path / "b.fits", *unnamed))
    assert_spectrum(observed)
    assert "was not read, for it has no name" in observed.notes[0]


def test_a_coadded_spectrum_replaces_its_exposures(tmp_path):
    hdus = [fits.PrimaryHDU()]
    for name, factor in (("COADD", 1), ("B1-00123456", 5), ("R1-00123456", 7)):
        columns = [("loglam", np.log10(WAVE)), ("flux", factor * FLUX), ("ivar", ERROR**-2)]
        cells = [fits.Column(key, "D", array=values) for key, values in columns]
        hdus.append(fits.BinTableHDU.from_columns(cells, name=name))
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    assert_spectrum(read_single(tmp_path / "a.fits"), error=ERROR, medium="vacuum")


def test_spectra_of_several_stars_are_refused(tmp_path):
    many = [("WAVE", WAVE, {}), ("FLUX", np.tile(FLUX, (5, 1)), {})]
    with pytest.raises(UserError, match="holds 5 spectra of the same wavelengths.*to a file"):
        read_single(write_extensions(tmp_path / "a.fits", *many))
    hdus = [fits.PrimaryHDU()]
    for name in ("SPAT0123-SLIT0100", "SPAT0456-SLIT0100"):
        columns = [("OPT_WAVE", WAVE), ("OPT_COUNTS", FLUX)]
        cells = [fits.Column(key, "D", array=values) for key, values in columns]
        hdus.append(fits.BinTableHDU.from_columns(cells, name=name))
    fits.HDUList(hdus).writeto(tmp_path / "b.fits")
    with pytest.raises(UserError, match="spectra of several objects, SPAT0123.*your star"):
        read_single(tmp_path / "b.fits")
