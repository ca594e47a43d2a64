"""Files of observed stars that nobody here made, read by observed.io."""

import numpy as np
import pytest
from observed_files import read_single
from published import SHARED

from starlabels.base.errors import UserError
from starlabels.base.wavelengths import convert_air_to_vacuum
from starlabels.spectra.medium import find_medium_by_lines
from starlabels.synthesis.broaden import LIGHT

real = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here")


@pytest.mark.real
@real
def test_observed_harps_spectra_are_in_air_with_their_gap_masked():
    sun = read_single(SHARED / "real/sun_harps.fits")
    procyon = read_single(SHARED / "real/procyon_harps.fits")
    assert (sun.medium, sun.resolving_power, sun.flux_err) == ("air", 115000, None)
    assert (procyon.medium, procyon.resolving_power) == ("air", None)
    for star in (sun, procyon):
        gap = star.wave[np.isnan(star.flux)]
        assert 5300 < gap.min() and gap.max() < 5345  # between the detectors
    line = (sun.wave > 4571) & (sun.wave < 4573)
    assert sun.wave[line][np.argmin(sun.flux[line])] == pytest.approx(
        4571.98, abs=0.1
    )  # Ti II in air


@pytest.mark.real
@real
def test_observed_sdss_templates_are_in_vacuum_with_infinite_errors_masked():
    a3, f5 = read_single(SHARED / "real/sdss_a3v.fits"), read_single(SHARED / "real/sdss_f5v.fits")
    assert (a3.medium, a3.resolving_power, len(a3.wave)) == ("vacuum", 1850, 61618)
    assert (np.isnan(a3.flux).sum(), np.isnan(f5.flux).sum()) == (41, 0)
    near = (a3.wave > 4840) & (a3.wave < 4885)
    core = np.average(a3.wave[near], weights=np.maximum(0, 4.2 - a3.flux[near]))
    assert core == pytest.approx(4862.7, abs=0.7)  # H beta in vacuum
    assert 35 < np.median(f5.flux / f5.flux_err) < 50


@pytest.mark.real
@real
@pytest.mark.parametrize(
    "name, message",
    [
        ("gaia_benchmark_stars_v3.fits", "no spectrum but an image 24075; a table of 192 rows"),
        ("rave_labels.csv", "has columns"),
    ],
)
def test_catalogues_are_refused_in_one_line(name, message):
    with pytest.raises(UserError, match=message) as error:
        read_single(SHARED / "real" / name)
    assert "\n" not in str(error.value)


@pytest.mark.real
@real
@pytest.mark.parametrize("name, rv", [("sun_harps", 0), ("sun_harps", 83), ("procyon_harps", -310)])
def test_the_lines_of_real_stars_tell_air_from_vacuum(name, rv):
    star = read_single(SHARED / f"real/{name}.fits")
    near = star.wave > 4395
    wave, flux = star.wave[near] * (1 + rv / LIGHT), star.flux[near]
    for medium, values in (("air", wave), ("vacuum", convert_air_to_vacuum(wave))):
        verdict = find_medium_by_lines(values, flux)
        assert (verdict.medium, verdict.source) == (medium, "spectrum itself")
