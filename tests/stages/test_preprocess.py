"""Preparing: stars are in one part only, scaling is fitted on training stars, nothing is lost."""

import h5py
import numpy as np
import pytest
from conftest import (
    change_sections,
    draw_labels,
    draw_quickly,
    toy_spectra,
    write_grid,
    write_published,
)

from starlabels.base import hdf5, hdf5_labels
from starlabels.base.errors import UserError
from starlabels.base.labels import scale_labels, unscale_labels
from starlabels.config import digests, paths
from starlabels.config.data_sections import Split
from starlabels.config.run import Run
from starlabels.stages import join, label_study, preprocess

PUBLISHED_SPLIT = Split(train=0.6, validation=0.2, test=0.2)


def prepare(cfg, n=200, star_id=None):
    """Write a toy grid, join and preprocess it."""
    write_grid(cfg, n, star_id=star_id)
    join.join_databases(Run(cfg))
    preprocess.prepare_spectra(Run(cfg))


def read(cfg):
    """{part: {dataset: array}}, mean and standard deviation of the prepared file.

    Of the labels, `labels` (n, n_labels) are those of the recipe and `all_labels` are all.
    """
    with hdf5.open_stage(
        paths.run_paths(cfg).prepared, "2_preprocess", digests.stage_digest(cfg, "2_preprocess")
    ) as h5:
        parts = {}
        for part in preprocess.PARTS:
            group = h5[part]
            parts[part] = {
                "labels": hdf5_labels.read_labels(group, cfg.labels),
                "all_labels": group["labels/value"][:],
                **{name: data[:] for name, data in group.items() if name != "labels"},
            }
        return parts, h5["scaling/mean"][:], h5["scaling/std"][:]


def test_split_never_shares_a_star():
    star_id = np.random.default_rng(0).integers(0, 300, 2000).astype("S")
    parts = preprocess.split_stars(star_id, PUBLISHED_SPLIT, np.random.default_rng(1))
    stars = [set(star_id[rows]) for rows in parts.values()]
    assert not stars[0] & stars[1] | stars[0] & stars[2] | stars[1] & stars[2]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(2000))
    assert len(stars[0]) == pytest.approx(0.6 * 300, abs=1)


