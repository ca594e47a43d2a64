"""Features of a table: known stars, known dust, and flags for missing values."""

from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
import yaml
from conftest import ROOT, build_without_dropout
from keras import ops

from starlabels.base import photometry
from starlabels.base.errors import UserError
from starlabels.catalogues import features
from starlabels.config import load
from starlabels.learning import losses, noisy_spectra
from starlabels.learning.networks import build_predictor
from starlabels.learning.networks.layers import Flagged
from starlabels.stages import preprocess

BANDS = {"g_mag": "G", "j_mag": "J", "k_mag": "Ks"}
KINDS = ["apparent", "apparent_0", "absolute", "absolute_0", "colours", "colours_0"]
STAR = {"g_mag": [10.0], "j_mag": [9.0], "k_mag": [8.5], "a_v": [1.0], "parallax": [100.0]}


def asked(**changes):
    """A section `features` of three magnitudes that gives all there is."""
    values = {
        "magnitudes": BANDS,
        "a_v": "a_v",
        "parallax": "parallax",
        "least_parallax": 0.1,
        "distance": None,
    }
    return SimpleNamespace(**values | {"give": KINDS, "columns": [], "hidden": 0} | changes)


def made(table, **changes):
    """{feature: (n,)} of columns {name: [n numbers]}, and the features.Table."""
    found = features.compute_features(
        asked(**changes), {name: np.array(values, float) for name, values in table.items()}
    )
    return dict(zip(found.names, found.values.T)), found


def test_at_ten_parsec_the_absolute_magnitude_is_the_apparent_one():
    found, _ = made(STAR)
    assert found["modulus"] == pytest.approx(0, abs=1e-6)
    assert all(found[f"abs_{name}"] == pytest.approx(found[name]) for name in BANDS)
    by_distance, _ = made(STAR | {"distance": [1000.0]}, parallax=None, distance="distance")
    assert by_distance["abs_g_mag"] == pytest.approx(0)  # 10 - 5 log10(1000 / 10)


def test_a_parallax_below_the_least_counts_as_that():
    stars = {name: values * 3 for name, values in STAR.items()} | {"parallax": [0.1, 0.02, -1.0]}
    found, _ = made(stars)
    assert found["modulus"] == pytest.approx(15)  # 10 kpc


def test_a_band_loses_the_extinction_of_its_wavelength():
    assert photometry.compute_relative_extinction("V") == pytest.approx(1, abs=0.01)
    assert photometry.compute_relative_extinction("Ks") == pytest.approx(
        0.12, abs=0.02
    ) and photometry.compute_relative_extinction("BP") > photometry.compute_relative_extinction("G")
    found, _ = made(STAR)
    assert found["g_mag_0"] == pytest.approx(10 - photometry.compute_relative_extinction("G"))
    assert found["abs_g_mag_0"] == pytest.approx(found["g_mag_0"])  # at 10 pc


def test_a_colour_without_extinction_is_bluer_by_the_difference_of_both_bands():
    found, _ = made(STAR)
    assert found["g_mag-j_mag"] == pytest.approx(1) and found["j_mag-k_mag"] == pytest.approx(0.5)
    reddening = photometry.compute_relative_extinction(
        "G"
    ) - photometry.compute_relative_extinction("J")
    assert reddening > 0.4 and found["g_mag-j_mag_0"] == pytest.approx(1 - reddening)


@pytest.mark.parametrize("column", ["j_mag", "parallax", "a_v"])
def test_a_missing_value_hides_exactly_the_features_made_of_it(column):
    found, table = made({**STAR, "extra": [1.0]} | {column: [np.nan]}, columns=["extra"])
    of_it = table.uses[:, features.list_feature_columns(asked(columns=["extra"])).index(column)]
    assert of_it.any() and not of_it.all()
    assert np.array_equal(np.isnan(table.values[0]), of_it)
    assert np.isfinite(found["extra"])


def test_training_hides_a_share_of_the_columns_and_prediction_none():
    _, table = made({name: values * 4000 for name, values in STAR.items()})
    rows, rng = np.arange(4000), np.random.default_rng(0)
    stars = noisy_spectra.SpectraWithFeatures(None, table.values, table.uses, hidden=0.2)
    hidden, shown = np.isnan(stars.batch(rows, None, rng)), stars.batch(rows, None, None)
    assert np.isfinite(shown).all() and stars.n_inputs == len(table.names)
    assert hidden.mean(axis=0) == pytest.approx(1 - 0.8 ** table.uses.sum(axis=1), abs=0.03)
    gone = {name: hidden[:, table.names.index(name)] for name in ("j_mag", "a_v", "j_mag_0")}
    assert np.array_equal(gone["j_mag_0"], gone["j_mag"] | gone["a_v"])


def test_flagged_gives_zero_and_a_flag_for_nan_and_survives_a_file(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, Flagged()(inputs))
    model.layers[-1].set_weights([np.array([10.0, 5.0]), np.array([2.0, 1.0])])
    stars = np.array([[10.2, np.nan], [np.nan, 1e6]], "f4")
    found = np.asarray(model(stars))
    assert found == pytest.approx(np.array([[0.1, 0, 0, 1], [0, Flagged.most, 1, 0]]), abs=1e-4)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(stars), found)


