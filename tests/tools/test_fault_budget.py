"""The fault budget of a linear network that measures the moments of one Gaussian line."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.learning import trained_model
from starlabels.learning.components import Basis
from starlabels.spectra import continuum
from starlabels.spectra.faults import LINE_CELL
from starlabels.stages import command_line, recipe_stars
from starlabels.synthesis.broaden import FWHM, LIGHT
from starlabels.tools import fault_bench, fault_budget, fault_table
from starlabels.tools.fault_bench import FaultBench
from starlabels.tools.fault_budget import measure_faults

WAVE = 4500 + 0.05 * np.arange(200)  # A
PLACE, DEPTH, POWER, N = 4505.0, 0.3, 5000.0, 200
# measured from the line: its shift, the square of its width, its area minus 1
NAMES = ["teff", "vsini", "mh"]
SHIFT = PLACE / LIGHT  # A per km/s
WIDTH = PLACE / POWER / FWHM  # A


class Nodes:
    """A sampler of that line: 10 % deeper per dex of [M/H], and per km/s of vmic above 2."""

    path = "toy.h5"

    def __init__(self, highest_vmic=4.0):
        self.highest_vmic = highest_vmic

    def covers(self, labels):
        return np.asarray(labels["vmic"]) <= self.highest_vmic

    def sample_spectra(self, labels, wave, resolving_power):
        n = len(labels["teff"])
        power = np.broadcast_to(labels.get("resolving_power", resolving_power), n)
        depth = DEPTH * (1 + 0.1 * (labels["mh"] + labels["vmic"] - 2))
        place = PLACE + SHIFT * np.broadcast_to(labels.get("rv", 0.0), n)
        x = (wave - place[:, None]) / (PLACE / power / FWHM)[:, None]
        return (1 - depth[:, None] * np.exp(-0.5 * x**2)).astype("f4")

    def compute_sensitivities(self, labels, names, wave, resolving_power):
        assert names == ["mh"]
        one, more = (
            self.sample_spectra(labels | {"mh": labels["mh"] + dex}, wave, resolving_power)
            for dex in (0, 1)
        )
        return (more - one)[:, None]


class Linear:
    """A linear network with known errors: labels = depth (n, n_pix) @ readout + offset."""

    def __init__(self, names, readout, offset, err):
        self.names, self.readout, self.offset, self.err = names, readout, offset, np.array(err)

    def predict(self, flux, snr):
        assert np.isfinite(flux).all() and flux.dtype == np.float32 and len(snr) == len(flux)
        mean = (1 - flux) @ self.readout + self.offset
        return {
            "mean": mean,
            "err": np.broadcast_to(self.err, mean.shape),
            "flags": np.zeros(len(flux), "u1"),
        }


def make_line_bench(names=NAMES, err=(0.5 * SHIFT, 1.0, 1.0), basis=None, **nodes):
    """FaultBench of the line, and labels of N equal stars; only the squared width is wrong."""
    labels = {name: np.zeros(N) for name in ("teff", "logg", "mh", "vsini")}
    labels["vmic"] = np.full(N, 2.0)
    unit = 0.05 / (DEPTH * WIDTH * np.sqrt(2 * np.pi))  # times the summed depth it is 1
    x = WAVE - PLACE
    readout = {
        "teff": unit * x,
        "vsini": unit * x**2,
        "mh": np.full(200, unit),
        "vmic": np.full(200, 10 * unit),
    }
    offset = {"teff": 0, "vsini": 0, "mh": -1, "vmic": 2 - 10}
    model = Linear(
        list(names), np.column_stack([readout[n] for n in names]), [offset[n] for n in names], err
    )
    return FaultBench(Nodes(**nodes), WAVE, POWER, None, 6, model, basis), labels


def measure_by_name(bench, labels, seed=1):
    """{name: FaultEffect} of all faults."""
    return {one.name: one for one in measure_faults(bench, labels, seed)}


@pytest.fixture(scope="module")
def rows():
    return measure_by_name(*make_line_bench())


def test_without_fault_the_error_is_that_against_the_truth(rows):
    effect = rows[fault_budget.NO_FAULT]
    assert effect.bias == pytest.approx([0, WIDTH**2, 0], abs=1e-3)
    assert effect.scatter == pytest.approx(0, abs=1e-6) and effect.err == pytest.approx(
        [0.5 * SHIFT, 1, 1]
    )


@pytest.mark.parametrize("velocity", [1, 3, 10])
def test_a_velocity_moves_the_labels_that_feel_it_by_as_much_with_either_sign(rows, velocity):
    effect = rows[f"a radial velocity wrong by {velocity} km/s"]
    assert effect.bias[0] == pytest.approx(velocity * SHIFT, rel=1e-3) == effect.typical[0]
    assert effect.bias[2] == pytest.approx(0, abs=1e-5) and effect.scatter == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize("percent", [5, 20])
def test_a_lower_resolving_power_widens_the_line_and_thereby_deepens_it_in_area(rows, percent):
    effect, wider = rows[f"a resolving power {percent} % lower"], 1 / (1 - percent / 100)
    assert effect.bias[2] == pytest.approx(wider - 1, rel=1e-3)
    assert effect.bias[1] == pytest.approx(WIDTH**2 * (wider**3 - 1), rel=5e-3)
    assert effect.bias[0] == pytest.approx(0, abs=1e-5)


def make_pixel_bench(pixel, **nodes):
    """FaultBench of a network that takes the flux of one pixel as mh, and labels."""
    bench, labels = make_line_bench(**nodes)
    readout = np.zeros((200, 1))
    readout[pixel] = -1
    return bench._replace(model=Linear(["mh"], readout, [1.0], [1.0])), labels


def test_a_continuum_off_by_twice_as_much_costs_twice_as_much():
    found = measure_by_name(*make_pixel_bench(5))
    half, one, two = (found[f"a continuum wrong by {x} %"].scatter[0] for x in (0.5, 1, 2))
    assert one / half == pytest.approx(2, rel=0.02) and two / one == pytest.approx(2, rel=0.02)
    assert 0.01 < one < 0.03  # polynomials are wilder at the ends than their rms


def test_noise_scatters_a_pixel_by_the_mean_flux_over_the_signal_to_noise_ratio():
    bench, labels = make_pixel_bench(5)
    level = fault_bench.synthesise_flux(bench, labels).mean()
    assert measure_by_name(bench, labels)["noise of S/N 20"].scatter[0] == pytest.approx(
        level / 20, rel=0.15
    )


def test_dead_pixels_cost_nothing_where_the_components_tell_them():
    bench, labels = make_line_bench()
    depth = 1 - fault_bench.synthesise_flux(bench, labels)[0]
    size = np.linalg.norm(depth)
    basis = Basis(np.zeros(200, "f4"), (depth / size)[None], np.array([size**2], "f4"), 1)
    filled, empty = (
        measure_by_name(bench._replace(basis=b), labels)["a loss of 20 % of the pixels"]
        for b in (basis, None)
    )
    assert filled.typical == pytest.approx(0, abs=1e-4)
    assert empty.bias[2] == pytest.approx(-0.2, abs=0.03)  # a continuum of 1 in a fifth of the line


def test_errors_of_log_gf_move_a_line_by_its_change_with_metallicity_and_the_rest_not_at_all():
    fault, core = "log gf wrong by 0.1 dex", 100
    cell = WAVE.mean() / POWER  # A: of independent errors, more than one of LINE_CELL
    part = (WAVE[core] - WAVE[0]) / cell % 1
    dex = 0.1 * np.sqrt(LINE_CELL / cell * (part**2 + (1 - part) ** 2))
    scatter = measure_by_name(*make_pixel_bench(core))[fault].scatter[0]
    assert scatter == pytest.approx(dex * 0.1 * DEPTH, rel=0.15)
    assert measure_by_name(*make_pixel_bench(5))[fault].typical == pytest.approx(0, abs=1e-6)


def test_a_vmic_that_is_not_learnt_goes_into_the_other_labels(rows):
    assert rows["a vmic of 1 km/s, not 2"].bias == pytest.approx(
        [0, -0.1 * WIDTH**2, -0.1], abs=1e-3
    )
    assert rows["a vmic of 4 km/s, not 2"].bias[2] == pytest.approx(0.2, abs=1e-3)


def test_the_change_of_vmic_itself_is_no_cost_where_it_is_learnt():
    found = measure_by_name(*make_line_bench(["mh", "vmic"], (1.0, 1.0)))
    assert found["a vmic of 4 km/s, not 2"].bias == pytest.approx([0.2, 0], abs=1e-3)


def test_a_vmic_that_the_nodes_lack_is_left_out_and_the_reason_printed(capsys):
    found = measure_by_name(*make_line_bench(highest_vmic=2.0))
    assert "a vmic of 1 km/s, not 2" in found and "a vmic of 4 km/s, not 2" not in found
    printed = capsys.readouterr().out
    assert (
        printed.count("\n") == 1
        and "vmic of 4" in printed
        and "toy.h5" in printed
        and "0 of 200" in printed
    )


def test_a_seed_gives_the_same_budget_again_and_another_one_another():
    bench, labels = make_line_bench()
    one, same, other = (measure_faults(bench, labels, seed)[4].bias for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()


def test_both_signs_count_by_their_root_mean_square():
    rng, meant = np.random.default_rng(0), np.zeros((4000, 1))
    answers = [
        {"mean": sign * 40 + 10 * rng.normal(size=meant.shape), "flags": np.arange(4000) % 4}
        for sign in (1, -1)
    ]
    effect = fault_table.summarize_fault("", "", answers, meant)
    assert effect.bias == pytest.approx([40], abs=1) and effect.scatter == pytest.approx(
        [10], abs=0.5
    )
    assert (
        effect.typical == pytest.approx([44.7], abs=1)
        and effect.flagged == 0.75
        and np.isnan(effect.err).all()
    )


def test_stars_are_drawn_anew_in_the_ranges_of_the_recipe_at_rest_and_unsound_ones_dropped(
    make_config, capsys
):
    cfg = make_config({"grid.labels.rv": {"min": -5, "max": 5}})
    nodes = SimpleNamespace(path="toy.h5", covers=lambda labels: labels["teff"] < 9000)
    stars = fault_bench.draw_stars(cfg, nodes, 200)
    again = recipe_stars.draw_labels(cfg, np.random.default_rng(cfg.seed))[0]
    assert (
        set(stars) == set(recipe_stars.REQUIRED_LABELS)
        and len(stars["teff"]) < 200
        and stars["teff"].max() < 9000
    )
    assert not np.isin(stars["teff"], again["teff"]).any()
    assert f"kept {len(stars['teff'])} of 200 stars" in capsys.readouterr().out
    with pytest.raises(UserError, match="--n-stars"):
        fault_bench.draw_stars(
            cfg, SimpleNamespace(path="toy.h5", covers=lambda labels: labels["teff"] < 0), 200
        )


@pytest.mark.parametrize("wide_exists", [True, False])
def test_nodes_of_other_vmic_are_used_if_they_exist(make_config, monkeypatch, wide_exists):
    def open_sampler(cfg, build):
        if not isinstance(cfg.grid.labels["vmic"], float) and not wide_exists:
            raise UserError("no such nodes")
        return cfg.grid.labels["vmic"]

    monkeypatch.setattr(fault_bench, "open_sampler", open_sampler)
    vmic = fault_bench.make_sampler(make_config())
    assert (vmic.min, vmic.max) == (1.0, 4.0) if wide_exists else vmic == 2.0


def test_the_command_prints_the_table_and_draws_the_figure(
    make_config, monkeypatch, capsys, tmp_path
):
    (tmp_path / "models/toy").mkdir(parents=True)
    make_config(name="models/toy/config.yaml")
    bench, labels = make_line_bench()
    monkeypatch.setattr(fault_budget, "open_bench", lambda cfg, folder: bench)
    monkeypatch.setattr(
        fault_budget,
        "draw_stars",
        lambda cfg, sampler, n: {name: values[:n] for name, values in labels.items()},
    )
    arguments = ["budget", "--model", "models/toy", "--out", "out", "--n-stars"]
    monkeypatch.setattr(sys, "argv", [*arguments, "20"])
    command_line.run_command(
        fault_budget.print_fault_budget,
        fault_budget.__doc__,
        fault_budget.add_arguments,
        recipe=lambda args: args.model / "config.yaml",
    )
    printed = capsys.readouterr().out
    assert (
        "a radial velocity wrong by 1 km/s costs 0.015 K in teff, 2.0 times the predicted error"
        in printed
    )
    assert (
        printed.splitlines()[-1] == "out/budget.png"
        and (tmp_path / "out/budget.png").stat().st_size > 10_000
    )
    monkeypatch.setattr(sys, "argv", [*arguments, "3"])
    with pytest.raises(SystemExit):
        command_line.run_command(
            fault_budget.print_fault_budget,
            fault_budget.__doc__,
            fault_budget.add_arguments,
            recipe=lambda args: args.model / "config.yaml",
        )
    assert capsys.readouterr().err == "error: --n-stars 3: expected 10 or more\n"


def test_a_model_of_labels_that_the_nodes_do_not_vary_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(hdf5, "open_stage", lambda *_: nullcontext())
    monkeypatch.setattr(continuum, "read_continuum", lambda h5: None)
    monkeypatch.setattr(
        trained_model, "open_model", lambda folder: SimpleNamespace(names=["teff", "feh"])
    )
    with pytest.raises(UserError, match="predicts feh"):
        fault_bench.open_bench(None, tmp_path)
