"""Labels that are missing or have errors, from join to test."""

import json

import h5py
import numpy as np
import pytest
from conftest import change_sections, draw_labels, toy_spectra

from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.base.errors import UserError
from starlabels.config import digests, paths
from starlabels.config.run import Run
from starlabels.learning import calibration, losses
from starlabels.stages import join, preprocess, score_labels, train_labels


def loss_and_gradient(true, output):
    """The loss (n,) and its gradient (n, 2 n_labels)."""
    import tensorflow as tf

    x = tf.Variable(output.astype("f4"))
    with tf.GradientTape() as tape:
        loss = losses.gaussian_nll(tf.constant(true.astype("f4")), x)
        total = tf.reduce_sum(loss)
    return loss.numpy(), tape.gradient(total, x).numpy()


def test_a_missing_label_neither_teaches_nor_spoils():
    output = np.array([[1.0, 2.0, 0.5, -0.5]] * 3)
    nan = np.nan
    true = np.array([[1.5, nan, 0.2, nan], [1.5, 7.0, 0.2, 0.1], [nan, nan, nan, nan]])
    loss, gradient = loss_and_gradient(true, output)
    variance = np.exp(0.5) + 0.2**2
    assert loss[0] == pytest.approx(0.5 * (0.5**2 / variance + np.log(variance)), rel=1e-5)
    assert np.isfinite(loss).all() and np.isfinite(gradient).all()
    assert loss[2] == 0 and not gradient[2].any()
    assert not gradient[0, [1, 3]].any() and gradient[0, [0, 2]].all()


def test_labels_without_errors_cost_what_complete_ones_do():
    rng = np.random.default_rng(0)
    true, output = rng.normal(size=(20, 3)), rng.normal(size=(20, 6))
    plain, _ = loss_and_gradient(true, output)
    padded, _ = loss_and_gradient(np.c_[true, np.full((20, 3), np.nan)], output)
    np.testing.assert_allclose(padded, plain, rtol=1e-5)


def test_a_factor_is_found_also_where_labels_have_errors():
    rng, n = np.random.default_rng(1), 20_000
    own, err = np.full((n, 1), 0.8), np.full((n, 1), 0.5)  # the network says 0.5, the truth is 1
    mean, true = rng.normal(size=(n, 1)), own * rng.normal(size=(n, 1))
    true[::3] = np.nan
    table = calibration.fit_calibration(true, mean, err, np.full(n, 100.0), own)
    assert table["factor"] == pytest.approx(2, rel=0.05)
    found = calibration.score_errors(
        true, mean, calibration.apply_calibration(table, err, np.full(n, 100.0)), own
    )
    assert found["coverage_68"] == pytest.approx(0.6827, abs=0.01) and found[
        "pull_std"
    ] == pytest.approx(1, abs=0.03)


@pytest.fixture
def survey(make_config):
    """A Config whose grid has labels with holes, errors and a bitmask, joined."""
    cfg = make_config({"train.max_epochs": 3, "train.passes": 2, "train.batch_size": 32})
    labels, rng = draw_labels(cfg, 400), np.random.default_rng(3)
    flux = toy_spectra(cfg.wave.grid(), labels)
    labels["bits"] = np.where(rng.uniform(size=400) < 0.2, 4.0, 1.0)
    names = list(labels)
    value = np.column_stack([labels[name] for name in names]).astype("f4")
    value[:50, names.index("mh")] = np.nan
    error = np.full_like(value, np.nan)
    error[:, names.index("teff")] = 50.0
    path = paths.run_paths(cfg).grid
    with hdf5.create_file(path, "grid", digests.stage_digest(cfg, "grid"), cfg.text) as h5:
        hdf5_spectra.write_wave(h5, cfg.wave.grid(), "air", cfg.grid.resolving_power)
        hdf5_spectra.create_spectra(h5, 400, cfg.wave.n_pix)[:] = flux
        hdf5_labels.write_labels(h5, value, names, [""] * len(names), error)
    entry = cfg.join.databases[0].model_copy(
        update={"path": str(path), "missing": {"logg": {"bits": [2, 3]}}}
    )
    return change_sections(cfg, join={"databases": [entry]})


def test_bits_become_holes_and_errors_are_carried(survey, capsys):
    join.join_databases(Run(survey))
    assert "logg is taken as missing in" in capsys.readouterr().out
    with h5py.File(paths.run_paths(survey).joined) as h5:
        names = list(h5["labels/value"].attrs["names"])
        value, error = h5["labels/value"][:], h5["labels/error"][:]
    hidden = value[:, names.index("bits")] == 4
    assert (
        np.isnan(value[hidden, names.index("logg")]).all()
        and np.isfinite(value[~hidden, names.index("logg")]).all()
    )
    assert (error[:, names.index("teff")] == 50).all() and np.isnan(
        error[:, names.index("mh")]
    ).all()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"loggg": {"bits": [2]}}, "no column loggg"),
        ({"logg": {"bitz": [2]}}, "no column bitz"),
        ({"logg": {"teff": [2]}}, "teff is no bitmask"),
    ],
)
def test_a_bitmask_that_is_none_is_an_error(survey, missing, message):
    entry = survey.join.databases[0].model_copy(update={"missing": missing})
    with pytest.raises(UserError, match=message):
        join.join_databases(Run(change_sections(survey, join={"databases": [entry]})))


@pytest.mark.slow
def test_a_survey_with_holes_is_learnt_and_scored(survey):
    for stage in (
        join.join_databases,
        preprocess.prepare_spectra,
        train_labels.train_label_network,
        score_labels.score_labels,
    ):
        stage(Run(survey))
    metrics = json.loads(paths.run_paths(survey).metrics.read_text())
    for scores in metrics["snr"].values():
        assert all(np.isfinite(list(values.values())).all() for values in scores.values())


def test_mean_squares_want_complete_labels(survey):
    join.join_databases(Run(survey))
    with pytest.raises(
        UserError, match="NaN labels, logg in .* use train.loss: gaussian_nll, or exclude them"
    ):
        preprocess.prepare_spectra(Run(change_sections(survey, train={"loss": "mse"})))
