"""Abundances of single elements: what was put into nodes comes out of the sampler, and labels carry them."""

from dataclasses import replace

import numpy as np
import pytest

from starlabels import grid
from starlabels.cli import UserError
from starlabels.synthesis import nodes
from starlabels.synthesis.sampler import Sampler
from tests.test_synthesis import CENTRES, GRID, toy_node

MOVED = replace(GRID, elements=("Mg", "Fe"))
WAVE = np.arange(5000.0, 5040.0, 0.05)


def toy_change(mg, fe):
    """Change of the depth by [Mg/M] in the first line and by [Fe/M], quadratic, in the other two."""
    wave = GRID.wave()
    sigma = CENTRES * GRID.fwhm / 2.3548 / 299792.458
    amounts = np.array([0.2 * mg + 0.1 * mg**2, 0.1 * fe - 0.05 * fe**2, 0.15 * fe])
    return amounts @ np.exp(-0.5 * ((wave[None] - CENTRES[:, None]) / sigma[:, None]) ** 2)


@pytest.fixture
def libraries(tmp_path):
    """Paths of a library and of one in which magnesium and iron are moved."""
    for part, one in (("main", GRID), ("elements", MOVED)):
        (tmp_path / part).mkdir()
        names = ["_".join(f"{v:g}" for v in point) for point in one.points]
        for name, point in zip(names, one.points):
            change = one.patterns[int(point[4])] if one.elements else {}
            flux = toy_node(*point[:4]) - toy_change(change.get("Mg", 0.0), change.get("Fe", 0.0))
            np.save(tmp_path / part / f"{name}.npy", np.round(flux / nodes.SCALE).astype("u2"))
        nodes.gather(one, tmp_path / part, names, tmp_path / f"{part}.h5")
    return tmp_path / "main.h5", tmp_path / "elements.h5"


def star(**more):
    values = {"teff": 6800.0, "logg": 3.8, "mh": -0.2, "vmic": 2.0, "vsini": 5.0, **more}
    return {name: np.array([value]) for name, value in values.items()}


def test_a_library_remembers_its_elements(libraries):
    assert nodes.read_grid(libraries[1]) == MOVED and nodes.read_grid(libraries[0]) == GRID
    assert len(MOVED.points) == 5 * len(GRID.points)


def test_several_elements_moved_at_once_add_up(libraries):
    main, elements = libraries
    sampler = Sampler(main, elements_path=elements)
    scaled = sampler.spectra(star(), WAVE, 30_000)[0]
    np.testing.assert_allclose(scaled, Sampler(main).spectra(star(), WAVE, 30_000)[0], atol=2e-5)
    found = sampler.spectra(star(mg_m=0.25, fe_m=-0.15), WAVE, 30_000)[0] - scaled
    expected = sum(
        sampler.spectra(star(**{name: value}), WAVE, 30_000)[0] - scaled for name, value in (("mg_m", 0.25), ("fe_m", -0.15))
    )
    np.testing.assert_allclose(found, expected, atol=2e-5)
    width = -np.trapezoid(found[WAVE < 5014], WAVE[WAVE < 5014])  # of the first line, conserved by broadening
    assert width == pytest.approx(np.trapezoid(toy_change(0.25, 0), GRID.wave()), rel=0.01)


def test_the_grid_writes_abundances_beside_offsets():
    labels = {"mh": np.array([-0.5, 0.2]), "mg_m": np.array([0.3, 0.0]), "fe_m": np.array([0.1, -0.1])}
    found = grid.abundances(labels)
    assert list(found) == ["mg_h", "feh"]
    np.testing.assert_allclose(found["mg_h"], [-0.2, 0.2])
    np.testing.assert_allclose(found["feh"], [-0.4, 0.1])


def test_offsets_beyond_what_was_measured_are_an_error(make_config):
    with pytest.raises(UserError, match=r"grid.labels.mg_m: found -0.3 to 0.9, expected within \[-0.5, 0.5\]"):
        make_config({"grid.labels.mg_m": {"min": -0.3, "max": 0.9}})
