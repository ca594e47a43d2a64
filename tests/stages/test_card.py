"""The card of a model: its numbers are those of metrics.json, its ranges those of training."""

import json

import pytest

from starlabels.base import hdf5, provenance
from starlabels.config import paths
from starlabels.config.run import Run
from starlabels.stages import card, load_model


def table(text, title):
    """[{column: cell}] of the table below a title."""
    lines = [
        line
        for line in text.partition(f"## {title}")[2].partition("##")[0].splitlines()
        if line.startswith("|")
    ]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, row)) for row in rows]


@pytest.fixture
def metrics(run):
    """Scores as 4_test.py writes them, of numbers that differ everywhere."""
    names, number = run.labels, iter(range(1, 1000))
    scores = ("rmse", "sigma", "bias", "crlb", "ratio", "coverage_68", "coverage_95")
    snr = {
        key: {score: {name: next(number) / 1024 for name in names} for score in scores}
        for key in ("20_100", "inf")
    }
    flagged = {key: {"edge": 0.01, "unlike": 0.25, "limit": 0.0} for key in snr}
    return {"n_test": 1234, "snr": snr, "flagged": flagged, "train_seconds": 61.4}


def test_the_numbers_of_a_card_are_those_of_metrics_json(run, metrics):
    path, model = paths.run_paths(run).metrics, load_model.load_trained_model(Run(run)).model
    path.write_text(json.dumps(metrics))
    card.write_card(Run(run), json.loads(path.read_text()), model, 5678)
    text = (path.parent / "README.md").read_text()
    rows = {(row["S/N"], row[""]): row for row in table(text, "Accuracy")}
    columns = {"teff": "teff (K)", "logg": "logg (dex)", "vsini": "vsini (km/s)", "mh": "mh (dex)"}
    for key, words in (("20_100", "20-100"), ("inf", "no noise added")):
        for score, name in card.SCORES.items():
            for label, column in columns.items():
                cell, value = rows[words, name][column], metrics["snr"][key][score][label]
                shown = float(cell.rstrip("%")) / (100 if "%" in cell else 1)
                assert shown == pytest.approx(value, rel=1e-3, abs=5e-4 if "%" in cell else 0)
    assert (
        len(rows) == 2 * len(card.SCORES)
        and "1 234 held-out stars" in text
        and "5 678 training spectra" in text
    )
    assert [row["S/N 20-100"] for row in table(text, "Flags")] == ["1.0%", "25.0%", "0.0%"]


def test_a_card_tells_ranges_network_limits_and_origin(run, metrics):
    model, folder = load_model.load_trained_model(Run(run)).model, paths.run_paths(run).model_dir
    card.write_card(Run(run), metrics, model, 360)
    text, made = (folder / "README.md").read_text(), provenance.read_record(folder)
    with hdf5.open_stage(folder / "scaling.h5", "3_train") as h5:
        low, high = h5["scaling/min"][:], h5["scaling/max"][:]
    for row, name, a, b in zip(table(text, "Labels"), run.labels, low, high):
        assert (
            row["label"] == name
            and float(row["from"]) == pytest.approx(a)
            and float(row["to"]) == pytest.approx(b)
        )
    for words in (
        "4450 to 4500 A in air, 500 pixels",
        "`residual_mlp`",
        made.commit,
        made.digest,
        made.created,
        "observed spectra",
    ):
        assert words in text
    assert f"{model.count_params():,}".replace(",", " ") + " parameters" in text
