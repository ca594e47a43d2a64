"""Conversion between wavelengths in air and in vacuum."""

import numpy as np
import pytest

from starlabels.base.wavelengths import convert_air_to_vacuum, convert_vacuum_to_air


def test_balmer_lines_have_their_wavelengths_in_air():
    # H beta
    assert convert_vacuum_to_air(np.array([4862.69]))[0] == pytest.approx(4861.33, abs=0.01)
    assert convert_vacuum_to_air(6564.61) == pytest.approx(6562.79, abs=0.01)  # H alpha


def test_wavelengths_below_2000_angstrom_stay_in_vacuum():
    wave = np.array([1215.67, 1999.0])
    np.testing.assert_array_equal(convert_vacuum_to_air(wave), wave)


def test_conversions_are_inverse():
    wave = np.linspace(2001, 25_000, 1000)
    again = convert_air_to_vacuum(convert_vacuum_to_air(wave))
    np.testing.assert_allclose(again, wave, rtol=0, atol=1e-8)