def test_split_follows_the_seed():
    star_id = np.arange(100).astype("S")
    rows = [
        preprocess.split_stars(star_id, PUBLISHED_SPLIT, np.random.default_rng(seed))["train"]
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_spectra_of_a_stepped_grid_never_share_a_node(make_config):
    steps = {"min": 6000, "max": 8000, "step": 500}
    few = {
        "teff": steps,
        "logg": {"min": 3, "max": 5, "step": 0.5},
        "mh": {"min": 0, "max": 1, "step": 1},
        "vsini": 0,
    }
    cfg = make_config({"grid.labels": few, "labels": ["teff", "logg", "mh"]})
    prepare(cfg)
    parts, _, _ = read(cfg)
    nodes = [set(map(tuple, part["all_labels"])) for part in parts.values()]
    assert not nodes[0] & nodes[1] | nodes[0] & nodes[2] | nodes[1] & nodes[2]


def test_prepared_rows_are_the_joined_rows_shuffled(make_config):
    cfg = make_config()
    prepare(cfg, star_id=[f"s{i // 2}" for i in range(200)])
    parts, _, _ = read(cfg)
    with hdf5.open_stage(paths.run_paths(cfg).joined, "0_join") as h5:
        flux, labels, stars = (
            h5["spectra/flux"][:],
            hdf5_labels.read_labels(h5, cfg.labels),
            h5["star_id"][:],
        )
        everything = hdf5_labels.read_labels(h5, hdf5_labels.read_label_names(h5))
    for part in parts.values():
        rows = part["joined_row"]
        assert (np.diff(rows) < 0).any()
        assert np.array_equal(part["flux"], flux[rows])
        assert np.array_equal(part["labels"], labels[rows])
        assert np.array_equal(part["all_labels"], everything[rows])
        assert np.array_equal(part["star_id"], stars[rows])
    assert sum(len(part["labels"]) for part in parts.values()) == 200


def test_scaling_is_fitted_on_the_training_part_only(make_config):
    cfg = make_config()
    prepare(cfg)
    parts, mean, std = read(cfg)
    scaled = scale_labels(parts["train"]["labels"].astype("f8"), mean, std)
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(scaled.std(axis=0), 1)
    assert np.abs(scale_labels(parts["test"]["labels"], mean, std).mean(axis=0)).max() > 1e-3
    assert np.allclose(unscale_labels(scaled, mean, std), parts["train"]["labels"])


def test_the_rows_in_memory_do_not_change_the_result(make_config):
    prepare(make_config())
    before, _, _ = read(make_config())
    prepare(make_config({"preprocess.chunk_rows": 100}))
    after, _, _ = read(make_config())
    assert np.array_equal(before["train"]["flux"], after["train"]["flux"])


def test_what_cannot_be_learnt_is_one_line(make_config):
    with pytest.raises(UserError, match="vmic is constant"):
        prepare(make_config({"labels": ["teff", "vmic"]}))
    with pytest.raises(UserError, match="part of 2 stars is empty"):
        prepare(make_config(), 2)
    cfg = make_config({"join.databases": [{"path": "a.h5"}]})
    labels = draw_labels(cfg, 30)
    flux = toy_spectra(cfg.wave.grid(), labels)
    labels["logg"][:3] = np.nan
    write_published("a.h5", labels, flux)
    join.join_databases(Run(cfg))
    with pytest.raises(
        UserError,
        match="NaN labels, logg in 3 of 30 spectra; use .* exclude them by `where: logg == logg`",
    ):
        preprocess.prepare_spectra(Run(change_sections(cfg, train={"loss": "mse"})))


def test_a_stale_joined_file_asks_to_join_again(make_config):
    prepare(make_config())
    preprocess.prepare_spectra(Run(make_config({"train.max_epochs": 3})))
    with pytest.raises(
        UserError,
        match="0_joined.h5 was made with other settings of labels: re-run python 0_join.py",
    ):
        preprocess.prepare_spectra(Run(make_config({"labels": ["teff"]})))


def test_a_deleted_foreign_database_does_not_make_its_joined_file_stale(make_config, tmp_path):
    cfg = make_config({"join.databases": [{"path": "a.h5"}]})
    labels = draw_labels(cfg, 30)
    write_published("a.h5", labels, toy_spectra(cfg.wave.grid(), labels))
    join.join_databases(Run(cfg))
    (tmp_path / "a.h5").unlink()
    preprocess.prepare_spectra(Run(cfg))


def test_the_study_says_what_is_odd():
    rng = np.random.default_rng(0)
    steps = rng.choice(np.arange(6000, 10001, 500.0), 900)
    assert label_study.describe_label("vmic", np.full(50, 2.0), "km/s", True) == [
        "vmic is constant (2 km/s): the network cannot learn it"
    ]
    assert label_study.describe_label("teff", steps, "K", True) == [
        "teff takes 9 values, 6000..10000 K in steps of 500"
    ]
    assert label_study.describe_label("mh", rng.uniform(-1, 1, 5000), "dex", True) == []
    gap = np.r_[rng.uniform(3, 3.5, 500), rng.uniform(4, 5, 500), np.nan]
    missing, hole = label_study.describe_label("logg", gap, "dex", True)
    assert missing == "logg is missing in 1 of 1 001 spectra"
    assert hole.startswith("logg has a gap: none between 3.49")


def test_the_study_draws_figures_with_and_without_logg(make_config, capsys, tmp_path, monkeypatch):
    draw_quickly(monkeypatch)
    cfg = make_config()
    prepare(cfg)
    label_study.study_labels(Run(cfg))
    figures = tmp_path / "figures" / cfg.run
    assert sorted(path.name for path in figures.iterdir()) == [
        "1_histograms.png",
        "1_kiel.png",
        "1_pairs.png",
    ]
    assert "vmic is constant (2 km/s)\n" in capsys.readouterr().out
    labels = draw_labels(cfg, 30)
    flux = toy_spectra(cfg.wave.grid(), labels)
    cfg = make_config({"labels": ["teff"], "join.databases": [{"path": "a.h5"}]})
    write_published("a.h5", labels, flux)
    with h5py.File("a.h5", "a") as h5:
        del h5["LOGG"]
    join.join_databases(Run(cfg))
    label_study.study_labels(Run(cfg))
    assert "no Kiel diagram: logg not among the labels" in capsys.readouterr().out
    assert not (figures / "1_kiel.png").exists()
