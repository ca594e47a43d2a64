"""config.yaml: every mistake is named with its line, and only what matters makes a file stale."""

import time
from pathlib import Path

import h5py
import pytest
from conftest import ROOT, write_grid, write_published

from starlabels.base import hdf5
from starlabels.base.errors import UserError
from starlabels.config import digests, load, paths
from starlabels.learning import networks

TEXT = (ROOT / "config.yaml").read_text()
MISTAKES = [  # replace, by, end of the message
    ("teff: {", "tef: {", "grid.labels.tef: unknown key, did you mean teff?"),
    ("max_epochs:", "max_epoch:", "train.max_epoch: unknown key, did you mean max_epochs?"),
    ("\ntrain:", "\ntrian:", "trian: unknown key, did you mean train?"),
    ("width: 256", "widt: 256", "model.widt: unknown key, did you mean width?"),
    (
        "builder: residual_mlp",
        "builder: residual_ml",
        "found 'residual_ml', unknown, did you mean residual_mlp?",
    ),
    (
        "schedule: cosine",
        "schedule: cosin",
        "train.schedule: found 'cosin', unknown, did you mean cosine?",
    ),
    ("wave:", "waves: 1\nwave:", "waves: unknown key, did you mean wave?"),
    (
        "batch_size: 256",
        "batch_size: many",
        "train.batch_size: found 'many', expected an integer in [1, 100000]",
    ),
    (
        "batch_size: 256",
        "batch_size: true",
        "train.batch_size: found True, expected an integer in [1, 100000]",
    ),
    (
        "batch_size: 256",
        "batch_size: 0",
        "train.batch_size: found 0, expected an integer in [1, 100000]",
    ),
    ("seed: 1 ", "seed: 1.5 ", "seed: found 1.5, expected an integer in [0, 4294967295]"),
    ("step: 0.05", "step: 0", "wave.step: found 0, expected a number in [0.001, 10] Angstrom"),
    (
        "optimizer: adam ",
        "optimizer: adan ",
        "train.optimizer: found 'adan', unknown, did you mean adam?",
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
    first, second = str(error.value).splitlines()
    assert first.endswith("train.loss: expected mse where target is flux")
    assert second.endswith("train.noise: expected null where target is flux")


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
        TEXT.replace("batch_size: 256", "batch_size: x").replace("seed: 1 ", "seed: -1 ")
    )
    with pytest.raises(UserError) as error:
        load.load_config(path)
    assert len(str(error.value).splitlines()) == 2


def test_teff_beyond_the_built_in_atmospheres_is_an_error_unless_others_are_named(make_config):
    cool = {"grid.labels.teff": {"min": 3600, "max": 6000}}
    with pytest.raises(
        UserError,
        match=r"teff: found 3600 to 6000, expected within \[4500, 11000\] K with the built-in",
    ):
        make_config(cool)
    assert (
        make_config({**cool, "grid.nodes.atmosphere": "marcs2012.sav"}).grid.labels["teff"].min
        == 3600
    )


def test_text_numbers_such_as_1e_3_are_numbers(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.replace("learning_rate: 0.002", "learning_rate: 2e-3"))
    assert load.load_config(path).train.learning_rate == 0.002


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


@pytest.mark.parametrize(
    ("change", "first_stale"),
    [
        ({"train.max_epochs": 99}, "3_train"),
        ({"labels": ["teff"]}, "0_join"),
        ({"grid.n_spectra": 61}, "grid"),
        ({"wave.step": 0.2}, "grid"),
        ({"preprocess.split": {"train": 0.8, "validation": 0.1, "test": 0.1}}, "2_preprocess"),
        ({"test.snr": [[1, 2]]}, "4_test"),
        ({"test.generator": "models/rvs"}, "4_test"),
        ({"jacobian.n_stars": 5}, "jacobian"),
        ({"cluster.workers": 7, "cluster.scheduler": "tcp://host:8786"}, None),
        ({"preprocess.chunk_rows": 999}, None),
    ],
)
def test_a_change_makes_only_what_depends_on_it_stale(make_config, change, first_stale):
    before, after = make_config(), make_config(change)
    stages = ["grid", "0_join", "2_preprocess", "3_train", "4_test", "jacobian"]
    stale = [
        stage
        for stage in stages
        if digests.stage_digest(before, stage) != digests.stage_digest(after, stage)
    ]
    expected = stages[stages.index(first_stale) :] if first_stale else []
    if first_stale == "4_test":
        expected = ["4_test"]  # a sister of the Jacobians, not their input
    assert stale == expected


def test_running_grid_again_leaves_later_files_fresh(make_config):
    cfg = make_config()
    before = digests.stage_digest(cfg, "0_join")
    write_grid(cfg)
    assert digests.stage_digest(cfg, "0_join") == before


def test_a_foreign_database_that_changes_makes_the_joined_file_stale(make_config):
    cfg = make_config({"join.databases": [{"path": "a.h5"}]})
    labels = {name: [1.0, 2.0] for name in ("teff", "logg", "vsini", "mh")}
    write_published("a.h5", labels, [[1.0] * 200] * 2)
    before = digests.stage_digest(cfg, "0_join")
    write_published("a.h5", labels, [[1.0] * 199 + [0.5]] * 2)
    after = digests.stage_digest(cfg, "0_join")
    assert before != after
    assert after.changes(before.parts) == "a.h5"


def spoil(path, value=0.5):
    """Change one flux of a file in the middle; size and root attributes stay."""
    with h5py.File(path, "r+") as h5:
        flux = h5["spectra/flux"]
        flux[len(flux) // 2, flux.shape[1] // 2] = value


@pytest.mark.parametrize("n", [60, 6000])  # also larger than 2 MB, of which both ends are the same
def test_a_copy_of_our_grid_that_changes_makes_the_joined_file_stale(make_config, n):
    cfg = make_config({"join.databases": [{"path": "copy.h5"}]})
    write_grid(cfg, n, "copy.h5")
    before = digests.stage_digest(cfg, "0_join")
    assert digests.stage_digest(cfg, "0_join") == before
    spoil("copy.h5")
    after = digests.stage_digest(cfg, "0_join")
    assert before != after and after.changes(before.parts) == "copy.h5"


def test_a_node_library_a_table_and_a_generator_that_change_make_files_stale(make_config):
    table = Path("stars.csv")
    changes = {"grid.nodes.library": "lib.h5", "grid.labels_csv": str(table)}
    cfg = make_config(changes | {"test.generator": "models/g"})
    table.write_text("teff\n" + "6000\n" * 1_000_000)
    write_grid(cfg, path="lib.h5")
    write_grid(cfg, path="models/g/scaling.h5")
    grid, test = (digests.stage_digest(cfg, stage) for stage in ("grid", "4_test"))
    with table.open("r+") as file:
        file.seek(2_500_000)
        file.write("7")
    assert digests.stage_digest(cfg, "grid").changes(grid.parts) == "stars.csv"
    spoil("lib.h5")
    assert digests.stage_digest(cfg, "grid").changes(grid.parts) == "stars.csv, lib.h5"
    spoil("models/g/scaling.h5")
    assert "models/g" in digests.stage_digest(cfg, "4_test").changes(test.parts)


def test_a_large_file_is_read_once_unless_it_changes(tmp_path, monkeypatch):
    reads, hash_bytes = [], hdf5._hash_bytes
    monkeypatch.setattr(hdf5, "LARGE", 10)
    monkeypatch.setattr(hdf5, "_hash_bytes", lambda *a: (reads.append(a), hash_bytes(*a))[1])
    path = tmp_path / "a.csv"
    path.write_text("0" * 100)
    first = hdf5.compute_file_digest(path)
    assert hdf5.compute_file_digest(path) == first and len(reads) == 1
    time.sleep(0.02)
    path.write_text("0" * 99 + "1")
    assert hdf5.compute_file_digest(path) != first and len(reads) == 2


def test_files_made_before_contents_were_hashed_are_still_fresh(make_config):
    cfg = make_config({"join.databases": [{"path": "copy.h5"}]})
    write_grid(cfg, path="copy.h5")
    digest = digests.stage_digest(cfg, "0_join")
    former = dict(digest.parts) | {"copy.h5": hdf5.read_stated_digest("copy.h5")}
    assert digest.former == digests.short_hash(former) != digest
    path = paths.run_paths(cfg).joined
    with hdf5.create_file(path, "0_join", digest.former) as h5:
        h5["x"] = 1
    opened = hdf5.open_stage(path, "0_join", digest)
    with pytest.raises(UserError) as error, opened:
        pass
    assert "other settings" not in str(error.value)  # but another layout


def test_paths_follow_the_names_of_run_and_grid(make_config):
    files = paths.run_paths(make_config({"run": "r-1", "grid.name": "g"}))
    assert files.grid == Path("data/grids/g.h5")
    assert files.prepared == Path("data/r-1/2_prepared.h5")
    assert files.metrics == Path("models/r-1/metrics.json")
