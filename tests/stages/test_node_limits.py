"""A recipe without packaged nodes is told which limit it exceeds, and how long the nodes take."""

from dataclasses import replace
from pathlib import Path

import pytest

from starlabels.base.errors import UserError
from starlabels.stages import node_limits, recipe_nodes, recipe_stars
from starlabels.synthesis import node_builder

BLUE = {"wave.min": 4470.0, "wave.max": 4490.0}
RVS = {"wave.min": 8500.0, "wave.max": 8520.0}
LIMITS = [
    (
        {"wave.min": 7500.0, "wave.max": 7600.0},
        "no packaged nodes cover the window, wave 7500 to 7600 A (nodes: 4450-4990, 8400-8800)",
    ),
    (
        BLUE | {"grid.labels.vmic": {"min": 0, "max": 6}},
        "the packaged nodes of this window do not cover the label range, vmic 0 to 6 km/s "
        "(nodes: 0 to 5)",
    ),
    (
        RVS | {"grid.labels.logg": {"min": -0.5, "max": 5}, "grid.resolving_power": 30_000},
        "the packaged nodes of this window do not cover the label range, logg -0.5 to 5 dex "
        "(nodes: 0 to 5.5) and the resolving power, 30000 (nodes: up to 25000)",
    ),
    (
        BLUE | {"grid.nodes.atmosphere": "marcs2012.sav"},
        "the packaged nodes of this window do not cover the atmospheres, marcs2012.sav "
        "(nodes: published)",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), LIMITS)
def test_the_limit_that_fails_the_nodes_and_the_minutes_are_named(
    make_config, monkeypatch, capsys, changes, reason
):
    cfg = make_config(changes)
    monkeypatch.setattr(node_builder, "build_library", lambda grid, path, cluster: None)
    path, _ = recipe_nodes.find_library(cfg, recipe_stars.find_label_ranges(cfg), build=True)
    first, second = capsys.readouterr().out.splitlines()
    assert path == Path("data/grids/afgk_nodes.h5") and first == reason
    assert second.startswith(f"{path} needs ") and second.endswith(" on 2 processes")
    assert " nodes, about " in second and " minute" in second


def test_the_window_of_a_recipe_in_vacuum_is_compared_in_vacuum(make_config):
    """In vacuum the packaged 4450-4990 A are 4451.25-4991.39 A."""
    power = {"grid.resolving_power": 35_000}
    for low, fits in ((4451.3, True), (4451.1, False)):
        window = {"wave.min": low, "wave.max": 4460.0, "wave.medium": "vacuum"}
        cfg = make_config(power | window)
        assert cfg.medium == "vacuum"
        ranges = recipe_stars.find_label_ranges(cfg)
        exceeded = node_limits.list_exceeded_limits(node_limits.BLUE, cfg, ranges)
        assert any("the window" in words for words in exceeded) != fits


def test_nodes_are_made_for_the_resolving_power_that_a_recipe_asks_for(make_config):
    for power, of_nodes in ((20_000, 35_000), (50_000, 50_000)):
        window = {"wave.min": 6500.0, "wave.max": 6600.0, "grid.resolving_power": power}
        cfg = make_config(window)
        grid = recipe_nodes.plan_nodes(cfg, recipe_stars.find_label_ranges(cfg))
        assert grid.resolving_power == of_nodes
        assert grid.step == pytest.approx(299792.458 / of_nodes / 3.4262, abs=1e-3)


def test_lines_of_figures_are_named_in_the_medium_of_the_spectra(make_config):
    cfg = make_config({"jacobian.lines": {"Mg II": [4481.2]}})
    assert cfg.get_lines("air") == {"Mg II": [4481.2]}
    assert cfg.get_lines("vacuum")["Mg II"][0] == pytest.approx(4482.457, abs=0.002)


def test_a_library_of_the_user_that_does_not_cover_the_recipe_names_the_limit(make_config):
    library = str(recipe_nodes.NODE_FOLDER / "rvs.h5")
    cfg = make_config(BLUE | {"grid.nodes.library": library})
    with pytest.raises(UserError, match="does not cover the window, wave 4470 .*: set library"):
        recipe_nodes.find_library(cfg, recipe_stars.find_label_ranges(cfg), build=True)


def test_single_elements_without_packaged_nodes_are_named(make_config):
    cfg = make_config(RVS | {"grid.labels.cr_m": 0.1, "grid.labels.mg_m": 0.1})
    ranges = recipe_stars.find_label_ranges(cfg) | {"vmic": (2.0, 2.0)}
    name = "rvs_elements.h5"
    reason = node_limits.explain_elements(name, ("Mg", "Cr"), cfg, ranges)
    assert reason.startswith("the packaged nodes of single elements do not cover Cr (nodes: Mg, Al")
    assert "the label range, teff 4000 to 10000 K (nodes: 4500 to 7500)" in reason
    reason = node_limits.explain_elements("blue_elements.h5", ("Mg",), cfg, ranges)
    assert reason == "no packaged nodes of this window vary Mg"


def test_minutes_are_of_the_nodes_the_window_and_the_processes(make_config):
    cluster, blue = make_config({"cluster.workers": 2}).cluster, node_limits.BLUE
    n = len(blue.points)  # each takes 2 s of a core

    def minutes(grid, cluster=cluster):
        words = node_limits.describe_synthesis(grid, cluster).split(", about ")[1]
        return int(words.split(" minute")[0].replace(" ", ""))

    assert minutes(blue) == pytest.approx(n / 60, abs=1)
    assert minutes(blue, cluster.model_copy(update={"workers": 1})) == pytest.approx(n / 30, abs=1)
    remote = cluster.model_copy(update={"scheduler": "tls://a:1"})
    assert minutes(blue, remote) == pytest.approx(n / 30, abs=1)
    assert "minutes of one core" in node_limits.describe_synthesis(blue, remote)
    assert minutes(replace(blue, quick=True)) == pytest.approx(n / 180, abs=1)
    assert minutes(replace(blue, wave_max=4540.0)) < minutes(blue) / 3
    assert minutes(replace(blue, wave_min=8400.0, wave_max=8940.0)) > 2 * minutes(blue)
    one = replace(blue, teff=(6000.0,), logg=(4.0,), mh=(0.0,))
    assert node_limits.describe_synthesis(one, cluster) == "1 node, about 1 minute on 1 process"
