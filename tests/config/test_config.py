"""config.yaml: every mistake is named with its line, and only what matters makes a file stale."""

from pathlib import Path

import pytest
from conftest import ROOT

from starlabels.base.errors import UserError
from starlabels.config import load, paths
from starlabels.learning import networks

TEXT = (ROOT / "config.yaml").read_text()
MISTAKES = [  # replace, by, end of the message
    ("teff: {", "tef: {", "grid.labels.tef: unknown key, did you mean teff?"),
    ("max_epochs:", "max_epoch:", "train.max_epoch: unknown key, did you mean max_epochs?"),
    ("\ntrain:", "\ntrian:", "trian: unknown key, did you mean train?"),
    ("width: 256", "widt: 256", "model.widt: unknown key, did you mean width?"),
    (
        "builder: filtered_cnn",
        "builder: filtered_cn",
        "found 'filtered_cn', unknown, did you mean filtered_cnn?",
    ),
    (
        "schedule: plateau",
        "schedule: platea",
        "train.schedule: found 'platea', unknown, did you mean plateau?",
    ),
    ("wave:", "waves: 1\nwave:", "waves: unknown key, did you mean wave?"),
    (
        "batch_size: 512",
        "batch_size: many",
        "train.batch_size: found 'many', expected an integer in [1, 100000]",
    ),
    (
        "batch_size: 512",
        "batch_size: true",
        "train.batch_size: found True, expected an integer in [1, 100000]",
    ),
    (
        "batch_size: 512",
        "batch_size: 0",
        "train.batch_size: found 0, expected an integer in [1, 100000]",
    ),
    ("seed: 1 ", "seed: 1.5 ", "seed: found 1.5, expected an integer in [0, 4294967295]"),
    ("step: 0.05", "step: 0", "wave.step: found 0, expected a number in [0.001, 10] Angstrom"),
    (
        "optimizer: muon ",
        "optimizer: muom ",
        "train.optimizer: found 'muom', unknown, did you mean muon?",
    ),
    ("run: afgk", "run: a/b", "run: found 'a/b', expected letters, digits, _ and - only"),
    ("blocks: 4", "blocks: few", "model.blocks: found 'few', expected an integer in [1, 100]"),
    ("vsini, mh]", "vsini, mh, teff]", "labels[4]: teff is listed twice"),
    ("max: 4990.0", "max: 4400.0", "wave.max: found 4400, expected more than min 4450 Angstrom"),
    (
        "max: 4990.0",
        "max: 4990.02",
        "wave.step: (max - min)/step is 10800.4 pixels, expected a whole number",
    ),
    ("workers: 2 ", "workers: 0 ", "cluster.workers: found 0, expected an integer in [1, 256]"),
    (
        "scheduler: null",
        "scheduler: 8786",
        "cluster.scheduler: found 8786, expected text (a number needs quotes)",
    ),
    ("test: 0.2", "test: 0.3", "preprocess.split: the fractions sum to 1.1, expected 1"),
    (
        "{min: 0, max: 300}",
        "{min: -5, max: 300}",
        "vsini: found -5 to 300, expected within [0, 500] km/s",
    ),
    (
        "{min: 0, max: 300}",
        "{min: 5, max: 5}",
        "grid.labels.vsini.max: found 5, expected more than min 5",
    ),
    ("{min: 0, max: 300}", "{min: 5}", "grid.labels.vsini.max: missing"),
    (
        "{min: 0, max: 300}",
        "fast",
        "vsini: found 'fast', expected a number, {min, max} or {min, max, step}",
    ),
    (
        "teff: 500,",
        "teff: [9, 8],",
        "found [9, 8], expected a spacing > 0 or an ascending list of nodes",
    ),
    ("[20, 100]", "[100, 20]", "test.snr[0]: found [100, 20], expected the lower S/N first"),
    (
        "snr_min: 20",
        "snr_min: 400",
        "train.noise.snr_max: found 400, expected more than snr_min 400",
    ),
    ("seed: 1 ", "seed: 1\nseed: 2 ", "seed: key given twice"),
    ("step: 0.05", "step: 0.05: 1", "not valid YAML: mapping values are not allowed here"),
]


