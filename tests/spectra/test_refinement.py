"""Refined labels are right, and so are their errors, where spectra are linear in the labels."""

import numpy as np
import pytest
from scipy.linalg import toeplitz

from starlabels.spectra.discrepancy import NAMES, Discrepancy, Smoothness
from starlabels.spectra.discrepancy_covariance import Weighting
from starlabels.spectra.nuisances import VARIED
from starlabels.spectra.refinement import Refiner

WAVE = np.arange(4500.0, 4700.0)
RNG = np.random.default_rng(2)
N_STARS, RANK = 60, 8
NOISE = 0.004
TRUE = {"teff": 5800.0, "logg": 3.9, "mh": -0.2}
UNITS = np.array([100.0, 0.2, 0.1, 0.5, 5.0, 5.0, 100.0])  # of VARIED; each changes flux by 1 %
SHAPES = np.array([np.sin(WAVE / (3 + 0.7 * i) + i) for i in range(len(UNITS))])
MIDDLE = np.array([5800.0, 3.9, -0.2, 1.1, 5.0, 0.0, 1800.0])


class Nodes:
    """Spectra that are linear in the labels."""

    limits = {
        "teff": (4000.0, 7000.0),
        "logg": (1.0, 5.0),
        "mh": (-2.0, 0.5),
        "vmic": (0.0, 4.0),
        "vsini": (0.0, np.inf),
        "resolving_power": (1.0, 5000.0),
        "rv": (-100.0, 100.0),
    }

    def find_limits(self, names):
        return {name: self.limits[name] for name in names}

    def covers(self, labels):
        values = np.array([labels[name] for name in NAMES])
        low, high = np.array([self.limits[name] for name in NAMES]).T[:, :, None]
        return np.all((values >= low) & (values <= high), axis=0)

    def sample_spectra(self, labels, wave, power, check=True):
        values = np.column_stack([labels[name] for name in VARIED])
        return 0.8 + 0.01 * (values - MIDDLE) / UNITS @ SHAPES


class Flat:
    """A continuum that is known."""

    def fit(self, flux):
        return np.ones_like(flux)


