"""Figures of all stars of predict.py, of invented stars."""

import numpy as np
import pytest
from test_observed_figures import PAGE_WIDTH, read_png_size

from starlabels.base.labels import get_label
from starlabels.plots import batches, plt

NAMES = ["teff", "logg", "mh", "vsini", "vmic"]


def make_stars(n=120, names=NAMES):
    """Labels and errors {name: (n,)} and S/N (n,) of invented stars."""
    rng = np.random.default_rng(0)
    ranges = {"teff": (4500, 9000), "logg": (1, 5), "mh": (-2, 0.5), "vsini": (0, 200)}
    labels = {name: rng.uniform(*ranges.get(name, (0, 3)), n) for name in names}
    snr = 10 ** rng.uniform(0.8, 2.5, n)
    return labels, {name: (1 + np.ptp(labels[name])) / snr for name in names}, snr


@pytest.mark.parametrize("names", [NAMES, ["teff", "logg"], ["feh"], ["k_mag"]])
@pytest.mark.parametrize("flagged", [0.0, 0.2, 1.0])
def test_a_population_of_any_labels_and_flags_is_drawn(tmp_path, names, flagged):
    labels, errors, snr = make_stars(names=names)
    is_flagged = np.arange(len(snr)) < flagged * len(snr)
    counts = {"without flag": 96, "edge": 20, "misfit": 4, "failed": 3}
    path = tmp_path / "a.png"
    batches.draw_population(labels, errors, snr, is_flagged, counts, path)
    assert read_png_size(path)[0] == pytest.approx(PAGE_WIDTH, abs=2)


def test_stars_without_snr_or_errors_do_not_spoil_a_population(tmp_path):
    labels, errors, snr = make_stars(12)
    errors = {name: np.full(12, np.nan) for name in errors}
    path = tmp_path / "a.png"
    nowhere = np.full(12, np.nan)
    batches.draw_population(labels, errors, nowhere, np.zeros(12, bool), {"ok": 12}, path)
    assert path.is_file()


@pytest.mark.parametrize("n", [1, 120])
def test_known_labels_are_compared_with_gaps_and_without_errors(tmp_path, n):
    labels, errors, _ = make_stars(n)
    true = np.column_stack(list(labels.values()))
    err = np.column_stack(list(errors.values()))
    mean = true + err * np.random.default_rng(1).normal(size=true.shape)
    true[1::3, 1] = np.nan
    path = tmp_path / "a.png"
    batches.draw_truth(true, mean, err, np.zeros_like(err), list(map(get_label, NAMES)), path)
    assert read_png_size(path)[0] == pytest.approx(PAGE_WIDTH, abs=2)


def test_a_panel_states_how_often_the_errors_hold():
    rng = np.random.default_rng(0)
    true, noise = rng.uniform(4000, 6000, 400), rng.normal(size=400)
    fig, (top, low) = plt.subplots(2)
    batches.draw_truth_panel(top, low, true, true + 50 * noise, np.full(400, 50.0), np.zeros(400))
    [text] = top.texts
    plt.close(fig)
    share = np.mean(np.abs(noise) <= 1)
    assert f"{share:.0%}".rstrip("%") in text.get_text() and "$N$ 400" in text.get_text()
