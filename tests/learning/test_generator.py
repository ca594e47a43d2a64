"""The generator: trained on toy spectra whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from conftest import draw_labels, toy_spectra

from starlabels.base.errors import UserError
from starlabels.config import load, paths
from starlabels.learning import generator
from starlabels.stages import train_code

STAR = {"teff": 8000.0, "logg": 4.0, "vsini": 30.0, "mh": 0.0}


@pytest.fixture
def cfg(generator_folder, monkeypatch):
    monkeypatch.chdir(generator_folder)
    return load.load_config("config.yaml")


def test_generated_spectra_are_those_of_the_labels(cfg):
    toy = generator.open_folder("models/toy")
    labels = draw_labels(cfg, 200, seed=7)
    labels |= {
        name: np.clip(labels[name], low, high)
        for name, low, high in zip(toy.names, toy.low, toy.high)
    }
    flux = toy.spectra({name: labels[name] for name in toy.names})
    truth = toy_spectra(cfg.wave.grid(), labels)
    assert np.abs(flux - truth).mean() < 0.1 * np.abs(truth - truth.mean(axis=0)).mean()


def test_one_line_of_python_gives_a_spectrum(cfg):
    wave, flux = generator.generate("models/toy", **STAR)
    assert wave.shape == (cfg.wave.n_pix,) and flux.shape == (1, cfg.wave.n_pix)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teff": 20000.0}, "teff 20000 is outside the range of training: give it within [40"),
        ({"vsini": np.nan}, "vsini nan is outside the range of training"),
        ({"vmic": 2.0}, "the generator does not know vmic: give it teff, logg, vsini, mh"),
    ],
)
def test_labels_that_it_was_not_trained_on_are_an_error(cfg, change, message):
    with pytest.raises(UserError) as error:
        generator.generate("models/toy", **STAR | change)
    assert message in str(error.value)


def test_a_missing_label_is_an_error(cfg):
    with pytest.raises(UserError, match="lacks mh"):
        generator.generate(
            "models/toy", **{name: value for name, value in STAR.items() if name != "mh"}
        )


def test_the_linear_code_returns_spectra_to_the_rms_that_components_leave(cfg):
    from starlabels.base import hdf5
    from starlabels.learning import components

    with hdf5.open_stage(paths.run_paths(cfg).prepared, "2_preprocess") as h5:
        basis, flux = components.read_basis(h5), h5["train/flux"][:50]
    code = train_code.make_component_code(basis, cfg.labels)
    left = generator.call_model(code.decoder, generator.call_model(code.encoder, flux)) - flux
    expected = components.project_flux(flux, basis)["outside"].sum(axis=1) / flux.shape[1]
    np.testing.assert_allclose((left**2).mean(axis=1), expected, rtol=0.01, atol=1e-12)


def test_a_model_of_the_other_kind_says_what_it_is_for(cfg, trained_folder):
    from starlabels.learning import trained_model

    with pytest.raises(UserError, match="generate.py"):
        trained_model.open_model(Path("models/toy"))
    with pytest.raises(UserError, match="not spectra of labels"):
        generator.open_folder(trained_folder / "models/toy")
