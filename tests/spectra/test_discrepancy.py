"""The model discrepancy finds the differences that were put into simulated stars."""

import numpy as np
import pytest

from starlabels.base.errors import UserError
from starlabels.spectra.continuum import fit_continuum_model
from starlabels.spectra.discrepancy import scale_labels
from starlabels.spectra.discrepancy_files import load_discrepancy, save_discrepancy
from starlabels.spectra.discrepancy_fit import fit_discrepancy

N_PIX = 200
WAVE = 4500 + np.arange(N_PIX)
ERRORS = np.array([50.0, 0.1, 0.06])  # of labels
SIZE = 0.005  # of the remainders, per pixel


def make_shapes(n, seed):
    """Smooth random spectra (n, N_PIX) with rms 1."""
    noise = np.random.default_rng(seed).normal(size=(n, N_PIX + 20))
    smooth = np.array([np.convolve(row, np.ones(21), mode="valid") for row in noise])
    return smooth / np.sqrt((smooth**2).mean(axis=1, keepdims=True))


SHAPES = make_shapes(6, 1)  # of the mean difference
REMAINDERS = make_shapes(8, 2)
EFFECTS = make_shapes(3, 3) * np.array([[1e-4], [0.03], [0.05]])  # d flux / d label


def true_mean(labels):
    """The mean difference (n, N_PIX) of the simulated stars."""
    theta, logg, mh = scale_labels(labels).T
    terms = np.column_stack([np.ones(len(labels)), theta, logg, mh, theta**2, theta * mh])
    return 0.01 * terms @ SHAPES


def draw_labels(n, rng):
    """Labels (n, 3) of FGK stars."""
    ranges = ((4800, 7000), (2, 5), (-1.0, 0.3))
    return np.column_stack([rng.uniform(*span, n) for span in ranges])


def simulate(n=250, seed=0):
    """Labels with errors (n, 3) of simulated stars, and their differences (n, N_PIX)."""
    rng = np.random.default_rng(seed)
    labels = draw_labels(n, rng)
    label_error = rng.normal(size=(n, 3)) * ERRORS
    remainder = SIZE / np.sqrt(len(REMAINDERS)) * rng.normal(size=(n, len(REMAINDERS))) @ REMAINDERS
    difference = true_mean(labels) - label_error @ EFFECTS + remainder
    return labels + label_error, difference + rng.normal(0, 2e-4, difference.shape)


def fit(labels, difference):
    """Discrepancy of simulated stars."""
    n = len(labels)
    return fit_discrepancy(
        WAVE, labels, np.tile(ERRORS, (n, 1)), np.zeros(n), difference, np.tile(EFFECTS, (n, 1, 1))
    )


@pytest.fixture(scope="module")
def found():
    return fit(*simulate())


def test_the_mean_difference_of_other_stars_is_found(found):
    labels = draw_labels(300, np.random.default_rng(9))
    mean, error = found.predict_mean(labels)
    off = np.sqrt(((mean - true_mean(labels)) ** 2).mean(axis=1))
    assert np.median(off) < 0.2 * np.sqrt((true_mean(labels) ** 2).mean())
    assert np.median(off / (error * SIZE)) == pytest.approx(1, abs=0.6)


def test_the_error_of_the_mean_grows_away_from_the_stars(found):
    inside, outside = found.predict_mean(np.array([[5800, 4, -0.3], [9000, 1.0, -2.5]]))[1]
    assert 1.5 * inside < outside


def test_draws_hold_the_remainders_but_not_the_errors_of_labels(found):
    labels = np.tile([5800.0, 3.5, -0.3], (4000, 1))
    drawn = found.draw(labels, np.random.default_rng(1))
    variance = drawn.var(axis=0).mean()
    with_label_errors = SIZE**2 + ((ERRORS[:, None] * EFFECTS) ** 2).sum(axis=0).mean()
    assert with_label_errors > 2 * SIZE**2
    mean, error = found.predict_mean(labels[:1])
    assert variance / (1 + error[0] ** 2) == pytest.approx(SIZE**2, rel=0.3)
    assert drawn.mean(axis=0) == pytest.approx(mean[0], abs=5 * float(np.sqrt(variance / 4000)))


def test_errors_of_labels_are_taken_out_of_the_draws(found):
    drawn = found.draw(np.tile([5800.0, 3.5, -0.3], (500, 1)), np.random.default_rng(1))
    drawn = drawn - drawn.mean(axis=0)
    projection = np.linalg.pinv(EFFECTS) @ EFFECTS  # on what label errors change
    label_errors = np.sum((ERRORS[:, None] * EFFECTS) ** 2) / N_PIX
    assert ((drawn @ projection) ** 2).mean() < 0.3 * label_errors


def test_outliers_lose_weight_and_gaps_do_no_harm(found):
    labels, difference = simulate()
    difference[:10] += 0.2 * make_shapes(10, 7)
    difference[20:60, :50] = np.nan
    other = fit(labels, difference)
    assert other.weight[:10].max() < 0.1 * np.median(other.weight[10:])
    asked = draw_labels(100, np.random.default_rng(3))
    moved = other.predict_mean(asked)[0] - found.predict_mean(asked)[0]
    assert np.sqrt((moved**2).mean()) < SIZE


CURVE = fit_continuum_model(1 - 0.1 * np.abs(np.sin(WAVE / 7 + np.arange(30)[:, None])), WAVE, 3)


def test_a_file_holds_it_with_its_continuum(found, tmp_path):
    path = tmp_path / "a.npz"
    save_discrepancy(path, found, CURVE, "how it was made")
    loaded, curve = load_discrepancy(path, WAVE, 3)
    labels = np.array([[5800.0, 4.0, -0.3]])
    expected = found.predict_mean(labels)[0]
    assert loaded.predict_mean(labels)[0] == pytest.approx(expected, abs=1e-5)
    flux = np.full((1, len(WAVE)), 0.8)
    assert curve.normalise(flux) == pytest.approx(CURVE.normalise(flux))
    with pytest.raises(UserError, match="was made for 200 pixels of .*, `wave` has 101 pixels of"):
        load_discrepancy(path, np.arange(4000.0, 4101), 3)
    with pytest.raises(UserError, match="made with a continuum of order 3, the recipe has 5"):
        load_discrepancy(path, WAVE, 5)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, wave=WAVE)
    with pytest.raises(UserError, match="holds no model discrepancy: it lacks labels"):
        load_discrepancy(path, WAVE, 3)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="is damaged"):
        load_discrepancy(path, WAVE, 3)
