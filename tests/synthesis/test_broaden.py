"""Rotation and instrument as factors in Fourier space."""

import numpy as np
import pytest

from starlabels.synthesis import broaden


def test_frequencies_that_the_instrument_removes_are_not_needed():
    wave = broaden.make_velocity_grid(4450, 4550, 3.0)
    rng = np.random.default_rng(4)
    grid = broaden.Broadening(wave, 3.0, broaden.LIGHT / 30_000)
    places = rng.uniform(4470, 4530, (2, 60))
    depth = np.exp(-0.5 * ((wave - places[:, :, None]) / 0.1) ** 2).sum(axis=1) * 0.3
    labels = {"vsini": np.array([0.0, 40.0]), "rv": np.array([0.0, -7.0])}
    labels["resolving_power"] = np.array([2000.0, 1500.0])
    pixels = np.arange(4465, 4535, 0.7)
    n_freq = grid.count_frequencies(labels["resolving_power"])
    assert n_freq < 0.2 * len(grid.frequency)
    whole, part = (grid.to_fourier(depth)[:, :n] for n in (len(grid.frequency), n_freq))
    expected = grid.broaden(whole, labels, pixels)
    assert expected.std() > 0.01
    assert grid.broaden(part, labels, pixels) == pytest.approx(expected, abs=1e-5)
