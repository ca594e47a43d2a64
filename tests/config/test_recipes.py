"""Recipes as differences from a base: what is merged, what is replaced, and what is stored."""

import shutil

import pytest
from conftest import ROOT, run_script

from starlabels.base.errors import UserError
from starlabels.config import load, recipes

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
COMPLETE = {"afgk", "rvs_generator", "sos"}


@pytest.fixture
def write(tmp_path):
    """A function(name, text) that writes a recipe next to copies of the complete ones."""
    for name in COMPLETE:
        shutil.copy(ROOT / f"recipes/{name}.yaml", tmp_path)

    def write_recipe(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_recipe


def message_of(path):
    with pytest.raises(UserError) as error:
        load.load_config(path)
    return str(error.value)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_under_its_own_name(path):
    assert load.load_config(path).run == path.stem


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_complete_or_a_difference_from_a_complete_one(path):
    base = recipes.get_item(recipes.read_trees(path)[1][0], "base")
    assert (base is None) == (path.stem in COMPLETE)
    assert base is None or base.value.removesuffix(".yaml") in COMPLETE | {"afgk_components"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_stored_text_is_complete_and_loads_on_its_own(path, tmp_path):
    cfg = load.load_config(path)
    (tmp_path / "config.yaml").write_text(cfg.text)
    again = load.load_config(tmp_path / "config.yaml")
    assert again.model_dump() == cfg.model_dump() and again.text == cfg.text
    assert "base" not in load.read_recipe(tmp_path / "config.yaml")
    assert max(map(len, cfg.text.splitlines())) <= 100
    if path.stem in COMPLETE:
        assert cfg.text == path.read_text()


def test_the_default_is_the_afgk_recipe():
    assert (ROOT / "config.yaml").read_text() == (ROOT / "recipes/afgk.yaml").read_text()


def test_mappings_merge_and_everything_else_is_replaced(write):
    path = write(
        "a.yaml",
        "base: afgk.yaml\nrun: a\nlabels: [teff]\ntrain:\n  noise: {snr_min: 5}\n"
        "test:\n  snr: []\njacobian: null\n",
    )
    cfg, base = load.load_config(path), load.load_config(path.with_name("afgk.yaml"))
    assert cfg.labels == ["teff"] and cfg.test.snr == [] and cfg.jacobian is None
    assert (cfg.train.noise.snr_min, cfg.train.noise.snr_max) == (5, base.train.noise.snr_max)
    assert cfg.train.batch_size == base.train.batch_size and cfg.wave == base.wave


def test_mappings_of_the_users_own_keys_and_models_of_other_builders_are_replaced(write):
    path = write(
        "a.yaml",
        "base: afgk.yaml\nlabels: [logg]\ngrid: {labels: {teff: 5000, logg: {min: 2, max: 5}}}\n"
        "jacobian: {lines: {Na: [4500]}}\npreprocess: {components: null}\n"
        "model: {builder: seed_cnn}\n",
    )
    cfg = load.load_config(path)
    assert list(cfg.grid.labels) == ["teff", "logg"] and list(cfg.get_lines("air")) == ["Na"]
    assert "width" not in cfg.model.arguments and cfg.jacobian.n_stars == 300
    path = write("b.yaml", "base: afgk.yaml\nmodel: {builder: residual_mlp, blocks: 1}\n")
    assert load.load_config(path).model.width == 256


def test_a_base_may_have_a_base(write):
    write("a.yaml", "base: afgk.yaml\nseed: 2\nrun: a\n")
    cfg = load.load_config(write("b.yaml", "base: a.yaml\nrun: b\n"))
    assert (cfg.run, cfg.seed, cfg.grid.name) == ("b", 2, "afgk")


def test_a_copy_of_a_recipe_finds_its_base_in_recipes(tmp_path, write):
    (tmp_path / "recipes").mkdir()
    for name in COMPLETE:
        shutil.move(tmp_path / f"{name}.yaml", tmp_path / "recipes")
    text = (tmp_path / "recipes/sos.yaml").read_text()
    (tmp_path / "recipes/sos.yaml").write_text(text.replace("seed: 1 ", "seed: 7 "))
    shutil.copy(ROOT / "recipes/rave.yaml", tmp_path / "config.yaml")
    cfg = load.load_config(tmp_path / "config.yaml")
    assert (cfg.run, cfg.seed) == ("rave", 7)
    shutil.rmtree(tmp_path / "recipes")  # then those of this repository
    assert load.load_config(tmp_path / "config.yaml").seed == 1


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("base: none.yaml\n", 1, "base: none.yaml is neither in "),
        ("run: a\nbase: a.yaml\n", 2, "base: a.yaml is based on this file: remove one"),
        ("base: b.yaml\n", None, "base: a.yaml is based on this file: remove one"),
        ("base: ../afgk.yaml\n", 1, "base: found '../afgk.yaml', expected the name of a file"),
        ("base: /etc/passwd\n", 1, "base: found '/etc/passwd', expected the name of a file"),
        ("base: null\n", 1, "base: found 'null', expected the name of a file"),
        ("base: [afgk.yaml]\n", 1, "base: found no name, expected the name of a file"),
        ("base: afgk.yaml\nbase: sos.yaml\n", 2, "base: key given twice"),
        ("base: afgk.yaml\n\nsead: 1\n", 3, "sead: unknown key, did you mean seed?"),
    ],
)
def test_a_mistake_about_a_base_is_one_line(write, text, line, message):
    other = write("b.yaml", "base: a.yaml\n")
    path = write("a.yaml", text)
    message_line = message_of(path)
    assert "\n" not in message_line and message in message_line
    assert message_line.startswith(f"{path}:{line}: " if line else f"{other}:1: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size: 512", "batch_size: many", "train.batch_size: found 'many'"),
        ("seed: 1 ", "seed: 1\nseed: 2 ", "seed: key given twice"),
        ("step: 0.05", "step: 0.05: 1", "not valid YAML"),
        ("max: 4990.0", "max: 4400.0", "wave.max: found 4400, expected more than min"),
    ],
)
def test_a_mistake_inside_a_base_has_the_file_and_line_of_the_base(write, old, new, message):
    text = (ROOT / "recipes/afgk.yaml").read_text()
    line = text[: text.index(old)].count("\n") + 1 + new.count("\n")
    base = write("broken.yaml", text.replace(old, new, 1))
    message_line = message_of(write("a.yaml", "# a recipe\nbase: broken.yaml\nrun: a\n"))
    assert message_line.startswith(f"{base}:{line}: {message}") and "\n" not in message_line


