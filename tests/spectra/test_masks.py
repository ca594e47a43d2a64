"""Masks are found under their usual names, as columns or extensions, with their own meanings."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from observed_files import ERROR, FLUX, WAVE, N, read_single, write_image, write_table

BAD = np.zeros(N, int)
BAD[5::20] = 1
BAD_PIXELS = np.flatnonzero(BAD).tolist()


def find_masked(observed):
    """Numbers of the masked pixels."""
    return np.flatnonzero(np.isnan(observed.flux)).tolist()


@pytest.mark.parametrize(
    "name, values",
    [
        *((name, BAD) for name in ("MASK", "mask", "QUAL", "quality", "DQ", "bpm", "ORMASK")),
        ("ANDMASK", BAD << 23),
        ("gpm", 1 - BAD),
        ("mask", 1 - BAD),  # set in most pixels, so it marks the good ones
    ],
)
def test_a_column_of_flags_masks_pixels(tmp_path, name, values):
    columns = {"wave": WAVE, "flux": FLUX, "err": ERROR, name: values}
    path = write_table(tmp_path / "a.fits", columns)
    assert find_masked(read_single(path)) == BAD_PIXELS


@pytest.mark.parametrize("name", ["MASK", "DQ", "QUALITY", "GPM"])
def test_an_extension_of_flags_masks_pixels(tmp_path, name):
    values = 1 - BAD if name == "GPM" else BAD
    path = write_image(tmp_path / "a.fits", extensions=[(name, values.astype("i2"))])
    assert find_masked(read_single(path)) == BAD_PIXELS


def test_booleans_of_text_and_votables_mask_pixels(tmp_path):
    columns = {"wave_nm": WAVE / 10, "flux": FLUX, "mask": BAD.astype(bool)}
    table = Table(columns, units={"wave_nm": "nm"})
    table.write(tmp_path / "a.csv")
    table.write(tmp_path / "a.vot", format="votable")
    assert find_masked(read_single(tmp_path / "a.csv")) == BAD_PIXELS
    assert find_masked(read_single(tmp_path / "a.vot")) == BAD_PIXELS


def test_pypeit_marks_good_pixels_and_is_in_vacuum(tmp_path):
    columns = {"wave": WAVE, "flux": FLUX, "ivar": ERROR**-2, "mask": 1 - BAD}
    columns["wave"] = np.where(np.arange(N) < 3, 0, WAVE)  # padding
    path = write_table(tmp_path / "a.fits", columns, extra={"DMODCLS": "OneSpec"})
    observed = read_single(path)
    assert find_masked(observed) == [pixel - 3 for pixel in BAD_PIXELS]
    assert (observed.medium, observed.medium_source) == ("vacuum", "survey format")
    columns = {"OPT_WAVE": WAVE, "OPT_COUNTS": FLUX, "OPT_COUNTS_IVAR": ERROR**-2}
    columns |= {"BOX_WAVE": WAVE, "BOX_COUNTS": 2 * FLUX, "OPT_MASK": 1 - BAD}
    observed = read_single(write_table(tmp_path / "b.fits", columns))
    assert find_masked(observed) == BAD_PIXELS and np.nanmax(observed.flux) < 1.2
    np.testing.assert_allclose(observed.flux_err[BAD == 0], ERROR[BAD == 0])


def test_a_mask_of_nearly_all_pixels_is_not_used_and_said(tmp_path):
    values = np.full(N, 64)
    path = write_image(tmp_path / "a.fits", extensions=[("DQ", values)])
    observed = read_single(path)
    assert not find_masked(observed)
    assert "dq was not used as a mask: it is set in 100% of the pixels" in observed.notes
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["SDQFLAGS"] = 31  # of HST: 64 is no serious fault
    assert read_single(path).notes == ("air is assumed: give --air or --vacuum if you know it",)
