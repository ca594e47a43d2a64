"""Flags: rare on stars like those of training, raised on others, and the same after saving."""

import numpy as np
import pytest

from starlabels.learning import components, outliers

N_PIX, N_COMPONENTS = 400, 12
LEAST = np.array([-np.inf, 0.0])  # the width can be no less than nothing
ERROR = np.array(
    [2.0, 1.0]
)  # of the labels, in units of the noise per pixel: about what the lines allow
WAVE = np.linspace(-1, 1, N_PIX)
EDGE, UNLIKE = outliers.BITS["edge"], outliers.BITS["unlike"]

# The decoder of the fixture trains for 18 s; the fast tests see flags in the shared runs
pytestmark = pytest.mark.slow


def spectra(labels, shift=0.0):
    """Flux (n, n_pix) of two Gaussian lines.

    labels (n, 2): strength of one line (-1 to 1), and width of both (0 to 1).
    """
    strength, width = labels.T[:, :, None]
    depth = 0.0
    for place, weight in ((-0.4, 0.35 + 0.15 * strength), (0.3, 0.4)):
        depth = depth + weight * np.exp(
            -0.5 * ((WAVE - place - shift) / (0.05 + 0.05 * width)) ** 2
        )
    return (1 - depth).astype("f4")


def draw(n, seed):
    return np.random.default_rng(seed).uniform([-1, 0], [1, 1], (n, 2)).astype("f4")


def observe(flux, true, basis, seed, noise=(0.003, 0.05)):
    """(inputs, mean) of spectra (n, n_pix) in white noise, with labels as of an ideal network."""
    rng, n = np.random.default_rng(seed), len(flux)
    sigma = np.exp(rng.uniform(*np.log(noise), n))[:, None]
    projections = components.project_flux(
        (flux + sigma * rng.normal(size=flux.shape)).astype("f4"), basis
    )
    inputs = np.column_stack(
        [projections["components"], 0.5 * np.log(projections["outside"][:, 0] / basis.n_left)]
    )
    err = ERROR * sigma  # (n, 2)
    return inputs, true + err * rng.normal(size=true.shape)


@pytest.fixture(scope="module")
def basis():
    return components.fit_basis(spectra(draw(2000, 0)), N_COMPONENTS, 1, seed=1)


@pytest.fixture(scope="module")
def detector(basis):
    labels, validation = draw(2000, 0), draw(4000, 1)
    coefficients = components.project_flux(spectra(labels), basis)["components"]
    decoder = outliers.train_decoder(labels, coefficients, basis.variance, seed=1)
    return outliers.fit_detector(
        decoder, labels, coefficients, *observe(spectra(validation), validation, basis, 2), LEAST
    )


def rates(detector, *observed):
    """Fractions of stars that are flagged as edge and as unlike."""
    flags, _ = outliers.flag_outliers(detector, *observed)
    assert flags.dtype == np.uint8 and flags.shape == (len(observed[0]),)
    return np.mean(flags & EDGE > 0), np.mean(flags & UNLIKE > 0)


def test_decoder_returns_the_components_of_stars_it_has_not_seen(detector, basis):
    labels = draw(1000, 3)
    true = components.project_flux(spectra(labels), basis)["components"]
    error = outliers.predict_components(detector.decoder, labels) - true
    assert np.sqrt(np.mean(np.sum(error**2, axis=1)) / N_PIX) < 0.005  # of the continuum


@pytest.mark.parametrize("noise", [(0.003, 0.01), (0.01, 0.05)])
def test_stars_like_those_of_training_are_seldom_flagged_at_any_noise(detector, basis, noise):
    labels = draw(4000, 4)
    edge, unlike = rates(detector, *observe(spectra(labels), labels, basis, 5, noise))
    assert edge < 0.02 and unlike < 0.015


