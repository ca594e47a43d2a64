"""Air or vacuum is decided by what the file states, else by the lines of the spectrum."""

import numpy as np
import pytest
from astropy.table import Table
from observed_files import FLUX, WAVE, read_single, write_image, write_table

from starlabels.base.wavelengths import convert_air_to_vacuum
from starlabels.spectra.medium import find_medium_by_lines, read_strong_lines
from starlabels.synthesis.broaden import LIGHT

STARS = {}


def make_star(low=4400.0, high=5050.0, width=4.0, noise=0.005):
    """(wavelengths in air, flux) of a star with lines of a width in km/s."""
    key = (low, high, width, noise)
    if key not in STARS:
        wave = np.arange(low, high, low * width / LIGHT / 2)
        lines, strength = read_strong_lines()
        inside = (lines > low) & (lines < high)
        sigma = width / LIGHT * lines[inside]
        depth = np.zeros(len(wave))
        for line, weight, size in zip(lines[inside], strength[inside], sigma):
            near = slice(*np.searchsorted(wave, [line - 5 * size, line + 5 * size]))
            depth[near] += 0.3 * weight * np.exp(-0.5 * ((wave[near] - line) / size) ** 2)
        flux = np.exp(-depth) + np.random.default_rng(1).normal(0, noise, len(wave))
        STARS[key] = wave, flux
    return STARS[key]


@pytest.mark.parametrize("medium", ["air", "vacuum"])
@pytest.mark.parametrize("velocity", [0, 83, -310])
def test_many_sharp_lines_tell_the_medium_at_any_velocity(medium, velocity):
    wave, flux = make_star()
    wave = convert_air_to_vacuum(wave) if medium == "vacuum" else wave
    verdict = find_medium_by_lines(wave * (1 + velocity / LIGHT), flux)
    assert verdict.medium == medium and verdict.source == "spectrum itself"
    assert "sigma better" in verdict.note


@pytest.mark.parametrize("medium", ["air", "vacuum"])
def test_blurred_lines_only_suggest_the_medium_unless_the_star_is_at_rest(medium):
    wave, flux = make_star(4800.0, 4990.0, 60.0, 0.01)
    wave = convert_air_to_vacuum(wave) if medium == "vacuum" else wave
    verdict = find_medium_by_lines(wave, flux)
    assert (verdict.medium, verdict.source) == (medium, "assumed")
    assert find_medium_by_lines(wave, flux, rest=True).source == "spectrum itself"
    assert find_medium_by_lines(wave * (1 - 310 / LIGHT), flux).medium is None


def test_a_spectrum_without_lines_is_assumed_in_air_and_asks(tmp_path):
    observed = read_single(write_table(tmp_path / "a.fits", {"wave": WAVE, "flux": FLUX}))
    assert (observed.medium, observed.medium_source) == ("air", "assumed")
    assert observed.notes == ("air is assumed: give --air or --vacuum if you know it",)


@pytest.mark.parametrize("medium", ["air", "vacuum"])
def test_one_star_has_one_medium_in_every_container(tmp_path, medium):
    wave, flux = make_star()
    wave = convert_air_to_vacuum(wave) if medium == "vacuum" else wave
    table = Table({"wavelength": wave / 10, "flux": flux}, units={"wavelength": "nm"})
    for name in ("a.ecsv", "a.fits", "a.vot"):
        form = {"format": "votable"} if name.endswith("vot") else {}
        table.write(tmp_path / name, **form)
    np.savetxt(tmp_path / "b.txt", np.column_stack([wave, flux]), header="wave flux")
    extra = {"TUCD1": "em.wl"}  # any wavelength, if the file is not of ESO
    write_table(tmp_path / "b.fits", {"wave": wave, "flux": flux}, extra=extra)
    for path in tmp_path.iterdir():
        observed = read_single(path)
        assert (observed.medium, observed.medium_source) == (medium, "spectrum itself"), path


@pytest.mark.parametrize(
    "keywords, medium, source",
    [
        ({"CTYPE1": "AWAV"}, "air", "header"),
        ({"AIRORVAC": "vac"}, "vacuum", "header"),
        ({"COMMENT": "Wavelengths converted from air to vacuum."}, "vacuum", "comment"),
        ({"INSTRUME": "HARPS"}, "air", "survey format"),
        ({"INSTRUME": "CARMENES"}, "vacuum", "survey format"),
    ],
)
def test_headers_tell_the_medium(tmp_path, keywords, medium, source):
    observed = read_single(write_image(tmp_path / "a.fits", keywords))
    assert (observed.medium, observed.medium_source) == (medium, source)
    assert read_single(tmp_path / "a.fits", medium="air").medium_source == "option"


@pytest.mark.parametrize(
    "head, medium, source",
    [
        ("# wavelengths in vacuum, not in air\n# wave flux\n", "vacuum", "comment"),
        ("# air mass 1.2, vacuum wavelengths\n# wave flux\n", "vacuum", "comment"),
        ("# vacuum wavelengths converted to air\n", "air", "comment"),
        ("lambda_vac flux\n", "vacuum", "column name"),
        ("# Lambda_air(A) F_lambda(adu)\n", "air", "column name"),
    ],
)
def test_texts_tell_the_medium(tmp_path, head, medium, source):
    path = tmp_path / "a.txt"
    path.write_text(head + "\n".join(f"{w:.4f} {f:.5f}" for w, f in zip(WAVE, FLUX)))
    observed = read_single(path)
    assert (observed.medium, observed.medium_source) == (medium, source)
