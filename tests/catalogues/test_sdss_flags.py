"""Astra's flags, bit for bit."""

import numpy as np
import pytest

from starlabels.catalogues import sdss_flags

SUN = {"teff": 5772.0, "logg": 4.44, "fe_h": 0.0, "e_teff": 40.0, "e_logg": 0.05, "e_fe_h": 0.03}


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        ({}, 0),
        ({"e_logg": 0.21}, 0),  # 5 % of 4.44
        ({"e_logg": 0.35}, 1),
        ({"logg": 2.0, "e_logg": 0.19}, 0),  # 10 %, but small
        ({"logg": 2.0, "e_logg": 0.21}, 1),
        ({"e_teff": 300.0}, 0),
        ({"e_teff": 300.1}, 2),
        ({"e_fe_h": 0.19}, 0),  # |e / 0| is infinite: the guard
        ({"e_fe_h": 0.21}, 4),
        ({"fe_h": -2.0, "e_fe_h": 0.23}, 0),
        ({"fe_h": -2.0, "e_fe_h": 0.25}, 4),
        ({"logg": 2.0, "e_logg": 0.3, "e_teff": 400.0, "e_fe_h": 0.5}, 7),
        ({"fe_h": np.nan}, 2048),
        ({"e_logg": np.nan, "e_teff": 999.0}, 2048),
    ],
)
def test_labels_are_flagged_as_documented(change, flags):
    star = SUN | change
    assert sdss_flags.flag_labels(*([value] for value in star.values())).tolist() == [flags]


@pytest.mark.parametrize(
    ("flags", "is_bad"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (4, 0), (5, 1), (6, 1), (7, 1), (2048, 1)],
)
def test_any_flag_warns_and_teff_or_both_others_are_bad(flags, is_bad):
    assert sdss_flags.find_warned_labels([flags]).tolist() == [flags > 0]
    assert sdss_flags.find_bad_labels([flags]).tolist() == [bool(is_bad)]


def test_distances_are_flagged_as_documented():
    nan = np.nan
    fakemag, error = [10.0, 10.0, 10.0, 10.0, nan], [1.9, 2.0, 1.0, 1.0, 1.0]
    flags = sdss_flags.flag_distances(
        fakemag, error, [9.0, 9.0, nan, 9.0, 9.0], [0.1, 0.1, 0.1, nan, 0.1]
    )
    assert flags.tolist() == [0, 1, 2, 4, 2048]
    assert sdss_flags.find_warned_distances(flags).tolist() == [False, False, False, True, False]
    assert sdss_flags.find_bad_distances(flags).tolist() == [False, True, True, False, True]
