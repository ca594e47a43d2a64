"""Small versions of our recipes that run in seconds, and the files of stars that the pages name."""

import numpy as np
import pandas as pd
import yaml
from observed_files import write_image
from survey_files import NAMES, all_star, ap_star

from starlabels.base.labels import select_elemental
from starlabels.config.load import read_recipe
from starlabels.tools import mock_rave

# Windows inside the packaged nodes (Angstrom): no spectrum of a test is synthesised
BLUE = 4460.0
RVS = 8530.0
STEP = 0.1
PIXELS = 270
STARS = 150
NO_NODES = ("fe_m", "cr_m")  # [X/M] of elements that no packaged nodes have
NO_LABELS = ("feh", "cr_h")
NETWORK = {"width": 16, "blocks": 1, "members": 2, "passes": 3, "harmonics": 1}
TRAIN = {"max_epochs": 1, "passes": 1, "batch_size": 32}


def shrink_recipe(values):
    """Values of a recipe with a small grid, window and network, and one epoch of training."""
    if values.get("grid"):
        shrink_grid(values, moved=any(name in values["grid"]["labels"] for name in NO_NODES))
    blocks, components = values["preprocess"]["blocks"], values["preprocess"]["components"]
    values["preprocess"] |= {
        "components": components and (2 * blocks if blocks > 1 else 12),
        "chunk_rows": 64,
    }
    values["train"] |= TRAIN
    model = values["model"]
    model |= {name: value for name, value in NETWORK.items() if name in model}
    if "windows" in model:  # the small window has no separate lines of some elements
        start = values["wave"]["min"]
        model["windows"] = {
            name: [[start + 3 * i, start + 3 * i + 3]]
            for i, name in enumerate(select_elemental(values["labels"]))
        }
    if isinstance(model.get("dense"), list):
        model["dense"] = [16 for _ in model["dense"]]
    if values.get("autoencoder"):
        values["autoencoder"] |= {"hidden": [16], "code": 3}
        values["autoencoder"]["train"] |= TRAIN
    if values.get("intrinsic"):
        values["intrinsic"]["components"] = 8
    values["test"]["n_stars"] = 20
    if values["jacobian"]:
        values["jacobian"]["n_stars"] = 4
    return values


def shrink_grid(values, moved):
    """Make the grid and the window of a recipe small.

    With `moved`, the window and the elements are replaced by those of packaged nodes. Labels are
    drawn on five steps, so that the ends of their ranges are in the training set.
    """
    grid = values["grid"]
    start = RVS if moved or values["wave"]["min"] > 8000 else BLUE
    values["wave"] = {"min": start, "max": start + STEP * PIXELS, "step": STEP}
    grid["n_spectra"] = STARS
    if moved:
        grid["resolving_power"] = min(grid["resolving_power"], 25_000)
    for name in NO_NODES:
        grid["labels"].pop(name, None)
    if moved:
        values["labels"] = [name for name in values["labels"] if name not in (*NO_LABELS, "ni_h")]
        grid["labels"].pop("ni_m", None)
    for entry in grid["labels"].values():
        if isinstance(entry, dict):
            entry.pop("power", None)
            entry["step"] = (entry["max"] - entry["min"]) / 4


def write_recipes(source, target):
    """Write small versions of config.yaml and recipes/*.yaml of `source` to the folder `target`."""
    for path in (source / "config.yaml", *sorted((source / "recipes").glob("*.yaml"))):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(yaml.safe_dump(shrink_recipe(read_recipe(path)), sort_keys=False))


def write_spectrum(path):
    """Write a FITS image, 4450-4510 A, of lines at rest."""
    wave = 4450 + 0.05 * np.arange(1200)
    offset = wave[:, None] - np.arange(4452, 4510, 2.5)
    depth = 0.5 * np.exp(-0.5 * (offset / 0.2) ** 2).sum(axis=1)
    write_image(path, data=1 - depth + 0.01 * np.random.default_rng(1).normal(size=1200))


def write_text_spectrum(path):
    """Write a spectrum as a CSV file in nm."""
    wave = 4450 + 0.05 * np.arange(1200)
    flux = 1 - 0.4 * (np.arange(1200) % 50 < 5) + 0.01 * np.random.default_rng(1).normal(size=1200)
    pd.DataFrame({"wave": wave / 10, "flux": flux}).to_csv(path, index=False)


def write_labels(path):
    """Write labels of two stars for a generator."""
    names = {"teff": 6000, "logg": 4, "vsini": 10, "mh": 0, "vmic": 1, "resolving_power": 11_500}
    pd.DataFrame({name: [value, value] for name, value in names.items()}).to_csv(path, index=False)


def write_stars(path):
    """Write photometry of ten stars."""
    rng = np.random.default_rng(2)
    columns = [f"{band}_mag" for band in "g bp rp j h k w1 w2".split()]
    table = pd.DataFrame(
        {name: rng.uniform(8, 12, 10) for name in columns} | {"parallax": 1.0, "a_v": 0.1}
    )
    table.assign(id=[f"star{i}" for i in range(10)]).to_csv(path, index=False)


def write_ap_stars(path):
    """Write apStar files of three stars of allStar.fits."""
    for i, name in enumerate(NAMES[:3]):
        ap_star(path / f"apo25m/M67/apStar-dr17-{name}.fits", seed=i)


def write_rave_labels(path, n=60):
    """Write labels of n giants in the layout of the RAVE paper."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({name: rng.uniform(-0.1, 0.1, n) for name in mock_rave.LABELS})
    table["Teff"], table["logg"] = rng.uniform(4800, 5200, n), rng.uniform(2.5, 3.2, n)
    table.insert(0, mock_rave.ID_COLUMN, [f"20040403_1042m11_{i:03d}" for i in range(n)])
    table.to_csv(path, index=False)


def write_rave_photometry(path, n=60):
    """Write photometry of n stars."""
    rng = np.random.default_rng(4)
    pd.DataFrame({name: rng.uniform(0.5, 12, n) for name in mock_rave.PHOTOMETRY}).to_csv(
        path, index=False
    )


FILES = {  # files in commands of the documentation, and the functions that write them
    "sun.fits": write_spectrum,
    "procyon.fits": write_spectrum,
    "star.fits": write_spectrum,
    "star.csv": write_text_spectrum,
    "stars.csv": write_stars,
    "labels.csv": write_labels,
    "allStar.fits": all_star,
    "spectra": write_ap_stars,
    "rave_labels.csv": write_rave_labels,
    "rave_photometry.csv": write_rave_photometry,
}