def make_discrepancy():
    basis = np.linalg.qr(RNG.standard_normal((len(WAVE), RANK)))[0].T
    remainder = 0.02 * RNG.standard_normal((N_STARS, RANK))
    labels = np.column_stack([RNG.uniform(low, high, N_STARS)
                              for low, high in ((5000, 6800), (3, 5), (-1, 0.4))])  # fmt: skip
    return Discrepancy(
        WAVE, labels, np.ones(N_STARS), np.zeros(N_STARS, int), basis, remainder + 0.05, remainder,
        np.zeros((N_STARS, 1, RANK)), np.full(len(WAVE), 1e-4), np.array(0.0),
        np.array(Smoothness()), np.array([0.5, 0.4, 0.1]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def refiner():
    return Refiner(make_discrepancy(), Nodes(), Flat(), 1800.0)


def simulate(refiner, n, rng, **changes):
    """Flux and errors (n, n_pix) of stars with the labels TRUE."""
    labels = {name: np.full(n, value) for name, value in zip(VARIED, MIDDLE)}
    labels |= {name: np.full(n, value) for name, value in (TRUE | changes).items()}
    known = np.column_stack([labels[name] for name in NAMES])
    flux = refiner.sampler.sample_spectra(labels, WAVE, 1800)
    flux = flux + refiner.discrepancy.draw(known, rng)
    return flux + NOISE * rng.standard_normal(flux.shape), np.full(flux.shape, NOISE)


def start_near(n, rng):
    off = {"teff": 150.0, "logg": 0.3, "mh": 0.2}
    return {name: TRUE[name] + off[name] * rng.standard_normal(n) for name in TRUE}


def test_errors_hold_for_the_stars_that_they_promise(refiner):
    rng = np.random.default_rng(5)
    n = 400
    flux, flux_err = simulate(refiner, n, rng)
    found = refiner.refine(flux, flux_err, start_near(n, rng), np.full(n, 1800.0))
    off = found.labels[:, :3] - list(TRUE.values())
    error = np.sqrt(np.einsum("nii->ni", found.covariance[:, :3, :3]))
    assert (np.abs(off) < error).mean(axis=0) == pytest.approx([0.68] * 3, abs=0.08)
    distance = np.einsum("ni,nij,nj->n", off, np.linalg.inv(found.covariance[:, :3, :3]), off)
    assert np.median(distance) == pytest.approx(2.37, rel=0.25)  # of chi-square with three
    assert np.median(found.chi2) == pytest.approx(1, abs=0.15)
    left = flux - found.flux
    assert left.std() == pytest.approx(np.hypot(found.scatter, NOISE).mean(), rel=0.2)


def test_missing_pixels_cost_accuracy_and_nothing_else(refiner):
    rng = np.random.default_rng(6)
    flux, flux_err = simulate(refiner, 50, rng)
    start = start_near(50, rng)
    whole = refiner.refine(flux, flux_err, start, np.full(50, 1800.0))
    flux[:, 60:150] = np.nan
    part = refiner.refine(flux, flux_err, start, np.full(50, 1800.0))
    assert np.all(part.covariance[:, 0, 0] > whole.covariance[:, 0, 0])
    off = np.abs(part.labels - whole.labels)[:, :3]
    assert np.all(off < 4 * np.sqrt(np.einsum("nii->ni", part.covariance))[:, :3])


def test_stars_outside_the_nodes_have_no_labels_and_others_stay_inside(refiner):
    rng = np.random.default_rng(7)
    flux, flux_err = simulate(refiner, 2, rng, mh=0.9)
    start = {"teff": np.array([5800.0, np.nan]), "logg": np.full(2, 3.9), "mh": np.full(2, 0.3)}
    found = refiner.refine(flux, flux_err, start, np.full(2, 1800.0))
    assert 0.3 < found.labels[0, 2] <= 0.5
    assert np.isnan(found.labels[1]).all() and np.isnan(found.chi2[1])


def test_what_is_not_asked_for_stays_near_its_usual_value(refiner):
    start = {name: np.full(3, TRUE[name]) for name in TRUE}
    labels, width = refiner.choose_prior(start, np.full(3, 3000.0))
    assert labels["resolving_power"] == pytest.approx(1800)
    vsini = VARIED.index("vsini")
    asked = refiner.choose_prior(start | {"vsini": np.full(3, 20.0)}, np.full(3, 3000.0))
    assert asked[0]["vsini"] == pytest.approx(20)
    assert np.all(asked[1][:, vsini] > 10 * width[:, vsini])


def test_the_weighting_is_the_inverse_of_the_covariance_of_the_pixels_that_were_seen():
    rng = np.random.default_rng(1)
    basis, factor = rng.standard_normal((4, 30)), rng.standard_normal((4, 4))
    covariance, variance = factor @ factor.T + np.eye(4), rng.uniform(0.5, 2, 30)
    scatter, correlation = rng.uniform(0.5, 1, 30), np.array([1.0, 0.5, 0.1])
    rows = rng.standard_normal((3, 30))
    band = toeplitz(np.append(correlation, np.zeros(27)))
    whole = basis.T @ covariance @ basis + scatter[:, None] * band * scatter + np.diag(variance)
    variance[5:9] = np.inf
    seen = np.isfinite(variance)
    expected = rows[:, seen] @ np.linalg.inv(whole[np.ix_(seen, seen)])
    found = Weighting(basis, covariance, scatter, correlation, variance)(rows)
    assert found[:, seen] == pytest.approx(expected)
    assert np.all(found[:, ~seen] == 0)


def test_a_shift_of_the_stars_of_the_discrepancy_is_told_apart_from_the_velocity_of_a_star():
    own = VARIED.index("rv")
    slope = 0.01 * SHAPES[own] / UNITS[own]  # flux per km/s
    stars = make_discrepancy()
    basis = np.vstack([slope / np.linalg.norm(slope), stars.basis[:-1]])
    basis = np.linalg.qr(basis.T)[0].T
    basis *= np.sign(basis[0] @ slope)
    difference = 0.001 * RNG.standard_normal((N_STARS, RANK))
    difference[:, 0] += 4.0 * np.linalg.norm(slope)  # all of them recede at 4 km/s
    stars = stars._replace(basis=basis, difference=difference, remainder=0.1 * stars.remainder)
    refiner = Refiner(stars, Nodes(), Flat(), 1800.0)
    labels = {name: np.array([value]) for name, value in zip(VARIED, MIDDLE)}
    flux = refiner.sampler.sample_spectra(labels, WAVE, 1800)
    start = {name: labels[name] for name in NAMES}
    found = refiner.refine(flux, np.full(flux.shape, NOISE), start, np.array([1800.0]))
    assert found.velocity[0] == pytest.approx(4, abs=1)
    assert found.labels[0, own] + found.velocity[0] == pytest.approx(0, abs=1)
