"""Abundance planes: [X/Fe] of every element, and no figure without iron."""

import numpy as np
import pytest

from starlabels.plots import abundances

NAMES = ["teff", "mg_h", "feh", "ni_h"]


@pytest.fixture
def labels():
    """Labels (n, 4) of stars whose [Mg/Fe] falls with [Fe/H] and whose [Ni/Fe] is 0.1."""
    feh = np.linspace(-1, 0.3, 300)
    return np.column_stack([np.full(300, 5500.0), feh - 0.25 * feh, feh, feh + 0.1])


def test_ratios_are_to_iron_and_in_the_order_of_the_labels(labels):
    feh, ratios = abundances.compute_iron_ratios(labels, NAMES)
    np.testing.assert_array_equal(feh, labels[:, 2])
    expected = np.column_stack([-0.25 * feh, np.full(300, 0.1)])
    np.testing.assert_allclose(ratios, expected, atol=1e-12)
    assert abundances.format_correlation(feh, ratios[:, 0]) == "$r$ \N{MINUS SIGN}1.00"


@pytest.mark.parametrize("names", [["teff", "mg_h", "mh", "ni_h"], ["teff", "logg", "feh", "mh"]])
def test_without_iron_or_another_element_there_are_no_planes(labels, names, tmp_path):
    assert (
        abundances.draw_abundance_planes(labels, labels, names, "95_105", tmp_path / "planes.png")
        is None
    )
    assert not list(tmp_path.iterdir())


def test_planes_have_a_pair_of_panels_for_each_element(labels, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(abundances, "save_figure", lambda fig, path: drawn.append(fig) or path)
    noisy = labels + np.random.default_rng(0).normal(0, 0.05, labels.shape)
    abundances.draw_abundance_planes(labels, noisy, NAMES, "95_105", tmp_path / "planes.png")
    panels = [ax for ax in drawn[0].axes if ax.get_label() != "<colorbar>"]
    assert [ax.texts[0].get_text().split("  ")[0] for ax in panels[:2]] == ["[Mg/Fe]", "[Ni/Fe]"]
    assert len(panels) == 4 and panels[0].get_ylim() == panels[3].get_ylim()
