"""Errors are standard errors, variances, inverse variances, S/N or relative, by name or scatter."""

import numpy as np
import pytest
from astropy.io import fits
from observed_files import ERROR, FLUX, WAVE, N, read_single, write_image, write_table

VALUES = {
    "sigma": ERROR,
    "variance": ERROR**2,
    "ivar": ERROR**-2,
    "snr": FLUX / ERROR,
    "relative": ERROR / FLUX,
}


@pytest.mark.parametrize(
    "name, kind",
    [
        *((name, "sigma") for name in ("err", "flux_error", "e_flux", "unc", "FLUX_STD", "noise")),
        *((name, "ivar") for name in ("ivar", "B_IVAR", "OPT_COUNTS_IVAR", "invvar_flux")),
        *((name, "ivar") for name in ("FLUX_IVAR", "inverse_variance", "fluxivar")),
        *((name, "variance") for name in ("var", "flux_var", "VARIANCE", "STAT")),
        *((name, "snr") for name in ("snr", "S/N", "SNR_FLUX")),
        *((name, "relative") for name in ("relative_error", "rel_err")),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_the_name_of_a_column_tells_the_kind_of_error(tmp_path, name, kind, given):
    columns = {"wave": WAVE, "flux": FLUX, name: VALUES[kind]}
    path = write_table(tmp_path / "a.fits", columns)
    observed = read_single(path, error_column=name if given else None)
    np.testing.assert_allclose(observed.flux_err, ERROR)
    assert observed.error_kind == kind
    assert (kind == "sigma") == (not any(" holds " in note for note in observed.notes))


@pytest.mark.parametrize("kind", ["sigma", "variance", "ivar"])
def test_a_column_without_a_telling_name_is_compared_with_the_scatter(tmp_path, kind):
    rng = np.random.default_rng(1)
    error = np.full(N, 1e-3)
    flux = 1 + 0.001 * rng.normal(size=N)
    values = {"sigma": error, "variance": error**2, "ivar": error**-2}[kind]
    path = write_table(tmp_path / "a.fits", {"wave": WAVE, "flux": flux, "q": values})
    observed = read_single(path, error_column="q")
    assert observed.error_kind == kind
    np.testing.assert_allclose(observed.flux_err, error)
    assert any("by the scatter of the flux" in note for note in observed.notes)


def test_an_option_overrides_the_name(tmp_path):
    path = write_table(tmp_path / "a.fits", {"wave": WAVE, "flux": FLUX, "err": ERROR**-2})
    np.testing.assert_allclose(read_single(path, error_kind="ivar").flux_err, ERROR)
    image = write_image(tmp_path / "b.fits", extensions=[("ERR", ERROR**2)])
    np.testing.assert_allclose(read_single(image, error_kind="variance").flux_err, ERROR)


@pytest.mark.parametrize(
    "utype, power", [("StdDevUncertainty", 1), ("VarianceUncertainty", 2), ("InverseVariance", -2)]
)
def test_uncertainties_of_astropy_state_their_kind(tmp_path, utype, power):
    path = write_image(tmp_path / "a.fits", extensions=[("UNCERT", ERROR**power)])
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["UTYPE"] = utype
    np.testing.assert_allclose(read_single(path).flux_err, ERROR, rtol=1e-6)


def test_errors_may_have_another_number_of_axes_than_the_flux(tmp_path):
    path = write_image(tmp_path / "a.fits", extensions=[("REL_ERR", (ERROR / FLUX)[:, None])])
    np.testing.assert_allclose(read_single(path).flux_err, ERROR, rtol=1e-6)
    keywords = {"CTYPE3": "AWAV", "CRVAL3": 4450.0, "CDELT3": 0.05, "CRPIX3": 1.0}
    cube = [("STAT", ERROR[:, None, None] ** 2)]
    path = write_image(tmp_path / "b.fits", keywords, FLUX[:, None, None], cube)
    np.testing.assert_allclose(read_single(path).flux_err, ERROR, rtol=1e-6)


def test_the_errors_of_a_flux_have_its_name(tmp_path):
    columns = {"WAVE": WAVE, "FLUX_REDUCED": FLUX, "SNR": VALUES["snr"] / 9, "ERR_REDUCED": ERROR}
    observed = read_single(write_table(tmp_path / "a.fits", columns))
    np.testing.assert_allclose(observed.flux_err, ERROR)
    columns = {"wave": WAVE, "flux": FLUX, "sky_err": 9 * ERROR, "wave_err": ERROR}
    assert read_single(write_table(tmp_path / "b.fits", columns)).flux_err is None
