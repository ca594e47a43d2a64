"""Pseudo-luminosities and distances: known stars and propagated errors."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import change_sections, draw_labels, toy_spectra, write_grid

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.catalogues import distances, sdss_flags
from starlabels.config import digests, paths
from starlabels.config.run import Run
from starlabels.stages import join, preprocess, score_labels, train_labels


def test_a_star_of_absolute_magnitude_zero_at_100_parsec():
    assert distances.compute_fakemag(10.0, 5.0, 0.0) == pytest.approx(100.0)  # 10^(M_K / 5 + 2)
    assert distances.compute_distance(100.0, 0.0, 5.0, 0.0)[0] == pytest.approx(100.0)
    assert distances.compute_parallax(100.0, 5.0, 0.0) == pytest.approx(10.0)


def test_extinction_brings_a_star_nearer():
    near, _ = distances.compute_distance(100.0, 0.0, 5.0, 0.3)
    assert near == pytest.approx(100 * 10**-0.06)
    assert distances.compute_distance(100.0, 0.0, 5.0, np.nan)[0] == pytest.approx(100.0)


def test_two_stars_with_swapped_magnitudes_get_swapped_brightness():
    k = np.array([5.0, 9.0])
    one, _ = distances.compute_distance([100.0, 100.0], 0.0, k, 0.0)
    other, _ = distances.compute_distance([100.0, 100.0], 0.0, k[::-1], 0.0)
    np.testing.assert_allclose(one, other[::-1])


def test_errors_are_those_of_many_draws():
    rng, n = np.random.default_rng(0), 200_000
    drawn, _ = distances.compute_distance(
        rng.normal(100, 5, n), 0.0, rng.normal(9, 0.02, n), rng.normal(0.2, 0.03, n)
    )
    value, error = distances.compute_distance(100.0, 5.0, 9.0, 0.2, 0.02, 0.03)
    assert np.median(drawn) == pytest.approx(value, rel=1e-3) and drawn.std() == pytest.approx(
        error, rel=0.02
    )


def test_what_is_missing_or_impossible_has_no_distance():
    found, error = distances.compute_distance([100.0, -1.0, np.nan], 1.0, [np.nan, 9.0, 9.0], 0.0)
    assert np.isnan(found).all() and np.isnan(error).all()


@pytest.fixture
def group(tmp_path):
    """group(k_mag, a_k, ...): an open part of 2_prepared.h5 with these columns of stars (n,)."""

    def write(**columns):
        h5 = h5py.File(tmp_path / "part.h5", "w")
        h5["labels/value"] = np.column_stack(list(columns.values()))
        h5["labels/value"].attrs["names"] = list(columns)
        return h5

    return write


def test_stars_with_swapped_magnitudes_and_extinctions_get_swapped_distances(group):
    found = {"mean": np.full((3, 1), 100.0), "err": np.full((3, 1), 5.0)}
    one = distances.compute_part_distances(found, group(k_mag=[5.0, 9.0, 7.0], a_k=[0.0, 0.3, 0.1]))
    other = distances.compute_part_distances(
        found, group(k_mag=[9.0, 5.0, 7.0], a_k=[0.3, 0.0, 0.1])
    )
    for name in ("distance", "distance_err", "parallax", "parallax_err"):
        np.testing.assert_allclose(one[name], other[name][[1, 0, 2]])
    np.testing.assert_allclose(one["distance"], [100, 10 ** (2 + 0.2 * 3.7), 10 ** (2 + 0.2 * 1.9)])


def test_errors_of_magnitudes_are_in_distances_and_in_what_they_are_learnt_from(group):
    h5 = group(k_mag=[9.0], a_k=[0.2], parallax=[2.0])
    h5["labels/error"] = np.array([[0.03, 0.04, 0.01]])
    found = distances.compute_part_distances(
        {"mean": np.full((1, 1), 100.0), "err": np.zeros((1, 1))}, h5, offset=-0.05
    )
    part = 0.2 * np.log(10) * 0.05
    assert found["distance_err"] / found["distance"] == pytest.approx(part)
    assert found["parallax_err"] / found["parallax"] == pytest.approx(part)
    assert found["catalogue_parallax"] == pytest.approx(2.05) and found[
        "catalogue_parallax_err"
    ] == pytest.approx(0.01)
    labels = pd.DataFrame({"parallax": [2.0, 2.0], "k_mag": [9.0, 9.0], "a_k": [0.2, 0.2]})
    errors = pd.DataFrame({"parallax": [0.01, np.nan], "k_mag": [0.03, 0.03], "a_k": [0.04, 0.04]})
    distances.add_fakemag(labels, errors, "a.h5")
    assert errors["fakemag"][0] / labels["fakemag"][0] == pytest.approx(np.hypot(0.005, part))
    assert np.isnan(labels["fakemag"][1])  # a parallax without error teaches nothing


def test_beyond_the_reach_of_parallaxes_their_errors_are_compared_with_the_network_s(group):
    rng, n = np.random.default_rng(0), 4000
    truth = 10 ** rng.uniform(2, 4, n)
    scatter = rng.normal(0, 0.03, n)
    stars = {
        "distance": truth * (1 + scatter),
        "distance_flags": np.zeros(n, int),
        "parallax": 1000 / truth * (1 + scatter),
        "parallax_err": 0.03 * 1000 / truth,
        "distance_true": truth,
        "catalogue_parallax": 1000 / truth + rng.normal(0, 0.05, n),
        "catalogue_parallax_err": np.full(n, 0.05),
    }
    found = distances.score_distances(stars)
    assert found["reach"] == pytest.approx(2000, rel=0.05)  # 0.05 mas is a tenth of 0.5
    assert found["coverage_68"] == pytest.approx(0.6827, abs=0.02)
    assert (
        found["network_beyond"] == pytest.approx(0.67 * 0.03, rel=0.1)
        and found["catalogue_beyond"] > 0.1
    )
    assert distances.compute_catalogue_errors(
        np.array([-0.1, 2.0]), np.array([500.0, 500.0])
    ).tolist() == [np.inf, 0.0]
    del stars["catalogue_parallax"]
    assert "reach" not in distances.score_distances(stars)


@pytest.fixture
def survey(make_config):
    """Config of a written mock survey: fakemag follows Teff, parallaxes are 0.05 mas too small."""
    train = {
        "train.loss": "parallax_nll",
        "train.max_epochs": 20,
        "train.passes": 8,
        "train.batch_size": 64,
    }
    train["model"] = {"builder": "residual_mlp", "width": 32, "blocks": 1}
    cfg = make_config(
        {**train, "labels": ["fakemag"], "test.snr": [[200, 400]], "train.noise.snr_min": 100}
    )
    n, rng = 1500, np.random.default_rng(4)
    labels = draw_labels(cfg, n)
    magnitude = 2 - (labels["teff"] - 8000) / 800
    far, a_k = 10 ** rng.uniform(2, 3, n), rng.uniform(0, 0.3, n)
    k_mag = magnitude + 5 * np.log10(far / 10) + a_k
    flux, error = toy_spectra(cfg.wave.grid(), labels), rng.uniform(0.01, 0.05, n)
    labels |= {
        "parallax": 1000 / far - 0.05 + error * rng.normal(size=n),
        "k_mag": k_mag,
        "a_k": a_k,
        "distance": far,
    }
    labels["k_mag"][:20], labels["a_k"][20:40] = np.nan, np.nan  # a survey has such stars
    value = np.column_stack(list(labels.values())).astype("f4")
    errors = np.full_like(value, np.nan)
    errors[:, list(labels).index("parallax")] = error
    path = paths.run_paths(cfg).grid
    with hdf5.create_file(path, "grid", digests.stage_digest(cfg, "grid"), cfg.text) as h5:
        hdf5_spectra.write_wave(h5, cfg.wave.grid(), "air", cfg.grid.resolving_power)
        hdf5_spectra.create_spectra(h5, n, cfg.wave.n_pix)[:] = flux
        hdf5_labels.write_labels(h5, value, labels, [""] * len(labels), errors)
    return change_sections(
        cfg, join={"databases": [cfg.join.databases[0].model_copy(update={"path": str(path)})]}
    )


@pytest.mark.slow
def test_a_survey_teaches_distances_and_the_offset_of_its_parallaxes(survey, capsys):
    for stage in (
        join.join_databases,
        preprocess.prepare_spectra,
        train_labels.train_label_network,
        score_labels.score_labels,
    ):
        stage(Run(survey))
    metrics = json.loads(paths.run_paths(survey).metrics.read_text())
    assert (paths.run_paths(survey).figure_dir / "4_distance_200_400.png").exists()
    assert metrics["parallax_offset"] == pytest.approx(-0.05, abs=0.015)
    found = metrics["distance"]["200_400"]
    assert found["median_fraction"] < 0.06 and 0.5 < found["coverage_68"] < 0.85
    printed = capsys.readouterr().out
    assert (
        "fitted zero point of the parallaxes: -0.0" in printed
        and "distances at S/N 200-400: median |error|" in printed
    )


def test_cuts_may_ask_errors_of_labels(survey, capsys):
    entry = survey.join.databases[0].model_copy(update={"where": "parallax_err < 0.05"})
    join.join_databases(Run(change_sections(survey, join={"databases": [entry]})))
    assert "excluded by where" in capsys.readouterr().out


def test_fakemag_without_its_columns_says_which(make_config):
    cfg = make_config({"labels": ["fakemag"], "train.loss": "parallax_nll"})
    write_grid(cfg)
    with pytest.raises(
        UserError,
        match="fakemag is made of parallax, k_mag, a_k; .* but no parallax, k_mag, a_k: add it",
    ):
        join.join_databases(Run(cfg))


def test_where_every_distance_is_flagged_bad_the_scores_say_of_no_star():
    stars = {
        "distance_true": np.ones(3),
        "distance": np.ones(3),
        "distance_flags": np.full(3, sdss_flags.FAKEMAG_UNRELIABLE),
    }
    found = distances.score_distances(stars)
    assert found["n"] == 0 and np.isnan(found["median_fraction"])


def test_a_handful_of_stars_tells_no_reach():
    assert distances.find_reach(np.full(60, 5000.0), np.full(60, 0.05)) is None
