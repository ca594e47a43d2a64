"""The stage grid: drawing labels, choosing or synthesising nodes, and resuming after a kill."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from starlabels.base.errors import UserError
from starlabels.config.run import Run
from starlabels.stages import grid, recipe_nodes, recipe_stars
from starlabels.stages.recipe_nodes import choose_axis_nodes
from starlabels.synthesis import node_builder, nodes
from starlabels.synthesis.library import PACKAGED

SMALL_NODES = nodes.NodeGrid(5000.0, 5002.0, (6000.0, 6500.0), (4.0, 4.5), (0.0,), (2.0,))


def test_labels_are_drawn_uniformly_or_on_steps_or_held(make_config):
    cfg = make_config(
        {"grid.n_spectra": 4000, "grid.labels.logg": {"min": 2, "max": 5, "step": 0.5}}
    )
    labels, ids = recipe_stars.draw_labels(cfg, np.random.default_rng(1))
    assert labels["teff"].min() >= 4000 and labels["teff"].max() <= 10000
    assert np.histogram(labels["teff"], 4, (4000, 10000))[0] == pytest.approx([1000] * 4, rel=0.15)
    assert set(labels["logg"]) == set(np.arange(2, 5.1, 0.5, "f4"))
    assert set(labels["vmic"]) == {2.0} and len(set(ids)) == 4000


def test_rows_with_equal_labels_are_one_star(make_config):
    steps = {
        "teff": (6000, 10000, 4000),
        "logg": (2, 5, 3),
        "mh": (-1, 1, 2),
        "vsini": (0, 300, 300),
    }
    changes = {f"grid.labels.{k}": dict(zip(("min", "max", "step"), v)) for k, v in steps.items()}
    _, ids = recipe_stars.draw_labels(make_config(changes), np.random.default_rng(1))
    assert len(set(ids)) <= 16


def test_a_label_the_grid_cannot_vary_or_lacks_is_named(make_config):
    cfg = make_config()
    with pytest.raises(UserError, match="cannot vary colour"):
        recipe_stars.draw_labels(
            cfg.model_copy(
                update={"grid": cfg.grid.model_copy(update={"labels": {"colour": 1.0}})}
            ),
            None,
        )
    short = {name: entry for name, entry in cfg.grid.labels.items() if name != "mh"}
    with pytest.raises(UserError, match="lacks mh"):
        recipe_stars.draw_labels(
            cfg.model_copy(update={"grid": cfg.grid.model_copy(update={"labels": short})}), None
        )


def test_nodes_enclose_the_range_with_padding_and_are_denser_below_6000():
    assert choose_axis_nodes("logg", (3.2, 4.1), 0.5, 0, (1.5, 5.5)) == (3.0, 3.5, 4.0, 4.5)
    assert choose_axis_nodes("logg", (4.0, 5.0), 0.5, 1, (1.5, 5.5)) == (
        3.5,
        4.0,
        4.5,
        5.0,
        5.5,
    )
    assert choose_axis_nodes("teff", (5500, 6500), 500, 0, (4500, 11000)) == (
        5500.0,
        5750.0,
        6000.0,
        6500.0,
    )
    assert choose_axis_nodes("logg", (5.2, 5.5), 0.5, 1, (1.5, 5.5)) == (
        4.5,
        5.0,
        5.5,
    )  # padding ends with the atmospheres
    assert choose_axis_nodes("mh", (0.0, 0.0), 0.5, 1, (-2, 1.5)) == (0.0,)


def test_the_packaged_library_covers_the_default_grid_and_not_others(make_config):
    cfg = make_config()
    blue = PACKAGED["blue.h5"]
    assert recipe_nodes.covers_recipe(blue, cfg, recipe_stars.find_label_ranges(cfg))
    assert not recipe_nodes.covers_recipe(
        blue, make_config({"wave.max": 5000.0}), recipe_stars.find_label_ranges(cfg)
    )
    other = make_config({"grid.nodes.atmosphere": "marcs2012.sav"})
    assert not recipe_nodes.covers_recipe(blue, other, recipe_stars.find_label_ranges(cfg))
    cooler = make_config({"grid.labels.teff": {"min": 4600, "max": 6000}})
    assert recipe_nodes.covers_recipe(blue, cooler, recipe_stars.find_label_ranges(cooler))
    assert not recipe_nodes.covers_recipe(
        replace(blue, teff=blue.teff[5:]), cooler, recipe_stars.find_label_ranges(cooler)
    )


def test_a_window_outside_the_line_list_is_refused_before_any_work(make_config):
    cfg = make_config({"wave.min": 3500.0, "wave.max": 3520.0})
    with pytest.raises(UserError, match="the line lists span 3680-9200 A and 15100-17000 A"):
        recipe_nodes.plan_nodes(cfg, recipe_stars.find_label_ranges(cfg))


def test_finished_nodes_are_not_synthesised_again(tmp_path, monkeypatch):
    asked = []

    def fake(grid, points, cluster):
        for i, point in enumerate(points):
            asked.append(tuple(point))
            if len(asked) == 3:
                raise KeyboardInterrupt  # the run ends halfway
            yield i, np.full(len(grid.wave()), 0.9, "f4"), ""

    monkeypatch.setattr(node_builder, "synthesise_nodes", fake)
    with pytest.raises(KeyboardInterrupt):
        node_builder.build_library(SMALL_NODES, tmp_path / "n.h5", None)
    assert not (tmp_path / "n.h5").exists()
    node_builder.build_library(SMALL_NODES, tmp_path / "n.h5", None)
    assert len(asked) == 5 and len(set(asked)) == 4  # only the one under way was asked twice
    flux, failed = nodes.read_nodes(tmp_path / "n.h5")
    assert flux == pytest.approx(0.9, abs=1e-4) and not failed.any()


def test_nodes_that_a_power_cut_left_empty_are_synthesised_again(tmp_path, monkeypatch):
    asked = []

    def fake(grid, points, cluster):
        asked.append(len(points))
        yield from ((i, np.full(len(grid.wave()), 0.9, "f4"), "") for i in range(len(points)))

    monkeypatch.setattr(node_builder, "synthesise_nodes", fake)
    partial = tmp_path / "n.h5.partial" / SMALL_NODES.digest
    partial.mkdir(parents=True)
    names = ["_".join(f"{value:g}" for value in point) for point in SMALL_NODES.points]
    (partial / f"{names[0]}.npy").touch()
    (partial / f"{names[1]}.failed").touch()
    (partial / f"{names[2]}.failed").write_text("no such atmosphere")
    node_builder.build_library(SMALL_NODES, tmp_path / "n.h5", None)
    assert asked == [3] and nodes.read_nodes(tmp_path / "n.h5")[1].sum() == 1


def test_failed_nodes_are_recorded_and_not_tried_again(tmp_path, monkeypatch, capsys):
    def fake(grid, points, cluster):
        for i in range(len(points)):
            yield (
                (i, None, "SMElib ended its process")
                if i == 1
                else (i, np.ones(len(grid.wave()), "f4"), "")
            )

    monkeypatch.setattr(node_builder, "synthesise_nodes", fake)
    node_builder.build_library(SMALL_NODES, tmp_path / "n.h5", None)
    assert nodes.read_nodes(tmp_path / "n.h5")[1].tolist() == [False, True, False, False]
    assert "6000_4.5_0_2 failed: SMElib ended its process" in capsys.readouterr().out


def test_a_library_of_failures_is_not_kept(tmp_path, monkeypatch):
    def fail(grid, points, cluster):
        return ((i, None, "no such atmospheres") for i in range(len(points)))

    monkeypatch.setattr(node_builder, "synthesise_nodes", fail)
    with pytest.raises(UserError, match="all 4 nodes failed: no such atmospheres"):
        node_builder.build_library(SMALL_NODES, tmp_path / "n.h5", None)
    assert not list(tmp_path.iterdir())


def test_a_label_that_is_constant_in_the_table_is_refused_before_the_synthesis(
    make_config, monkeypatch
):
    labels = {"teff": [6000, 7000], "logg": [4, 4.5], "mh": [0, 0.1], "vsini": [5, 9]}
    pd.DataFrame(labels | {"hue": [3, 3]}).to_csv("stars.csv", index=False)
    monkeypatch.setattr(grid, "open_sampler", lambda cfg: pytest.fail("nodes are sought"))
    for name in ("vmic", "hue"):  # of grid.labels, and of the table
        cfg = make_config({"grid.labels_csv": "stars.csv", "labels": ["teff", name]})
        with pytest.raises(UserError, match=f"{name} is constant, . in every row of stars.csv"):
            grid.make_grid(Run(cfg))


def test_stars_that_need_a_failed_node_are_left_out_in_plain_words(capsys):
    class FakeSampler:
        path = "n.h5"

        def covers(self, labels):
            return labels["teff"] < limit

    stars = recipe_stars.Catalogue({"teff": np.array([5000.0, 6000])}, np.array([b"a", b"b"]))
    limit = 5500
    assert len(grid.drop_failed_nodes(stars, FakeSampler()).ids) == 1
    words = "synthetic spectra (nodes of n.h5) that could not be computed"
    assert capsys.readouterr().out == f"left out 1 of 2 stars: they need {words}\n"
    limit = 0
    with pytest.raises(UserError, match="all 2 stars need synthetic spectra .nodes of n.h5."):
        grid.drop_failed_nodes(stars, FakeSampler())


@pytest.mark.slow
def test_a_killed_grid_continues_where_it_stopped(make_config):
    changes = {"wave.min": 5000.0, "wave.max": 5004.0, "wave.step": 0.1}
    changes |= {"grid.name": "three", "grid.nodes.padding": 0, "grid.labels.mh": 0.0}
    changes |= {"labels": ["teff", "logg", "vsini"]}
    changes |= {"grid.labels.teff": {"min": 6000, "max": 7000}}
    changes |= {"grid.labels.logg": {"min": 3.5, "max": 4.5}}
    make_config(changes)
    command = [sys.executable, str(ROOT / "grid.py")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    partial = Path("data/grids/three_nodes.h5.partial")
    while run.poll() is None:
        done = list(partial.glob("*/*.npy"))
        if len(done) >= 3:
            break
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    done = {path.name: path.stat().st_mtime_ns for path in partial.glob("*/*.npy")}
    assert 3 <= len(done) < 9 and not Path("data/grids/three_nodes.h5").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert f"{len(done)} of 9 nodes exist already" in again.stdout
    with h5py.File("data/grids/three.h5") as h5:
        assert h5["spectra/flux"].shape == (60, 40) and 0.2 < h5["spectra/flux"][:].min() < 1
