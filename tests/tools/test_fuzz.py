"""Damaged configurations and files give one line per mistake: a sample of benchmarks.fuzz."""

import subprocess
import sys

import pytest
from conftest import ROOT, slow

from starlabels.base.errors import UserError
from starlabels.catalogues import cuts
from starlabels.config import load
from starlabels.learning import training


@pytest.mark.parametrize(
    ("n_configs", "n_files"), [(36, 4), pytest.param(150, 60, marks=pytest.mark.slow)]
)
def test_a_sample_of_damaged_inputs_is_refused_in_one_line_or_runs(tmp_path, n_configs, n_files):
    counts = ["--configs", str(n_configs), "--files", str(n_files)]
    command = [sys.executable, "-m", "benchmarks.fuzz", *counts, "--keep", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "make inf values of it"),
        slow("a: " + "[" * 2000, "nested too deeply"),
        (
            "\n".join(
                [
                    "a0: &a0 [x]",
                    *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)),
                ]
            ),
            "expected 100000 at most",
        ),
        ("run: x\nseed: 2001-99-99", ":2: not valid YAML: '2001-99-99' is no timestamp"),
        ("run: x\nseed: 0x" + "f" * 5000, ":2: not valid YAML: a number of too many digits"),
    ],
)
def test_yaml_that_would_hang_or_overflow_is_one_line(tmp_path, text, message):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        load.load_config(tmp_path / "config.yaml")
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        (
            {"seed: 1 ": "sead: 1 ", "batch_size: 512": "batch_size: x"},
            ["train.batch_size", "sead"],
        ),
        (
            {
                "seed: 1 ": "seed: 1\nhue: 2 ",
                "logg: {min: 1.0, max: 5.0}": "logg: {min: 5, max: 2}",
            },
            ["hue", "grid.labels.logg.max"],
        ),
    ],
)
def test_an_unknown_key_hides_no_other_mistake(tmp_path, changes, keys):
    text = (ROOT / "config.yaml").read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        load.load_config(tmp_path / "config.yaml")
    assert [line.split(": ")[1] for line in str(error.value).splitlines()] == keys


def test_a_query_calls_no_method_that_writes_and_no_variable(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"teff": [5000.0, 6000.0]})
    for query in (
        f"teff.to_csv('{tmp_path}/x')",
        f"`teff`.to_csv('{tmp_path}/x')",
        "@pd.isna(teff)",
        "teff.__class__",
    ):
        with pytest.raises(UserError, match="where"):
            cuts.evaluate_query(frame, query, "where")
    assert not list(tmp_path.iterdir())
    assert cuts.evaluate_query(
        frame, "teff.between(5500, 7e3) and teff.notna()", "where"
    ).tolist() == [
        False,
        True,
    ]


def test_a_network_that_no_memory_holds_is_refused_before_it_is_made(make_config):
    cfg = make_config({"model": {"builder": "residual_mlp", "width": 100_000, "blocks": 100}})
    with pytest.raises(UserError, match="model: .* weights in training take .* GB of memory"):
        training.build_network(cfg.model, cfg.seed, cfg.path, 200, 8)
    cfg = make_config({"model": {"builder": "residual_mlp", "width": 8}})
    small = training.build_network(cfg.model, cfg.seed, cfg.path, 200, 8)
    assert small.get_weights()[0].shape == (200, 8)
