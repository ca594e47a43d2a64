"""Damaged files: what each is to the scripts, the configuration around it and the steps that read it."""

import io
import os
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from benchmarks import fuzz_damage, fuzz_inputs
from benchmarks.fuzz_configs import RECIPES, small
from benchmarks.fuzz_run import Case

DAMAGE = {
    ".h5": fuzz_damage.of_hdf5,
    ".fits": fuzz_damage.of_fits,
    ".csv": fuzz_damage.of_text,
    ".txt": fuzz_damage.of_text,
}


class Target(NamedTuple):
    """A file of the template, its configuration (a recipe and changes in `join` and `grid`, or a file), the steps."""

    path: str
    recipe: str
    steps: tuple
    changes: dict = {}


def predict(path, model="observed", more=""):
    """The Target of a file that predict.py reads."""
    power = "" if model == "table" else "--resolving-power 30000"
    words = f"predict {path} --model models/{model} {power} --figures 0 {more}"
    return Target(path, f"models/{model}/config.yaml", (words.strip(),))


def read_by_join(path, recipe="sos_ours", **entry):
    """The Target of a file that is a database."""
    entry = {"path": path, "where": None} | entry
    return Target(
        path, recipe, ("0_join", "1_label_study", "2_preprocess"), {"join": {"databases": [entry]}}
    )


def matched(path, match):
    """The Target of a file that is a catalogue."""
    columns = {"w3_mag": "w3_mag"}
    database = {"path": "inputs/stars.csv", "where": None, "id": "id"}
    join = {
        "databases": [database],
        "catalogues": [{"path": path, "match": match, "columns": columns}],
    }
    return Target(path, "sos_ours", ("0_join",), {"join": join})


SKY = {"ra": "ra", "dec": "dec", "radius": 1.0, "to": {"ra": "ra", "dec": "dec"}}
SLOW, MANY = ("3_train: 2_prepared.h5",), 100  # kinds that need Keras are left out of fewer cases
OBSERVED = "models/observed/config.yaml"
SURVEY = ("survey inputs/allStar.fits inputs/survey --out data/survey.h5",)
DISTANCE = (
    "predict inputs/toy.h5 --model models/distance --figures 0 --photometry inputs/magnitudes.csv",
)
KINDS = {
    "0_join: our HDF5": [
        read_by_join("inputs/toy.h5", "smoke"),
        read_by_join("inputs/toy.h5", "rave_ours"),
    ],
    "0_join: published HDF5": [read_by_join("inputs/published.h5", "smoke")],
    "0_join: tables": [
        read_by_join(f"inputs/stars.{kind}", id="id") for kind in ("csv", "fits", "h5")
    ],
    "0_join: catalogues": [
        matched("inputs/extra.csv", {"id": "id", "to": "star_id"}),
        matched("inputs/extra.fits", SKY),
    ],
    "grid: labels_csv": [
        Target(
            "inputs/labels.csv", "afgk", ("grid",), {"grid": {"labels_csv": "inputs/labels.csv"}}
        )
    ],
    "2_preprocess: 0_joined.h5": [
        Target("data/observed/0_joined.h5", OBSERVED, ("1_label_study", "2_preprocess"))
    ],
    "3_train: 2_prepared.h5": [Target("data/observed/2_prepared.h5", OBSERVED, ("3_train",))],
    "predict: scaling.h5": [
        predict("models/observed/scaling.h5")._replace(steps=predict("inputs/image.fits").steps)
    ],
    "predict: FITS": [
        predict(f"inputs/{name}.fits") for name in ("image", "table", "row", "visit", "star")
    ],
    "predict: text": [predict("inputs/spectrum.csv"), predict("inputs/spectrum.txt")],
    "predict: HDF5": [predict("inputs/toy.h5", "pixels"), predict("inputs/toy.h5")],
    "predict: tables": [
        predict("inputs/stars.csv", "table"),
        predict("inputs/stars.fits", "table"),
    ],
    "predict: --photometry": [
        predict("inputs/magnitudes.csv", "distance")._replace(steps=DISTANCE)
    ],
    "generate: --table": [Target("inputs/labels.csv", "afgk", ("generate",))],
    "ravelike: tables": [
        Target(f"inputs/rave_{name}.csv", "afgk", ("ravelike",))
        for name in ("labels", "photometry")
    ],
    "survey: table": [Target("inputs/allStar.fits", "afgk", SURVEY)],
    "survey: spectrum": [
        Target("inputs/survey/apStar-dr17-2M00000001+0000001.fits", "afgk", SURVEY)
    ],
}


def cases(n, number, template):
    """n Cases of damaged files in turn of each kind; template: the folder of the sound ones."""
    kinds = [kind for kind in KINDS if kind not in SLOW or n >= MANY]
    for i in range(n):
        kind = kinds[i % len(kinds)]
        rng = np.random.default_rng((number, i))
        target = fuzz_damage.pick(rng, KINDS[kind])
        data = (Path(template) / target.path).read_bytes()
        damage = fuzz_damage.of_bytes if rng.integers(3) == 0 else DAMAGE[Path(target.path).suffix]
        data = damaged(data, damage, rng)
        if rng.integers(40) == 0:
            data = None  # a folder in its place
        files = {target.path: data, "config.yaml": configuration(target, template)}
        steps = [
            one for one in target.steps if one != "1_label_study" or i // len(kinds) % 4 == 0
        ]  # figures take most of the time
        yield Case(kind, i, files, tuple(steps), (target.path, Path(target.path).name, "data/"))


def damaged(data, damage, rng):
    """Damaged bytes; where a writer of the format refuses the damage, bytes damaged without regard to it."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return damage(data, rng)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AssertionError, OverflowError):
        return fuzz_damage.of_bytes(data, rng)


def configuration(target, template):
    """Bytes of the configuration around a Target."""
    if "/" in target.recipe:
        return (Path(template) / target.recipe).read_bytes()
    values = small(RECIPES[target.recipe])
    for section, change in target.changes.items():
        values[section] = values[section] | change
    return yaml.safe_dump(values, sort_keys=False).encode()


def write_template(folder):
    """Fill an empty folder with the sound files."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        with redirect_stdout(io.StringIO()):
            fuzz_inputs.write()
    finally:
        os.chdir(here)
