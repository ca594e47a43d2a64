"""The sound files that benchmarks.fuzz damages: databases, tables, spectra and models."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import yaml
from astropy.table import Table

from benchmarks.fuzz_configs import RECIPES, SMALL, shrink_recipe
from starlabels.base import hdf5, hdf5_labels, hdf5_spectra
from starlabels.config import digests, load, paths
from starlabels.config.run import Run
from starlabels.stages import join, preprocess
from starlabels.tools import mock_rave
from tests.observed_files import write_apogee, write_image, write_table
from tests.survey_files import NAMES, all_star, ap_star

N, WAVE = 60, 4470 + 0.1 * np.arange(200)  # stars; A
RANGES = {
    "teff": (6000, 10000),
    "logg": (2, 5),
    "mh": (-1, 0.5),
    "vmic": (1, 3),
    "vsini": (0, 100),
    "snr": (50, 200),
}
RANGES |= {
    "parallax": (0.5, 5),
    "k_mag": (8, 12),
    "a_k": (0, 0.2),
    "a_v": (0, 2),
    "ruwe": (0.9, 1.2),
    "resolving_power": (6000, 14000),
}
RANGES |= {"parallax_err": (0.01, 0.05), "k_mag_err": (0.01, 0.03), "a_k_err": (0.01, 0.03)}


def draw_columns():
    """{name: (n,)} of every label, magnitude and column that a recipe reads."""
    rng, names = np.random.default_rng(0), dict.fromkeys(RANGES)
    for values in SMALL:
        features = values.get("features") or {}
        names |= dict.fromkeys(
            [*values["labels"], *features.get("magnitudes", ()), *features.get("columns", ())]
        )
    names.pop("fakemag", None)
    return {name: rng.uniform(*RANGES.get(name, (-0.5, 0.5)), N).astype("f4") for name in names}


def make_spectra(values):
    """Flux (n, n_pix) of two lines."""
    depth = 0.2 + 0.1 * values["mh"] + 0.2 * (values["teff"] / 8000 - 1)
    lines = sum(
        np.exp(-0.5 * ((WAVE - centre) / (0.5 + values["vsini"][:, None] / 100)) ** 2)
        for centre in (4475, 4485)
    )
    return (
        1 - depth[:, None] * lines + np.random.default_rng(1).normal(0, 1e-3, (N, len(WAVE)))
    ).astype("f4")


def write_inputs():
    """Fill the current folder, which is empty, with sound files."""
    inputs = Path("inputs")
    inputs.mkdir()
    values = draw_columns()
    flux = make_spectra(values)
    known = {name: of for name, of in values.items() if not name.endswith("_err")}
    errors = np.column_stack([values.get(f"{name}_err", np.full(N, np.nan)) for name in known])
    with h5py.File(inputs / "toy.h5", "w") as h5:
        hdf5_spectra.write_wave(h5, WAVE, "air", 20_000)
        hdf5_spectra.create_spectra(h5, N, len(WAVE))[:] = flux
        hdf5_labels.write_labels(
            h5, np.column_stack(list(known.values())), list(known), ["" for _ in known], errors
        )
        hdf5.write_text(h5, "star_id", [f"s{i}" for i in range(N)])
    with h5py.File(inputs / "published.h5", "w") as h5:
        h5["X"] = flux
        for key, name in (("TEMP", "teff"), ("LOGG", "logg"), ("VROT", "vsini"), ("META", "mh")):
            h5[key] = values[name]
    frame = pd.DataFrame(
        {
            "id": [f"s{i}" for i in range(N)],
            "ra": np.linspace(1, 300, N),
            "dec": np.linspace(-60, 60, N),
            **values,
        }
    )
    write_tables(inputs, frame)
    write_spectra(inputs, flux[0])
    write_models()


def write_tables(inputs, frame):
    """Write tables of stars, a catalogue to match, labels of a grid, and magnitudes."""
    frame.to_csv(inputs / "stars.csv", index=False)
    Table.from_pandas(frame).write(inputs / "stars.fits")
    with h5py.File(inputs / "stars.h5", "w") as h5:
        for name in frame:
            h5[name] = frame[name].to_numpy().astype("S" if name == "id" else "f8")
    extra = frame[["id", "ra", "dec"]].assign(w3_mag=np.linspace(5, 9, N), name=frame["id"] + " x")
    extra.to_csv(inputs / "extra.csv", index=False)
    Table.from_pandas(extra).write(inputs / "extra.fits")
    grid = frame[["id", "teff", "logg", "mh", "vsini", "k_mag", "k_mag_err"]].rename(
        columns={"id": "star_id"}
    )
    grid.assign(vmic=2.0).to_csv(inputs / "labels.csv", index=False)
    labels, photometry = (
        {key: frame[ours] for key, ours in kind.items()}
        for kind in (mock_rave.LABELS, mock_rave.PHOTOMETRY)
    )
    pd.DataFrame({mock_rave.ID_COLUMN: frame["id"], **labels}).to_csv(
        inputs / "rave_labels.csv", index=False
    )
    pd.DataFrame(photometry).to_csv(inputs / "rave_photometry.csv", index=False)
    magnitudes = pd.DataFrame(
        {"name": ["image.fits", "table.fits"], "k_mag": [9.0, 10.0], "a_k": [0.1, np.nan]}
    )
    magnitudes.to_csv(inputs / "magnitudes.csv", index=False)


def write_spectra(inputs, flux):
    """Write a spectrum in each format that predict.py reads."""
    wave, error = WAVE, np.full(len(WAVE), 0.01)
    write_image(
        inputs / "image.fits",
        {"CRVAL1": wave[0], "CDELT1": 0.1, "SPEC_RP": 30_000.0},
        flux,
        [("ERR", error)],
    )
    write_table(
        inputs / "table.fits",
        {"wave": wave, "flux": flux, "err": error},
        extra={"SPEC_RP": 30_000.0},
    )
    write_table(inputs / "row.fits", {"WAVE": wave, "FLUX": flux, "ERR": error}, row=True)
    write_apogee(inputs / "visit.fits", np.linspace(4495, 4465, 300).reshape(3, 100))
    write_apogee(inputs / "star.fits")
    all_star(inputs / "allStar.fits", 2)
    for name in NAMES[:2]:
        ap_star(inputs / f"survey/apStar-dr17-{name}.fits")
    np.savetxt(
        inputs / "spectrum.csv",
        np.column_stack([wave, flux, error]),
        delimiter=",",
        header="wave,flux,err",
        comments="",
    )
    np.savetxt(inputs / "spectrum.txt", np.column_stack([wave, flux, error]))


def write_models():
    """Write models without networks: pixels, observed, distance and table."""
    for run, recipe, changes in (
        ("pixels", "afgk", {"preprocess": {"components": None}}),
        (
            "observed",
            "smoke",
            {"preprocess": {"observed": {"order": 2, "continuum_error": 0.01, "line_error": 0}}},
        ),
        ("distance", "astronn_dist", {}),
        ("table", "sos_ours", {}),
    ):
        values = shrink_recipe(RECIPES[recipe]) | {"run": run}
        for section, change in changes.items():
            values[section] = values[section] | change
        Path("config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        cfg = load.load_config("config.yaml")
        join.join_databases(Run(cfg))
        preprocess.prepare_spectra(Run(cfg))
        save_model(cfg)
        if run != "observed":
            shutil.rmtree(f"data/{run}")  # every case copies what is here
    Path("config.yaml").unlink()


def save_model(cfg):
    """Write the files of 3_train.py except the networks."""
    from starlabels.learning import trained_model

    files = paths.run_paths(cfg)
    files.model_dir.mkdir(parents=True)
    with hdf5.open_stage(files.prepared, "2_preprocess") as h5:
        trained_model.save_model(
            files.model_dir,
            {},
            {},
            {"loss": [1.0]},
            1.0,
            cfg,
            digests.stage_digest(cfg, "3_train"),
            h5,
        )
