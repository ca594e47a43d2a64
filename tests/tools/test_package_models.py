"""Trained models are packed without a change of any number."""

import json

import h5py
import numpy as np
import pytest

from starlabels.base import files
from starlabels.base.errors import UserError
from starlabels.tools.rebuild import models


@pytest.fixture
def trained(tmp_path):
    """A folder like that of a trained model."""
    import keras

    folder = tmp_path / "models/a"
    folder.mkdir(parents=True)
    network = keras.Sequential([keras.Input((30,)), keras.layers.Dense(40)])
    network.save(folder / "model.keras")
    (folder / "config.yaml").write_text("run: a\n")
    with h5py.File(folder / "scaling.h5", "w") as h5:
        h5["basis/mean"] = np.zeros(10_000)
        h5["scaling/mean"] = np.arange(3.0)
        h5["scaling/mean"].attrs["names"] = ["a", "b", "c"]
        h5.attrs["digest"] = "x"
    return folder


def test_a_packed_model_is_smaller_and_gives_the_same(trained, tmp_path):
    import keras

    target = tmp_path / "box/a"
    size = models.package_model(trained, target)
    assert size == sum(path.stat().st_size for path in target.iterdir())
    assert (target / "scaling.h5").stat().st_size < 20_000
    rows = np.random.default_rng(0).normal(size=(2, 30)).astype("f4")
    old, new = (keras.models.load_model(folder / "model.keras") for folder in (trained, target))
    assert (np.asarray(old(rows)) == np.asarray(new(rows))).all()
    with h5py.File(target / "scaling.h5") as h5:
        assert h5["scaling/mean"][:].tolist() == [0, 1, 2]
        assert list(h5["scaling/mean"].attrs["names"]) == ["a", "b", "c"]
        sums = json.loads(h5.attrs["files"])
    assert sums == {"model.keras": files.compute_sha256(target / "model.keras")}


def test_a_model_that_is_too_large_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "LARGEST", 1000)
    with pytest.raises(UserError, match=r"has 0\.\d MB, expected 0\.001 at most"):
        models.package_model(trained, tmp_path / "box/a")
    assert not (tmp_path / "box/a").exists()