def test_traps_in_a_base_are_refused(write, tmp_path):
    trap = f"!!python/object/apply:os.mkdir [{tmp_path}/it_ran]"
    base = write("trap.yaml", (ROOT / "config.yaml").read_text() + f"\nextra: {trap}\n")
    message_line = message_of(write("a.yaml", "base: trap.yaml\n"))
    assert (
        message_line.startswith(f"{base}:")
        and "not valid YAML" in message_line
        and "\n" not in message_line
    )
    assert not (tmp_path / "it_ran").exists()


def test_without_databases_the_file_of_the_grid_is_joined(write):
    cfg = load.load_config(write("a.yaml", "base: afgk.yaml\ngrid: {name: mine}\n"))
    assert [entry.path for entry in cfg.join.databases] == ["data/grids/mine.h5"]
    assert "data/grids/mine.h5" in cfg.text
    path = write("b.yaml", "base: sos.yaml\njoin: {databases: null}\n")
    assert message_of(path).startswith(f"{path}:2: join.databases: missing: expected at least one")


@pytest.mark.parametrize("value", ["yes", "on", "True"])
def test_words_for_true_are_those_of_earlier_recipes(write, value):
    path = write("a.yaml", f"base: afgk.yaml\njoin: {{resample: {value}}}\n")
    assert load.load_config(path).join.resample is True


def test_y_and_n_are_text(write):
    path = write("a.yaml", "base: sos.yaml\nfeatures: {magnitudes: {y: G, N: BP}, a_v: n}\n")
    cfg = load.load_config(path)
    assert cfg.features.magnitudes == {"y": "G", "N": "BP"} and cfg.features.a_v == "n"
    path.write_text(cfg.text)
    assert load.load_config(path).features == cfg.features


def test_text_that_yaml_would_read_as_something_else_is_stored_as_text(write):
    names = '{"no": G, "1e3": BP, "2001-01-01": RP, "a: b": J, "-": H, "ö": Ks, "a, [b]": W1}'
    path = write("a.yaml", f"base: sos.yaml\nfeatures: {{magnitudes: {names}}}\n")
    cfg = load.load_config(path)
    path.write_text(cfg.text)
    assert load.load_config(path).features.magnitudes == cfg.features.magnitudes
    assert "no" in cfg.features.magnitudes and "1e3" in cfg.features.magnitudes


def test_print_config_prints_the_complete_configuration_and_does_nothing_else(
    write, tmp_path, monkeypatch
):
    path = write("a.yaml", "base: afgk.yaml\nrun: a\n")
    monkeypatch.chdir(tmp_path)
    files = set(tmp_path.rglob("*"))
    for script in ("grid.py", "0_join.py", "3_train.py"):
        done = run_script(script, "--config", str(path), "--print-config")
        assert done.returncode == 0 and done.stdout == load.load_config(path).text
    assert set(tmp_path.rglob("*")) == files


def test_a_network_that_reads_pixels_is_not_given_components(write):
    path = write("a.yaml", "base: afgk.yaml\nmodel: {builder: seed_cnn}\n")
    with pytest.raises(UserError, match="components.* expected null where model.builder"):
        load.load_config(path)
