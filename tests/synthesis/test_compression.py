"""Libraries as products of coefficients and a basis."""

from dataclasses import replace

import numpy as np
import pytest
from toy_nodes import GRID, toy_node, write_library

from starlabels.base.wavelengths import convert_air_to_vacuum
from starlabels.synthesis import compression, node_builder, node_synthesis, nodes
from starlabels.synthesis.sampler import Sampler


@pytest.fixture(scope="module")
def depth():
    """Line depths (60, 400) of rank 12."""
    rng = np.random.default_rng(5)
    scale = 0.3 ** np.arange(12)
    return (rng.normal(size=(60, 12)) * scale @ rng.normal(size=(12, 400))).astype("f4")


def test_compression_has_the_stated_residual(depth):
    coefficient, basis = compression.compress_low_rank(depth, residual=1e-3)
    assert coefficient.shape[1] < 12
    assert np.sqrt(np.mean((coefficient @ basis - depth) ** 2)) < 1e-3


def test_recompression_of_some_nodes_is_as_good_and_smaller(depth):
    coefficient, basis = compression.compress_low_rank(depth, residual=1e-6)
    left, right = compression.recompress_low_rank(3 * coefficient[:5], basis / 3, residual=1e-5)
    assert left.shape[1] <= 5
    assert np.sqrt(np.mean((left @ right - depth[:5]) ** 2)) < 2e-5
    assert np.allclose(right @ right.T, np.eye(len(right)), atol=1e-4)


def test_a_quantised_basis_keeps_the_product(depth):
    coefficient, basis = compression.compress_low_rank(depth, residual=1e-5)
    scaled, integers = compression.quantise_basis(coefficient, basis, 1e-6)
    assert np.abs(scaled).max() == pytest.approx(1)
    assert np.abs(scaled @ (integers * 1e-6) - coefficient @ basis).max() < 1e-5


def test_a_library_returns_its_nodes(tmp_path):
    path = write_library(tmp_path / "toy.h5", GRID)
    flux, failed = nodes.read_nodes(path)
    assert not failed.any()
    assert np.abs(flux - [toy_node(*point) for point in GRID.points]).max() < 3e-5
    assert nodes.read_grid(path) == GRID


def test_a_library_in_vacuum_says_so(tmp_path):
    grid = replace(GRID, medium="vacuum")
    assert convert_air_to_vacuum(grid.wave_in_air()) == pytest.approx(grid.wave())
    path = write_library(tmp_path / "toy.h5", grid)
    assert nodes.read_grid(path).medium == "vacuum"
    assert nodes.read_grid(path).digest == grid.digest != GRID.digest


def test_libraries_that_store_the_flux_are_still_read(tmp_path):
    path = write_library(tmp_path / "toy.h5", GRID)
    flux = np.array([toy_node(*point) for point in GRID.points])
    with node_builder.hdf5.create_file(tmp_path / "old.h5", "nodes", GRID.digest) as h5:
        node_builder.hdf5_spectra.write_wave(h5, GRID.wave(), "air", GRID.resolving_power)
        stored = h5.create_dataset("nodes/flux", data=np.round(flux * 60_000).astype("u2"))
        stored.attrs.update({"scale": 1 / 60_000, "window": [GRID.wave_min, GRID.wave_max]})
        h5["nodes/failed"] = np.zeros(len(flux), bool)
        for name, axis in zip(nodes.AXES, GRID.axes):
            h5[f"nodes/{name}"] = axis
        h5["nodes"].attrs["atmosphere"] = GRID.atmosphere
    labels = {"teff": [6600.0], "logg": [3.8], "mh": [-0.2], "vmic": [2.0]}
    wave = np.arange(5002.0, 5038.0, 0.1)
    spectra = [
        Sampler(file).sample_spectra(labels, wave, 20_000) for file in (path, tmp_path / "old.h5")
    ]
    assert np.abs(spectra[0] - spectra[1]).max() < 5e-5


@pytest.mark.parametrize("flux", [[0.5, np.nan], [0.5, 1e50], [0.5, -0.1]])
def test_flux_that_is_not_physical_is_a_failed_node(flux):
    with pytest.raises(ValueError, match="of the continuum"):
        node_synthesis.check_flux(np.array(flux))
