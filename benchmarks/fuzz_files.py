"""Damaged files, with the configuration and the steps that read them."""

import io
import os
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from benchmarks import (
    fuzz_damage,
    fuzz_damage_fits,
    fuzz_damage_text,
    fuzz_inputs,
    fuzz_observations,
)
from benchmarks.fuzz_configs import RECIPES, shrink_recipe
from benchmarks.fuzz_run import Case

DAMAGE = {
    ".h5": fuzz_damage.damage_hdf5,
    ".fits": fuzz_damage_fits.damage_fits,
    ".csv": fuzz_damage_text.damage_text,
    ".txt": fuzz_damage_text.damage_text,
}


class Target(NamedTuple):
    """A file to damage and what reads it.

    recipe: name of a recipe, or a file; steps: of `fuzz_run.Case`; changes: of the sections of the
    recipe. draw: function(rng) -> (path, bytes) that makes the file anew instead.
    """

    path: str
    recipe: str
    steps: tuple
    changes: dict = {}
    draw: Callable | None = None


def make_predict_target(path, model="observed", options=""):
    """The Target of a file that predict.py reads."""
    power = "" if model == "table" else "--resolving-power 30000"
    words = f"predict {path} --model models/{model} {power} --figures 0 {options}"
    return Target(path, f"models/{model}/config.yaml", (words.strip(),))


def make_database_target(path, recipe="sos_ours", **entry):
    """The Target of a file that is a database."""
    entry = {"path": path, "where": None} | entry
    return Target(
        path, recipe, ("0_join", "1_label_study", "2_preprocess"), {"join": {"databases": [entry]}}
    )


def make_catalogue_target(path, match):
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
        make_database_target("inputs/toy.h5", "smoke"),
        make_database_target("inputs/toy.h5", "rave_ours"),
    ],
    "0_join: published HDF5": [make_database_target("inputs/published.h5", "smoke")],
    "0_join: tables": [
        make_database_target(f"inputs/stars.{kind}", id="id") for kind in ("csv", "fits", "h5")
    ],
    "0_join: catalogues": [
        make_catalogue_target("inputs/extra.csv", {"id": "id", "to": "star_id"}),
        make_catalogue_target("inputs/extra.fits", SKY),
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
        make_predict_target("models/observed/scaling.h5")._replace(
            steps=make_predict_target("inputs/image.fits").steps
        )
    ],
    "predict: FITS": [
        make_predict_target(f"inputs/{name}.fits")
        for name in ("image", "table", "row", "visit", "star")
    ],
    "predict: text": [
        make_predict_target("inputs/spectrum.csv"),
        make_predict_target("inputs/spectrum.txt"),
    ],
    "predict: HDF5": [
        make_predict_target("inputs/toy.h5", "pixels"),
        make_predict_target("inputs/toy.h5"),
    ],
    "predict: odd observations": [
        make_predict_target("inputs/odd")._replace(draw=fuzz_observations.draw_observation)
    ],
    "predict: tables": [
        make_predict_target("inputs/stars.csv", "table"),
        make_predict_target("inputs/stars.fits", "table"),
    ],
    "predict: --photometry": [
        make_predict_target("inputs/magnitudes.csv", "distance")._replace(steps=DISTANCE)
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


def make_file_cases(n, number, template):
    """Yield n Cases of damaged files, one of each kind in turn; template: folder of sound files."""
    kinds = [kind for kind in KINDS if kind not in SLOW or n >= MANY]
    for i in range(n):
        kind = kinds[i % len(kinds)]
        rng = np.random.default_rng((number, i))
        target = fuzz_damage.pick_item(rng, KINDS[kind])
        target, data = make_data(target, template, rng)
        if rng.integers(40) == 0:
            data = None  # a folder in its place
        files = {target.path: data, "config.yaml": make_configuration(target, template)}
        steps = [
            one for one in target.steps if one != "1_label_study" or i // len(kinds) % 4 == 3
        ]  # figures take most of the time
        yield Case(kind, i, files, tuple(steps), (target.path, Path(target.path).name, "data/"))


def make_data(target, template, rng):
    """(Target, bytes) of a damaged file, or of one that the Target draws."""
    if target.draw:
        path, data = target.draw(rng)
        return make_predict_target(path, options=pick_power(rng)), data
    data = (Path(template) / target.path).read_bytes()
    damage = fuzz_damage.damage_bytes if rng.integers(3) == 0 else DAMAGE[Path(target.path).suffix]
    return target, apply_damage(data, damage, rng)


def pick_power(rng):
    """Options of predict.py that a user may give with any file."""
    options = ("", "--vacuum", "--rv 0", "--rv -300", "--error-kind ivar", "--prepare --air")
    return fuzz_damage.pick_item(rng, options)


def apply_damage(data, damage, rng):
    """Damaged bytes; plain damage to the bytes if the writer of the format refuses."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return damage(data, rng)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AssertionError, OverflowError):
        return fuzz_damage.damage_bytes(data, rng)


def make_configuration(target, template):
    """Bytes of the configuration of a Target."""
    if "/" in target.recipe:
        return (Path(template) / target.recipe).read_bytes()
    values = shrink_recipe(RECIPES[target.recipe])
    for section, change in target.changes.items():
        values[section] = values[section] | change
    return yaml.safe_dump(values, sort_keys=False).encode()


def write_template(folder):
    """Fill an empty folder with sound files."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        with redirect_stdout(io.StringIO()):
            fuzz_inputs.write_inputs()
    finally:
        os.chdir(here)
