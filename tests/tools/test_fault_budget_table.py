"""The table and the figure of a fault budget."""

import numpy as np
import pytest

from starlabels.plots import fault_budget as plots
from starlabels.tools import fault_table
from starlabels.tools.fault_table import FaultEffect


def invent_effects(err=30.0):
    """FaultEffects of two labels: 3 km/s cost 40 K, dead pixels cost nothing."""
    kinds = [
        ("v", "a velocity wrong by 1 km/s", 12),
        ("v", "a velocity wrong by 3 km/s", 40.2),
        ("v", "10 km/s", 1512),
    ]
    kinds = [("", "no fault", 9.0), *kinds, ("d", "a loss of pixels", 0.0)]
    both = np.array([err, err / 500])
    return [
        FaultEffect(kind, name, -both * x / 30, both * x / 30, both * x / 30, both, 0.02)
        for kind, name, x in kinds
    ]


def test_the_mildest_fault_that_exceeds_the_predicted_error_is_named_with_its_cost():
    first, last = fault_table.describe_costs(invent_effects(), ["teff", "mh"])
    assert first == "a velocity wrong by 3 km/s costs 40 K in teff, 1.3 times the predicted error"
    assert last == "within the predicted errors: a loss of pixels"
    assert fault_table.describe_costs(invent_effects(np.nan), ["teff", "mh"]) == []


def test_the_table_has_a_line_a_fault_with_the_digits_of_the_predicted_error():
    lines = fault_table.format_table(invent_effects(), ["teff", "mh"])
    assert len(lines) == 7 and "teff (K)" in lines[0] and "mh (dex)" in lines[0]
    assert lines[3].split() == [
        *"velocity wrong by 3 km/s".split(),
        "-40",
        "±",
        "40",
        "-0.080",
        "±",
        "0.080",
        "2%",
    ]
    assert lines[5].split()[-7:] == ["0", "±", "0", "0.000", "±", "0.000", "2%"]
    assert lines[6].split()[-2:] == ["30", "0.060"] and len({len(line) for line in lines[:6]}) == 1
    assert "unknown" in fault_table.format_table(invent_effects(np.nan), ["teff", "mh"])[-1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1512.0, "1500"), (40.2, "40"), (0.0996, "0.10"), (0.0, "0"), (np.nan, "unknown")],
)
def test_costs_have_two_digits(value, text):
    assert fault_table.format_two_digits(value) == text


@pytest.mark.parametrize(
    "names", [["teff"], ["teff", "mh"], ["teff", "logg", "vsini", "mh", "vmic", "feh"]]
)
@pytest.mark.parametrize("err", [30.0, np.nan])
def test_the_figure_takes_any_number_of_labels_and_errors_unknown(tmp_path, names, err):
    take = np.arange(len(names)) % 2
    rows = [
        FaultEffect(one.kind, one.name, *(values[take] for values in one[2:6]), one.flagged)
        for one in invent_effects(err)
    ]
    if np.isnan(err):
        rows = [one._replace(typical=np.ones(len(names))) for one in rows]
    assert plots.draw_fault_budget(rows, names, tmp_path / "budget.png").stat().st_size > 5000
