"""The packaged line lists, and the tools that rebuild them."""

import numpy as np
import pandas as pd
import pytest

from starlabels.base.errors import UserError
from starlabels.synthesis import library, lines
from starlabels.tools.rebuild import lines as line_tools
from starlabels.tools.rebuild import molecules, solar_lines


def test_molecules_are_read_with_their_names():
    line_list = lines.read_lines(8430.0, 8440.0)
    names = set(line_list.species)
    assert {"TiO 1", "CN 1", "Fe 1"} <= names
    assert len(line_list) > len(lines.read_lines(8430.0, 8440.0, molecules=False))
    assert np.all(np.diff(line_list.atomic[:, 2]) >= 0)


def test_the_h_band_and_the_violet_are_covered():
    brackett = lines.read_lines(15_700.0, 15_720.0).atomic
    assert np.abs(brackett[brackett[:, 0] == 1, 2] - 15700.7).min() < 0.5  # Brackett 15
    helium = lines.read_lines(4020.0, 4030.0).atomic
    helium = helium[helium[:, 0] == 2]
    # NIST: 2p 3P - 5d 3D has f = 0.0469 from a level of weight 9
    assert np.sum(10 ** helium[:, 4]) == pytest.approx(9 * 0.0469, rel=0.03)


WINDOWS = library.PACKAGED | library.PLANNED


@pytest.mark.parametrize("name", WINDOWS)
def test_the_lists_cover_every_packaged_library_and_its_margins(name):
    wave = WINDOWS[name].wave_in_air()
    assert lines.is_covered(wave[0], wave[-1])


@pytest.mark.parametrize("window", [(3600.0, 3700.0), (9100.0, 9300.0), (7000.0, 16_000.0)])
def test_windows_without_lines_are_refused_with_the_limits(window):
    with pytest.raises(UserError, match="3680-9200 A and 15100-17000 A"):
        lines.read_lines(*window)


def test_isotopes_are_read_from_the_code():
    assert molecules.split_code("822.01646") == (822, [(8, 16), (22, 46)])
    assert molecules.split_code("106.00112") == (106, [(1, 1), (6, 12)])
    assert molecules.split_code("10108.0")[0] == 10108
    number, isotopes = molecules.split_code("607.01214")
    assert number == 607 and isotopes == [(6, 12), (7, 14)]


def test_the_titanium_of_tio_is_complete():
    fractions = [10 ** molecules.compute_log_fraction([(8, 16), (22, m)]) for m in (46, 47, 49, 50)]
    assert sum(fractions) == pytest.approx(0.99762, rel=1e-3)  # that of 16O


def table_of_lines(rng, n):
    return pd.DataFrame(
        {
            "number": 822,
            "wave": np.sort(rng.uniform(7050.0, 7060.0, n)),
            "excitation": rng.uniform(0.0, 2.0, n),
            "log_gf": rng.normal(-1.5, 0.8, n),
        }
    )


def test_merged_lines_keep_the_opacity():
    table = table_of_lines(np.random.default_rng(3), 20_000)
    merged = molecules.merge_weak(table)

    def opacity(lines_, teff):
        return (10 ** (lines_.log_gf - 5039.8 * lines_.excitation / teff)).sum()

    assert len(merged) < 0.5 * len(table)
    assert opacity(merged, 3500.0) == pytest.approx(opacity(table, 3500.0), rel=1e-6)
    assert opacity(merged, 4500.0) == pytest.approx(opacity(table, 4500.0), rel=0.02)


def test_lines_of_ch_without_bound_upper_levels_are_left_out():
    table = pd.DataFrame(
        {
            "wave": [4962.019, 3889.0, 4302.9],
            "code": ["106.00112"] * 3,
            "excitation": [1.148, 0.1, 0.27],
            "log_gf": [0.68, -1.5, -1.2],
            "dissociation": [3.464] * 3,
            "transition": ["BX10R265", "BX00R055", "AX00Q125"],
        }
    )
    assert molecules.is_predissociated(table).tolist() == [True, False, False]


def test_a_line_is_missing_only_if_no_line_of_its_species_is_near():
    listed = np.zeros((2, 8))
    listed[:, :4] = [[26, 1, 5000.0, 3.0], [26, 2, 5001.0, 2.9]]
    asked = np.zeros((4, 8))
    asked[:, :4] = [
        [26, 1, 5000.02, 3.01],
        [26, 1, 5000.2, 3.0],
        [26, 1, 5001.0, 2.9],
        [22, 1, 5000.0, 3.0],
    ]
    assert line_tools.find_missing(asked, listed).tolist() == [False, True, True, True]


def gaussian_lines(wave, centres, depths):
    sigma = solar_lines.WIDTH / 2.3548 / 299792.458 * centres.mean()
    profile = np.exp(-0.5 * ((wave[:, None] - centres) / sigma) ** 2)
    return 1 - (1 - np.prod(1 - depths * profile, axis=1))


def test_log_gf_moves_towards_the_observed_depth():
    wave = np.arange(5000.0, 5010.0, 0.017)
    centres = np.array([5002.0, 5005.0, 5008.0])
    atomic = np.zeros((3, 8))
    atomic[:, 0], atomic[:, 1], atomic[:, 2] = 26, 1, centres
    model = gaussian_lines(wave, centres, np.array([0.3, 0.3, 0.3]))
    observed = gaussian_lines(wave, centres, np.array([0.45, 0.3, 0.15]))
    change = solar_lines.find_changes(wave, model, observed, atomic, np.ones(3))
    assert change[0] > 0.1 and abs(change[1]) < 0.02 and change[2] < -0.1


def test_a_line_moves_by_its_share_of_a_blend():
    atomic = np.zeros((3, 8))
    atomic[:, 0], atomic[:, 1], atomic[:, 2] = [26, 22, 26], 1, [5000.0, 5000.01, 5002.0]
    share = solar_lines.compute_shares(atomic, np.array([3.0, 1.0, 1.0]))
    assert share == pytest.approx([0.75, 0.25, 1.0], abs=0.02)


def test_a_feature_without_a_line_is_found():
    wave = np.arange(5000.0, 5010.0, 0.017)
    observed = gaussian_lines(wave, np.array([5004.0]), np.array([0.2]))
    [found] = solar_lines.find_unexplained(wave, np.ones(len(wave)), observed)
    assert found == pytest.approx(5004.0, abs=0.03)
