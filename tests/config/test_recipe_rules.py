"""Recipes whose files would collide, or whose network could not learn, are refused as they load."""

from pathlib import Path

import pytest
from conftest import ROOT

from starlabels.base.errors import UserError
from starlabels.config import load, paths
from starlabels.stages.command_line import run_command

PIXELS = {"preprocess.components": None}


def refusal(make_config, changes):
    """The one line that refuses config.yaml with these changes."""
    with pytest.raises(UserError) as error:
        make_config(changes)
    [line] = str(error.value).splitlines()
    return line


@pytest.mark.parametrize("name", ["grids", "nodes", "lines", "atmospheres", "Grids"])
def test_a_run_is_not_named_as_a_folder_of_other_data(make_config, name):
    line = refusal(make_config, {"run": name})
    assert f"run: found {name}: data/{name} holds" in line and "another name" in line
    assert make_config({"run": f"{name}_2"}).run == f"{name}_2"


@pytest.mark.parametrize("ending", ["_nodes", "_elements", "_NODES"])
def test_a_grid_is_not_named_as_the_library_of_another_grid(make_config, ending):
    line = refusal(make_config, {"grid.name": f"x{ending}"})
    assert f"grid.name: found x{ending}: data/grids/x{ending}.h5 is for the " in line
    assert f"of a grid x: give the grid a name without {ending.lower()}" in line
    assert make_config({"grid.name": f"{ending.strip('_')}_x"})


def test_libraries_have_the_names_that_the_rules_know(make_config):
    cfg = make_config({"grid.name": "x"})
    assert paths.get_library_path(cfg, "nodes") == Path("data/grids/x_nodes.h5")
    assert paths.get_library_path(cfg, "elements") == Path("data/grids/x_elements.h5")


DATABASES = "join.databases"
INPUTS = [
    (DATABASES, lambda name: [{"path": name}]),
    ("grid.labels_csv", lambda name: name),
    ("grid.nodes.library", lambda name: name),
    ("test.generator", lambda name: name),
]
WRITTEN = [
    "data/r/2_prepared.h5",
    "data/r/../r/2_prepared.h5",
    "models/r/predictions.h5",
    "models/r",
    "models/r.partial/stars.csv",
    "data/grids/g_elements.h5",
]


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(("key", "make_value"), INPUTS)
def test_an_input_that_the_run_would_overwrite_is_refused(make_config, key, make_value, name):
    changes = {"run": "r", "grid.name": "g", key: make_value(name)}
    assert f"found {name}, which this run writes: name another" in refusal(make_config, changes)
    assert make_config(changes | {"run": "s", "grid.name": "h"}).run == "s"


def test_a_grid_is_an_input_of_its_own_run_only_as_a_database(make_config):
    own = "data/grids/afgk.h5"
    assert make_config({DATABASES: [{"path": own}]})
    for key in ("grid.labels_csv", "grid.nodes.library"):
        assert f"{key}: found {own}, which this run writes" in refusal(make_config, {key: own})
    Path("loop.h5").symlink_to("loop.h5")
    assert make_config({DATABASES: [{"path": "loop.h5"}]})


@pytest.mark.parametrize("builder", ["seed_cnn", "bayesian_cnn", "censored_cnn"])
def test_a_network_of_pixels_is_not_given_components_even_with_features(make_config, builder):
    features = {"magnitudes": {}, "give": [], "columns": ["ruwe"], "hidden": 0, "a_v": None}
    features |= {"parallax": None, "distance": None, "least_parallax": 0.01}
    changes = {"model": {"builder": builder}}
    expected = f"preprocess.components: found 8, expected null where model.builder is {builder}"
    assert expected in refusal(make_config, changes)
    assert expected in refusal(make_config, changes | {"features": features})
    assert make_config(changes | PIXELS).model.builder == builder


def test_a_network_of_pixels_is_not_given_labels_or_columns(make_config):
    network = {"model": {"builder": "seed_cnn"}, "jacobian": None}
    code = {"hidden": [8], "code": 4, "activation": "relu"}
    code["train"] = load.load_config(ROOT / "config.yaml")
    code["train"] = code["train"].train.model_dump(exclude={"devices", "precision", "tensorboard"})
    code["train"] |= {"noise": None, "loss": "mse"}
    generator = PIXELS | {"target": "flux", "autoencoder": code, "train.loss": "mse"}
    generator |= {"test.subsets": None}
    line = refusal(make_config, network | generator | {"train.noise": None})
    assert "model.builder: found seed_cnn, which convolves over pixels and would be given l" in line
    assert "expected residual_mlp or mlp" in line


CONSTANT = {"labels": ["teff", "logg", "vsini", "mh", "vmic"]}


def test_a_constant_label_is_refused_with_the_key_to_change(make_config):
    line = refusal(make_config, CONSTANT)
    assert line.endswith(
        "labels[4]: vmic is constant: found grid.labels.vmic 2 km/s: "
        "give grid.labels.vmic a range {min, max}, or take vmic out of labels"
    )
    step = {"grid.labels.vmic": {"min": 1, "max": 2, "step": 1.5}}
    assert "vmic is constant: found grid.labels.vmic 1 km/s" in refusal(
        make_config, CONSTANT | step
    )
    abundance = {"labels": ["teff", "mg_h"], "grid.labels.mh": 0, "grid.labels.mg_m": 0.1}
    line = refusal(make_config, abundance)
    assert "mg_h is constant" in line and "give grid.labels.mg_m a range" in line


@pytest.mark.parametrize(
    "changes",
    [
        {"grid.labels.vmic": {"min": 1, "max": 2}},
        {"grid.labels.vmic": {"min": 1, "max": 2, "step": 1}},
        {DATABASES: [{"path": "data/grids/afgk.h5"}, {"path": "other.h5"}]},  # may vary it
        {"grid.labels_csv": "stars.csv"},
        {"join.catalogues": [{"path": "a.csv", "match": {"id": "id", "to": "star_id"}}]},
    ],
)
def test_a_label_that_may_vary_is_accepted(make_config, changes):
    assert make_config(CONSTANT | changes).labels[-1] == "vmic"


def test_models_that_were_trained_before_a_rule_was_made_are_loaded(make_config):
    text = make_config().text
    old = text.replace("run: afgk", "run: grids").replace("name: afgk", "name: x_nodes")
    Path("old.yaml").write_text(old)
    assert load.load_config("old.yaml", is_trained=True).run == "grids"
    runs = []
    run_command(lambda run, _: runs.append(run.cfg.run), "", recipe=lambda _: "old.yaml", argv=[])
    assert runs == ["grids"]
    with pytest.raises(SystemExit):
        run_command(runs.append, "", argv=["--config", "old.yaml"])


def test_a_condition_on_test_stars_must_be_one_on_the_labels(make_config):
    line = refusal(make_config, {"test.subsets": {"hot": "teff > 8000 and feh > 0"}})
    assert "test.subsets.hot: 'teff > 8000 and feh > 0'" in line
    assert line.endswith("name 'feh' is not defined; a condition on labels is expected")
    subsets = {"hot": "teff > 8000", "slow": "vmic > 1 and not mh < 0"}
    assert make_config({"test.subsets": subsets}).test.subsets == subsets
