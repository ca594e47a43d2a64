"""Numbers that stand for a missing value are told from genuine ones."""

import numpy as np
import pytest

from starlabels.base.sentinels import blank_sentinels, find_sentinels

DRAWS = np.random.default_rng(5)
COLUMNS = {
    "teff": DRAWS.uniform(3000, 30_000, 40),
    "magnitude": DRAWS.uniform(5, 22, 40),
    "metallicity": DRAWS.uniform(-2.5, 0.5, 40),
    "gravity": DRAWS.uniform(0.2, 4.9, 40),
    "rotation": DRAWS.uniform(0, 400, 40),
    "parallax": DRAWS.normal(2, 3, 40),
}


@pytest.mark.parametrize(
    ("name", "sentinel"),
    [
        ("teff", -9999.0),
        ("teff", -9999.99),
        ("teff", -999.0),
        ("magnitude", 99.99),
        ("magnitude", 99.0),
        ("magnitude", -99.99),
        ("magnitude", 999.0),
        ("metallicity", -9.99),
        ("metallicity", -9999.0),
        ("gravity", 99.9),
        ("rotation", 999.0),
        ("parallax", -999.0),
        ("parallax", 1e20),
        ("parallax", -(2.0**31)),
    ],
)
@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_a_repeated_sentinel_outside_the_range_is_missing(name, sentinel, kind):
    values = np.append(COLUMNS[name], [sentinel, sentinel]).astype(kind)
    masks = find_sentinels(values)
    assert len(masks) == 1 and np.flatnonzero(next(iter(masks.values()))).tolist() == [40, 41]


@pytest.mark.parametrize(
    "values",
    [
        np.append(COLUMNS["magnitude"], 99.99),
        np.append(COLUMNS["teff"], -9999.0),
        np.append(np.arange(1, 98), [99, 99]),
        np.append(COLUMNS["teff"] / 3, [9999.0, 9999.0]),
        np.append(DRAWS.uniform(5, 950, 40), [999.0, 999.0]),
        np.append(DRAWS.uniform(-300, 300, 40), [-99.0, -99.0]),
        np.full(5, 999.0),
        np.array([99.99]),
    ],
    ids=["once", "once", "counts", "hot", "s/n", "inside", "constant", "alone"],
)
def test_a_genuine_value_survives(values):
    assert find_sentinels(values) == {}


def test_a_column_of_nothing_but_minus_9999_is_missing():
    assert np.isnan(blank_sentinels(np.array([-9999, -9999]), "a")).all()
    assert np.isnan(blank_sentinels(np.array([-9999.99], "f4"), "a")).all()


def test_each_column_says_what_is_missing_and_in_how_many_rows(capsys):
    values = np.array([5000, 6000, -9999, -9999, -999, -999, -999])
    blanked = blank_sentinels(values, "stars.csv: teff")
    np.testing.assert_array_equal(blanked, [5000, 6000, *[np.nan] * 5])
    said = "stars.csv: teff is -9999 in 2, -999 in 3 of 7 rows: taken as missing\n"
    assert capsys.readouterr().out == said
    blank_sentinels(np.array([5000.0, -9999.0]), "stars.csv: teff")
    said = "stars.csv: teff is -9999 in one row, which is kept: blank it if it is missing\n"
    assert capsys.readouterr().out == said