def test_an_ensemble_answers_with_the_mean_and_the_total_variance_of_its_members():
    keras.utils.set_random_seed(0)
    network = build_without_dropout("residual_mlp", 4, 2 * 2, width=8, blocks=1, members=3)
    stars = np.random.default_rng(0).normal(size=(5, 4)).astype("f4")
    each = np.asarray(network(stars))
    assert each.shape == (5, 3, 4) and each.std(axis=1).min() > 1e-3  # members differ
    mean, total, between = np.split(
        np.asarray(build_predictor(network, "residual_mlp", {"members": 3})(stars)), 3, axis=1
    )
    np.testing.assert_allclose(mean, each[..., :2].mean(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.exp(between), each[..., :2].var(axis=1), rtol=1e-4)
    np.testing.assert_allclose(
        np.exp(total), each[..., :2].var(axis=1) + np.exp(each[..., 2:]).mean(axis=1), rtol=1e-4
    )


def test_members_without_errors_learn_each_for_itself_and_answer_with_their_mean():
    keras.utils.set_random_seed(0)
    network = build_without_dropout("spectrum_table_cnn", 40, 2, n_features=3, members=3)
    stars, true = (np.random.default_rng(0).normal(size=(5, n)).astype("f4") for n in (40, 2))
    each = np.asarray(network(stars))
    assert each.shape == (5, 3, 2) and each.std(axis=1).min() > 1e-3  # members differ
    mean = np.asarray(
        build_predictor(network, "spectrum_table_cnn", {"members": 3}, errors=False)(stars)
    )
    np.testing.assert_allclose(mean, each.mean(axis=1), rtol=1e-5, atol=1e-6)
    loss = ops.convert_to_numpy(
        losses.mse(ops.convert_to_tensor(true), ops.convert_to_tensor(each))
    )
    assert loss.mean() == pytest.approx(np.mean((each - true[:, None]) ** 2), rel=1e-5)


@pytest.mark.parametrize("with_errors", [False, True])
def test_members_learn_by_the_mean_of_their_losses(with_errors):
    rng = np.random.default_rng(0)
    true, output = rng.normal(size=(6, 2)).astype("f4"), rng.normal(size=(6, 3, 4)).astype("f4")
    if with_errors:
        true = np.concatenate([true, np.full_like(true, 0.3)], axis=1)
        true[0, 0] = np.nan
    together = ops.convert_to_numpy(
        losses.gaussian_nll(ops.convert_to_tensor(true), ops.convert_to_tensor(output))
    )
    alone = [
        ops.convert_to_numpy(losses.gaussian_nll(true, ops.convert_to_tensor(output[:, i])))
        for i in range(3)
    ]
    assert together.mean() == pytest.approx(np.mean(alone), rel=1e-5)


def split_by(column, values):
    """given_split of a joined file with labels teff and `part` (n,)."""
    h5 = h5py.File("joined.h5", "w", driver="core", backing_store=False)
    h5["labels/value"] = np.column_stack([np.arange(len(values)), values]).astype("f4")
    h5["labels/value"].attrs["names"] = ["teff", "part"]
    return preprocess.read_split(
        h5,
        SimpleNamespace(seed=1, preprocess=SimpleNamespace(split=SimpleNamespace(column=column))),
    )


def test_a_column_says_which_part_a_row_belongs_to(capsys):
    values = np.array([0, 1, 2, 0, 2, np.nan, 7, 0])
    parts = split_by("part", values)
    assert {part: sorted(rows) for part, rows in parts.items()} == {
        "train": [0, 3, 7],
        "validation": [1],
        "test": [2, 4],
    }
    assert "2 rows are in no part" in capsys.readouterr().out
    assert split_by(None, values) is None


def test_a_split_column_that_is_not_there_or_leaves_a_part_empty_is_an_error():
    with pytest.raises(UserError, match="no fold: correct preprocess.split.column"):
        split_by("fold", np.zeros(3))
    with pytest.raises(UserError, match="no row has part 1, validation"):
        split_by("part", np.array([0, 2]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a_v": None, "give": ["absolute_0"]}, "features.give: absolute_0 needs a_v"),
        (
            {"parallax": None, "give": ["absolute"]},
            "features.give: absolute needs parallax or distance",
        ),
        ({"distance": "far"}, "features.distance: expected null where parallax is given"),
        (None, "wave: found null, expected a section `features` too"),
        ({"magnitudes": {"g_mag": "Y"}}, "features.magnitudes.g_mag: found 'Y', unknown"),
    ],
)
def test_features_that_lack_what_they_are_made_of_are_named(tmp_path, changes, message):
    values = load.read_recipe(ROOT / "recipes/sos_ours.yaml")
    values["features"] = values["features"] | changes if changes else None
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(UserError) as error:
        load.load_config(path)
    assert message in str(error.value)