def test_labels_beyond_an_end_are_flagged_as_edge(detector, basis):
    labels = draw(500, 6)
    labels[:, 0] = 1.7
    assert rates(detector, *observe(spectra(labels), labels, basis, 7))[0] > 0.95


def test_a_spectrum_beyond_an_end_is_flagged_where_the_network_says_the_end(detector, basis):
    labels = draw(500, 6)
    labels[:, 0] = 1.7
    inputs, mean = observe(spectra(labels), labels, basis, 7)
    mean[:, 0] = 0.98
    assert rates(detector, inputs, mean)[0] > 0.95


def test_the_least_value_in_nature_is_no_end_but_the_greatest_of_training_is(detector):
    assert np.isneginf(detector.table["ends"][0]).tolist() == [False, True]
    assert np.isfinite(detector.table["ends"][1]).all()


@pytest.mark.parametrize(
    "change",
    [lambda flux: np.roll(flux, 20, axis=1), lambda flux: 1 - 2 * (1 - flux), np.ones_like],
    ids=["shifted", "twice as deep", "noise alone"],
)
def test_spectra_that_no_labels_give_are_flagged_as_unlike(detector, basis, change):
    labels = draw(500, 8)
    assert rates(detector, *observe(change(spectra(labels)), labels, basis, 9))[1] > 0.95


def test_errors_grow_with_how_unlike_a_star_is_and_only_then(detector, basis):
    labels = draw(1000, 17)
    _, like = outliers.flag_outliers(detector, *observe(spectra(labels), labels, basis, 18))
    _, unlike = outliers.flag_outliers(
        detector, *observe(1 - 2 * (1 - spectra(labels)), labels, basis, 18)
    )
    assert np.mean(like == 1) > 0.98 and like.mean() < 1.05
    assert np.median(unlike) > 2


def test_noise_far_above_that_of_training_is_flagged_and_below_it_is_not(detector, basis):
    labels = draw(1000, 10)
    assert rates(detector, *observe(spectra(labels), labels, basis, 11, (0.1, 0.2)))[1] == 1
    assert rates(detector, *observe(spectra(labels), labels, basis, 12, (1e-5, 1e-4)))[1] < 0.02


def test_what_is_not_a_number_is_unlike(detector, basis):
    labels = draw(5, 13)
    inputs, mean = observe(spectra(labels), labels, basis, 14)
    inputs[0, 3], inputs[1, -1], mean[2, 0], inputs[3, 0] = np.nan, np.nan, np.nan, 1e30
    flags, _ = outliers.flag_outliers(detector, inputs, mean)
    assert np.all(flags[:4] & UNLIKE)


def test_validation_without_noise_sets_thresholds_too(detector, basis):
    labels = draw(2000, 0)
    inputs = np.column_stack(
        [components.project_flux(spectra(labels), basis)["components"], np.full(2000, np.log(1e-3))]
    )
    noise_free = outliers.fit_detector(
        detector.decoder, labels, inputs[:, :-1], inputs, labels, LEAST
    )
    assert np.mean(outliers.flag_outliers(noise_free, inputs, labels)[0] > 0) < 0.02


def test_flags_are_the_same_after_saving_decoder_and_table(detector, basis, tmp_path):
    import keras

    detector.decoder.save(tmp_path / "decoder.keras")
    np.savez(tmp_path / "table.npz", **detector.table)
    again = outliers.OutlierDetector(
        keras.models.load_model(tmp_path / "decoder.keras", safe_mode=True),
        dict(np.load(tmp_path / "table.npz")),
    )
    labels = draw(1000, 15)
    observed = observe(spectra(labels, shift=0.02), labels, basis, 16)
    for one, other in zip(
        outliers.flag_outliers(again, *observed), outliers.flag_outliers(detector, *observed)
    ):
        np.testing.assert_array_equal(one, other)


def test_every_bit_has_a_rule_in_words():
    assert outliers.BITS.keys() == outliers.RULES.keys()
    assert len({*outliers.BITS.values()}) == len(outliers.BITS)