@pytest.mark.parametrize(
    ("old", "new", "message"), MISTAKES, ids=[message[:40] for *_, message in MISTAKES]
)
def test_a_mistake_is_one_line_with_file_line_and_key(tmp_path, old, new, message):
    assert old in TEXT
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        load.load_config(path)
    assert str(error.value).startswith(f"{path}:")
    assert str(error.value).endswith(message)
    assert "\n" not in str(error.value)


def test_what_does_not_go_with_a_generator_is_named(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace("target: labels", "target: flux"))
    with pytest.raises(UserError) as error:
        load.load_config(path)
    said = str(error.value).splitlines()
    for message in (
        "train.loss: expected mse where target is flux",
        "train.noise: expected null where target is flux",
        "test.subsets.6000-10000 K: expected none where target is flux",
        "jacobian.subsets.A stars: expected none where target is flux",
    ):
        assert any(line.endswith(message) for line in said)
    assert any("found filtered_cnn, which convolves over pixels" in line for line in said)


def test_a_generator_has_components_or_an_autoencoder(tmp_path):
    path, text = tmp_path / "config.yaml", (ROOT / "recipes/rvs_generator.yaml").read_text()
    path.write_text(text.replace("components: null", "components: 20"))
    with pytest.raises(
        UserError, match="found autoencoder and preprocess.components, expected one of"
    ):
        load.load_config(path)
    path.write_text(text.replace("target: flux  ", "target: labels"))
    with pytest.raises(UserError, match="autoencoder: expected none where target is labels"):
        load.load_config(path)


def test_the_line_is_that_of_the_mistake(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace("teff: {", "tef: {", 1))
    line = 1 + path.read_text().splitlines().index(
        next(x for x in path.read_text().splitlines() if "tef: {" in x)
    )
    with pytest.raises(UserError, match=f":{line}: grid.labels.tef: unknown key"):
        load.load_config(path)


def test_several_mistakes_are_one_line_each(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        TEXT.replace("batch_size: 512", "batch_size: x").replace("seed: 1 ", "seed: -1 ")
    )
    with pytest.raises(UserError) as error:
        load.load_config(path)
    assert len(str(error.value).splitlines()) == 2


def test_teff_beyond_the_atmospheres_is_an_error_unless_others_are_named(make_config):
    cool = {"grid.labels.teff": {"min": 3600, "max": 6000}}
    with pytest.raises(
        UserError,
        match=r"teff: found 3600 to 6000, expected within \[4500, 11000\] K with the built-in",
    ):
        make_config({**cool, "grid.nodes.atmosphere": "builtin"})
    for name in ("published", "marcs2012.sav"):
        cfg = make_config({**cool, "grid.nodes.atmosphere": name})
        assert cfg.grid.labels["teff"].min == 3600


def test_text_numbers_such_as_1e_3_are_numbers(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace("learning_rate: 0.005", "learning_rate: 5e-3"))
    assert load.load_config(path).train.learning_rate == 0.005


def test_missing_and_empty_files_are_one_line(tmp_path):
    with pytest.raises(UserError, match="not found: name a configuration with --config"):
        load.load_config(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    with pytest.raises(UserError, match="expected sections"):
        load.load_config(tmp_path / "empty.yaml")


def test_the_model_section_is_the_signature_of_its_builder(make_config, monkeypatch):
    def builder(n_pix, n_labels, *, width: int, rate: float = 0.1):
        """A network."""

    monkeypatch.setitem(networks.BUILDERS, "tiny", builder)
    cfg = make_config({"model": {"builder": "tiny", "width": 3}})
    assert cfg.model.arguments == {"width": 3, "rate": 0.1}
    with pytest.raises(UserError, match="model.width: missing"):
        make_config({"model": {"builder": "tiny"}})
    with pytest.raises(UserError, match="model.widht: unknown key, did you mean width"):
        make_config({"model": {"builder": "tiny", "widht": 3}})


def test_wave_grid_excludes_its_maximum(make_config):
    wave = make_config().wave
    assert wave.n_pix == len(wave.grid()) == 200
    assert wave.grid()[0] == 4470.0
    assert wave.grid()[-1] == pytest.approx(4489.9)


def test_paths_follow_the_names_of_run_and_grid(make_config):
    files = paths.run_paths(make_config({"run": "r-1", "grid.name": "g"}))
    assert files.grid == Path("data/grids/g.h5")
    assert files.prepared == Path("data/r-1/2_prepared.h5")
    assert files.metrics == Path("models/r-1/metrics.json")
